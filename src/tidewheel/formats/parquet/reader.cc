#include "tidewheel/formats/parquet/reader.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/parquet/arrow_file.h"
#include "tidewheel/formats/parquet/columns.h"

namespace tidewheel::parquet_format {
namespace {

constexpr int64_t kBatchRows = 8192;

Result<std::unique_ptr<parquet::arrow::FileReader>> open_file(std::unique_ptr<ReadableFile> file) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, file->info());
  parquet::arrow::FileReaderBuilder builder;
  if (const arrow::Status status = builder.Open(readable(std::move(file), info.size_bytes));
      !status.ok()) {
    return status_of(status);
  }
  parquet::ArrowReaderProperties properties;
  properties.set_batch_size(kBatchRows);
  properties.set_use_threads(false);
  properties.set_pre_buffer(false);  // it would read on threads of its own
  auto reader = builder.properties(properties)->Build();
  if (!reader.ok()) { return status_of(reader.status()); }
  return std::move(*reader);
}

void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) { leaves.push_back(field.column_index); }
  for (const parquet::arrow::SchemaField& child : field.children) { add_leaves(child, leaves); }
}

// The least and the greatest value of a column of whole numbers; nothing: they are not known.
std::optional<std::pair<int64_t, int64_t>> range_of(const parquet::ColumnChunkMetaData& chunk) {
  const std::shared_ptr<parquet::Statistics> statistics = chunk.statistics();
  if (statistics == nullptr || !statistics->HasMinMax() ||
      statistics->descr()->sort_order() != parquet::SortOrder::SIGNED) {
    return std::nullopt;
  }
  switch (statistics->physical_type()) {
    case parquet::Type::INT32: {
      const auto& typed = static_cast<const parquet::Int32Statistics&>(*statistics);
      return std::pair<int64_t, int64_t>(typed.min(), typed.max());
    }
    case parquet::Type::INT64: {
      const auto& typed = static_cast<const parquet::Int64Statistics&>(*statistics);
      return std::pair(typed.min(), typed.max());
    }
    default: return std::nullopt;
  }
}

// Where the group begins in the file.
int64_t offset_of(const parquet::RowGroupMetaData& group) {
  int64_t offset = INT64_MAX;
  for (int i = 0; i < group.num_columns(); ++i) {
    const auto chunk = group.ColumnChunk(i);
    offset = std::min(offset, chunk->data_page_offset());
    if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0) {
      offset = std::min(offset, chunk->dictionary_page_offset());
    }
  }
  return offset;
}

class Reader final : public BulkReader {
 public:
  Reader(std::shared_ptr<const ReadPlan> plan, BulkSplit split,
         std::unique_ptr<parquet::arrow::FileReader> file)
      : plan_(std::move(plan)), split_(std::move(split)), file_(std::move(file)) {}

  Status prepare() {
    const std::vector<parquet::arrow::SchemaField>& fields = file_->manifest().schema_fields;
    for (const DecodedRow::Wanted& wanted : plan_->row.wanted) {
      const std::string& name = plan_->row.message.names[wanted.field];
      const auto it = std::find_if(fields.begin(), fields.end(),
                                   [&](const auto& field) { return field.field->name() == name; });
      if (it != fields.end()) {
        add_leaves(*it, leaves_);
      } else if (!plan_->row.message.types[wanted.field].nullable) {
        return invalid_argument(ErrorId::kFormatSchema,
                                "Parquet: the file has no column '{}', and it is NOT NULL", name);
      }
    }
    std::sort(leaves_.begin(), leaves_.end());
    return find_groups();
  }

  Result<bool> read(ColumnBatch& rows, uint32_t rows_max) override {
    return caught([&]() -> Result<bool> {
      auto more = read_some(rows, rows_max);
      if (!more.ok()) { return std::move(more).status().with_context("file {}", split_.path); }
      return more;
    });
  }
  int64_t rows_done() const override { return rows_done_; }

