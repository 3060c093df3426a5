#include "tidewheel/connectors/file/column_sink.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/random.h"
#include "tidewheel/types/column_text.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::file {
namespace {

// A part of a path: what has a meaning there is written as %2F and the like.
void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = byte >= 0x20 && byte != 0x7f &&
                          std::string_view("\"#%'*/:=?\\{[]^").find(c) == std::string_view::npos;
    if (is_plain) {
      out += c;
      continue;
    }
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

}  // namespace

Status ColumnFileSink::open(SinkContext& context) {
  files_ = &context.files();
  if (plan_->make_encoder) { encoder_ = plan_->make_encoder(); }
  PartPlace place;
  place.folder = plan_->folder;
  place.subtask = context.subtask_index();
  place.parallelism = context.parallelism();
  const std::string& uid = context.operator_context().uid();
  place.writer = hash_bytes(uid.data(), uid.size());
  place.attempt = context.random().next();
  TIDEWHEEL_ASSIGN_OR_RETURN(
      parts_, PartWriter::open(context.files(), context.clock(), place, plan_->options, plan_->head,
                               context.takes_final_checkpoint()));
  if (plan_->make_bulk_writer) {
    writers_ = std::make_shared<std::remove_reference_t<decltype(*writers_)>>();
    parts_->set_tail([writers = writers_](const std::string& bucket, std::string& tail) -> Status {
      const auto it = writers->find(bucket);
      if (it == writers->end()) { return ok_status(); }
      const std::unique_ptr<BulkWriter> writer = std::move(it->second);
      writers->erase(it);
      return writer->finish(tail);
    });
  }
  clock_ = &context.clock();
  if (plan_->commit_partitions.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(PartitionCommits commits,
                               PartitionCommits::make(*plan_->commit_partitions));
    commits_ = std::make_shared<PartitionCommits>(std::move(commits));
  }
  bytes_count_ = &context.metrics().counter("numBytesSend");
  return ok_status();
}

std::string_view ColumnFileSink::bucket_of(const ColumnBatch& rows, uint32_t row) {
  bucket_.clear();
  std::string value;
  for (const ColumnSinkPlan::Partition& partition : plan_->partitions) {
    if (!bucket_.empty()) { bucket_ += '/'; }
    append_escaped(bucket_, partition.name);
    bucket_ += '=';
    value.clear();
    const ColumnView& column = rows.view(partition.column);
    if (partition.type.kind == TypeKind::kBoolean && !column.is_null(row)) {
      value = column.at<uint8_t>(row) != 0 ? "true" : "false";
    } else if (!column.is_null(row)) {
      append_value_text(value, partition.type, column, row);
    }
    append_escaped(bucket_, value.empty() ? plan_->default_partition : value);
  }
  return bucket_;
}

Status ColumnFileSink::recover(const PartRecovery& recovery) {
  PartRecovery parts = recovery;
  std::erase_if(parts.states, [](const auto& saved) { return saved.record.is_open_partition; });
  std::erase_if(parts.pending, [](const auto& saved) { return saved.record.is_marker; });
  TIDEWHEEL_RETURN_IF_ERROR(parts_->recover(parts));
  if (!commits_) { return {}; }
  for (const auto& saved : recovery.states) {
    if (!saved.record.is_open_partition) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(commits_->note(saved.record.bucket, saved.record.closed_wall_ms));
  }
  return {};
}

Result<std::string_view> ColumnFileSink::noted_bucket(const ColumnBatch& rows, uint32_t row) {
  const std::string_view bucket = bucket_of(rows, row);
  if (commits_) { TIDEWHEEL_RETURN_IF_ERROR(commits_->note(bucket, clock_->wall_ms())); }
  return bucket;
}

Result<std::vector<PartState>> ColumnFileSink::snapshot_state(int64_t) {
  std::vector<PartState> state = parts_->state();
  if (!commits_) { return state; }
  for (const PartitionCommits::Open& open : commits_->open()) {
    PartState& one = state.emplace_back();
    one.bucket = open.partition;
    one.closed_wall_ms = open.begun_ms;
    one.is_open_partition = true;
  }
  return state;
}

