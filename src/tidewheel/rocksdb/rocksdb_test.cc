// RocksDB behind the interface of state backends: bytes, options, snapshots and failures.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_options.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"
#include "tidewheel/rocksdb/rocksdb_settings.h"
#include "tidewheel/state/local_copy.h"

namespace tidewheel {
namespace {

StoreState state_of(std::string name, bool has_namespace = false) {
  StoreState state;
  state.meta.name = std::move(name);
  state.meta.form = "value";
  state.has_namespace = has_namespace;
  return state;
}

// Takes files and entries into a folder, and gives them back.
class FolderSnapshot final : public SnapshotWriter, public SnapshotReader {
 public:
  FolderSnapshot(FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {
    EXPECT_TRUE(files_.make_directories(folder_).ok());
  }
  bool ready() const override { return true; }
  void begin_state(const StateMeta& meta) override {
    if (states_.empty()) { states_.push_back(meta); }
  }
  void begin_changes(const StateMeta&) override {}
  void whole_group(int32_t) override {}
  void erase(int32_t, std::string_view, std::string_view) override {}
  void add(const StateEntry&) override {}
  bool takes_files() const override { return true; }
  std::string new_file(std::string_view suffix) override {
    return folder_ + "/" + std::to_string(++made_) + std::string(suffix);
  }
  std::string local_copy_of(const std::string& path) override {
    return copies_.empty() ? std::string() : copies_ + "/" + file_name(path);
  }
  void add_file(SnapshotFile file) override { native_.files.push_back(std::move(file)); }

  const std::vector<StateMeta>& states() const override { return states_; }
  Result<std::unique_ptr<SnapshotEntries>> read(std::string_view) override {
    return internal_error(ErrorId::kStateBackend, "no entries");
  }
  std::vector<NativeState> native(std::string_view) const override { return {native_}; }

  NativeState native_;
  int made_ = 0;
  std::string copies_;  // the folder for copies; empty: none are made

 private:
  FileSystem& files_;
  const std::string folder_;
  std::vector<StateMeta> states_;
};

class RocksdbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        ::testing::TempDir() + "rocksdb_test_" + std::to_string(world_->fork_random().next());
    ASSERT_TRUE(world_->files().make_directories(directory_).ok());
    config_.set(options::kRocksdbLocalDirectory, directory_);
  }
  void TearDown() override {
    backends_.reset();
    ignore(world_->files().remove_all(directory_), "a temporary folder");
  }
  StateBackends& backends() {
    if (backends_ == nullptr) {
      backends_ = make_rocksdb_backends(*world_, config_, memory_, 1).value();
    }
    return *backends_;
  }
  std::unique_ptr<StateBackend> make(KeyGroupRange groups = {0, 127}) {
    return backends().make({"uid", "counts", 0, groups, 128}, &metrics_).value();
  }
  static std::string key_of(int32_t group, std::string_view key) {
    std::string out;
    make_store_key(out, group, key);
    return out;
  }
  static void put(StateBackend& backend, StoreId state, int32_t group, std::string_view key,
                  std::string_view value) {
    backend.put(state, key_of(group, key), value);
  }
  static std::string find(StateBackend& backend, StoreId state, int32_t group,
                          std::string_view key) {
    const std::string stored = key_of(group, key);
    const std::string_view keys[] = {stored};
    StateBackend::Values values;
    const Status status = backend.find_many(state, keys, values);
    if (!status.ok()) { return status.to_string(); }
    return values[0].has_value() ? std::string(*values[0]) : "nothing";
  }
  static std::map<std::string, std::string> entries(SnapshotReader& reader,
                                                    std::string_view state) {
    std::map<std::string, std::string> all;
    auto entries = reader.read(state).value();
    for (StateEntry entry; entries->next(entry).value();) {
      all[std::to_string(entry.group) + ":" + std::string(entry.key) + ":" +
          std::string(entry.name_space)] = entry.value;
    }
    return all;
  }
  static std::map<std::string, std::string> stored(StateBackend& backend, StoreId state) {
    std::map<std::string, std::string> all;
    const auto cursor = backend.scan(state);
    for (cursor->seek(""); cursor->valid(); cursor->next()) {
      all[std::string(cursor->key())] = cursor->value();
    }
    EXPECT_TRUE(cursor->status().ok());
    return all;
  }
  // Takes a snapshot as a task does.
  void snapshot(StateBackend& backend, int64_t checkpoint, int64_t base, FolderSnapshot& to) {
    const auto event = world_->executor().make_event();
    backend.begin_own_snapshot({checkpoint, base}, [] {});
    backend.wait_for_cut();
    for (;;) {
      const Result<bool> done = backend.write_own_snapshot(to);
      ASSERT_TRUE(done.ok()) << done.status().to_string();
      if (*done) { return; }
      event->wait(world_->clock().now_ns() + 1'000'000);
    }
  }

