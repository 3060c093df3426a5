#include "bench/state/keyed_count.h"

#include <algorithm>
#include <cmath>

#include "bench/child.h"
#include "tidewheel/api/connected.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/base/random.h"
#include "tidewheel/operators/process.h"
#include "tidewheel/operators/sink_operator.h"

namespace tidewheel::bench {
namespace {

struct Hit {
  int64_t key = 0;
  int64_t due_ns = 0;  // when it was to be sent
};
struct Counted {
  int64_t key = 0;
  int64_t count = 0;
  int64_t due_ns = 0;
};

uint64_t scrambled(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
// `random` brought to [0, below).
int64_t bounded(uint64_t random, int64_t below) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<int64_t>((static_cast<Wide>(random) * static_cast<uint64_t>(below)) >> 64);
}

// A number below `count` for each that is, in an order without a pattern: keys that are hit
// together did not come together. A key that came late lies farther from where it is looked for, so
// the rate would go up and down with the keys whose turn it is.
int64_t mixed(int64_t number, int64_t count) {
  constexpr int64_t kStep = 982'451'653;  // prime
  __extension__ using Wide = __int128;
  return count % kStep == 0 ? number : static_cast<int64_t>(Wide{number} * kStep % count);
}

constexpr int64_t kZipfSamples = 1 << 24;

// Keys by Zipf's law: the rank is drawn by inverting the integral of 1/x, which is near enough
// beyond the first ranks.
std::vector<uint32_t> zipf_keys(int64_t keys) {
  std::vector<uint32_t> samples(static_cast<size_t>(kZipfSamples));
  const double log_keys = std::log(static_cast<double>(keys) + 0.5) - std::log(0.5);
  for (size_t i = 0; i < samples.size(); ++i) {
    const double u = static_cast<double>(scrambled(i) >> 11) * 0x1.0p-53;
    const double rank = 0.5 * std::exp(u * log_keys);
    const int64_t index = std::clamp<int64_t>(std::llround(rank) - 1, 0, keys - 1);
    samples[i] = static_cast<uint32_t>(index);
  }
  return samples;
}

class HitSource {
 public:
  using output = Hit;
  // Makes the keys first, first + stride, ...
  struct Split {
    int64_t next = 0;
    int64_t first = 0;
    int64_t stride = 1;
  };

  HitSource(const KeyedCount& options, std::shared_ptr<Progress> progress)
      : options_(options), progress_(std::move(progress)) {}

  Result<std::vector<Split>> discover(SplitContext& context) {
    std::vector<Split> splits;
    for (int32_t i = 0; i < context.parallelism(); ++i) {
      splits.push_back({.next = 0, .first = i, .stride = context.parallelism()});
    }
    progress_->filling = context.parallelism();
    return splits;
  }
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }

  template <class Out>
  ReadResult read(Split& split, Out& out) {
    if (progress_->stop.load(std::memory_order_relaxed)) { return ReadResult::end(); }
    const int64_t own_keys = (options_.keys - split.first + split.stride - 1) / split.stride;
    const int64_t now_ns = wall_now_ns();
    if (split.next < own_keys) {
      const int64_t end = std::min(own_keys, split.next + static_cast<int64_t>(out.room()));
      for (; split.next < end; ++split.next) {
        const int64_t index = mixed(split.next, own_keys);
        out.emit(Hit{split.first + index * split.stride, now_ns});
      }
      if (split.next == own_keys) { --progress_->filling; }
      return ReadResult::more();
    }
    hit_some(split, out, own_keys, now_ns);
    return ReadResult::more();
  }