Status ColumnFileSink::group_rows(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  for (uint32_t row = begin; row < end; ++row) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view bucket, noted_bucket(rows, row));
    auto it = block_rows_.find(bucket);
    if (it == block_rows_.end()) { it = block_rows_.emplace(std::string(bucket), 0).first; }
    it->second.push_back(row);
  }
  return {};
}

// Each open part has a writer, which makes a whole file.
Status ColumnFileSink::write_bulk(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  TIDEWHEEL_RETURN_IF_ERROR(group_rows(rows, begin, end));
  for (const auto& [bucket, indexes] : block_rows_) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string* const bytes, parts_->begin_record(bucket));
    auto it = writers_->find(bucket);
    if (it == writers_->end()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(auto writer, plan_->make_bulk_writer());
      it = writers_->emplace(bucket, std::move(writer)).first;
    }
    TIDEWHEEL_RETURN_IF_ERROR(it->second->write(rows, indexes, *bytes));
    TIDEWHEEL_RETURN_IF_ERROR(parts_->record_done());
  }
  block_rows_.clear();
  return ok_status();
}

// A block for each bucket.
Status ColumnFileSink::write_blocks(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  TIDEWHEEL_RETURN_IF_ERROR(group_rows(rows, begin, end));
  for (const auto& [bucket, indexes] : block_rows_) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string* const block, parts_->begin_record(bucket));
    TIDEWHEEL_RETURN_IF_ERROR(encoder_->encode_block(rows, indexes, *block));
    TIDEWHEEL_RETURN_IF_ERROR(parts_->record_done());
  }
  block_rows_.clear();
  return ok_status();
}

Status ColumnFileSink::write_lines(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  for (uint32_t row = begin; row < end; ++row) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view bucket, noted_bucket(rows, row));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string* const record, parts_->begin_record(bucket));
    TIDEWHEEL_RETURN_IF_ERROR(encoder_->encode(rows, row, *record));
    *record += '\n';
    TIDEWHEEL_RETURN_IF_ERROR(parts_->record_done());
  }
  return ok_status();
}

Status ColumnFileSink::write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  TIDEWHEEL_RETURN_IF_ERROR(writers_ != nullptr         ? write_bulk(rows, begin, end)
                            : encoder_->writes_blocks() ? write_blocks(rows, begin, end)
                                                        : write_lines(rows, begin, end));
  bytes_count_->add(parts_->bytes_written() -
                    std::exchange(counted_bytes_, parts_->bytes_written()));
  return ok_status();
}

Result<int64_t> ColumnFileSink::on_time(int64_t wall_ms) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t next, parts_->on_time(wall_ms));
  return next == Clock::kNever ? next : std::max(next, wall_ms + plan_->check_interval_ms);
}

// What is complete is announced behind its parts.
Result<PrepareJob<PendingPart>> ColumnFileSink::prepare(int64_t) {
  std::vector<PendingPart> markers;
  if (commits_) {
    for (const std::string& partition : commits_->take_due(clock_->wall_ms(), ended_)) {
      TIDEWHEEL_RETURN_IF_ERROR(parts_->finish_bucket(partition));
      PendingPart& marker = markers.emplace_back();
      marker.path = join_path(join_path(plan_->folder, partition), commits_->file_name());
      marker.is_marker = true;
    }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(PartSync sync, parts_->prepare());
  return PrepareJob<Pending>([sync = std::make_shared<PartSync>(std::move(sync)),
                              markers = std::move(markers)]() -> Result<std::vector<PendingPart>> {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<PendingPart> all, sync->run());
    all.insert(all.end(), markers.begin(), markers.end());
    return all;
  });
}

Status ColumnStreamSink::open(SinkContext& context) {
  encoder_ = make_encoder_();
  TIDEWHEEL_ASSIGN_OR_RETURN(stream_, context.files().open_write(path_, WriteMode::kAppend));
  return context.subtask_index() == 0 && !head_.empty() ? stream_->append(head_) : ok_status();
}

// Once a batch, so that lines of several subtasks rarely tear each other.
Status ColumnStreamSink::write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  buffer_.clear();
  indexes_.resize(end - begin);
  std::iota(indexes_.begin(), indexes_.end(), begin);
  TIDEWHEEL_RETURN_IF_ERROR(encoder_->encode_block(rows, indexes_, buffer_));
  return stream_->append(buffer_);
}

}  // namespace tidewheel::file