  std::unique_ptr<World> world_ = make_real_world();
  std::string directory_;
  Config config_;
  MemoryPool memory_{"job", 64 << 20};
  MetricGroup metrics_{"metrics"};
  std::unique_ptr<StateBackends> backends_;
};

TEST_F(RocksdbTest, finds_what_was_put) {
  const auto backend = make();
  const StoreId a = backend->open_state(state_of("a")).value();
  const StoreId b = backend->open_state(state_of("b")).value();
  EXPECT_NE(a, b);
  put(*backend, a, 1, "k", "v");
  ASSERT_TRUE(backend->commit().ok());
  EXPECT_EQ(backend->uncommitted_bytes(), 0U);
  EXPECT_EQ(find(*backend, a, 1, "k"), "v");
  EXPECT_EQ(find(*backend, b, 1, "k"), "nothing");
  backend->erase(a, key_of(1, "k"));
  ASSERT_TRUE(backend->commit().ok());
  EXPECT_EQ(find(*backend, a, 1, "k"), "nothing");
}

TEST_F(RocksdbTest, finds_many_and_erases_ranges) {
  const auto backend = make();
  const StoreId state = backend->open_state(state_of("a")).value();
  std::vector<std::string> stored;
  for (int32_t group = 0; group < 4; ++group) {
    for (int i = 1000; i < 2000; ++i) { stored.push_back(key_of(group, std::to_string(i))); }
  }
  for (size_t i = 0; i < stored.size(); i += 2) { backend->put(state, stored[i], stored[i]); }
  ASSERT_TRUE(backend->commit().ok());
  ASSERT_TRUE(backend->erase_range(state, store_group_begin(1), store_group_begin(3)).ok());
  const std::vector<std::string_view> keys(stored.begin(), stored.end());
  StateBackend::Values values;
  ASSERT_TRUE(backend->find_many(state, keys, values).ok());
  for (size_t i = 0; i < keys.size(); ++i) {
    const bool expected = i % 2 == 0 && (i < 1000 || i >= 3000);
    ASSERT_EQ(values[i].has_value(), expected) << i;
    if (expected) { EXPECT_EQ(*values[i], keys[i]); }
  }
}

TEST_F(RocksdbTest, views_stay_as_they_were) {
  const auto backend = make();
  const StoreId state = backend->open_state(state_of("a")).value();
  put(*backend, state, 1, "k", "old");
  ASSERT_TRUE(backend->commit().ok());
  const auto view = backend->view();
  put(*backend, state, 1, "k", "new");
  put(*backend, state, 2, "l", "new");
  ASSERT_TRUE(backend->commit().ok());
  const auto cursor = view->scan(state);
  ASSERT_TRUE(cursor->valid());
  EXPECT_EQ(cursor->value(), "old");
  cursor->next();
  EXPECT_FALSE(cursor->valid());
  EXPECT_TRUE(cursor->status().ok());
}

TEST_F(RocksdbTest, snapshots_share_files_and_come_back) {
  FolderSnapshot first(world_->files(), directory_ + "/chk");
  FolderSnapshot second(world_->files(), directory_ + "/chk");
  {
    const auto backend = make();
    const StoreId state = backend->open_state(state_of("a")).value();
    put(*backend, state, 1, "k1", "v1");
    put(*backend, state, 100, "k2", "v2");
    ASSERT_TRUE(backend->commit().ok());
    snapshot(*backend, 1, 0, first);
    put(*backend, state, 1, "k1", "changed");
    ASSERT_TRUE(backend->commit().ok());
    second.made_ = first.made_;
    snapshot(*backend, 2, 1, second);
  }
  const auto shared_with = [&](const SnapshotFile& file) {
    return std::count(first.native_.files.begin(), first.native_.files.end(), file);
  };
  EXPECT_EQ(std::count_if(second.native_.files.begin(), second.native_.files.end(), shared_with),
            1);
  for (auto* snapshot : {&first, &second}) {
    snapshot->native_.groups = {0, 127};
    const auto backend = make();
    const auto reader = backend->restore(*snapshot).value();
    ASSERT_NE(reader->find("a"), nullptr);
    const StoreId state = backend->open_state(state_of("a")).value();
    EXPECT_TRUE(backend->is_restored(state));
    EXPECT_EQ(find(*backend, state, 1, "k1"), snapshot == &first ? "v1" : "changed");
    EXPECT_EQ(find(*backend, state, 100, "k2"), "v2");
    put(*backend, state, 1, "k3", "v3");
    EXPECT_TRUE(backend->commit().ok());
  }
}

// Entries of two barriers, of which some come before their group's turn, and more than are
// gathered.
TEST_F(RocksdbTest, groups_of_a_barrier_become_files) {
  std::map<std::string, std::string> model;
  FolderSnapshot taken(world_->files(), directory_ + "/chk");
  {
    const auto backend = make();
    const StoreId value = backend->open_state(state_of("a")).value();
    const StoreId map = backend->open_state(state_of("m", true)).value();
    for (int round = 0; round < 5; ++round) {
      ASSERT_TRUE(backend->begin_groups());
      const auto write = [&](int32_t group, int i) {
        const std::string key = key_of(group, std::to_string(i));
        if ((i + round) % 11 == 0) {
          backend->erase_in_group(value, key);
          model.erase(key);
        } else {
          model[key] = fmt::format("{} {}", round, std::string(static_cast<size_t>(i % 300), 'v'));
          backend->put_in_group(value, key, model[key]);
        }
      };
      std::string prefix;
      make_store_prefix(prefix, 127, "map");
      backend->erase_in_group(map, prefix + "k");
      backend->put_in_group(map, prefix + "k", std::to_string(round));
      write(127, 1000);
      for (int32_t group = 0; group < 128; ++group) {
        for (int i = round; i < 200; i += 1 + group % 2) { write(group, i); }
        while (!backend->end_group(group).value()) { ASSERT_TRUE(backend->commit().ok()); }
      }
      while (!backend->end_groups().value()) { ASSERT_TRUE(backend->commit().ok()); }
      ASSERT_TRUE(backend->commit().ok());
      ASSERT_TRUE(stored(*backend, value) == model) << round;
      EXPECT_EQ(find(*backend, map, 127, "nothing of it"), "nothing");
      EXPECT_EQ(stored(*backend, map).at(prefix + "k"), std::to_string(round));
      ASSERT_NO_FATAL_FAILURE(snapshot(*backend, round + 1, round, taken));
      if (round < 4) { taken.native_.files.clear(); }
    }
  }
  taken.native_.groups = {0, 127};
  const auto backend = make();
  const auto reader = backend->restore(taken);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  EXPECT_TRUE(stored(*backend, backend->open_state(state_of("a")).value()) == model);
}

// More small entries than a file of 1 MB has room for, or room to sort.
TEST_F(RocksdbTest, groups_that_can_not_be_sorted_are_written_too) {
  config_.set(options::kRocksdbEntryFileSize, 1 << 20);
  const auto backend = make();
  const StoreId value = backend->open_state(state_of("a")).value();
  std::map<std::string, std::string> model;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(backend->begin_groups());
    for (int32_t group = 0; group < 128; ++group) {
      const int count = group % 50 == 7 ? 60'000 : 10;
      for (int i = 0; i < count; ++i) {
        const std::string key = key_of(group, std::to_string(i));
        model[key] = std::to_string(round);
        backend->put_in_group(value, key, model[key]);
      }
      while (!backend->end_group(group).value()) { ASSERT_TRUE(backend->commit().ok()); }
    }
    while (!backend->end_groups().value()) { ASSERT_TRUE(backend->commit().ok()); }
    ASSERT_TRUE(backend->commit().ok());
    ASSERT_TRUE(stored(*backend, value) == model) << round;
  }
}

