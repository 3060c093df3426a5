#include "tidewheel/checkpoint/task_snapshot_writer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/intrusive_stack.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/mutant.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

// What may wait for the disk, for one task.
constexpr uint64_t kWaitingBytesMax = uint64_t{4} << 20;
// Stored blocks are gathered into appends of about this size.
constexpr size_t kAppendBytes = 256 * 1024;

// A segment whose last block the pool has still to store.
struct LastPart {
  SnapshotSegment segment;
  std::vector<SegmentGroup> groups;
  SegmentBuffer raw;
};
using LastParts = std::vector<std::vector<LastPart>>;  // by writer

// What the task leaves to the pool: a block, or the end.
struct Parcel {
  Parcel* next = nullptr;
  size_t writer = 0;
  size_t segment = 0;
  SegmentBuffer raw;
  std::unique_ptr<LastParts> end;
};

// The groups that are whole, as ranges.
std::vector<KeyGroupRange> whole_groups_of(const std::vector<SegmentGroup>& groups) {
  std::vector<KeyGroupRange> ranges;
  for (const SegmentGroup& group : groups) {
    if (!group.whole) { continue; }
    if (!ranges.empty() && ranges.back().last + 1 == group.group) {
      ranges.back().last = group.group;
    } else {
      ranges.push_back({group.group, group.group});
    }
  }
  return ranges;
}

// Shared by the task, which fills it, and the pool, where at most one job at a time empties it.
class TaskFile : public std::enable_shared_from_this<TaskFile> {
 public:
  TaskFile(FileSystem& files, Executor& executor, std::shared_ptr<NewFiles> new_files,
           TaskFileOptions options)
      : files_(files),
        executor_(executor),
        new_files_(std::move(new_files)),
        options_(std::move(options)) {}
  ~TaskFile() { delete_all(parcels_.take_all()); }

  const TaskFileOptions& options() const { return options_; }

  // ---- task thread ----
  bool has_room() const {
    return waiting_bytes_.load(std::memory_order_relaxed) < kWaitingBytesMax;
  }
  void set_wake(std::function<void()> wake) {
    const std::lock_guard guard(lock_);
    wake_ = std::move(wake);
  }
  void push(std::unique_ptr<Parcel> parcel) {
    if (waiting_bytes_.fetch_add(parcel->raw.size()) + parcel->raw.size() >= kWaitingBytesMax) {
      TIDEWHEEL_MARK("checkpoint.writer_waits_for_disk");
    }
    parcels_.push(parcel.release());
    schedule();
  }
  void finish(LastParts parts, TaskSnapshotWriter::Done done) {
    {
      const std::lock_guard guard(lock_);
      done_ = std::move(done);
    }
    auto parcel = std::make_unique<Parcel>();
    parcel->end = std::make_unique<LastParts>(std::move(parts));
    push(std::move(parcel));
  }
  void abandon() {
    {
      const std::lock_guard guard(lock_);
      done_ = nullptr;
      wake_ = nullptr;
    }
    abandoned_.store(true);
    push(std::make_unique<Parcel>());  // the file is removed on the pool
  }
  // A file that a state backend is about to make.
  std::string name_native(std::string name) {
    std::string path = join_path(options_.directory, name);
    // When the checkpoint is over already it is removed with the task's own file.
    ignore(new_files_->add(path) ? ok_status() : missing(), "natives_ has it too");
    const std::lock_guard guard(lock_);
    natives_.push_back(path);
    return path;
  }

 private:
  static void delete_all(Parcel* parcel) {
    while (parcel != nullptr) { delete std::exchange(parcel, parcel->next); }
  }

  void schedule() {
    if (!scheduled_.exchange(true)) {
      executor_.run_blocking([self = shared_from_this()] { self->run(); });
    }
  }

  // ---- blocking pool ----
  void run() {
    do {
      Parcel* parcel = parcels_.take_all();
      while (parcel != nullptr) {
        const std::unique_ptr<Parcel> own(std::exchange(parcel, parcel->next));
        take(*own);
      }
      if (abandoned_.load()) { remove_files(); }
      scheduled_.store(false);
      // What came in between found `scheduled_` set, and is taken here.
    } while (!parcels_.empty() && !scheduled_.exchange(true));
  }

