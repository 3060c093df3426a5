// Tables, and the loops that make the fields of events.
#include "tidewheel/connectors/nexmark/generator.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tidewheel::nexmark {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
constexpr int64_t kFirstEventNumber = 1;
constexpr int64_t kFirstEventId = kFirstEventNumber + 1;
constexpr int64_t kFirstAuctionId = 1000;
constexpr int64_t kFirstPersonId = 1000;
constexpr int64_t kFirstCategory = 10;
constexpr uint64_t kCategories = 5;
constexpr int64_t kHotBatch = 100;  // of so many ids the first is the hot one
constexpr int64_t kLead = 10;       // ids are drawn so far beyond the newest one
constexpr uint32_t kLetters = 1 << 20;
constexpr uint32_t kReadAhead = 64;  // readable bytes behind the letters; 16 behind other strings

using std::string_view;

// The finalizer of SplitMix64.
inline uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}
inline uint64_t draw(uint64_t seed, uint32_t slot) { return mix(seed + slot * kGolden); }
// Uniform in [0, bound), from 64, from the lower 32 and from the lower 16 random bits.
inline uint64_t below(uint64_t random, uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(random) * bound) >> 64);
}
inline uint64_t below_32(uint64_t random, uint64_t bound) {
  return (random & 0xffffffffU) * bound >> 32;
}
inline uint64_t below_16(uint64_t random, uint64_t bound) {
  return (random & 0xffffU) * bound >> 16;
}

constexpr bool has(FieldMask fields, uint32_t index) { return (fields >> index & 1) != 0; }
constexpr FieldMask bit(uint32_t index) { return FieldMask{1} << index; }

// 100 * 10^(6u), u uniform in [0, 1): by 2^y, with 2^(i/64) from a table and a polynomial for the
// rest (relative error about 1e-15). Fused multiplications are spelt out, because a result must not
// depend on what the compiler chose to contract.
inline int64_t price_of(uint64_t random, const double* powers) {
  const double u = static_cast<double>(static_cast<int64_t>(random >> 11)) * 0x1.0p-53;
  const double y = u * (6.0 * 3.32192809488736234787 * 64.0);
  const auto n = static_cast<int64_t>(y);
  const double f = (y - static_cast<double>(n)) * (0.69314718055994530942 / 64.0);
  double p = std::fma(f, 1.0 / 120, 1.0 / 24);
  p = std::fma(f, p, 1.0 / 6);
  p = std::fma(f, p, 0.5);
  p = std::fma(f, p, 1.0);
  p = std::fma(f, p, 1.0);
  const double scale = std::bit_cast<double>(static_cast<uint64_t>(1023 + (n >> 6)) << 52);
  return static_cast<int64_t>(std::fma(p * powers[n & 63] * scale, 100.0, 0.5));
}

// Length such that `used` plus the length is `average` on average, give or take a fifth.
uint64_t extra_size(uint64_t random, int64_t used, int64_t average) {
  if (used > average) { return 0; }
  const int64_t wanted = average - used;
  const int64_t delta = std::lround(static_cast<double>(wanted) * 0.2);
  return static_cast<uint64_t>(wanted - delta) +
         (delta > 0 ? below_32(random, static_cast<uint64_t>(2 * delta)) : 0);
}

// Room for a word of at most `max` letters: whole vectors of draws.
constexpr size_t word_room(size_t max) { return (max + 31) & ~size_t{31}; }

