#include "tidewheel/sql/lasting_memo.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidewheel/types/hash.h"

namespace tidewheel::sql {

bool LastingMemo::can_hold(const LogicalType& result) {
  const Physical physical = result.physical();
  return physical != Physical::kList && physical != Physical::kStruct;
}

inline uint32_t LastingMemo::set_of(const char* data) {
  return static_cast<uint32_t>(mix64(reinterpret_cast<uintptr_t>(data)) % kSets);
}

Status LastingMemo::run(const KernelCall& call) {
  if (tables_.empty() || call.arguments[argument_].is_constant) { return inner_->run(call); }
  if (resting_ > 0) {
    --resting_;
    return inner_->run(call);
  }
  if (entries_.empty() || string_bytes_ > kStringBytesMax) {
    entries_.assign(size_t{2} * kSets, {});
    strings_ = ArenaRef();
    string_bytes_ = 0;
  }
  Status status;
  with_physical(call.result->physical(), [&]<class T>() {
    find_rows<T>(call);
    if (missed_count_ == 0) { return; }
    KernelCall missed = call;
    missed.active = missed_.data();
    status = inner_->run(missed);
    if (!status.ok()) { return; }
    put_found<T>(call);  // the kernel may have written all rows
    remember<T>(call);
  });
  if (status.ok()) { judge(); }
  return status;
}

namespace {

void put_null(KernelCall const& call, uint32_t row) {
  call.result->validity()[row / kValidityBits] &= ~(uint64_t{1} << (row % kValidityBits));
}

}  // namespace

// Notes where each row's entry is, and gives its value.
template <class T>
void LastingMemo::find_rows(const KernelCall& call) {
  static_assert(sizeof(T) <= sizeof(Entry::value));
  constexpr uint32_t kAhead = 12;
  const uint32_t rows = call.rows;
  places_.resize(rows);
  missed_.resize((size_t{rows} + 63) / 64 * 64);
  sets_.resize(size_t{rows} + kAhead);
  const Text* const texts = call.arguments[argument_].as<Text>();
  // Bytes that are written could be any member's: these are read once.
  const uint8_t* const wanted = call.active;
  const Entry* const entries = entries_.data();
  uint32_t* const __restrict sets = sets_.data();
  uint32_t* const __restrict places = places_.data();
  uint8_t* const __restrict missed = missed_.data();
  T* const __restrict out = call.result->values<T>();
  for (uint32_t row = 0; row < rows; ++row) { sets[row] = 2 * set_of(texts[row].data()); }
  std::fill_n(sets + rows, kAhead, 0U);
  uint32_t found = 0;
  uint32_t active = 0;
  for (uint32_t row = 0; row < rows; ++row) {
    __builtin_prefetch(&entries[sets[row + kAhead]]);
    missed[row] = 0;
    if (wanted != nullptr && wanted[row] == 0) {
      places[row] = kInactive;
      out[row] = T{};
      continue;
    }
    ++active;
    const Text& text = texts[row];
    const auto is_at = [&](const Entry& entry) {
      return entry.data == text.data() && entry.size == text.size();
    };
    uint32_t at = sets[row];
    if (!is_at(entries[at]) && !is_at(entries[++at])) {
      places[row] = kMissed;
      missed[row] = 1;
      continue;
    }
    ++found;
    places[row] = at;
    std::memcpy(static_cast<void*>(&out[row]), entries[at].value.data(), sizeof(T));
    if (entries[at].is_null) { put_null(call, row); }
  }
  missed_count_ = active - found;
  looked_up_ += active;
  found_ += found;
  hits_ += found;
}

// The values of rows that were found, once more.
template <class T>
void LastingMemo::put_found(const KernelCall& call) {
  const uint32_t rows = call.rows;
  const uint32_t* const places = places_.data();
  const Entry* const entries = entries_.data();
  T* const out = call.result->values<T>();
  for (uint32_t row = 0; row < rows; ++row) {
    const uint32_t place = places[row];
    if (place == kMissed) { continue; }
    if (place == kInactive) {
      out[row] = T{};
      continue;
    }
    std::memcpy(static_cast<void*>(&out[row]), entries[place].value.data(), sizeof(T));
    if (entries[place].is_null) { put_null(call, row); }
  }
}

// The older one of a set goes.
template <class T>
void LastingMemo::remember(const KernelCall& call) {
  const Text* const texts = call.arguments[argument_].as<Text>();
  const uint32_t rows = call.rows;
  const uint8_t* const missed = missed_.data();
  T* const out = call.result->values<T>();
  for (uint32_t row = 0; row < rows; ++row) {
    if (missed[row] == 0 || !tables_.holds(texts[row])) { continue; }
    const size_t at = size_t{2} * set_of(texts[row].data());
    Entry& entry = entries_[at];
    if (entry.data == texts[row].data() && entry.size == texts[row].size()) { continue; }
    entries_[at + 1] = entry;
    entry.data = texts[row].data();
    entry.size = static_cast<uint32_t>(texts[row].size());
    entry.is_null = call.result->is_null(row);
    const T value = entry.is_null ? T{} : kept(out[row], texts[row]);
    std::memcpy(entry.value.data(), &value, sizeof(T));
  }
}

// A value that outlives the run: strings that are no part of the argument are copied.
template <class T>
T LastingMemo::kept(const T& value, const Text& argument) {
  if constexpr (std::is_same_v<T, Text>) {
    const auto begin = reinterpret_cast<uintptr_t>(argument.data());
    const auto at = reinterpret_cast<uintptr_t>(value.data());
    if (value.empty()) { return {}; }
    if (at - begin <= argument.size() && at - begin + value.size() <= argument.size()) {
      return value;
    }
    if (!strings_) { strings_ = Arena::create(); }
    string_bytes_ += value.size();
    return strings_->copy(value.view());
  } else {
    return value;
  }
}

void LastingMemo::judge() {
  constexpr uint32_t kJudgedRows = 4 * 2 * kSets;
  constexpr uint32_t kRestingRuns = 1000;
  if (looked_up_ < kJudgedRows) { return; }
  if (found_ * 2 < looked_up_) { resting_ = kRestingRuns; }
  looked_up_ = 0;
  found_ = 0;
}

}  // namespace tidewheel::sql