 private:
  template <class Out>
  void hit_some(Split& split, Out& out, int64_t own_keys, int64_t now_ns) {
    if (begun_ns_ == 0) { begun_ns_ = now_ns; }
    int64_t count = out.room();
    const double own_rate = options_.rate / static_cast<double>(split.stride);
    if (options_.rate > 0) {
      const double due = static_cast<double>(now_ns - begun_ns_) * 1e-9 * own_rate;
      count = std::min(count, static_cast<int64_t>(due) - sent_);
    }
    // Half of them at a time, while all others of a second's go by.
    const auto part = std::max<int64_t>(
        1, static_cast<int64_t>(static_cast<double>(own_keys) * options_.changing / 2));
    const auto base = static_cast<int64_t>(static_cast<double>(now_ns - begun_ns_) * 1e-9 *
                                           static_cast<double>(part));
    const double ns_apart = own_rate > 0 ? 1e9 / own_rate : 0;
    for (int64_t i = 0; i < count; ++i, ++split.next, ++sent_) {
      const int64_t due_ns =
          own_rate > 0 ? begun_ns_ + static_cast<int64_t>(static_cast<double>(sent_) * ns_apart)
                       : now_ns;
      const auto number = static_cast<uint64_t>(split.next);
      if (options_.choice == KeyChoice::kZipf) {
        out.emit(Hit{progress_->zipf[number % progress_->zipf.size()], due_ns});
      } else {
        const int64_t index = (base + bounded(scrambled(number), part)) % own_keys;
        out.emit(Hit{split.first + index * split.stride, due_ns});
      }
    }
  }

  KeyedCount options_;
  std::shared_ptr<Progress> progress_;
  int64_t begun_ns_ = 0;  // of what follows the filling
  int64_t sent_ = 0;
};

struct CountHits {
  using output = Counted;
  Value<int64_t> count{"count"};

  void on_element(const Hit& hit, auto& ctx) {
    int64_t now = 0;
    count.update([&now](int64_t& value) { now = ++value; });
    ctx.emit({hit.key, now, hit.due_ns});
  }
};

class CountedSink {
 public:
  using input = Counted;
  explicit CountedSink(std::shared_ptr<Progress> progress) : progress_(std::move(progress)) {}

  Status open(SinkContext& context) {
    histogram_ =
        &progress_
             ->latencies[static_cast<size_t>(context.subtask_index()) % Progress::kSubtasksMax];
    return ok_status();
  }
  Status write_rows(std::span<const Counted> rows, std::span<const int64_t>) {
    if (progress_->counted.fetch_add(rows.size(), std::memory_order_relaxed) == 0) {
      progress_->first_ns = wall_now_ns();
    }
    if (progress_->measuring.load(std::memory_order_relaxed)) {
      const int64_t now_ns = wall_now_ns();
      for (const Counted& row : rows) { histogram_->add(now_ns - row.due_ns); }
    }
    return ok_status();
  }

 private:
  std::shared_ptr<Progress> progress_;
  Histogram* histogram_ = nullptr;
};

// Takes hits from the source as a batch does, and counts them in an array.
struct BareOut {
  static constexpr uint32_t kRoom = 1024;
  std::array<Hit, kRoom> hits;
  uint32_t size = 0;
  uint32_t room() const { return kRoom - size; }
  void emit(const Hit& hit) { hits[size++] = hit; }
};

}  // namespace

Histogram bare_latency(const KeyedCount& options, double seconds) {
  const auto progress = std::make_shared<Progress>();
  if (options.choice == KeyChoice::kZipf) { progress->zipf = zipf_keys(options.keys); }
  HitSource source(options, progress);
  HitSource::Split split;
  std::vector<int64_t> counts(static_cast<size_t>(options.keys));
  Histogram latency;
  BareOut out;
  int64_t end_ns = 0;
  for (int64_t now_ns = 0; end_ns == 0 || now_ns < end_ns;) {
    out.size = 0;
    static_cast<void>(source.read(split, out));
    for (uint32_t i = 0; i < out.size; ++i) { ++counts[static_cast<size_t>(out.hits[i].key)]; }
    now_ns = wall_now_ns();
    if (split.next <= options.keys) {
      end_ns = now_ns + static_cast<int64_t>(seconds * 1e9);
      continue;
    }
    for (uint32_t i = 0; i < out.size; ++i) { latency.add(now_ns - out.hits[i].due_ns); }
  }
  return latency;
}

Histogram Progress::latency() const {
  Histogram sum;
  for (const Histogram& each : latencies) { sum.merge(each); }
  return sum;
}

void build_keyed_count(Env& env, const KeyedCount& options,
                       const std::shared_ptr<Progress>& progress) {
  if (options.choice == KeyChoice::kZipf) { progress->zipf = zipf_keys(options.keys); }
  env.from("hits", HitSource(options, progress))
      .uid("hits")
      .key_by(&Hit::key)
      .process(CountHits{})
      .name("count")
      .uid("count")
      .to(CountedSink(progress))
      .name("counted")
      .uid("counted");
}

}  // namespace tidewheel::bench
