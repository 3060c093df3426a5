#include "tidewheel/base/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tidewheel {

int Histogram::bucket_of(int64_t value) {
  constexpr int64_t kLinear = int64_t{1} << kSubBucketBits;
  if (value < kLinear) { return value < 0 ? 0 : static_cast<int>(value); }
  const int shift = 63 - std::countl_zero(static_cast<uint64_t>(value)) - kSubBucketBits;
  return ((shift + 1) << kSubBucketBits) + static_cast<int>((value >> shift) - kLinear);
}

int64_t Histogram::highest_of(int bucket) {
  constexpr int kLinear = 1 << kSubBucketBits;
  if (bucket < kLinear) { return bucket; }
  const int shift = (bucket >> kSubBucketBits) - 1;
  const uint64_t above = static_cast<uint64_t>(kLinear + (bucket & (kLinear - 1)) + 1) << shift;
  return static_cast<int64_t>(above - 1);
}

void Histogram::record(int64_t value) {
  value = std::max<int64_t>(value, 0);
  std::atomic<int64_t>& bucket = buckets_[static_cast<size_t>(bucket_of(value))];
  bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (count_.value() == 0 || value < min_.value()) { min_.set(value); }
  if (value > max_.value()) { max_.set(value); }
  sum_.add(value);
  count_.add();
}

int64_t Histogram::min() const { return count() == 0 ? 0 : min_.value(); }

double Histogram::mean() const {
  const int64_t n = count();
  return n == 0 ? 0 : static_cast<double>(sum()) / static_cast<double>(n);
}

int64_t Histogram::quantile(double share) const {
  const int64_t n = count();
  if (n == 0) { return 0; }
  const auto rank =
      std::clamp<int64_t>(static_cast<int64_t>(std::ceil(share * static_cast<double>(n))), 1, n);
  int64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i].load(std::memory_order_relaxed);
    if (seen >= rank) { return std::min(highest_of(static_cast<int>(i)), max()); }
  }
  return max();
}

double Meter::sample(int64_t now_ns) {
  static constexpr int64_t kSpanNs = 60'000'000'000;
  const int64_t count = counter_.value();
  samples_.push_back({now_ns, count});
  // The newest sample that is a minute old stays, so that the span is covered.
  size_t first = 0;
  while (first + 1 < samples_.size() && samples_[first + 1].time_ns <= now_ns - kSpanNs) {
    ++first;
  }
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(first));
  const Sample& from = samples_.front();
  if (from.time_ns >= now_ns) { return 0; }
  return static_cast<double>(count - from.count) * 1e9 / static_cast<double>(now_ns - from.time_ns);
}

MetricGroup::MetricGroup(std::string name) : name_(std::move(name)) {}
MetricGroup::~MetricGroup() = default;

namespace {

template <class Map>
auto& find_or_make(Map& map, std::string_view name) {
  const auto found = map.find(name);
  if (found != map.end()) { return *found->second; }
  using Metric = typename Map::mapped_type::element_type;
  return *map.emplace(std::string(name), std::make_unique<Metric>()).first->second;
}

}  // namespace

MetricGroup& MetricGroup::group(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(name);
  if (found != groups_.end()) { return *found->second; }
  std::string key(name);
  auto made = std::make_unique<MetricGroup>(key);
  return *groups_.emplace(std::move(key), std::move(made)).first->second;
}

void MetricGroup::remove_group(std::string_view name) {
  std::unique_ptr<MetricGroup> removed;  // destroyed outside of the lock
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(name);
  if (found == groups_.end()) { return; }
  removed = std::move(found->second);
  groups_.erase(found);
}

Counter& MetricGroup::counter(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return find_or_make(counters_, name);
}

Gauge& MetricGroup::gauge(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return find_or_make(gauges_, name);
}

Histogram& MetricGroup::histogram(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return find_or_make(histograms_, name);
}

Meter& MetricGroup::meter(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return find_or_make(meters_, name);
}

void MetricGroup::gauge(std::string_view name, std::function<int64_t()> read) {
  const std::lock_guard lock(mutex_);
  read_gauges_[std::string(name)] = std::move(read);
}

void MetricGroup::remove_gauge(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = read_gauges_.find(name);
  if (found != read_gauges_.end()) { read_gauges_.erase(found); }
  const auto plain = gauges_.find(name);
  if (plain != gauges_.end()) { gauges_.erase(plain); }
}

std::map<std::string, int64_t> MetricGroup::counter_values() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, int64_t> values;
  for (const auto& [name, counter] : counters_) { values[name] = counter->value(); }
  return values;
}

std::vector<MetricValue> MetricGroup::collect(int64_t now_ns) const {
  std::vector<MetricValue> values;
  collect_into(name_, now_ns, values);
  return values;
}

void MetricGroup::collect_into(const std::string& scope, int64_t now_ns,
                               std::vector<MetricValue>& out) const {
  const std::lock_guard lock(mutex_);
  const auto add = [&](const std::string& name, MetricValue::Kind kind,
                       int64_t value) -> MetricValue& {
    MetricValue& entry = out.emplace_back();
    entry.scope = scope;
    entry.name = name;
    entry.kind = kind;
    entry.value = value;
    return entry;
  };
  for (const auto& [name, counter] : counters_) {
    add(name, MetricValue::Kind::kCounter, counter->value());
  }
  for (const auto& [name, gauge] : gauges_) {
    add(name, MetricValue::Kind::kGauge, gauge->value());
  }
  for (const auto& [name, read] : read_gauges_) { add(name, MetricValue::Kind::kGauge, read()); }
  for (const auto& [name, histogram] : histograms_) {
    MetricValue& entry = add(name, MetricValue::Kind::kHistogram, histogram->count());
    entry.min = histogram->min();
    entry.max = histogram->max();
    entry.mean = histogram->mean();
    entry.p50 = histogram->quantile(0.5);
    entry.p95 = histogram->quantile(0.95);
    entry.p99 = histogram->quantile(0.99);
  }
  for (const auto& [name, meter] : meters_) {
    add(name, MetricValue::Kind::kMeter, meter->count()).rate = meter->sample(now_ns);
  }
  for (const auto& [name, group] : groups_) {
    group->collect_into(scope.empty() ? name : scope + "." + name, now_ns, out);
  }
}

}  // namespace tidewheel