TEST_F(RocksdbTest, other_groups_and_schemas_are_read_entry_by_entry) {
  FolderSnapshot snapshot_files(world_->files(), directory_ + "/chk");
  {
    const auto backend = make();
    const StoreId state = backend->open_state(state_of("a")).value();
    for (int32_t group = 0; group < 128; ++group) { put(*backend, state, group, "k", "v"); }
    ASSERT_TRUE(backend->commit().ok());
    snapshot(*backend, 1, 0, snapshot_files);
  }
  snapshot_files.native_.groups = {0, 127};
  {
    const auto half = make({64, 127});
    const auto reader = half->restore(snapshot_files).value();
    const StoreId state = half->open_state(state_of("a")).value();
    EXPECT_FALSE(half->is_restored(state));
    const auto all = entries(*reader, "a");
    EXPECT_EQ(all.size(), 64U);
    EXPECT_EQ(all.begin()->first, "100:k:");
  }
  const auto other = make();
  const auto reader = other->restore(snapshot_files).value();
  StoreState evolved = state_of("a");
  evolved.meta.value_schema = "another";
  const StoreId state = other->open_state(evolved).value();
  EXPECT_FALSE(other->is_restored(state));
  EXPECT_EQ(find(*other, state, 1, "k"), "nothing");
  EXPECT_EQ(entries(*reader, "a").size(), 128U);
}

