#include "tidewheel/connectors/file/part_writer.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/mutant.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::file {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kCopyBytes = 256 * 1024;
constexpr std::string_view kInProgress = ".inprogress.";

bool is_file_name(std::string_view name) { return name.find('/') == std::string_view::npos; }

// Reads a number at the start of `text`, and takes it off; -1 when there is none.
int64_t take_number(std::string_view& text) {
  int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) { return -1; }
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

// The number in "part-0-12.csv" or ".part-0-12.csv.inprogress.1-2" behind the stem "part-0-"; -1
// for other names.
int64_t number_in(std::string_view name, std::string_view stem) {
  if (name.starts_with('.')) { name.remove_prefix(1); }
  if (!name.starts_with(stem)) { return -1; }
  name.remove_prefix(stem.size());
  return take_number(name);
}

std::string hex8(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(8, '0');
  for (size_t i = 8; i-- > 0; value >>= 4) { text[i] = kDigits[value & 15]; }
  return text;
}

Status injected(std::string_view doing, const std::string& path) {
  return unavailable(ErrorId::kFileIo, "{} {}: a fault of the test", doing, path);
}

Status sync_file(WritableFile& file) {
  if (TIDEWHEEL_FAULT("part_file.sync_fails")) { return injected("syncing", "a part"); }
  const Status status = file.sync();
  if (TIDEWHEEL_MUTANT("part_file_sync_error_ignored")) { return {}; }
  return status;
}

// Appends bytes [from, to) of a file to another.
Status copy_bytes(FileSystem& files, const std::string& path, int64_t from, int64_t to,
                  WritableFile& target) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto source, files.open_read(path));
  std::string buffer(kCopyBytes, '\0');
  while (from < to) {
    const auto want = static_cast<size_t>(std::min<int64_t>(to - from, std::ssize(buffer)));
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got, source->read_at(from, {buffer.data(), want}));
    if (got == 0) {
      return data_loss(ErrorId::kFileNotFound,
                       "a part file is shorter than its checkpoint says, {} instead of {} bytes: "
                       "{}",
                       from, to, path);
    }
    TIDEWHEEL_RETURN_IF_ERROR(
        target.append(std::string_view(buffer).substr(0, static_cast<size_t>(got))));
    from += got;
  }
  return {};
}

// A folder within the folder: its files must be found again, and nobody else's be touched.
Status check_bucket(std::string_view bucket) {
  std::string_view rest = bucket;
  while (true) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    if (name.empty() || name.starts_with('.') || name.find('\0') != std::string_view::npos) {
      return invalid_argument(
          ErrorId::kConnectorOption,
          "the name of a bucket must be that of a folder, or of folders with '/' between, none of "
          "which is empty or begins with '.', not '{}'",
          bucket);
    }
    if (name.size() == rest.size()) { return {}; }
    rest.remove_prefix(name.size() + 1);
  }
}

Status remove_if_there(FileSystem& files, const std::string& path) {
  const Status status = files.remove(path);
  return status.code() == StatusCode::kNotFound ? Status() : status;
}

}  // namespace

Status WriteOptions::validate() const {
  if (prefix.empty() || prefix.starts_with('.') || prefix.starts_with('_') ||
      !is_file_name(prefix) || !is_file_name(suffix)) {
    return invalid_argument(
        ErrorId::kConnectorOption,
        "prefix and suffix of part files accept parts of a file's name, which does "
        "not begin with '.' or '_', not '{}' and '{}'",
        prefix, suffix);
  }
  if (part_bytes_max < 1 || to_ms(part_time_max) < 0 || to_ms(idle_time_max) < 0) {
    return invalid_argument(
        ErrorId::kConnectorOption,
        "part files accept part_bytes_max of 1 or more, and part_time_max and idle_time_max of 0 "
        "or more; not {}, {} ms and {} ms",
        part_bytes_max, to_ms(part_time_max), to_ms(idle_time_max));
  }
  if (merge_parts < 0 || merge_parts == 1 || merge_parts > 10'000 || merge_bytes < 1) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "part files accept merge_parts of 2 to 10000, or 0 for none, and "
                            "merge_bytes of 1 or more; not {} and {}",
                            merge_parts, merge_bytes);
  }
  if (to_ms(merge_time_max) < 0) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "part files accept a merge_time_max of 0 or more, not {} ms",
                            to_ms(merge_time_max));
  }
  return ok_status();
}

