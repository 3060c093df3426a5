#include "tidewheel/connectors/file/part_writer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tidewheel/base/clock.h"

namespace tidewheel::file {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr std::string_view kInProgress = ".inprogress";

// The number in "part-0-12.csv" or ".part-0-12.csv.inprogress" behind the stem "part-0-"; -1 for
// other names.
int64_t number_in(std::string_view name, std::string_view stem) {
  if (name.starts_with('.')) { name.remove_prefix(1); }
  if (!name.starts_with(stem)) { return -1; }
  name.remove_prefix(stem.size());
  int64_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() ? number : -1;
}

bool is_file_name(std::string_view name) { return name.find('/') == std::string_view::npos; }

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
  if (part_bytes_max < 1 || to_ms(part_time_max) < 0) {
    return invalid_argument(
        ErrorId::kConnectorOption,
        "part files accept part_bytes_max of 1 or more and part_time_max of 0 or "
        "more, not {} and {} ms",
        part_bytes_max, to_ms(part_time_max));
  }
  return ok_status();
}

PartWriter::PartWriter(FileSystem& files, Clock& clock, std::string folder, int32_t subtask,
                       const WriteOptions& options, std::string head)
    : files_(files),
      clock_(clock),
      folder_(std::move(folder)),
      stem_(options.prefix + '-' + std::to_string(subtask) + '-'),
      options_(options),
      head_(std::move(head)) {}

Result<std::unique_ptr<PartWriter>> PartWriter::open(FileSystem& files, Clock& clock,
                                                     std::string folder, int32_t subtask,
                                                     const WriteOptions& options,
                                                     std::string head) {
  TIDEWHEEL_RETURN_IF_ERROR(options.validate());
  TIDEWHEEL_RETURN_IF_ERROR(files.make_directories(folder));
  return std::unique_ptr<PartWriter>(
      new PartWriter(files, clock, std::move(folder), subtask, options, std::move(head)));
}

Result<std::string*> PartWriter::begin_record(std::string_view bucket) {
  if (current_ == nullptr || bucket != current_bucket_) {
    auto found = parts_.find(bucket);
    if (found == parts_.end()) {
      if (parts_.size() >= kOpenBucketsMax) { TIDEWHEEL_RETURN_IF_ERROR(finish_all()); }
      Part part;
      TIDEWHEEL_RETURN_IF_ERROR(open_part(bucket, part));
      found = parts_.emplace(std::string(bucket), std::move(part)).first;
    }
    current_ = &found->second;
    current_bucket_ = bucket;
  }
  return &current_->buffer;
}

Status PartWriter::record_done() {
  Part& part = *current_;
  if (part.buffer.size() < kBufferBytes && !is_full(part)) { return ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(drain(part));
  if (!is_full(part)) { return ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(finish(part));
  parts_.erase(current_bucket_);
  current_ = nullptr;
  return ok_status();
}

bool PartWriter::is_full(const Part& part) const {
  if (part.bytes + std::ssize(part.buffer) >= options_.part_bytes_max) { return true; }
  const int64_t limit_ms = to_ms(options_.part_time_max);
  return limit_ms > 0 && clock_.wall_ms() - part.begun_ms >= limit_ms;
}

// A name that an earlier run has used, or left behind, is never used again.
Status PartWriter::find_next_number(const std::string& folder, int64_t& next) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list(folder));
  next = 0;
  for (const DirectoryEntry& entry : entries) {
    next = std::max(next, number_in(entry.name, stem_) + 1);
  }
  return ok_status();
}

Status PartWriter::open_part(std::string_view bucket, Part& part) {
  const std::string folder = bucket.empty() ? folder_ : join_path(folder_, bucket);
  auto number = next_numbers_.find(bucket);
  if (number == next_numbers_.end()) {
    if (!bucket.empty()) { TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(folder)); }
    int64_t next = 0;
    TIDEWHEEL_RETURN_IF_ERROR(find_next_number(folder, next));
    number = next_numbers_.emplace(std::string(bucket), next).first;
  }
  const std::string name = stem_ + std::to_string(number->second) + options_.suffix;
  part.path = join_path(folder, name);
  part.hidden_path = join_path(folder, '.' + name + std::string(kInProgress));
  TIDEWHEEL_ASSIGN_OR_RETURN(part.file, files_.open_write(part.hidden_path, WriteMode::kCreate));
  ++number->second;
  part.begun_ms = clock_.wall_ms();
  part.buffer = head_;
  return ok_status();
}

Status PartWriter::drain(Part& part) {
  TIDEWHEEL_RETURN_IF_ERROR(part.file->append(part.buffer));
  part.bytes += std::ssize(part.buffer);
  part.buffer.clear();
  return ok_status();
}

// First the bytes, then the name: a crash in between leaves a hidden file, never half a part.
Status PartWriter::finish(Part& part) {
  TIDEWHEEL_RETURN_IF_ERROR(drain(part));
  TIDEWHEEL_RETURN_IF_ERROR(part.file->sync());
  TIDEWHEEL_RETURN_IF_ERROR(part.file->close());
  part.file.reset();
  PendingPart done{part.hidden_path, part.path};
  if (!options_.on_checkpoint) { return publish(files_, done); }
  pending_.push_back(std::move(done));
  return ok_status();
}

Status PartWriter::finish_all() {
  current_ = nullptr;
  while (!parts_.empty()) {
    TIDEWHEEL_RETURN_IF_ERROR(finish(parts_.begin()->second));
    parts_.erase(parts_.begin());
  }
  return ok_status();
}

Status PartWriter::flush() {
  for (auto& [bucket, part] : parts_) { TIDEWHEEL_RETURN_IF_ERROR(drain(part)); }
  return ok_status();
}

Result<std::vector<PendingPart>> PartWriter::prepare() {
  TIDEWHEEL_RETURN_IF_ERROR(finish_all());
  return std::exchange(pending_, {});
}

void PartWriter::abandon() {
  current_ = nullptr;
  for (auto& [bucket, part] : parts_) {
    part.file.reset();
    ignore(files_.remove(part.hidden_path), "a hidden file that is left over does no harm");
  }
  parts_.clear();
  for (const PendingPart& part : pending_) {
    ignore(files_.remove(part.hidden_path), "a hidden file that is left over does no harm");
  }
  pending_.clear();
}

Status publish(FileSystem& files, const PendingPart& part) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool waits, files.exists(part.hidden_path));
  if (!waits) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool done, files.exists(part.path));
    // It has its name; but an earlier attempt may have failed at making that durable.
    if (done) { return files.sync_directory(parent_path(part.path)); }
    return data_loss(ErrorId::kFileNotFound,
                     "a finished part file is gone, somebody has removed it: {}", part.hidden_path);
  }
  return files.rename(part.hidden_path, part.path);
}

Status discard_part(FileSystem& files, const PendingPart& part) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files.exists(part.hidden_path));
  return exists ? files.remove(part.hidden_path) : ok_status();
}

}  // namespace tidewheel::file