TEST_F(RocksdbTest, damaged_files_of_a_snapshot_are_noticed) {
  FolderSnapshot snapshot_files(world_->files(), directory_ + "/chk");
  {
    const auto backend = make();
    const StoreId state = backend->open_state(state_of("a")).value();
    put(*backend, state, 1, "k", "v");
    ASSERT_TRUE(backend->commit().ok());
    snapshot(*backend, 1, 0, snapshot_files);
  }
  snapshot_files.native_.groups = {0, 127};
  for (const SnapshotFile& file : snapshot_files.native_.files) {
    std::string bytes = read_all(world_->files(), file.path).value();
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    ASSERT_TRUE(write_all_durably(world_->files(), file.path, bytes).ok());
    const auto backend = make();
    const auto restored = backend->restore(snapshot_files);
    ASSERT_FALSE(restored.ok());
    EXPECT_EQ(restored.status().id(), ErrorId::kSnapshotChecksum);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    ASSERT_TRUE(write_all_durably(world_->files(), file.path, bytes).ok());
  }
}

TEST_F(RocksdbTest, local_copies_of_files_are_taken_first_and_not_believed) {
  FolderSnapshot snapshot_files(world_->files(), directory_ + "/chk");
  snapshot_files.copies_ = directory_ + "/copies";
  ASSERT_TRUE(world_->files().make_directories(snapshot_files.copies_).ok());
  {
    const auto backend = make();
    const StoreId state = backend->open_state(state_of("a")).value();
    put(*backend, state, 1, "k", "v");
    ASSERT_TRUE(backend->commit().ok());
    snapshot(*backend, 1, 0, snapshot_files);
  }
  snapshot_files.native_.groups = {0, 127};
  const auto figures = std::make_shared<LocalCopyFigures>(world_->logger());
  const auto restore = [&] {
    for (SnapshotFile& file : snapshot_files.native_.files) {
      file.copy =
          std::make_shared<const LocalCopy>(snapshot_files.local_copy_of(file.path), figures);
    }
    const auto backend = make();
    const auto restored = backend->restore(snapshot_files);
    if (!restored.ok()) { return restored.status().to_string(); }
    return find(*backend, backend->open_state(state_of("a")).value(), 1, "k");
  };
  const auto count = static_cast<int64_t>(snapshot_files.native_.files.size());
  ASSERT_EQ(world_->files().list(snapshot_files.copies_)->size(), static_cast<size_t>(count));
  int64_t unusable = 0;
  for (const SnapshotFile& file : snapshot_files.native_.files) {
    const std::string copy = snapshot_files.local_copy_of(file.path);
    const std::string whole = read_all(world_->files(), copy).value();
    for (const std::string& bytes : {whole.substr(1), whole + "x", std::string()}) {
      ASSERT_TRUE(write_all_durably(world_->files(), copy, bytes).ok());
      EXPECT_EQ(restore(), "v");
      EXPECT_EQ(figures->unusable, ++unusable) << file.name;
    }
    ASSERT_TRUE(write_all_durably(world_->files(), copy, whole).ok());
  }
  figures->used = 0;
  for (const SnapshotFile& file : snapshot_files.native_.files) {
    ASSERT_TRUE(world_->files().remove(file.path).ok());
  }
  EXPECT_EQ(restore(), "v");
  EXPECT_EQ(figures->used, count);
  EXPECT_EQ(figures->unusable, unusable);
}