PartWriter::PartWriter(FileSystem& files, Clock& clock, PartPlace place,
                       const WriteOptions& options, std::string head, bool by_checkpoint)
    : files_(files),
      clock_(clock),
      place_(std::move(place)),
      stem_(options.prefix + '-' + std::to_string(place_.subtask) + '-'),
      marker_(std::string(kInProgress) + hex8(place_.writer) + '-'),
      lock_name_('.' + stem_ + "lock" + marker_ + "lock"),
      options_(options),
      head_(std::move(head)),
      head_hash_(hash_bytes(head_.data(), head_.size())),
      by_checkpoint_(by_checkpoint) {}

Result<std::unique_ptr<PartWriter>> PartWriter::open(FileSystem& files, Clock& clock,
                                                     PartPlace place, const WriteOptions& options,
                                                     std::string head, bool by_checkpoint) {
  TIDEWHEEL_RETURN_IF_ERROR(options.validate());
  TIDEWHEEL_RETURN_IF_ERROR(files.make_directories(place.folder));
  std::unique_ptr<PartWriter> writer(
      new PartWriter(files, clock, std::move(place), options, std::move(head), by_checkpoint));
  TIDEWHEEL_RETURN_IF_ERROR(writer->take_lock());
  return writer;
}

// Each subtask has a lock of its own. Subtask s of this attempt removes hidden files of subtasks s,
// s + parallelism and so on. If another attempt is alive and has one of these, it has subtask s
// too, so this one is refused before it removes anything.
Status PartWriter::take_lock() {
  auto lock = files_.lock(join_path(place_.folder, lock_name_), "the writer of its part files");
  if (!lock.ok()) {
    return std::move(lock).status().with_context("the part files in {} have one writer at a time",
                                                 place_.folder);
  }
  lock_ = std::move(lock).value();
  return {};
}

// ---- Writing ----

Result<std::string*> PartWriter::begin_record(std::string_view bucket) {
  if (current_ == nullptr || bucket != current_bucket_) {
    auto found = parts_.find(bucket);
    if (found == parts_.end()) {
      if (parts_.size() >= kOpenBucketsMax) { TIDEWHEEL_RETURN_IF_ERROR(close_longest_unused()); }
      Part part;
      TIDEWHEEL_RETURN_IF_ERROR(open_part(bucket, part));
      found = parts_.emplace(std::string(bucket), std::move(part)).first;
    }
    current_ = &found->second;
    current_->chosen = ++choices_;
    current_bucket_ = bucket;
  }
  return &current_->buffer;
}

Status PartWriter::record_done() {
  Part& part = *current_;
  part.touched = true;
  const bool full = part.bytes + std::ssize(part.buffer) >= options_.part_bytes_max;
  if (part.buffer.size() < kBufferBytes && !full) { return ok_status(); }
  if (!full) { return drain(part); }
  Part done = std::move(part);
  parts_.erase(current_bucket_);
  current_ = nullptr;
  return close_part(std::move(done));
}

// The number of the next part in a folder: a name that an earlier run has used, or left behind, is
// never used again.
Result<int64_t*> PartWriter::next_number(const std::string& bucket) {
  const std::string folder = bucket.empty() ? place_.folder : join_path(place_.folder, bucket);
  auto number = next_numbers_.find(bucket);
  if (number == next_numbers_.end()) {
    if (!bucket.empty()) {
      TIDEWHEEL_RETURN_IF_ERROR(check_bucket(bucket));
      TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(folder));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list(folder));
    const auto least = least_numbers_.find(parent_path(join_path(folder, stem_)));
    int64_t next = least == least_numbers_.end() ? 0 : least->second;
    for (const DirectoryEntry& entry : entries) {
      next = std::max(next, number_in(entry.name, stem_) + 1);
    }
    number = next_numbers_.emplace(bucket, next).first;
  }
  return &number->second;
}

std::string PartWriter::hidden_path_of(const std::string& path) {
  return join_path(parent_path(path), '.' + file_name(path) + marker_ + hex8(place_.attempt) + '-' +
                                          std::to_string(next_hidden_++));
}

Status PartWriter::name_part(const std::string& bucket, Part& part) {
  TIDEWHEEL_ASSIGN_OR_RETURN(int64_t* const number, next_number(bucket));
  const std::string folder = bucket.empty() ? place_.folder : join_path(place_.folder, bucket);
  part.bucket = bucket;
  part.path = join_path(folder, stem_ + std::to_string((*number)++) + options_.suffix);
  part.hidden_path = hidden_path_of(part.path);
  return {};
}