// A word of 3 to max-1 letters, of which one in 13 is a blank; blanks at the ends are cut off.
// Takes one draw for the length, and one for each four letters. `out` has word_room(max) bytes.
string_view random_word(uint64_t seed, uint32_t& slot, uint64_t max, char* out) {
  constexpr size_t kDrawsMax = 32;
  const size_t size = 3 + below(draw(seed, slot++), max - 3);
  const size_t draws = (size + 3) / 4;
  const size_t padded = (draws + 7) & ~size_t{7};  // whole vectors; what is behind is not looked at
  alignas(64) uint64_t random[kDrawsMax];
  for (size_t i = 0; i < padded; ++i) { random[i] = mix(seed + (slot + i) * kGolden); }
  alignas(64) uint16_t quarters[kDrawsMax * 4];
  std::memcpy(quarters, random, padded * sizeof(uint64_t));
  for (size_t i = 0; i < padded * 4; ++i) {
    const uint32_t scaled = quarters[i] * uint32_t{13};
    const auto letter = static_cast<uint16_t>((scaled & 0xffffU) * 26 >> 16);
    out[i] = static_cast<char>(scaled >> 16 == 0 ? ' ' : 'a' + letter);
  }
  slot += static_cast<uint32_t>(draws);
  size_t begin = 0;
  size_t end = size;
  while (begin < end && out[begin] == ' ') { ++begin; }
  while (end > begin && out[end - 1] == ' ') { --end; }
  return {out + begin, end - begin};
}
// Passes over the draws of a word that is not wanted.
void skip_word(uint64_t seed, uint32_t& slot, uint64_t max) {
  const uint64_t size = 3 + below(draw(seed, slot++), max - 3);
  slot += static_cast<uint32_t>((size + 3) / 4);
}

char* append(char* out, string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

uint32_t reverse_bits(uint32_t value) {
  uint32_t reversed = 0;
  for (int i = 0; i < 32; ++i) { reversed |= (value >> i & 1U) << (31 - i); }
  return reversed;
}

}  // namespace

Generator::Generator(const Options& options)
    : options_(options),
      first_bid_(options.person_proportion + options.auction_proportion),
      cycle_(first_bid_ + options.bid_proportion),
      us_per_event_(1e6 / options.rate),
      arena_(Arena::create()) {
  for (size_t i = 0; i < powers_.size(); ++i) {
    powers_[i] = std::exp2(static_cast<double>(i) / 64.0);
  }
  uint64_t state = options.seed ^ 0x5bd1e995;
  make_letters(state);
  make_channels(state);
  make_names();
  arena_->mark_lasting();
}

// Letters from which `extra` fields are cut. Six letters come from one draw: the remainder of a
// signed number, so that half of the runs of six lie below 'a', as users of the benchmark know
// them.
void Generator::make_letters(uint64_t& state) {
  const size_t size = kLetters + kReadAhead;
  char* const letters = arena_->allocate(size);
  for (size_t i = 0; i < size;) {
    auto random = static_cast<int32_t>(mix(state += kGolden) >> 32);
    for (int k = 0; k < 6 && i < size; ++k, random /= 26) {
      letters[i++] = static_cast<char>('a' + random % 26);
    }
  }
  letters_ = letters;
}

// The names and addresses of the channels through which bids come: four hot ones, and the others.
void Generator::make_channels(uint64_t& state) {
  const auto next = [&state] { return mix(state += kGolden); };
  const auto append_word = [&next](std::string& out) {
    for (uint64_t left = 3 + below(next(), 2); left > 0; --left) {
      out += below(next(), 13) == 0 ? '_' : static_cast<char>('a' + below(next(), 26));
    }
  };
  constexpr std::array<string_view, kHotChannels> kHot = {"Google", "Facebook", "Baidu", "Apple"};
  std::string all;
  const auto add = [&all](string_view text, uint32_t& offset, uint16_t& size) {
    offset = static_cast<uint32_t>(all.size());
    size = static_cast<uint16_t>(text.size());
    all += text;
  };
  channels_.resize(kHotChannels + kChannels);
  for (uint32_t i = 0; i < channels_.size(); ++i) {
    std::string url = "https://www.nexmark.com/";
    for (int word = 0; word < 3; ++word) {
      append_word(url);
      url += '/';
    }
    url += "item.htm?query=1";
    std::string name(i < kHotChannels ? kHot[i] : string_view("channel-"));
    if (i >= kHotChannels) {
      const uint32_t number = i - kHotChannels;
      name += std::to_string(number);
      if (below(next(), 10) > 0) {
        const int64_t id = static_cast<int32_t>(reverse_bits(number));
        url += "&channel_id=" + std::to_string(id < 0 ? -id : id);
      }
    }
    add(name, channels_[i].name_offset, channels_[i].name_size);
    add(url, channels_[i].url_offset, channels_[i].url_size);
  }
  char* const strings = arena_->allocate(all.size() + kReadAhead);
  std::memset(append(strings, all), 0, kReadAhead);
  strings_ = strings;
}