TEST_F(RocksdbTest, an_abandoned_snapshot_leaves_nothing) {
  const auto backend = make();
  const StoreId state = backend->open_state(state_of("a")).value();
  put(*backend, state, 1, "k", "v");
  ASSERT_TRUE(backend->commit().ok());
  backend->begin_own_snapshot({1, 0}, [] {});
  backend->abort_own_snapshot();
  EXPECT_TRUE(backend->is_cut());
  put(*backend, state, 1, "k", "w");
  EXPECT_TRUE(backend->commit().ok());
  FolderSnapshot files(world_->files(), directory_ + "/chk");
  snapshot(*backend, 2, 0, files);
  EXPECT_FALSE(files.native_.files.empty());
}

TEST_F(RocksdbTest, working_files_are_gone_at_the_end) {
  {
    const auto backend = make();
    ASSERT_TRUE(backend->open_state(state_of("a")).ok());
    EXPECT_FALSE(world_->files().list(directory_).value().empty());
  }
  backends_.reset();
  EXPECT_TRUE(world_->files().list(directory_).value().empty());
}

TEST_F(RocksdbTest, a_folder_that_cant_be_written_is_an_error) {
  ASSERT_TRUE(write_all_durably(world_->files(), directory_ + "/file", "").ok());
  config_.set(options::kRocksdbLocalDirectory, directory_ + "/file");
  const auto made = make_rocksdb_backends(*world_, config_, memory_, 1);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().id(), ErrorId::kStateBackend);
}

TEST_F(RocksdbTest, values_that_are_not_supported_are_errors) {
  const auto refused = [&](const char* key, const char* value) {
    Config config = config_;
    EXPECT_TRUE(config.set(key, value).ok()) << key;
    const auto made = make_rocksdb_backends(*world_, config, memory_, 1);
    return !made.ok() && made.status().id() == ErrorId::kBadOptionValue;
  };
  EXPECT_TRUE(refused("state.backend.rocksdb.predefined-options", "FAST"));
  EXPECT_TRUE(refused("state.backend.rocksdb.compaction.style", "FIFO"));
  EXPECT_TRUE(refused("state.backend.rocksdb.compression.per.level", "SNAPPY_COMPRESSION;BEST"));
  EXPECT_TRUE(refused("state.backend.rocksdb.memory.write-buffer-ratio", "0"));
  EXPECT_TRUE(refused("state.backend.rocksdb.localdir", "here"));
  EXPECT_FALSE(refused("state.backend.rocksdb.compression.per.level",
                       "NO_COMPRESSION;SNAPPY_COMPRESSION;ZSTD_COMPRESSION"));
}

