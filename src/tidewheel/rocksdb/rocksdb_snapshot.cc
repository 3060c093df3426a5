// Snapshots of a database as files that later ones share, and the way back.
#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <set>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_backend.h"
#include "tidewheel/rocksdb/rocksdb_settings.h"

namespace tidewheel {

// The task's thread makes it and asks; two jobs on the blocking pool answer, one after the other:
// the first flushes and links (`linked`), the second brings what is new to the storage (`stored`).
// Each wakes the task, and sets its event at the very end, so that whoever has waited for the event
// may destroy what the job uses.
struct RocksdbBackend::Cut {
  Cut(World& of_world, std::string of_directory, std::function<void()> of_wake)
      : world(of_world),
        directory(std::move(of_directory)),
        wake(std::move(of_wake)),
        linked_event(of_world.executor().make_event()),
        stored_event(of_world.executor().make_event()) {}

  World& world;
  const std::string directory;  // of the links
  const std::function<void()> wake;
  SnapshotStart start;
  std::string states;  // for the file STATES

  std::atomic<bool> linked{false};
  Status link_failure;
  std::vector<SnapshotFile> files;  // all, with their sizes
  std::unique_ptr<Event> linked_event;

  bool storing = false;                   // the second job was started
  std::vector<SnapshotFile> fresh;        // with their places in the storage
  std::vector<std::string> fresh_links;   // where they come from
  std::vector<std::string> fresh_copies;  // where they are left too; empty names: nowhere
  std::vector<SnapshotFile> shared;
  std::atomic<bool> stored{false};
  Status store_failure;
  std::unique_ptr<Event> stored_event;
};

void RocksdbBackend::begin_own_snapshot(const SnapshotStart& start, std::function<void()> wake) {
  TIDEWHEEL_CHECK(cut_ == nullptr && uncommitted_bytes() == 0 && can_commit_behind(),
                  "one snapshot at a time, of what was committed");
  for (const Store& store : not_opened_) {
    // States that the job has no more, and those that were read into new families.
    ignore(failure(database_->DropColumnFamily(store.family)), "it only takes room");
  }
  not_opened_.clear();
  auto cut = std::make_shared<Cut>(shared_.world, fmt::format("{}/cut-{}", directory_, ++cuts_),
                                   std::move(wake));
  cut->start = start;
  cut->states = encode_states(stored_states());
  cut_ = cut;
  shared_.world.executor().run_blocking([cut, database = database_.get(), name = what()] {
    cut->link_failure = [&]() -> Status {
      if (TIDEWHEEL_FAULT("rocksdb.before_cut")) {
        return unavailable(ErrorId::kStateBackend, "{}: an injected failure", name);
      }
      ::rocksdb::Checkpoint* made = nullptr;
      TIDEWHEEL_RETURN_IF_ERROR(
          rocksdb_failure(::rocksdb::Checkpoint::Create(database, &made), name));
      const std::unique_ptr<::rocksdb::Checkpoint> checkpoint(made);
      // Flushes the write buffers, then links the files of all families.
      TIDEWHEEL_RETURN_IF_ERROR(
          rocksdb_failure(checkpoint->CreateCheckpoint(cut->directory), name));
      FileSystem& files = cut->world.files();
      TIDEWHEEL_RETURN_IF_ERROR(
          write_all_durably(files, join_path(cut->directory, kStatesFile), cut->states));
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files.list(cut->directory));
      for (const DirectoryEntry& entry : entries) {
        TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info,
                                   files.info(join_path(cut->directory, entry.name)));
        cut->files.push_back({entry.name, "", static_cast<uint64_t>(info.size_bytes), 0});
      }
      return {};
    }();
    cut->linked.store(true, std::memory_order_release);
    cut->wake();
    cut->linked_event->set();
  });
}

bool RocksdbBackend::is_cut() {
  return cut_ == nullptr || cut_->linked.load(std::memory_order_acquire);
}

void RocksdbBackend::wait_for_cut() {
  if (!is_cut()) { cut_->linked_event->wait(); }
}

// Decides which files are new, and has them brought to the storage.
Status RocksdbBackend::begin_files(SnapshotWriter& writer) {
  Cut& cut = *cut_;
  const auto base =
      cut.start.base_checkpoint == 0 ? stored_.end() : stored_.find(cut.start.base_checkpoint);
  for (const SnapshotFile& file : cut.files) {
    if (base != stored_.end() && file.name.ends_with(".sst")) {
      const auto found = base->second.find(file.name);
      if (found != base->second.end() && found->second.bytes == file.bytes) {
        cut.shared.push_back(found->second);
        continue;
      }
    }
    SnapshotFile fresh = file;
    fresh.path = writer.new_file(file.name.ends_with(".sst") ? ".sst" : ".rocksdb");
    cut.fresh_links.push_back(join_path(cut.directory, file.name));
    cut.fresh_copies.push_back(writer.local_copy_of(fresh.path));
    cut.fresh.push_back(std::move(fresh));
  }
  cut.storing = true;
  shared_.world.executor().run_blocking([shared = cut_] {
    Cut& job = *shared;
    for (size_t i = 0; i < job.fresh.size() && job.store_failure.ok(); ++i) {
      const bool may_link = job.fresh[i].name.ends_with(".sst");
      Result<uint64_t> checksum =
          link_or_copy(job.world, job.fresh_links[i], job.fresh[i].path, may_link);
      if (!job.fresh_copies[i].empty()) {
        leave_copy(job.world, job.fresh_links[i], job.fresh_copies[i], may_link);
      }
      if (checksum.ok()) {
        job.fresh[i].checksum = *checksum;
      } else {
        job.store_failure = std::move(checksum).status();
      }
    }
    job.stored.store(true, std::memory_order_release);
    job.wake();
    job.stored_event->set();
  });
  return {};
}

