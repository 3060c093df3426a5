// Metrics: counters, gauges, histograms and meters in a tree of groups (job, operator, subtask).
// A metric has one writer, the thread of its owner; readers on other threads see recent values.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tidewheel {

// Counts up. One writer: a plain load, add and store, without a locked instruction.
class Counter {
 public:
  void add(int64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// A value that goes up and down.
class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// A distribution of non-negative values (negative ones count as 0), with a relative error of 1/32
// at most: 32 linear buckets in each power of two, as in HdrHistogram (Tene, 2012).
class Histogram {
 public:
  void record(int64_t value);
  int64_t count() const { return count_.value(); }
  int64_t sum() const { return sum_.value(); }
  int64_t min() const;  // 0 when empty
  int64_t max() const { return max_.value(); }
  double mean() const;
  // The smallest value v such that at least `share` (0 to 1) of the values are <= v; 0 when empty.
  int64_t quantile(double share) const;

 private:
  static constexpr int kSubBucketBits = 5;
  static constexpr int kBucketCount = (64 - kSubBucketBits) << kSubBucketBits;
  static int bucket_of(int64_t value);
  static int64_t highest_of(int bucket);

  std::array<std::atomic<int64_t>, kBucketCount> buckets_{};
  Counter count_;
  Counter sum_;
  Gauge min_;
  Gauge max_;
};

// A counter with its rate over the last minute. `sample` is called by the one who reports.
class Meter {
 public:
  void mark(int64_t count = 1) { counter_.add(count); }
  int64_t count() const { return counter_.value(); }
  // Notes the count at this time, and forgets samples older than a minute. Returns events a second.
  double sample(int64_t now_ns);

 private:
  struct Sample {
    int64_t time_ns;
    int64_t count;
  };
  Counter counter_;
  std::vector<Sample> samples_;  // reporter's
};

// One metric's value at one time.
struct MetricValue {
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram, kMeter };
  std::string scope;  // the groups' names from the root, joined by '.'
  std::string name;
  Kind kind = Kind::kCounter;
  int64_t value = 0;  // the count for histograms and meters
  double rate = 0;    // meters: events a second
  // Histograms only.
  int64_t min = 0;
  int64_t max = 0;
  double mean = 0;
  int64_t p50 = 0;
  int64_t p95 = 0;
  int64_t p99 = 0;
};

// A node of the tree. Metrics and groups live as long as the group that made them, at one address.
// Making and reading are for any thread; asking twice for one name gives the same metric, so a
// group belongs to one writer.
class MetricGroup {
 public:
  explicit MetricGroup(std::string name);
  ~MetricGroup();
  MetricGroup(const MetricGroup&) = delete;
  MetricGroup& operator=(const MetricGroup&) = delete;

  const std::string& name() const { return name_; }
  MetricGroup& group(std::string_view name);  // made at first use
  void remove_group(std::string_view name);

  Counter& counter(std::string_view name);
  Gauge& gauge(std::string_view name);
  Histogram& histogram(std::string_view name);
  Meter& meter(std::string_view name);
  // A gauge that asks when it is read, on the reader's thread; replaces one of that name. The
  // function must not call back into the group.
  void gauge(std::string_view name, std::function<int64_t()> read);
  void remove_gauge(std::string_view name);

  // The counters of this group alone.
  std::map<std::string, int64_t> counter_values() const;
  // All metrics of this group and those below, by scope and name. `now_ns` is for the meters'
  // rates.
  std::vector<MetricValue> collect(int64_t now_ns) const;

 private:
  void collect_into(const std::string& scope, int64_t now_ns, std::vector<MetricValue>& out) const;

  const std::string name_;
  mutable std::mutex mutex_;  // guards the maps; taken from parent to child only
  std::map<std::string, std::unique_ptr<MetricGroup>, std::less<>> groups_;
  std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters_;
  std::map<std::string, std::unique_ptr<Gauge>, std::less<>> gauges_;
  std::map<std::string, std::unique_ptr<Histogram>, std::less<>> histograms_;
  std::map<std::string, std::unique_ptr<Meter>, std::less<>> meters_;
  std::map<std::string, std::function<int64_t()>, std::less<>> read_gauges_;
};

}  // namespace tidewheel