TEST_F(RocksdbTest, every_set_of_options_opens) {
  for (const char* predefined : {"DEFAULT", "SPINNING_DISK_OPTIMIZED",
                                 "SPINNING_DISK_OPTIMIZED_HIGH_MEM", "FLASH_SSD_OPTIMIZED"}) {
    for (const char* managed : {"true", "false"}) {
      backends_.reset();
      config_.set(options::kRocksdbPredefinedOptions, predefined);
      ASSERT_TRUE(config_.set(options::kRocksdbManagedMemory.key, managed).ok());
      config_.set(options::kRocksdbPartitionedIndexFilters, true);
      const auto backend = make();
      const auto state = backend->open_state(state_of("a"));
      ASSERT_TRUE(state.ok()) << state.status().to_string();
      put(*backend, *state, 1, "k", "v");
      ASSERT_TRUE(backend->commit().ok());
      EXPECT_EQ(find(*backend, *state, 1, "k"), "v");
    }
  }
}

TEST_F(RocksdbTest, memory_is_a_part_of_the_jobs) {
  config_.set(options::kManagedFraction, 0.5);
  config_.set(options::kRocksdbCachedFraction, 0.4);
  static_cast<void>(backends());
  EXPECT_EQ(memory_.used_bytes(), (64 - 8) / 2 << 20);
  backends_.reset();
  EXPECT_EQ(memory_.used_bytes(), 0);
}

TEST_F(RocksdbTest, a_size_goes_before_the_fraction) {
  config_.set(options::kManagedMemory, int64_t{40} << 20);
  config_.set(options::kManagedFraction, 0.1);
  EXPECT_EQ(rocksdb_managed_bytes(&backends()), 40 << 20);
  EXPECT_EQ(memory_.used_bytes(), 40 << 20);
  EXPECT_NE(memory_.describe().find("rocksdb: block cache and write buffers 40 mb"),
            std::string::npos)
      << memory_.describe();
  backends_.reset();
  EXPECT_EQ(rocksdb_managed_bytes(nullptr), 0);
}

TEST_F(RocksdbTest, what_is_managed_leaves_less_for_entries_and_never_more_than_there_is) {
  const int64_t limit = int64_t{108} << 20;
  const RocksdbParts usual = divide_rocksdb_memory(config_, limit, 1).value();
  EXPECT_EQ(usual.managed_bytes, 25 << 20);
  EXPECT_EQ(usual.hot_bytes, (100 << 20) / 100 * 8);
  EXPECT_EQ(usual.cached_bytes, 50 << 20);
  config_.set(options::kManagedMemory, int64_t{70} << 20);
  const RocksdbParts parts = divide_rocksdb_memory(config_, limit, 1).value();
  EXPECT_EQ(parts.managed_bytes, 70 << 20);
  EXPECT_NEAR(static_cast<double>(parts.hot_bytes), 0.08 * 0.4 * (100 << 20), 1000);
  EXPECT_NEAR(static_cast<double>(parts.cached_bytes), 0.5 * 0.4 * (100 << 20), 1000);
  // Who sets them means what he says.
  config_.set(options::kRocksdbCachedFraction, 0.3);
  const auto refused = divide_rocksdb_memory(config_, limit, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().id(), ErrorId::kMemorySizes);
  EXPECT_NE(refused.status().message().find("70 mb by taskmanager.memory.managed.size"),
            std::string::npos)
      << refused.status().message();
  config_.set(options::kManagedMemory, int64_t{100} << 20);
  EXPECT_FALSE(divide_rocksdb_memory(config_, limit, 1).ok());
}