Result<bool> RocksdbBackend::write_own_snapshot(SnapshotWriter& writer) {
  TIDEWHEEL_CHECK(cut_ != nullptr, "no snapshot has begun");
  if (!is_cut() || !writer.ready()) { return false; }
  if (!cut_->link_failure.ok()) {
    const Status failure = cut_->link_failure;
    retire_snapshot();
    return failure;
  }
  StateMeta meta;
  meta.name = kRocksdbStateName;
  meta.form = kRocksdbForm;
  writer.begin_state(meta);
  if (!cut_->storing) { TIDEWHEEL_RETURN_IF_ERROR(begin_files(writer)); }
  if (!cut_->stored.load(std::memory_order_acquire)) { return false; }
  if (!cut_->store_failure.ok()) {
    const Status failure = cut_->store_failure;
    retire_snapshot();
    return failure;
  }
  auto& stored = stored_[cut_->start.checkpoint];
  for (const auto* files : {&cut_->shared, &cut_->fresh}) {
    for (const SnapshotFile& file : *files) {
      writer.add_file(file);
      stored[file.name] = file;
    }
  }
  // No snapshot will be based on one that is older than the base of this one.
  stored_.erase(stored_.begin(),
                stored_.lower_bound(std::min(cut_->start.base_checkpoint, cut_->start.checkpoint)));
  retire_snapshot();
  return true;
}

void RocksdbBackend::abort_own_snapshot() {
  if (cut_ != nullptr) { retire_snapshot(); }
}

// Its jobs may still run; the links are removed behind them.
void RocksdbBackend::retire_snapshot() {
  std::erase_if(retired_, [](const std::shared_ptr<Cut>& cut) {
    return cut->linked_event->is_set() && (!cut->storing || cut->stored_event->is_set());
  });
  retired_.push_back(cut_);
  shared_.world.executor().run_blocking([cut = std::move(cut_)] {
    cut->linked_event->wait();
    if (cut->storing) { cut->stored_event->wait(); }
    ignore(cut->world.files().remove_all(cut->directory), "goes with the job's folder at last");
  });
  cut_ = nullptr;
}

void RocksdbBackend::drop_snapshots() {
  if (cut_ != nullptr) { retire_snapshot(); }
  for (const auto& cut : retired_) {
    cut->linked_event->wait();
    if (cut->storing) { cut->stored_event->wait(); }
  }
  retired_.clear();
}

// ---- Restoring

namespace {

// A database of a snapshot, for reading.
struct Image {
  Image() = default;
  Image(Image&&) = default;
  ~Image() {
    for (::rocksdb::ColumnFamilyHandle* family : handles) {
      static_cast<void>(database->DestroyColumnFamilyHandle(family));
    }
  }
  std::unique_ptr<::rocksdb::DB> database;
  std::vector<StoredState> states;
  std::vector<::rocksdb::ColumnFamilyHandle*> handles;  // of the states, then the others
};

// What is in one family of a database.
struct Part {
  ::rocksdb::DB* database = nullptr;
  ::rocksdb::ColumnFamilyHandle* family = nullptr;
  StoreState state;
};

class PartEntries final : public SnapshotEntries {
 public:
  PartEntries(std::vector<Part> parts, KeyGroupRange groups, std::string what)
      : parts_(std::move(parts)),
        from_(store_group_begin(groups.first)),
        last_(groups.last),
        what_(std::move(what)) {}

  uint64_t count() const override {
    uint64_t count = 0;
    for (const Part& part : parts_) {
      uint64_t keys = 0;
      static_cast<void>(
          part.database->GetIntProperty(part.family, "rocksdb.estimate-num-keys", &keys));
      count += keys;
    }
    return count;
  }
  Result<bool> next(StateEntry& entry) override {
    for (; next_part_ <= parts_.size();) {
      if (iterator_ != nullptr) {
        begun_ ? iterator_->Next() : iterator_->Seek(from_);
        begun_ = true;
        if (iterator_->Valid()) {
          const Part& part = parts_[next_part_ - 1];
          entry = {};
          const ::rocksdb::Slice key = iterator_->key();
          if (!split_stored_entry(part.state, {key.data(), key.size()}, entry, scratch_)) {
            return data_loss(ErrorId::kStateBackend, "{}: a stored key is damaged", what_);
          }
          entry.value = {iterator_->value().data(), iterator_->value().size()};
          if (entry.group <= last_) { return true; }
        } else {
          TIDEWHEEL_RETURN_IF_ERROR(rocksdb_failure(iterator_->status(), what_));
        }
      }
      if (next_part_ == parts_.size()) { return false; }
      ::rocksdb::ReadOptions read;
      read.readahead_size = 1 << 20;
      read.fill_cache = false;
      const Part& part = parts_[next_part_++];
      iterator_.reset(part.database->NewIterator(read, part.family));
      begun_ = false;
    }
    return false;
  }