  void take(Parcel& parcel) {
    if (parcel.end != nullptr) {
      finish_file(*parcel.end);
      return;
    }
    if (status_.ok() && !abandoned_.load()) {
      if (Status status = store(parcel.writer, parcel.segment, parcel.raw.view()); !status.ok()) {
        status_ = std::move(status);
      }
    }
    const uint64_t before = waiting_bytes_.fetch_sub(parcel.raw.size());
    const uint64_t after = before - parcel.raw.size();
    if (before >= kWaitingBytesMax / 2 && after < kWaitingBytesMax / 2) { wake(); }
  }

  void wake() {
    std::function<void()> wake;
    {
      const std::lock_guard guard(lock_);
      wake = wake_;
    }
    if (wake) { wake(); }
  }

  std::vector<SegmentBlock>& blocks_of(size_t writer, size_t segment) {
    if (blocks_.size() <= writer) { blocks_.resize(writer + 1); }
    if (blocks_[writer].size() <= segment) { blocks_[writer].resize(segment + 1); }
    return blocks_[writer][segment];
  }

  Status store(size_t writer, size_t segment, std::string_view raw) {
    blocks_of(writer, segment)
        .push_back(store_block(raw, options_.codec, appended_bytes_, gathered_));
    return gathered_.size() >= kAppendBytes ? append_gathered() : ok_status();
  }

  Status append_gathered() {
    if (file_ == nullptr) { TIDEWHEEL_RETURN_IF_ERROR(make_file()); }
    TIDEWHEEL_RETURN_IF_ERROR(file_->append(gathered_));
    if (copy_ != nullptr) {
      if (Status status = copy_->append(gathered_); !status.ok()) { give_up_copy(status); }
    }
    appended_bytes_ += gathered_.size();
    gathered_.clear();
    return ok_status();
  }

  Status make_file() {
    path_ = join_path(options_.directory, options_.name);
    const auto over = [&] {
      return cancelled(ErrorId::kCheckpointDeclined, "the checkpoint is over: {}", path_);
    };
    if (!new_files_->add(path_)) { return over(); }
    made_ = true;
    TIDEWHEEL_ASSIGN_OR_RETURN(file_, files_.open_write(path_, WriteMode::kCreate));
    if (new_files_->is_over()) { return over(); }
    if (options_.copies != nullptr) { begin_copy(); }
    return ok_status();
  }

  // A second name for the file, or a second file when they are on two disks. It is not synced: what
  // a crash of the machine leaves of it is known by its size and checksums.
  void begin_copy() {
    copy_path_ = options_.copies->place_of(options_.name);
    if (files_.link(path_, copy_path_).ok()) { return; }
    auto copy = files_.open_write(copy_path_, WriteMode::kTruncate);
    if (copy.ok()) {
      copy_ = std::move(copy).value();
    } else {
      give_up_copy(copy.status());
    }
  }
  void give_up_copy(const Status& why) {
    copy_ = nullptr;
    options_.copies->note_failed_write(copy_path_, why);
    ignore(files_.remove(copy_path_), "it is too short to be used");
  }
  void close_copy() {
    if (copy_ == nullptr) { return; }
    if (Status status = copy_->close(); !status.ok()) { give_up_copy(status); }
    copy_ = nullptr;
  }

  void finish_file(LastParts& parts) {
    Result<std::vector<std::vector<SegmentRef>>> refs(Status{status_.ok() ? missing() : status_});
    if (status_.ok() && !abandoned_.load()) { refs = finish_segments(parts); }
    if (!refs.ok()) { remove_files(); }
    TaskSnapshotWriter::Done done;
    {
      const std::lock_guard guard(lock_);
      done = std::exchange(done_, nullptr);
    }
    if (done) { done(std::move(refs)); }
  }
  static Status missing() {
    return cancelled(ErrorId::kCheckpointDeclined, "the checkpoint was abandoned");
  }