TEST_F(RocksdbTest, a_limit_that_is_too_small_is_refused_with_the_least_that_works) {
  MemoryPool small("job", 1 << 20);
  const auto refused = make_rocksdb_backends(*world_, config_, small, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().id(), ErrorId::kBadOptionValue);
  const std::string text = refused.status().to_string();
  const size_t at = text.find("at least ");
  ASSERT_NE(at, std::string::npos) << text;
  MemoryPool least("job", std::stoll(text.substr(at + 9)) << 20);
  EXPECT_TRUE(make_rocksdb_backends(*world_, config_, least, 1).ok());
}

// Memory of the process that is no part of a file.
int64_t own_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) { return std::stoll(line.substr(8)) * 1024; }
  }
  return 0;
}

class RocksdbLargeState : public RocksdbTest, public ::testing::WithParamInterface<int64_t> {};

// Entries that leave the cache, come back from files, and are changed again: without an entry file,
// with one that is too small, and with one that has room for all.
TEST_P(RocksdbLargeState, is_found_again_and_keeps_to_the_memory) {
  config_.set(options::kRocksdbEntryFileSize, GetParam());
  MemoryPool small("job", 16 << 20);
  backends_ = make_rocksdb_backends(*world_, config_, small, 1).value();
  auto backend = make();
  const StoreId state = backend->open_state(state_of("counts")).value();
  constexpr int64_t kKeys = 600'000;
  Random random(3);
  std::vector<uint8_t> counts(kKeys, 0);
  StateBackend::Values values;
  int64_t peak_bytes = 0;
  const int64_t before_bytes = own_memory_bytes();
  for (int round = 0; round < 1500; ++round) {
    if (round % 16 == 0) { peak_bytes = std::max(peak_bytes, own_memory_bytes()); }
    std::map<std::string, int64_t> batch;
    for (int i = 0; i < 500; ++i) {
      const auto number = static_cast<int64_t>(random.below(kKeys));
      const std::string_view bytes(reinterpret_cast<const char*>(&number), sizeof(number));
      batch[key_of(static_cast<int32_t>(number % 128), bytes)] = number;
    }
    std::vector<std::string_view> keys;
    for (const auto& [key, number] : batch) { keys.emplace_back(key); }
    ASSERT_TRUE(backend->find_many(state, keys, values).ok());
    std::vector<int64_t> found;
    for (size_t i = 0; i < keys.size(); ++i) {
      found.push_back(values[i].has_value() ? static_cast<uint8_t>(values[i]->front()) : 0);
    }
    size_t at = 0;
    for (const auto& [key, number] : batch) {
      ASSERT_EQ(found[at++], counts[static_cast<size_t>(number)]);
      const uint8_t count = ++counts[static_cast<size_t>(number)];
      const std::string value = static_cast<char>(count) + std::string(7, '\0');
      backend->put(state, key, value);
    }
    ASSERT_TRUE(backend->commit().ok());
  }
  EXPECT_LE(small.peak_bytes(), small.limit_bytes());
  // Of the process too, where its allocator is the usual one.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(peak_bytes - before_bytes, small.limit_bytes());
#endif
  backend.reset();
  backends_.reset();
  EXPECT_EQ(small.used_bytes(), 0);
}
INSTANTIATE_TEST_SUITE_P(EntryFile, RocksdbLargeState,
                         ::testing::Values(0, int64_t{6} << 20, int64_t{1} << 30));