Status PartWriter::open_part(std::string_view bucket, Part& part) {
  TIDEWHEEL_RETURN_IF_ERROR(name_part(std::string(bucket), part));
  TIDEWHEEL_ASSIGN_OR_RETURN(part.file, files_.open_write(part.hidden_path, WriteMode::kCreate));
  part.begun_ms = part.written_ms = clock_.wall_ms();
  part.buffer = head_;
  return ok_status();
}

Status PartWriter::drain(Part& part) {
  if (part.buffer.empty()) { return ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(part.file->append(part.buffer));
  part.bytes += std::ssize(part.buffer);
  bytes_written_ += std::ssize(part.buffer);
  part.buffer.clear();
  return ok_status();
}

// Without checkpoints, first the bytes, then the name: a crash in between leaves a hidden file,
// never half a part.
Status PartWriter::close_part(Part part) {
  if (tail_) { TIDEWHEEL_RETURN_IF_ERROR(tail_(part.bucket, part.buffer)); }
  TIDEWHEEL_RETURN_IF_ERROR(drain(part));
  part.closed_ms = clock_.wall_ms();
  if (!by_checkpoint_) {
    TIDEWHEEL_RETURN_IF_ERROR(sync_file(*part.file));
    TIDEWHEEL_RETURN_IF_ERROR(part.file->close());
    part.file = nullptr;
    if (!is_to_be_merged(part)) { return publish(files_, {part.hidden_path, part.path, {}}); }
    const int64_t now_ms = part.closed_ms;
    waiting_[part.bucket].push_back(std::move(part));
    return merge_without_checkpoint(now_ms);
  }
  closed_.push_back(std::move(part));
  return closed_.size() < kClosedMax ? ok_status() : sync_closed();
}

// So that there are not too many open files between two checkpoints.
Status PartWriter::sync_closed() {
  for (Part& part : closed_) {
    if (part.file == nullptr) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(sync_file(*part.file));
    TIDEWHEEL_RETURN_IF_ERROR(part.file->close());
    part.file = nullptr;
  }
  return {};
}

Status PartWriter::close_all() {
  current_ = nullptr;
  while (!parts_.empty()) {
    Part part = std::move(parts_.begin()->second);
    parts_.erase(parts_.begin());
    TIDEWHEEL_RETURN_IF_ERROR(close_part(std::move(part)));
  }
  return ok_status();
}

// Room for another bucket: the one that has not been written to for longest may get no row any
// more.
Status PartWriter::close_longest_unused() {
  const auto found = std::min_element(
      parts_.begin(), parts_.end(),
      [](const auto& a, const auto& b) { return a.second.chosen < b.second.chosen; });
  if (current_ == &found->second) { current_ = nullptr; }
  Part part = std::move(found->second);
  parts_.erase(found);
  return close_part(std::move(part));
}

Status PartWriter::flush() {
  for (auto& [bucket, part] : parts_) { TIDEWHEEL_RETURN_IF_ERROR(drain(part)); }
  return ok_status();
}

bool PartWriter::is_old(const Part& part, int64_t now_ms) const {
  const int64_t age_max = to_ms(options_.part_time_max);
  const int64_t idle_max = to_ms(options_.idle_time_max);
  return (age_max > 0 && now_ms - part.begun_ms >= age_max) ||
         (idle_max > 0 && now_ms - part.written_ms >= idle_max);
}

Result<int64_t> PartWriter::on_time(int64_t wall_ms) {
  int64_t shortest = Clock::kNever;
  for (const Duration limit : {options_.part_time_max, options_.idle_time_max}) {
    if (to_ms(limit) > 0) { shortest = std::min(shortest, to_ms(limit)); }
  }
  if (!by_checkpoint_ && options_.merge_parts > 0 && to_ms(options_.merge_time_max) > 0) {
    shortest = std::min(shortest, to_ms(options_.merge_time_max));
    TIDEWHEEL_RETURN_IF_ERROR(merge_without_checkpoint(wall_ms));
  }
  if (shortest == Clock::kNever) { return shortest; }
  for (auto it = parts_.begin(); it != parts_.end();) {
    if (std::exchange(it->second.touched, false)) { it->second.written_ms = wall_ms; }
    if (!is_old(it->second, wall_ms)) {
      ++it;
      continue;
    }
    if (current_ == &it->second) { current_ = nullptr; }
    Part part = std::move(it->second);
    it = parts_.erase(it);
    TIDEWHEEL_RETURN_IF_ERROR(close_part(std::move(part)));
  }
  return wall_ms + std::max<int64_t>(1, shortest / 4);
}

// ---- Checkpoints ----

void PartWriter::add_to(PartSync& sync, Part& part, bool close) {
  if (part.file != nullptr || !part.referred) {
    sync.open_.push_back(
        {part.file, part.referred ? std::string() : parent_path(part.path), close});
  }
  part.referred = true;
  if (close) { part.file = nullptr; }
}

void PartWriter::note_state(const Part& part, bool closed) {
  PartState state{part.hidden_path, part.path, part.bucket, part.bytes, closed, {}, {}, {}, false};
  if (closed) {
    state.closed_wall_ms = part.closed_ms;
    state.head_bytes = std::ssize(head_);
    state.head_hash = head_hash_;
  }
  state_.push_back(std::move(state));
}

Status PartWriter::finish_bucket(std::string_view bucket) {
  finished_.emplace(bucket);
  const auto found = parts_.find(bucket);
  if (found == parts_.end()) { return {}; }
  if (current_ == &found->second) { current_ = nullptr; }
  Part part = std::move(found->second);
  parts_.erase(found);
  return close_part(std::move(part));
}

Result<PartSync> PartWriter::prepare() {
  PartSync sync(files_);
  if (ended_ || !by_checkpoint_ || options_.roll_on_checkpoint) {
    TIDEWHEEL_RETURN_IF_ERROR(close_all());
  }
  TIDEWHEEL_RETURN_IF_ERROR(settle_closed(sync));
  finished_.clear();
  state_.clear();
  for (auto& [bucket, part] : parts_) {
    TIDEWHEEL_RETURN_IF_ERROR(drain(part));
    add_to(sync, part, false);
    note_state(part, false);
  }
  for (const auto& [bucket, parts] : waiting_) {
    for (const Part& part : parts) { note_state(part, true); }
  }
  return sync;
}

bool PartWriter::is_to_be_merged(const Part& part) const {
  return options_.merge_parts > 0 && part.bytes < options_.merge_bytes && !part.alone;
}

// Closed parts are complete with this checkpoint, or wait until there are enough to be merged.
Status PartWriter::settle_closed(PartSync& sync) {
  for (Part& part : std::exchange(closed_, {})) {
    add_to(sync, part, true);
    if (is_to_be_merged(part)) {
      waiting_[part.bucket].push_back(std::move(part));
    } else {
      sync.complete_.push_back({part.hidden_path, part.path, {}});
    }
  }
  return settle_waiting(sync, clock_.wall_ms());
}

bool PartWriter::is_due(const std::vector<Part>& waiting, int64_t now_ms) const {
  if (ended_ || std::ssize(waiting) >= options_.merge_parts) { return true; }
  const int64_t wait_max = to_ms(options_.merge_time_max);
  int64_t bytes = 0;
  for (const Part& part : waiting) {
    bytes += part.bytes;
    if (wait_max > 0 && now_ms - part.closed_ms >= wait_max) { return true; }
  }
  return bytes >= options_.merge_bytes;
}

Status PartWriter::settle_waiting(PartSync& sync, int64_t now_ms) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    auto& [bucket, parts] = *it;
    if (!is_due(parts, now_ms) && !finished_.contains(bucket)) {
      ++it;
      continue;
    }
    TIDEWHEEL_RETURN_IF_ERROR(merge_waiting(bucket, parts, sync));
    it = waiting_.erase(it);
  }
  return {};
}

