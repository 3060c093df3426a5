#include "tidewheel/rocksdb/rocksdb_backend.h"

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidewheel/base/allocator.h"
#include "tidewheel/base/check.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/file_memory.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_new_files.h"

namespace tidewheel {

namespace {

// So many keys to be read are worth waking another thread.
constexpr size_t kKeysToShare = 96;
constexpr size_t kKeysAtOnce = 32;

// Of the databases' memory: up to this it is worth giving blanks back.
constexpr int64_t kTrimmedBytesMax = 64 << 20;
constexpr int64_t kTrimEvery = 16;  // batches that were written behind

::rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view_of(const ::rocksdb::Slice& text) { return {text.data(), text.size()}; }

::rocksdb::WriteOptions write_options() {
  ::rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

// Drops what has not been used for the TTL, in compactions. The clock is read once for many
// entries.
class TtlFilter final : public ::rocksdb::CompactionFilter {
 public:
  TtlFilter(const Clock& clock, int64_t ttl_ms, int64_t query_entries)
      : clock_(clock), ttl_ms_(ttl_ms), query_entries_(query_entries) {}
  const char* Name() const override { return "tidewheel.ttl"; }
  bool Filter(int, const ::rocksdb::Slice&, const ::rocksdb::Slice& value, std::string*,
              bool*) const override {
    if (left_-- <= 0) {
      left_ = query_entries_;
      now_ms_ = clock_.wall_ms();
    }
    int64_t used_at = 0;
    if (value.size() < sizeof(used_at)) { return false; }
    std::memcpy(&used_at, value.data(), sizeof(used_at));
    return now_ms_ - used_at >= ttl_ms_;
  }

 private:
  const Clock& clock_;
  const int64_t ttl_ms_;
  const int64_t query_entries_;
  mutable int64_t left_ = 0;  // one thread uses a filter
  mutable int64_t now_ms_ = 0;
};

class TtlFilterFactory final : public ::rocksdb::CompactionFilterFactory {
 public:
  TtlFilterFactory(const Clock& clock, std::shared_ptr<const std::atomic<int64_t>> ttl_ms,
                   int64_t query_entries)
      : clock_(clock), ttl_ms_(std::move(ttl_ms)), query_entries_(query_entries) {}
  const char* Name() const override { return "tidewheel.ttl"; }
  std::unique_ptr<::rocksdb::CompactionFilter> CreateCompactionFilter(
      const ::rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<TtlFilter>(clock_, ttl_ms_->load(std::memory_order_relaxed),
                                       query_entries_);
  }

 private:
  const Clock& clock_;
  const std::shared_ptr<const std::atomic<int64_t>> ttl_ms_;
  const int64_t query_entries_;
};

class Cursor final : public StoreCursor {
 public:
  Cursor(std::unique_ptr<::rocksdb::Iterator> iterator, std::string what)
      : iterator_(std::move(iterator)), what_(std::move(what)) {}
  void seek(std::string_view key) override { iterator_->Seek(slice(key)); }
  void next() override { iterator_->Next(); }
  bool valid() const override { return iterator_->Valid(); }
  std::string_view key() const override { return view_of(iterator_->key()); }
  std::string_view value() const override { return view_of(iterator_->value()); }
  Status status() const override { return rocksdb_failure(iterator_->status(), what_); }

 private:
  const std::unique_ptr<::rocksdb::Iterator> iterator_;
  const std::string what_;
};

class View final : public StoreView {
 public:
  View(::rocksdb::DB& database, std::vector<::rocksdb::ColumnFamilyHandle*> families,
       std::string what)
      : database_(database),
        families_(std::move(families)),
        what_(std::move(what)),
        snapshot_(database.GetSnapshot()) {}
  ~View() override { database_.ReleaseSnapshot(snapshot_); }
  std::unique_ptr<StoreCursor> scan(StoreId state) const override {
    ::rocksdb::ReadOptions read;
    read.snapshot = snapshot_;
    read.fill_cache = false;  // a scan of all would drive out what is in use
    read.readahead_size = 256 << 10;
    auto cursor = std::make_unique<Cursor>(
        std::unique_ptr<::rocksdb::Iterator>(database_.NewIterator(read, families_.at(state))),
        what_);
    cursor->seek("");
    return cursor;
  }

 private:
  ::rocksdb::DB& database_;
  const std::vector<::rocksdb::ColumnFamilyHandle*> families_;
  const std::string what_;
  const ::rocksdb::Snapshot* const snapshot_;
};

// What is gathered takes its room three times on its way, and twice that when it is written behind.
uint64_t batch_bytes_of(const RocksdbShared& shared) {
  const int64_t wanted = shared.config.get(options::kRocksdbWriteBatchSize);
  if (shared.memory.total_bytes <= 0) { return static_cast<uint64_t>(wanted); }
  return static_cast<uint64_t>(
      std::min(wanted, std::max<int64_t>(shared.memory.total_bytes / 64, 32 << 10)));
}

struct MetricSwitch {
  const BoolOption* option;
  const char* property;
};
constexpr MetricSwitch kMetrics[] = {
#define TIDEWHEEL_ROCKSDB_METRIC(name, property, text) {&options::kRocksdbMetric##name, property},
#include "tidewheel/base/rocksdb_metrics.inc"
#undef TIDEWHEEL_ROCKSDB_METRIC
};

}  // namespace

RocksdbBackend::RocksdbBackend(RocksdbShared& shared, BackendPlace place, std::string directory,
                               MetricGroup* metrics)
    : shared_(shared),
      place_(std::move(place)),
      directory_(std::move(directory)),
      metrics_(metrics),
      write_batch_bytes_(batch_bytes_of(shared)),
      group_bytes_max_(group_bytes_of(shared)),
      batch_(std::make_unique<::rocksdb::WriteBatch>()),
      behind_batch_(std::make_unique<::rocksdb::WriteBatch>()) {
  shared_.live.fetch_add(1, std::memory_order_relaxed);
}

RocksdbBackend::~RocksdbBackend() {
  ignore(wait_behind(), "what is not in a snapshot is worth nothing");
  settle_written();
  for (auto* const groups : {&groups_.open, &groups_.ended}) {
    for (GroupWrites& group : *groups) { group.clear(*pieces_); }
  }
  drop_snapshots();
  for (const auto& [group, name] : gauges_) { group->remove_gauge(name); }
  merges_.reset();
  if (database_ != nullptr) {
    for (::rocksdb::ColumnFamilyHandle* family : families_) {
      static_cast<void>(database_->DestroyColumnFamilyHandle(family));
    }
    static_cast<void>(database_->Close());
    database_.reset();
  }
  ignore(shared_.world.files().remove_all(directory_), "the job's folder is removed at its end");
  shared_.live.fetch_sub(1, std::memory_order_relaxed);
}

std::string RocksdbBackend::what() const {
  return fmt::format("state backend rocksdb of {} (subtask {}) in {}", place_.operator_name,
                     place_.subtask, directory_);
}

Status RocksdbBackend::failure(const ::rocksdb::Status& status) const {
  if (status.ok()) [[likely]] { return {}; }
  return rocksdb_failure(status, what());
}

int64_t RocksdbBackend::cache_bytes() const {
  return shared_.hot_bytes / std::max(shared_.live.load(std::memory_order_relaxed), 1);
}

::rocksdb::ColumnFamilyOptions RocksdbBackend::options_of(const Store& store) const {
  const bool has_ttl = store.state.ttl_ms > 0;
  auto options = family_options(shared_.config, shared_.memory, has_ttl);
  if (store.state.meta.kind == StateKind::kTimers) { fit_to_timers(options); }
  if (has_ttl) {
    options.compaction_filter_factory = std::make_shared<TtlFilterFactory>(
        shared_.world.clock(), store.ttl_ms, shared_.config.get(options::kRocksdbTtlQueryEntries));
  }
  return options;
}

Status RocksdbBackend::open() {
  TIDEWHEEL_RETURN_IF_ERROR(
      shared_.world.files().make_directories(directory_).with_context("{}", what()));
  std::shared_ptr<FileMemory> file;
  if (shared_.file_bytes > 0) {
    TIDEWHEEL_ASSIGN_OR_RETURN(file, FileMemory::open(directory_, group_bytes_max_));
  }
  pieces_ = std::make_unique<Pieces>(std::move(file));
  return {};
}

Status RocksdbBackend::open_database(std::vector<StoredState> existing) {
  const ::rocksdb::Options options(database_options(shared_.config, shared_.memory),
                                   family_options(shared_.config, shared_.memory, false));
  const std::string path = directory_ + "/db";
  std::vector<std::string> names{::rocksdb::kDefaultColumnFamilyName};
  if (!existing.empty()) {
    TIDEWHEEL_RETURN_IF_ERROR(failure(::rocksdb::DB::ListColumnFamilies(options, path, &names)));
  }
  std::vector<::rocksdb::ColumnFamilyDescriptor> descriptors;
  std::vector<Store> stores;
  for (const std::string& name : names) {
    Store store;
    store.family_name = name;
    store.ttl_ms = std::make_shared<std::atomic<int64_t>>(INT64_MAX);
    for (StoredState& state : existing) {
      if (state.family == name) { store.state = std::move(state.state); }
    }
    descriptors.emplace_back(name, options_of(store));
    stores.push_back(std::move(store));
  }
  ::rocksdb::DB* database = nullptr;
  TIDEWHEEL_RETURN_IF_ERROR(
      failure(::rocksdb::DB::Open(options, path, descriptors, &families_, &database)));
  database_.reset(database);
  merges_ = std::make_unique<LevelMerges>(shared_.world, *database_, shared_.merges);
  for (size_t i = 0; i < stores.size(); ++i) {
    stores[i].family = families_[i];
    stores[i].restored = true;
    if (names[i] != ::rocksdb::kDefaultColumnFamilyName) {
      not_opened_.push_back(std::move(stores[i]));
    }
  }
  return {};
}

Status RocksdbBackend::make_family(Store& store) {
  ::rocksdb::ColumnFamilyHandle* family = nullptr;
  TIDEWHEEL_RETURN_IF_ERROR(
      failure(database_->CreateColumnFamily(options_of(store), store.family_name, &family)));
  families_.push_back(family);
  store.family = family;
  return {};
}

Result<StoreId> RocksdbBackend::open_state(const StoreState& state) {
  TIDEWHEEL_RETURN_IF_ERROR(wait_behind());
  if (database_ == nullptr) { TIDEWHEEL_RETURN_IF_ERROR(open_database({})); }
  for (StoreId id = 0; id < stores_.size(); ++id) {
    if (stores_[id].state.meta.name == state.meta.name) { return id; }
  }
  Store store;
  store.family_name = state.meta.name;
  const auto adopted =
      std::find_if(not_opened_.begin(), not_opened_.end(),
                   [&](const Store& other) { return other.state.meta.name == state.meta.name; });
  if (adopted != not_opened_.end() && adopted->state.meta == state.meta) {
    store = std::move(*adopted);
    not_opened_.erase(adopted);
  } else if (adopted != not_opened_.end()) {
    store.family_name = adopted->family_name + "'";  // entries are read from the old one
  }
  store.state = state;
  if (store.ttl_ms == nullptr) { store.ttl_ms = std::make_shared<std::atomic<int64_t>>(0); }
  store.ttl_ms->store(state.ttl_ms > 0 ? state.ttl_ms : INT64_MAX, std::memory_order_relaxed);
  if (store.family == nullptr) { TIDEWHEEL_RETURN_IF_ERROR(make_family(store)); }
  stores_.push_back(std::move(store));
  register_metrics(stores_.back());
  return static_cast<StoreId>(stores_.size() - 1);
}

std::vector<StoredState> RocksdbBackend::stored_states() const {
  std::vector<StoredState> states;
  for (const Store& store : stores_) { states.push_back({store.state, store.family_name}); }
  return states;
}

void RocksdbBackend::register_metrics(const Store& store) {
  if (metrics_ == nullptr) { return; }
  for (const MetricSwitch& metric : kMetrics) {
    if (!shared_.config.get(*metric.option)) { continue; }
    MetricGroup& group = metrics_->group("rocksdb").group(store.state.meta.name);
    ::rocksdb::DB* const database = database_.get();
    ::rocksdb::ColumnFamilyHandle* const family = store.family;
    const std::string property = std::string("rocksdb.") + metric.property;
    group.gauge(metric.property, [database, family, property] {
      uint64_t value = 0;
      static_cast<void>(database->GetIntProperty(family, property, &value));
      return static_cast<int64_t>(value);
    });
    gauges_.emplace_back(&group, metric.property);
  }
}

// A call of find_many that threads share: each takes some keys until there are no more. So whoever
// is late has nothing left to do, and is not waited for.
struct RocksdbBackend::SharedRead {
  std::atomic<size_t> next{0};  // the first key that nobody has taken
  std::atomic<size_t> done{0};  // keys
  size_t count = 0;
  StoreId state = 0;
  std::shared_ptr<Event> all_done;
};

// The batched form of RocksDB takes up to 32 keys at a time by itself.
void RocksdbBackend::find_some(StoreId state, size_t begin, size_t end) {
  const ::rocksdb::ReadOptions read;
  ::rocksdb::SetPerfLevel(::rocksdb::PerfLevel::kDisable);  // of this thread: nobody asks for it
  database_->MultiGet(read, stores_[state].family, end - begin, keys_.data() + begin,
                      found_.data() + begin, statuses_.data() + begin, /*sorted_input=*/true);
}

void RocksdbBackend::take_part(SharedRead& read) {
  for (;;) {
    const size_t begin = read.next.fetch_add(kKeysAtOnce, std::memory_order_acq_rel);
    if (begin >= read.count) { return; }
    const size_t end = std::min(begin + kKeysAtOnce, read.count);
    find_some(read.state, begin, end);
    if (read.done.fetch_add(end - begin, std::memory_order_acq_rel) + end - begin == read.count) {
      read.all_done->set();
    }
  }
}

// One after another they share the way to their files and blocks.
void RocksdbBackend::sort_keys(std::span<const std::string_view> keys) {
  sorted_.clear();
  for (const std::string_view key : keys) {
    sorted_.push_back({key_order(key), static_cast<uint32_t>(sorted_.size())});
  }
  std::sort(sorted_.begin(), sorted_.end(), [&](const SortedKey& a, const SortedKey& b) {
    return a.order != b.order ? a.order < b.order : keys[a.index] < keys[b.index];
  });
  keys_.clear();
  for (const SortedKey& sorted : sorted_) { keys_.push_back(slice(keys[sorted.index])); }
}

Status RocksdbBackend::find_many(StoreId state, std::span<const std::string_view> keys,
                                 Values& values) {
  const size_t count = keys.size();
  values.assign(count, std::nullopt);
  if (count == 0) { return {}; }
  sort_keys(keys);
  for (::rocksdb::PinnableSlice& found : found_) { found.Reset(); }
  if (found_.size() < count) { found_ = std::vector<::rocksdb::PinnableSlice>(count); }
  statuses_.assign(count, ::rocksdb::Status());
  if (count < kKeysToShare || !shared_.can_share_reads) {
    find_some(state, 0, count);
  } else {
    // It is mostly the processor's work, as files are in the system's cache.
    const auto read = std::make_shared<SharedRead>();
    read->count = count;
    read->state = state;
    read->all_done = shared_.world.executor().make_event();
    shared_.world.executor().run_blocking([this, read] { take_part(*read); });
    take_part(*read);
    read->all_done->wait();
  }
  for (size_t i = 0; i < count; ++i) {
    if (statuses_[i].ok()) [[likely]] {
      values[sorted_[i].index] = view_of(found_[i]);
    } else if (!statuses_[i].IsNotFound()) {
      return failure(statuses_[i]);
    }
  }
  return {};
}

void RocksdbBackend::add_write(Writes& to, StoreId state, bool erases, std::string_view key,
                               std::string_view value) {
  Write write;
  write.state = state;
  write.erases = erases;
  write.key_begin = static_cast<uint32_t>(to.bytes.size());
  write.key_size = static_cast<uint32_t>(key.size());
  write.value_size = static_cast<uint32_t>(value.size());
  write.order = key_order(key);
  to.bytes.append(key);
  to.bytes.append(value);
  to.writes.push_back(write);
}

void RocksdbBackend::put(StoreId state, std::string_view key, std::string_view value) {
  add_write(gathered_, state, false, key, value);
}

void RocksdbBackend::erase(StoreId state, std::string_view key) {
  add_write(gathered_, state, true, key, {});
}

void RocksdbBackend::Writes::sort() {
  std::sort(writes.begin(), writes.end(), [&](const Write& a, const Write& b) {
    if (a.state != b.state) { return a.state < b.state; }
    if (a.order != b.order) { return a.order < b.order; }
    const int difference = key_of(a).compare(key_of(b));
    return difference != 0 ? difference < 0 : a.key_begin < b.key_begin;
  });
}

void RocksdbBackend::add_to_batch(::rocksdb::WriteBatch& batch, const GroupWrite& write) const {
  ::rocksdb::ColumnFamilyHandle* const family = stores_[write.state].family;
  static_cast<void>(write.erases ? batch.Delete(family, slice(write.key))
                                 : batch.Put(family, slice(write.key), slice(write.value)));
}

::rocksdb::Status RocksdbBackend::write_batch(::rocksdb::WriteBatch& batch) const {
  if (batch.Count() == 0) { return ::rocksdb::Status::OK(); }
  ::rocksdb::SetPerfLevel(::rocksdb::PerfLevel::kDisable);  // of this thread: nobody asks for it
  ::rocksdb::Status status = database_->Write(write_options(), &batch);
  batch.Clear();
  return status;
}

// In the order of keys, a batch goes into the write buffer faster.
Status RocksdbBackend::write(Writes& gathered, ::rocksdb::WriteBatch& batch) const {
  gathered.sort();
  for (const Write& write : gathered.writes) {
    const std::string_view key = gathered.key_of(write);
    add_to_batch(batch,
                 {write.state, write.erases, key, {key.data() + key.size(), write.value_size}});
  }
  gathered.clear();
  return failure(write_batch(batch));
}

Status RocksdbBackend::wait_behind() {
  if (behind_done_ == nullptr) { return {}; }
  behind_done_->wait();
  return behind_status_;
}

bool RocksdbBackend::can_commit_behind() {
  if (behind_written_) { return true; }
  behind_waited_for_ = true;
  return behind_written_;  // the job may have looked before
}

// There is none on its way.
void RocksdbBackend::run_behind(std::function<Status()> work) {
  behind_done_ = shared_.world.executor().make_event();
  behind_written_ = false;
  behind_waited_for_ = false;
  shared_.world.executor().run_blocking([this, work = std::move(work), done = behind_done_] {
    behind_status_ = work();
    // Blocks and write buffers of all sizes come and go, which leaves blanks: much of a small
    // limit.
    if (shared_.memory.total_bytes > 0 && shared_.memory.total_bytes <= kTrimmedBytesMax &&
        shared_.written_behind.fetch_add(1, std::memory_order_relaxed) % kTrimEvery == 0) {
      trim_allocator();
    }
    behind_written_ = true;
    if (behind_waited_for_ && commit_wake_) { commit_wake_(); }
    done->set();
  });
}

Status RocksdbBackend::commit_behind() {
  TIDEWHEEL_RETURN_IF_ERROR(wait_behind());
  if (gathered_.writes.empty()) { return {}; }
  TIDEWHEEL_DCHECK(is_cut());
  std::swap(gathered_, behind_);
  run_behind([this] { return write(behind_, *behind_batch_); });
  return {};
}

Status RocksdbBackend::commit() {
  TIDEWHEEL_RETURN_IF_ERROR(wait_behind());
  if (gathered_.writes.empty()) { return {}; }
  TIDEWHEEL_DCHECK(is_cut());
  return write(gathered_, *batch_);
}

uint64_t RocksdbBackend::uncommitted_bytes() const { return gathered_.bytes.size(); }

std::unique_ptr<StoreCursor> RocksdbBackend::scan(StoreId state) {
  ignore(wait_behind(), "the next commit says so");
  return std::make_unique<Cursor>(std::unique_ptr<::rocksdb::Iterator>(database_->NewIterator(
                                      ::rocksdb::ReadOptions(), stores_[state].family)),
                                  what());
}

Status RocksdbBackend::erase_range(StoreId state, std::string_view from, std::string_view to) {
  TIDEWHEEL_RETURN_IF_ERROR(wait_behind());
  return failure(
      database_->DeleteRange(write_options(), stores_[state].family, slice(from), slice(to)));
}

std::unique_ptr<StoreView> RocksdbBackend::view() {
  ignore(wait_behind(), "the next commit says so");
  std::vector<::rocksdb::ColumnFamilyHandle*> families;
  for (const Store& store : stores_) { families.push_back(store.family); }
  return std::make_unique<View>(*database_, std::move(families), what());
}

}  // namespace tidewheel