// What the entry file has goes into snapshots, comes back from them, and is not taken for all there
// is then.
TEST_F(RocksdbTest, entries_in_the_file_are_in_snapshots) {
  auto backend = make();
  const StoreId state = backend->open_state(state_of("counts")).value();
  for (int i = 0; i < 20'000; ++i) {
    put(*backend, state, i % 128, "key " + std::to_string(i), std::to_string(i));
  }
  backend->erase(state, key_of(7, "key 7"));
  ASSERT_TRUE(backend->commit().ok());
  backend->begin_cut();
  put(*backend, state, 1, "key 1", "newer");
  for (bool prepared = false; !prepared;) { prepared = backend->prepare_cut().value(); }
  FolderSnapshot made(world_->files(), directory_ + "/snapshot");
  ASSERT_NO_FATAL_FAILURE(snapshot(*backend, 1, 0, made));
  EXPECT_EQ(find(*backend, state, 1, "key 1"), "newer");
  backend.reset();

  auto restored = make();
  made.native_.groups = {0, 127};
  ASSERT_TRUE(restored->restore(made).ok());
  const StoreId again = restored->open_state(state_of("counts")).value();
  EXPECT_TRUE(restored->is_restored(again));
  EXPECT_EQ(find(*restored, again, 1, "key 1"), "1");
  EXPECT_EQ(find(*restored, again, 7, "key 7"), "nothing");
  EXPECT_EQ(find(*restored, again, 19'999 % 128, "key 19999"), "19999");
  restored->erase(again, key_of(2, "key 2"));
  ASSERT_TRUE(restored->commit().ok());
  EXPECT_EQ(find(*restored, again, 2, "key 2"), "nothing");
}

// Half of all entries change between two cuts: what is void goes, and is not compacted by RocksDB
// level by level.
TEST_F(RocksdbTest, changes_lie_on_levels_that_are_merged) {
  constexpr int kKeys = 6'000;
  constexpr int kRounds = 40;
  std::map<std::string, std::string> model;
  FolderSnapshot made(world_->files(), directory_ + "/snapshot");
  uint64_t first_bytes = 0;
  {
    const auto backend = make();
    const StoreId state = backend->open_state(state_of("counts")).value();
    Random random(9);
    for (int round = 1; round <= kRounds; ++round) {
      for (int i = 0; i < kKeys; ++i) {
        if (round > 1 && random.chance(0.5)) { continue; }
        const std::string key = key_of(i % 128, "key " + std::to_string(i));
        if (random.chance(0.02)) {
          backend->erase(state, key);
          model.erase(key);
        } else {
          model[key] = fmt::format("{} in round {}", i, round);
          backend->put(state, key, model[key]);
        }
      }
      ASSERT_TRUE(backend->commit().ok());
      backend->begin_cut();
      backend->put(state, key_of(0, "key 0"), "newer");
      for (bool prepared = false; !prepared;) {
        prepared = backend->prepare_cut().value();
        if (backend->waits_for_commit()) { ASSERT_TRUE(backend->commit().ok()); }
      }
      made.native_.files.clear();
      ASSERT_NO_FATAL_FAILURE(snapshot(*backend, round, round - 1, made));
      const auto old = model.find(key_of(0, "key 0"));
      if (old == model.end()) {
        backend->erase(state, key_of(0, "key 0"));
      } else {
        backend->put(state, old->first, old->second);
      }
      uint64_t bytes = 0;
      for (const SnapshotFile& file : made.native_.files) {
        if (file.name.ends_with(".sst")) { bytes += file.bytes; }
      }
      if (round == 1) { first_bytes = bytes; }
      EXPECT_LE(bytes, 7 * first_bytes) << round;
    }
  }
  made.native_.groups = {0, 127};
  const auto restored = make();
  ASSERT_TRUE(restored->restore(made).ok());
  EXPECT_TRUE(stored(*restored, restored->open_state(state_of("counts")).value()) == model);
}

TEST_F(RocksdbTest, figures_are_metrics_when_asked_for) {
  config_.set(options::kRocksdbMetricEstimateNumKeys, true);
  const auto figures = [&] {
    std::vector<std::string> names;
    for (const MetricValue& value : metrics_.collect(0)) { names.push_back(value.name); }
    return names;
  };
  {
    const auto backend = make();
    ASSERT_TRUE(backend->open_state(state_of("a")).ok());
    EXPECT_EQ(figures(), std::vector<std::string>{"estimate-num-keys"});
  }
  EXPECT_TRUE(figures().empty());
}

}  // namespace
}  // namespace tidewheel