  Result<std::vector<std::vector<SegmentRef>>> finish_segments(LastParts& parts) {
    uint64_t inline_left = options_.inline_bytes_max;
    std::vector<std::vector<SegmentRef>> refs(parts.size());
    std::vector<std::pair<SegmentPlace*, std::string>> indexes;
    for (size_t writer = 0; writer < parts.size(); ++writer) {
      refs[writer].resize(parts[writer].size());
      for (size_t number = 0; number < parts[writer].size(); ++number) {
        LastPart& part = parts[writer][number];
        SegmentRef& ref = refs[writer][number];
        describe(part, ref);
        if (blocks_of(writer, number).empty() && place_inline(part, inline_left, ref)) { continue; }
        TIDEWHEEL_ASSIGN_OR_RETURN(std::string index, store_last(writer, number, part, ref));
        indexes.emplace_back(&ref.place, std::move(index));
      }
    }
    for (auto& [place, index] : indexes) {
      place->index_offset = appended_bytes_ + gathered_.size();
      place->index_bytes = index.size();
      place->checksum = hash_bytes(index.data(), index.size());
      place->length += index.size();
      gathered_ += index;
    }
    if (!indexes.empty()) { TIDEWHEEL_RETURN_IF_ERROR(close_file()); }
    for (const auto& entry : indexes) {
      entry.first->file = options_.prefix + options_.name;
      entry.first->file_bytes = appended_bytes_;
    }
    return refs;
  }

  void describe(LastPart& part, SegmentRef& ref) const {
    SnapshotSegment& segment = part.segment;
    ref.meta = std::move(segment.meta);
    ref.content = segment.content;
    if (ref.content == StateContent::kChanges) {
      ref.base_checkpoint = options_.base_checkpoint;
      ref.whole_groups = whole_groups_of(part.groups);
    }
    ref.groups = segment.groups;
    ref.entries = segment.entries;
    ref.erased = segment.erased;
    ref.raw_bytes = segment.size_bytes;
    for (SnapshotFile& file : segment.files) {
      const bool shared = file_name(parent_path(file.path)) == "shared";
      ref.files.push_back({std::move(file.name), (shared ? "shared/" : "") + file_name(file.path),
                           file.bytes, file.checksum});
    }
  }

  // Of a segment that has no block in the file yet.
  bool place_inline(LastPart& part, uint64_t& inline_left, SegmentRef& ref) const {
    if (part.raw.size() > inline_left) { return false; }
    const std::string_view raw = part.raw.view();
    SegmentImage image =
        make_image(std::move(part.groups), std::span(&raw, raw.empty() ? 0 : 1), options_.codec);
    inline_left -= std::min<uint64_t>(inline_left, image.bytes.size());
    ref.place = SegmentPlace::of(std::move(image));
    return true;
  }

  // Stores what the segment has left, and gives back its index.
  Result<std::string> store_last(size_t writer, size_t number, LastPart& part, SegmentRef& ref) {
    if (part.raw.size() > 0) { TIDEWHEEL_RETURN_IF_ERROR(store(writer, number, part.raw.view())); }
    SegmentIndex index;
    index.groups = std::move(part.groups);
    index.blocks = std::move(blocks_of(writer, number));
    for (const SegmentBlock& block : index.blocks) { ref.place.length += block.stored_bytes; }
    return encode_index(index);
  }

  Status close_file() {
    TIDEWHEEL_RETURN_IF_ERROR(append_gathered());
    close_copy();
    Status synced = file_->sync();
    if (!TIDEWHEEL_MUTANT("sync_error_ignored")) { TIDEWHEEL_RETURN_IF_ERROR(std::move(synced)); }
    TIDEWHEEL_RETURN_IF_ERROR(file_->close());
    file_ = nullptr;
    if (new_files_->is_over()) {
      return cancelled(ErrorId::kCheckpointDeclined, "the checkpoint is over: {}", path_);
    }
    return ok_status();
  }

  void remove_files() {
    file_ = nullptr;
    std::vector<std::string> paths;
    {
      const std::lock_guard guard(lock_);
      paths.swap(natives_);
    }
    if (std::exchange(made_, false)) { paths.push_back(path_); }
    copy_ = nullptr;
    if (options_.copies != nullptr) { options_.copies->discard(paths); }
    for (const std::string& path : paths) {
      TIDEWHEEL_MARK("checkpoint.task_file_removed");
      ignore(files_.remove(path), "the store removes it, or a sweep");
    }
  }

  FileSystem& files_;
  Executor& executor_;
  const std::shared_ptr<NewFiles> new_files_;
  const TaskFileOptions options_;

  IntrusiveStack<Parcel, &Parcel::next> parcels_;
  std::atomic<uint64_t> waiting_bytes_{0};  // raw, of parcels
  std::atomic<bool> scheduled_{false};      // a job on the pool runs, or will
  std::atomic<bool> abandoned_{false};
  LeafLock lock_;  // guards the next three
  std::function<void()> wake_;
  TaskSnapshotWriter::Done done_;
  std::vector<std::string> natives_;