void Generator::make_names() {
  constexpr std::array<string_view, 11> kFirst = {"Peter", "Paul",   "Luke",  "John",
                                                  "Saul",  "Vicky",  "Kate",  "Julie",
                                                  "Sarah", "Deiter", "Walter"};
  constexpr std::array<string_view, 9> kLast = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                                "Walton", "Smith",  "Jones",   "Noris"};
  static_assert(kFirst.size() * kLast.size() == kNames);
  size_t count = 0;
  for (const string_view first : kFirst) {
    for (const string_view last : kLast) {
      const size_t size = first.size() + 1 + last.size();
      char* const name = arena_->allocate(size + 16);
      char* end = append(name, first);
      *end++ = ' ';
      std::memset(append(end, last), 0, 16);
      names_[count++] = {name, size};
    }
  }
}

Place Generator::place_of(int64_t event) const {
  const int64_t id = event + kFirstEventId;
  return {event, id / cycle_, static_cast<int32_t>(id % cycle_)};
}

int64_t Generator::timestamp_of(int64_t event) const {
  const auto us =
      static_cast<int64_t>(static_cast<double>(event + kFirstEventNumber) * us_per_event_);
  return options_.base_time_ms + us / 1000;
}

uint64_t Generator::seed_of(int64_t event) const {
  return mix(static_cast<uint64_t>(event + kFirstEventId) * kGolden + options_.seed);
}

int64_t Generator::price(uint64_t random) const { return price_of(random, powers_.data()); }

string_view Generator::random_letters(uint64_t random, uint64_t size) const {
  return {letters_ + below(random, kLetters - size), size};
}

int64_t Generator::last_person(const Place& place) const {
  return place.epoch * options_.person_proportion +
         std::min(place.offset, options_.person_proportion - 1);
}