Status PartWriter::merge_without_checkpoint(int64_t now_ms) {
  PartSync sync(files_);
  TIDEWHEEL_RETURN_IF_ERROR(settle_waiting(sync, now_ms));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<PendingPart> complete, sync.run());
  for (const PendingPart& part : complete) { TIDEWHEEL_RETURN_IF_ERROR(publish(files_, part)); }
  return {};
}

Status PartWriter::merge_waiting(const std::string& bucket, std::vector<Part>& waiting,
                                 PartSync& sync) {
  if (waiting.size() == 1) {
    sync.complete_.push_back({waiting.front().hidden_path, waiting.front().path, {}});
    return {};
  }
  TIDEWHEEL_MARK("part_file.merges");
  Part target;
  TIDEWHEEL_RETURN_IF_ERROR(name_part(bucket, target));
  PendingPart complete{target.hidden_path, target.path, {}};
  PartSync::Merge merge{{}, target.hidden_path};
  for (const Part& part : waiting) {
    merge.sources.push_back({part.hidden_path, merge.sources.empty() ? 0 : std::ssize(head_)});
    complete.merged.push_back(part.hidden_path);
  }
  sync.merges_.push_back(std::move(merge));
  sync.complete_.push_back(std::move(complete));
  return {};
}

Result<std::vector<PendingPart>> PartSync::run() {
  std::set<std::string> folders;
  for (const Open& open : open_) {
    if (!open.folder.empty()) { folders.insert(open.folder); }
    if (open.file == nullptr) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(sync_file(*open.file));
    if (open.close) { TIDEWHEEL_RETURN_IF_ERROR(open.file->close()); }
  }
  for (const Merge& one : merges_) {
    TIDEWHEEL_RETURN_IF_ERROR(merge(one));
    folders.insert(parent_path(one.target));
  }
  for (const std::string& folder : folders) {
    TIDEWHEEL_RETURN_IF_ERROR(files_->sync_directory(folder));
  }
  open_.clear();
  return complete_;
}

