#include "spool_sink.h"

#include <fmt/format.h>
#include <tidewheel/base/config.h>
#include <tidewheel/base/random.h>
#include <tidewheel/types/hash.h>

#include <algorithm>
#include <set>

namespace tw = tidewheel;

namespace {

constexpr size_t kBufferBytes = 256 << 10;

// ".WRITER.SUBTASK.ATTEMPT.NUMBER": the subtask in the name of a hidden file of `writer`; -1: it is
// none.
int64_t subtask_of(const std::string& name, const std::string& writer) {
  const std::string head = "." + writer + ".";
  if (!name.starts_with(head)) { return -1; }
  const size_t end = name.find('.', head.size());
  if (end == std::string::npos) { return -1; }
  return tw::parse_int(std::string_view(name).substr(head.size(), end - head.size())).value_or(-1);
}

}  // namespace

tw::Status SpoolSink::open(tw::SinkContext& context) {
  files_ = &context.files();
  encoder_ = plan_->make_encoder();
  const std::string& uid = context.operator_context().uid();
  writer_ = fmt::format("{:016x}", tw::hash_bytes(uid.data(), uid.size()));
  subtask_ = context.subtask_index();
  parallelism_ = context.parallelism();
  attempt_ = context.random().next();
  return files_->make_directories(plan_->folder);
}

// Each subtask looks after those of the subtasks that its number stands for, whatever the
// parallelism was before; so none takes a file away that another one has just begun.
tw::Status SpoolSink::recover(const tw::SinkRecovery<Pending>& recovery) {
  std::set<std::string> known;
  for (const auto& saved : recovery.pending) { known.insert(saved.record.hidden); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files_->list(plan_->folder));
  for (const tw::DirectoryEntry& entry : entries) {
    const int64_t subtask = subtask_of(entry.name, writer_);
    if (subtask < 0 || subtask % parallelism_ != subtask_ || known.count(entry.name) > 0) {
      continue;
    }
    TIDEWHEEL_RETURN_IF_ERROR(files_->remove(tw::join_path(plan_->folder, entry.name)));
  }
  return tw::ok_status();
}

tw::Status SpoolSink::begin_part() {
  part_ = std::make_shared<Part>();
  part_->hidden = fmt::format(".{}.{}.{:016x}.{}", writer_, subtask_, attempt_, ++parts_);
  TIDEWHEEL_ASSIGN_OR_RETURN(
      part_->file,
      files_->open_write(tw::join_path(plan_->folder, part_->hidden), tw::WriteMode::kCreate));
  return tw::ok_status();
}

tw::Status SpoolSink::write_batch(const tw::ColumnBatch& rows, uint32_t begin, uint32_t end) {
  if (part_ == nullptr) { TIDEWHEEL_RETURN_IF_ERROR(begin_part()); }
  std::string& buffer = part_->buffer;
  for (uint32_t row = begin; row < end; ++row) {
    TIDEWHEEL_RETURN_IF_ERROR(encoder_->encode(rows, row, buffer));
    buffer += '\n';
  }
  if (buffer.size() < kBufferBytes) { return tw::ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(part_->file->append(buffer));
  buffer.clear();
  return tw::ok_status();
}

// The part goes with the job, which runs while rows go into the next one.
tw::Result<tw::PrepareJob<SpoolSink::Pending>> SpoolSink::prepare(int64_t checkpoint) {
  if (part_ == nullptr) {
    return tw::PrepareJob<Pending>([] { return std::vector<Pending>(); });
  }
  const std::string name =
      fmt::format("{:09}-{}", checkpoint, std::string_view(part_->hidden).substr(1));
  return tw::PrepareJob<Pending>(
      [part = std::exchange(part_, nullptr), name]() -> tw::Result<std::vector<Pending>> {
        TIDEWHEEL_RETURN_IF_ERROR(part->file->append(part->buffer));
        TIDEWHEEL_RETURN_IF_ERROR(part->file->sync());
        TIDEWHEEL_RETURN_IF_ERROR(part->file->close());
        return std::vector<Pending>{{part->hidden, name}};
      });
}

// It may come again for what has its name already: after a crash, and when the answer got lost.
tw::Status SpoolSink::commit(const Pending& pending) const {
  const std::string hidden = tw::join_path(plan_->folder, pending.hidden);
  const std::string visible = tw::join_path(plan_->folder, pending.name);
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool waits, files_->exists(hidden));
  if (waits) { return files_->rename(hidden, visible); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool done, files_->exists(visible));
  if (done) { return tw::ok_status(); }
  return tw::data_loss(tw::ErrorId::kFileNotFound,
                       "a file of a checkpoint is gone, and was never made visible: {}", hidden);
}