 private:
  const std::vector<Part> parts_;
  const std::string from_;
  const int32_t last_;
  const std::string what_;
  std::string scratch_;
  size_t next_part_ = 0;
  bool begun_ = false;
  std::unique_ptr<::rocksdb::Iterator> iterator_;
};

Result<Image> open_image(World& world, const std::vector<SnapshotFile>& files,
                         const std::string& directory) {
  TIDEWHEEL_RETURN_IF_ERROR(fetch_files(world, files, directory));
  Image image;
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string states,
                             read_all(world.files(), join_path(directory, kStatesFile)));
  TIDEWHEEL_ASSIGN_OR_RETURN(image.states, decode_states(states));
  std::vector<::rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const StoredState& state : image.states) {
    descriptors.emplace_back(state.family, ::rocksdb::ColumnFamilyOptions());
  }
  descriptors.emplace_back(::rocksdb::kDefaultColumnFamilyName, ::rocksdb::ColumnFamilyOptions());
  ::rocksdb::DB* database = nullptr;
  ::rocksdb::DBOptions options;
  options.info_log_level = ::rocksdb::FATAL_LEVEL;
  options.env = working_files();
  TIDEWHEEL_RETURN_IF_ERROR(rocksdb_failure(
      ::rocksdb::DB::OpenForReadOnly(options, directory, descriptors, &image.handles, &database),
      directory));
  image.database.reset(database);
  return image;
}

}  // namespace

// The states of the databases of a snapshot, and all others from its reader.
class RestoredReader final : public SnapshotReader {
 public:
  RestoredReader(SnapshotReader& reader, KeyGroupRange groups) : reader_(reader), groups_(groups) {
    for (const StateMeta& meta : reader.states()) {
      if (meta.form != kRocksdbForm) { states_.push_back(meta); }
    }
  }
  void add(Image image) {
    images_.push_back(std::move(image));
    for (size_t i = 0; i < images_.back().states.size(); ++i) {
      const StoredState& stored = images_.back().states[i];
      add_part({images_.back().database.get(), images_.back().handles[i], stored.state});
    }
  }
  void add_part(Part part) {
    auto& parts = parts_[part.state.meta.name];
    if (parts.empty()) { states_.push_back(part.state.meta); }
    parts.push_back(std::move(part));
  }

  const std::vector<StateMeta>& states() const override { return states_; }
  Result<std::unique_ptr<SnapshotEntries>> read(std::string_view state) override {
    const auto found = parts_.find(state);
    if (found == parts_.end()) { return reader_.read(state); }
    return std::unique_ptr<SnapshotEntries>(std::make_unique<PartEntries>(
        found->second, groups_, fmt::format("state {} of a snapshot", state)));
  }

 private:
  SnapshotReader& reader_;
  const KeyGroupRange groups_;
  std::vector<StateMeta> states_;
  std::vector<Image> images_;
  std::map<std::string, std::vector<Part>, std::less<>> parts_;
};

Result<std::unique_ptr<SnapshotReader>> RocksdbBackend::restore(SnapshotReader& reader) {
  TIDEWHEEL_CHECK(database_ == nullptr, "a backend is restored before it is used");
  auto restored = std::make_unique<RestoredReader>(reader, place_.key_groups);
  const std::vector<NativeState> natives = reader.native(kRocksdbStateName);
  if (natives.size() == 1 && natives[0].groups == place_.key_groups) {
    // The same groups as before: go on with the files as they are.
    const std::string path = directory_ + "/db";
    TIDEWHEEL_RETURN_IF_ERROR(
        fetch_files(shared_.world, natives[0].files, path).with_context("restoring {}", what()));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string bytes,
                               read_all(shared_.world.files(), join_path(path, kStatesFile)));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<StoredState> states, decode_states(bytes));
    TIDEWHEEL_RETURN_IF_ERROR(open_database(std::move(states)));
    for (const Store& store : not_opened_) {
      if (store.state.meta.name.empty()) { continue; }  // dropped before the snapshot
      restored->add_part({database_.get(), store.family, store.state});
    }
  } else {
    for (size_t i = 0; i < natives.size(); ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(
          Image image,
          open_image(shared_.world, natives[i].files, fmt::format("{}/restored-{}", directory_, i))
              .with_context("restoring {}", what()));
      restored->add(std::move(image));
    }
  }
  return std::unique_ptr<SnapshotReader>(std::move(restored));
}

}  // namespace tidewheel