Status PartSync::merge(const Merge& merge) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto target,
                             files_->open_write(merge.target, WriteMode::kCreate));
  for (const Source& source : merge.sources) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, files_->info(source.path));
    TIDEWHEEL_RETURN_IF_ERROR(
        copy_bytes(*files_, source.path, source.from, info.size_bytes, *target));
  }
  TIDEWHEEL_RETURN_IF_ERROR(sync_file(*target));
  return target->close();
}

void PartWriter::abandon() {
  current_ = nullptr;
  const auto drop = [this](Part& part) {
    part.file = nullptr;
    if (part.referred) { return; }
    ignore(files_.remove(part.hidden_path), "a hidden file that is left over does no harm");
  };
  for (auto& [bucket, part] : parts_) { drop(part); }
  for (Part& part : closed_) { drop(part); }
  for (auto& [bucket, parts] : waiting_) { std::for_each(parts.begin(), parts.end(), drop); }
  parts_.clear();
  closed_.clear();
  waiting_.clear();
  lock_ = nullptr;
}

Status publish(FileSystem& files, const PendingPart& part) {
  if (part.is_marker) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto marker,
                               files.open_write(part.path, WriteMode::kTruncate));
    TIDEWHEEL_RETURN_IF_ERROR(sync_file(*marker));
    TIDEWHEEL_RETURN_IF_ERROR(marker->close());
    return files.sync_directory(parent_path(part.path));
  }
  if (TIDEWHEEL_FAULT("part_file.rename_fails")) { return injected("renaming", part.hidden_path); }
  Status renamed = files.rename(part.hidden_path, part.path);
  if (renamed.code() == StatusCode::kNotFound) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool done, files.exists(part.path));
    if (!done) {
      return data_loss(ErrorId::kFileNotFound,
                       "a pending part file is gone, and so is the one with its name; somebody "
                       "has removed it: {}",
                       part.hidden_path);
    }
    TIDEWHEEL_MARK("part_file.has_its_name_already");
    // But an earlier attempt may have failed at making that durable.
    renamed = files.sync_directory(parent_path(part.path));
  }
  TIDEWHEEL_RETURN_IF_ERROR(renamed);
  for (const std::string& path : part.merged) {
    TIDEWHEEL_RETURN_IF_ERROR(remove_if_there(files, path));
  }
  return {};
}

// ---- Recovery ----