 private:
  Status find_groups() {
    const auto metadata = file_->parquet_reader()->metadata();
    int64_t to_skip = split_.rows_done;
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
      const auto described = metadata->RowGroup(group);
      const int64_t offset = offset_of(*described);
      if (offset < split_.begin || offset >= split_.end || described->num_rows() <= 0) { continue; }
      const int64_t count = described->num_rows();
      if (to_skip >= count) {
        to_skip -= count;
        rows_done_ += count;
        continue;
      }
      groups_.push_back({group, count, std::exchange(to_skip, 0), is_of_use(*described)});
    }
    return {};
  }
  // Whether rows of the group may have what is asked for.
  bool is_of_use(const parquet::RowGroupMetaData& group) const {
    for (const BulkFilter& filter : plan_->filters) {
      const std::string& name = plan_->row.message.names[filter.field];
      for (const parquet::arrow::SchemaField& field : file_->manifest().schema_fields) {
        if (field.field->name() != name || !field.is_leaf() ||
            !arrow::is_signed_integer(field.field->type()->id())) {
          continue;
        }
        const auto range = range_of(*group.ColumnChunk(field.column_index));
        if (!range.has_value()) { continue; }
        const bool any = std::any_of(
            filter.values.begin(), filter.values.end(),
            [&](int64_t value) { return range->first <= value && value <= range->second; });
        if (!any) { return false; }
      }
    }
    return true;
  }

  Result<bool> read_some(ColumnBatch& rows, uint32_t rows_max) {
    while (rows.size() < rows_max) {
      if (batch_ != nullptr && at_ < batch_->num_rows()) {
        TIDEWHEEL_RETURN_IF_ERROR(take(rows, rows_max));
        continue;
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, next_batch());
      if (!more) { return false; }
    }
    return true;
  }
  // False: the split has ended.
  Result<bool> next_batch() {
    while (true) {
      if (stream_ != nullptr) {
        auto batch = stream_->Next();
        if (!batch.ok()) { return status_of(batch.status()); }
        if (*batch != nullptr) {
          TIDEWHEEL_RETURN_IF_ERROR(use(std::move(*batch)));
          return true;
        }
        stream_.reset();
        batch_.reset();
      }
      if (next_group_ == groups_.size()) { return false; }
      const Group& group = groups_[next_group_++];
      if (!group.is_of_use) {
        rows_done_ += group.rows;
        continue;
      }
      to_pass_ = group.skip;
      if (leaves_.empty()) {
        // Only the number of rows is asked for.
        TIDEWHEEL_RETURN_IF_ERROR(use(arrow::RecordBatch::Make(arrow::schema(arrow::FieldVector()),
                                                               group.rows, arrow::ArrayVector())));
        return true;
      }
      auto stream = file_->GetRecordBatchReader({group.index}, leaves_);
      if (!stream.ok()) { return status_of(stream.status()); }
      stream_ = std::move(*stream);
    }
  }
  Status use(std::shared_ptr<arrow::RecordBatch> batch) {
    // What a file says of itself is not trusted: offsets and sizes are looked at.
    if (const arrow::Status valid = batch->Validate(); !valid.ok()) { return status_of(valid); }
    batch_ = std::move(batch);
    at_ = std::min(to_pass_, batch_->num_rows());
    to_pass_ -= at_;
    rows_done_ += at_;
    kept_ = Arena::external(batch_);
    return {};
  }
  Status take(ColumnBatch& rows, uint32_t rows_max) {
    const uint32_t first = rows.size();
    const int64_t count = std::min<int64_t>(batch_->num_rows() - at_, rows_max - first);
    rows.ensure_room(static_cast<uint32_t>(count));
    for (const DecodedRow::Wanted& wanted : plan_->row.wanted) {
      const std::string& name = plan_->row.message.names[wanted.field];
      Column& column = rows.column(wanted.column);
      const std::shared_ptr<arrow::Array> values = batch_->GetColumnByName(name);
      if (values != nullptr) {
        const Status status = put_values(*values, at_, count, column, first, name);
        if (status.ok()) { continue; }
        for (const DecodedRow::Wanted& one : plan_->row.wanted) {
          rows.column(one.column).drop_rows(first);
        }
        return status;
      }
      for (int64_t i = 0; i < count; ++i) { column.append_null(first + static_cast<uint32_t>(i)); }
    }
    rows.set_size(first + static_cast<uint32_t>(count));
    const std::vector<ArenaRef>& shared = rows.shared_arenas();
    if (shared.empty() || !(shared.back() == kept_)) { rows.share_arena(kept_); }
    at_ += count;
    rows_done_ += count;
    return {};
  }

  struct Group {
    int index = 0;
    int64_t rows = 0;
    int64_t skip = 0;  // so many were read before
    bool is_of_use = true;
  };
  const std::shared_ptr<const ReadPlan> plan_;
  const BulkSplit split_;
  const std::unique_ptr<parquet::arrow::FileReader> file_;
  std::vector<int> leaves_;  // of the file's columns, those that are read
  std::vector<Group> groups_;
  size_t next_group_ = 0;
  std::unique_ptr<arrow::RecordBatchReader> stream_;  // of the group at hand
  std::shared_ptr<arrow::RecordBatch> batch_;
  ArenaRef kept_;  // holds it
  int64_t at_ = 0;
  int64_t to_pass_ = 0;
  int64_t rows_done_ = 0;
};

}  // namespace

Result<std::unique_ptr<BulkReader>> open_reader(std::shared_ptr<const ReadPlan> plan,
                                                std::unique_ptr<ReadableFile> file,
                                                const BulkSplit& split) {
  const auto open = [&]() -> Result<std::unique_ptr<BulkReader>> {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto opened, open_file(std::move(file)));
    auto reader = std::make_unique<Reader>(std::move(plan), split, std::move(opened));
    TIDEWHEEL_RETURN_IF_ERROR(reader->prepare());
    return std::unique_ptr<BulkReader>(std::move(reader));
  };
  auto reader = caught(open);
  if (!reader.ok()) { return std::move(reader).status().with_context("file {}", split.path); }
  return reader;
}

Result<RowType> columns_of(std::unique_ptr<ReadableFile> file) {
  return caught([&]() -> Result<RowType> {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto opened, open_file(std::move(file)));
    std::shared_ptr<arrow::Schema> schema;
    if (const arrow::Status status = opened->GetSchema(&schema); !status.ok()) {
      return status_of(status);
    }
    RowType columns;
    for (const std::shared_ptr<arrow::Field>& field : schema->fields()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType type, type_of(*field, field->name()));
      columns.add(field->name(), std::move(type));
    }
    return columns;
  });
}

}  // namespace tidewheel::parquet_format