  // The pool's, one job at a time.
  Status status_;
  std::string path_;
  std::unique_ptr<WritableFile> file_;
  bool made_ = false;  // the file may exist
  std::string copy_path_;
  std::unique_ptr<WritableFile> copy_;  // while there is one that is not the file itself
  uint64_t appended_bytes_ = 0;
  std::string gathered_;                                        // stored blocks that come next
  std::vector<std::vector<std::vector<SegmentBlock>>> blocks_;  // by writer and segment
};

// The writer of one operator.
class OperatorWriter final : public SegmentEncoder {
 public:
  OperatorWriter(SnapshotPlace place, Grant* grant, TaskFile& file, size_t number)
      : SegmentEncoder(std::move(place), grant), file_(file), number_(number) {}

  bool ready() const override { return SegmentEncoder::ready() && file_.has_room(); }
  bool takes_files() const override { return file_.options().takes_files; }
  std::string new_file(std::string_view suffix) override {
    TIDEWHEEL_CHECK(takes_files(), "this writer takes no files");
    return file_.name_native(
        fmt::format("{}-{}-{}{}", file_.options().name, number_, new_files_++, suffix));
  }
  std::string local_copy_of(const std::string& path) override {
    const auto& copies = file_.options().copies;
    return copies == nullptr ? std::string() : copies->place_of(path);
  }
  const SnapshotPlace& own_place() const { return place(); }

  std::vector<LastPart> take_rest() {
    std::vector<LastPart> parts;
    for (const auto& open : segments()) {
      if (!open->segment.files.empty()) {
        open->segment.groups =
            key_groups_of(place().subtask, place().parallelism, place().max_parallelism);
      }
      parts.push_back({std::move(open->segment), std::move(open->groups), std::move(open->open)});
    }
    forget_segments();
    return parts;
  }

 private:
  void take_block(Open&, size_t number, SegmentBuffer block) override {
    auto parcel = std::make_unique<Parcel>();
    parcel->writer = number_;
    parcel->segment = number;
    parcel->raw = std::move(block);
    file_.push(std::move(parcel));
  }

  TaskFile& file_;
  const size_t number_;
  int64_t new_files_ = 0;
};

class FileSnapshotWriter final : public TaskSnapshotWriter {
 public:
  explicit FileSnapshotWriter(std::shared_ptr<TaskFile> file) : file_(std::move(file)) {
    grant_.granted_bytes = 0;
  }
  ~FileSnapshotWriter() override {
    if (!finished_ && !abandoned_) { file_->abandon(); }
  }

  SnapshotWriter& writer(const SnapshotPlace& place) override {
    for (const auto& writer : writers_) {
      if (writer->own_place().operator_uid == place.operator_uid &&
          writer->own_place().subtask == place.subtask) {
        return *writer;
      }
    }
    return *writers_.emplace_back(
        std::make_unique<OperatorWriter>(place, &grant_, *file_, writers_.size()));
  }
  void grant(uint64_t bytes, std::function<void()> wake) override {
    grant_.give(bytes);
    file_->set_wake(std::move(wake));
  }
  bool has_room() const override { return file_->has_room(); }
  void finish(Done done) override {
    TIDEWHEEL_CHECK(!finished_ && !abandoned_, "a task's snapshot was finished twice");
    finished_ = true;
    LastParts parts;
    for (const auto& writer : writers_) { parts.push_back(writer->take_rest()); }
    file_->finish(std::move(parts), std::move(done));
  }
  void abandon() override {
    if (std::exchange(abandoned_, true)) { return; }
    file_->abandon();
  }

 private:
  const std::shared_ptr<TaskFile> file_;
  SegmentEncoder::Grant grant_;
  std::vector<std::unique_ptr<OperatorWriter>> writers_;
  bool finished_ = false;
  bool abandoned_ = false;
};

}  // namespace

std::unique_ptr<TaskSnapshotWriter> make_task_snapshot_writer(FileSystem& files, Executor& executor,
                                                              std::shared_ptr<NewFiles> new_files,
                                                              TaskFileOptions options) {
  return std::make_unique<FileSnapshotWriter>(
      std::make_shared<TaskFile>(files, executor, std::move(new_files), std::move(options)));
}

}  // namespace tidewheel