Status PartWriter::recover(const PartRecovery& recovery) {
  if (!recovery.restored && !recovery.is_restart) { return {}; }
  // What the checkpoint refers to, by name alone: the same folder may be spelt in another way now.
  std::vector<std::string> keep = {lock_name_};
  for (const auto& saved : recovery.pending) {
    note_number(saved.record.path);
    keep.push_back(file_name(saved.record.hidden_path));
    for (const std::string& merged : saved.record.merged) { keep.push_back(file_name(merged)); }
  }
  const bool collects_open_parts = TIDEWHEEL_MUTANT("open_part_file_collected");
  for (const auto& saved : recovery.states) {
    note_number(saved.record.path);
    if (!collects_open_parts) { keep.push_back(file_name(saved.record.hidden_path)); }
  }
  std::sort(keep.begin(), keep.end());
  if (collects_open_parts) { TIDEWHEEL_RETURN_IF_ERROR(sweep(place_.folder, keep)); }
  for (const auto& saved : recovery.states) {
    if (belongs_to(saved, place_.subtask, place_.parallelism)) {
      TIDEWHEEL_RETURN_IF_ERROR(recover_part(saved.record));
    }
  }
  return sweep(place_.folder, keep);
}

// Numbers of the checkpoint are taken even while other subtasks are about to rename their files.
void PartWriter::note_number(const std::string& path) {
  const int64_t number = number_in(file_name(path), stem_);
  if (number < 0) { return; }
  int64_t& least = least_numbers_[parent_path(path)];
  least = std::max(least, number + 1);
}

// The rows that the checkpoint has of the part are part of the result: they become visible, in a
// part of their own. When the name is there, they are visible already: the checkpoint that was
// restored is not the newest one that was complete, or this has been done before.
Status PartWriter::recover_part(const PartState& state) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool has_name, files_.exists(state.path));
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_there, files_.exists(state.hidden_path));
  // An earlier attempt may have failed at making the name durable: a loss of power would take it,
  // and the hidden file must not be gone before.
  if (has_name && is_there) {
    TIDEWHEEL_RETURN_IF_ERROR(files_.sync_directory(parent_path(state.path)));
  }
  if (state.closed) {
    // Gone: it was merged, by a commit after the checkpoint.
    if (!is_there || has_name) { return remove_if_there(files_, state.hidden_path); }
    Part part;
    part.hidden_path = state.hidden_path;
    part.path = state.path;
    part.bucket = state.bucket;
    part.bytes = state.bytes;
    part.closed_ms = state.closed_wall_ms;
    part.referred = true;
    part.alone = state.head_bytes != std::ssize(head_) || state.head_hash != head_hash_;
    closed_.push_back(std::move(part));
    return {};
  }
  if (!has_name) {
    if (!is_there) {
      return data_loss(ErrorId::kFileNotFound,
                       "a part file in progress is gone, and so is the one with its name; somebody "
                       "has removed it: {}",
                       state.hidden_path);
    }
    TIDEWHEEL_MARK("part_file.recovers_one_in_progress");
    const std::string copy = hidden_path_of(state.path);
    TIDEWHEEL_RETURN_IF_ERROR(copy_prefix(state, copy));
    TIDEWHEEL_RETURN_IF_ERROR(publish(files_, {copy, state.path, {}}));
  }
  return remove_if_there(files_, state.hidden_path);
}

Status PartWriter::copy_prefix(const PartState& state, const std::string& hidden_path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto copy, files_.open_write(hidden_path, WriteMode::kTruncate));
  TIDEWHEEL_RETURN_IF_ERROR(copy_bytes(files_, state.hidden_path, 0, state.bytes, *copy));
  TIDEWHEEL_RETURN_IF_ERROR(sync_file(*copy));
  return copy->close();
}

// Whether a hidden file is one of this operator, and in this subtask's care.
bool PartWriter::is_own(std::string_view name) const {
  if (!name.starts_with('.') || name.find(marker_) == std::string_view::npos) { return false; }
  name.remove_prefix(1);
  if (!name.starts_with(options_.prefix + '-')) { return false; }
  name.remove_prefix(options_.prefix.size() + 1);
  const int64_t subtask = take_number(name);
  return subtask >= 0 && subtask % place_.parallelism == place_.subtask;
}

Status PartWriter::sweep(const std::string& folder, const std::vector<std::string>& keep) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list(folder));
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(folder, entry.name);
    if (entry.is_directory) {
      if (!entry.name.starts_with('.')) { TIDEWHEEL_RETURN_IF_ERROR(sweep(path, keep)); }
    } else if (is_own(entry.name) && !std::binary_search(keep.begin(), keep.end(), entry.name)) {
      TIDEWHEEL_MARK("part_file.removes_what_no_checkpoint_has");
      TIDEWHEEL_RETURN_IF_ERROR(remove_if_there(files_, path));
    }
  }
  return {};
}

}  // namespace tidewheel::file