void Generator::make_person(const Place& place, FieldMask fields, PersonData& out) const {
  const uint64_t seed = seed_of(place.event);
  out.date_time = timestamp_of(place.event);
  out.id = kFirstPersonId + last_person(place);
  if ((fields & ~(bit(0) | bit(6))) == 0) { return; }
  const bool all = has(fields, 7);  // the size of `extra` depends on every string
  uint32_t slot = 1;
  out.name = names_[below(draw(seed, slot++), kNames)];
  if (all || has(fields, 2)) {
    char word[word_room(7)];
    char* end = append(out.scratch, random_word(seed, slot, 7, word));
    *end++ = '@';
    end = append(end, random_word(seed, slot, 5, word));
    end = append(end, ".com");
    out.email_address = {out.scratch, static_cast<size_t>(end - out.scratch)};
  } else {
    skip_word(seed, slot, 7);
    skip_word(seed, slot, 5);
  }
  uint64_t random = draw(seed, slot++);
  if (all || has(fields, 3)) {  // four groups of four digits
    char* const card = out.scratch + 24;
    for (size_t i = 0; i < 20; i += 5, random >>= 16) {
      uint64_t digits = below_16(random, 10'000);
      for (size_t k = 4; k > 0; --k, digits /= 10) {
        card[i + k - 1] = static_cast<char>('0' + digits % 10);
      }
      card[i + 4] = ' ';
    }
    out.credit_card = {card, 19};
  }
  static constexpr std::array<string_view, 10> kCities = {
      "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
      "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
  static constexpr std::array<string_view, 6> kStates = {"AZ", "CA", "ID", "OR", "WA", "WY"};
  random = draw(seed, slot++);
  out.city = kCities[below_32(random, kCities.size())];
  out.state = kStates[below_32(random >> 32, kStates.size())];
  if (all) {
    const size_t used = 8 + out.name.size() + out.email_address.size() + out.credit_card.size() +
                        out.city.size() + out.state.size();
    const uint64_t size =
        extra_size(draw(seed, slot++), static_cast<int64_t>(used), options_.person_average_bytes);
    out.extra = random_letters(draw(seed, slot++), size);
  }
}

void Generator::make_auction(const Place& place, FieldMask fields, AuctionData& out) const {
  const uint64_t seed = seed_of(place.event);
  out.date_time = timestamp_of(place.event);
  out.id = kFirstAuctionId + place.epoch * options_.auction_proportion + place.offset -
           options_.person_proportion;
  const uint64_t random = draw(seed, 1);
  out.category = kFirstCategory + static_cast<int64_t>(below_32(random >> 32, kCategories));
  if (has(fields, 7)) {
    const int64_t last = last_person(place);
    if (below_32(random, static_cast<uint64_t>(options_.hot_seller_ratio)) > 0) {
      out.seller = kFirstPersonId + last / kHotBatch * kHotBatch;
    } else {
      const int64_t active = std::min<int64_t>(last + 1, options_.active_people);
      const uint64_t chosen = below(draw(seed, 2), static_cast<uint64_t>(active + kLead));
      out.seller = kFirstPersonId + last + 1 - active + static_cast<int64_t>(chosen);
    }
  }
  if (has(fields, 3) || has(fields, 4)) { out.initial_bid = price(draw(seed, 3)); }
  if (has(fields, 6)) {
    const int64_t ahead =
        static_cast<int64_t>(options_.auctions_in_flight) * cycle_ / options_.auction_proportion;
    const int64_t horizon = timestamp_of(place.event + ahead) - out.date_time;
    const auto span = static_cast<uint64_t>(std::max<int64_t>(horizon * 2, 1));
    out.expires = out.date_time + 1 + static_cast<int64_t>(below(draw(seed, 4), span));
  }
  if (has(fields, 4)) { out.reserve = out.initial_bid + price(draw(seed, 5)); }
  if (!has(fields, 1) && !has(fields, 2) && !has(fields, 9)) { return; }
  uint32_t slot = 6;
  out.item_name = random_word(seed, slot, 20, out.scratch);
  static_assert(word_room(20) + word_room(100) <= sizeof out.scratch);
  out.description = random_word(seed, slot, 100, out.scratch + word_room(20));
  const size_t used = 8 + out.item_name.size() + out.description.size() + 40;
  const uint64_t size =
      extra_size(draw(seed, slot++), static_cast<int64_t>(used), options_.auction_average_bytes);
  out.extra = random_letters(draw(seed, slot++), size);
}

void Generator::make_bids(const Place& place, int32_t count, FieldMask fields,
                          BidColumns& out) const {
  alignas(64) uint64_t seeds[BidColumns::kRows];
  const int32_t padded = (count + 15) & ~15;  // whole vectors; the rows behind are not looked at
  const auto first = static_cast<uint64_t>(place.event + kFirstEventId);
  for (int32_t i = 0; i < padded; ++i) {
    seeds[i] = mix((first + static_cast<uint64_t>(i)) * kGolden + options_.seed);
  }
  make_numbers(place, padded, fields, seeds, out);
  if (has(fields, 3) || has(fields, 4) || has(fields, 6)) { make_strings(padded, seeds, out); }
}

void Generator::make_numbers(const Place& place, int32_t count, FieldMask fields,
                             const uint64_t* seeds, BidColumns& out) const {
  // The same as timestamp_of: there is no vector instruction for division of integers, so the
  // quotient is taken in doubles and put right.
  const int64_t number = place.event + kFirstEventNumber;
  const int64_t base = options_.base_time_ms;
  const double us_per_event = us_per_event_;
  for (int32_t i = 0; i < count; ++i) {
    const auto us =
        static_cast<double>(static_cast<int64_t>(static_cast<double>(number + i) * us_per_event));
    auto ms = static_cast<int64_t>(us * 0.001);
    const double rest = us - static_cast<double>(ms) * 1000.0;
    ms += static_cast<int64_t>(rest >= 1000.0) - static_cast<int64_t>(rest < 0.0);
    out.date_time[i] = base + ms;
  }
  if (has(fields, 0)) {
    const int64_t last =
        place.epoch * options_.auction_proportion + options_.auction_proportion - 1;
    const int64_t oldest = std::max<int64_t>(last - options_.auctions_in_flight, 0);
    const int64_t hot_id = kFirstAuctionId + last / kHotBatch * kHotBatch;
    const int64_t first_id = kFirstAuctionId + oldest;
    const auto span = static_cast<uint64_t>(last - oldest + 1 + kLead);
    const auto hot = static_cast<uint64_t>(options_.hot_auction_ratio);
    for (int32_t i = 0; i < count; ++i) {
      const uint64_t random = draw(seeds[i], 1);
      const int64_t any = first_id + static_cast<int64_t>((random >> 32) * span >> 32);
      out.auction[i] = below_32(random, hot) > 0 ? hot_id : any;
    }
  }
  if (has(fields, 1)) {
    const int64_t last = place.epoch * options_.person_proportion + options_.person_proportion - 1;
    const int64_t active = std::min<int64_t>(last + 1, options_.active_people);
    // The first id is added twice in the generator in common use, so that bidders are not persons'
    // ids moved by 1000; kept, so that results are comparable.
    const int64_t hot_id = 2 * kFirstPersonId + last / kHotBatch * kHotBatch + 1;
    const int64_t first_id = 2 * kFirstPersonId + last + 1 - active;
    const auto span = static_cast<uint64_t>(active + kLead);
    const auto hot = static_cast<uint64_t>(options_.hot_bidder_ratio);
    for (int32_t i = 0; i < count; ++i) {
      const uint64_t random = draw(seeds[i], 2);
      const int64_t any = first_id + static_cast<int64_t>((random >> 32) * span >> 32);
      out.bidder[i] = below_32(random, hot) > 0 ? hot_id : any;
    }
  }
  if (has(fields, 2)) {
    const double* const powers = powers_.data();
    for (int32_t i = 0; i < count; ++i) { out.price[i] = price_of(draw(seeds[i], 3), powers); }
  }
}

void Generator::make_strings(int32_t count, const uint64_t* seeds, BidColumns& out) const {
  const int64_t wanted = std::max(options_.bid_average_bytes - 32, 0);  // the numbers take 32
  const int64_t delta = std::lround(static_cast<double>(wanted) * 0.2);
  const auto size_min = static_cast<uint64_t>(wanted - delta);
  const auto size_span = static_cast<uint64_t>(2 * delta);
  alignas(64) uint64_t sizes[BidColumns::kRows];
  for (int32_t i = 0; i < count; ++i) {
    const uint64_t random = draw(seeds[i], 4);
    const uint64_t low = random & 0xffffffffU;  // half of the bids come through the hot channels
    out.channel[i] = static_cast<uint32_t>(
        low >> 31 != 0 ? (low >> 29 & 3) : kHotChannels + ((low & 0x7fffffffU) * kChannels >> 31));
    sizes[i] = size_min + ((random >> 32) * size_span >> 32);
    out.extra_size[i] = static_cast<uint32_t>(sizes[i]);
  }
  for (int32_t i = 0; i < count; ++i) {
    const uint64_t random = draw(seeds[i], 5) >> 32;
    out.extra_offset[i] = static_cast<uint32_t>(random * (kLetters - sizes[i]) >> 32);
  }
}

}  // namespace tidewheel::nexmark
