#include "tidewheel/connectors/file/column_reader.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <type_traits>

#include "tidewheel/types/time.h"

namespace tidewheel::file {
namespace {

int32_t hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}

// Undoes "%2F" and the like.
std::string unescape_path(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      plain += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// The value of a folder "name=value" in a path; nothing when there is none.
std::optional<std::string> partition_value(std::string_view path, const std::string& name) {
  while (true) {
    const size_t slash = path.find('/');
    if (slash == std::string_view::npos) { return std::nullopt; }
    const std::string_view folder = path.substr(0, slash);
    path.remove_prefix(slash + 1);
    const size_t equals = folder.find('=');
    if (equals != std::string_view::npos && unescape_path(folder.substr(0, equals)) == name) {
      return unescape_path(folder.substr(equals + 1));
    }
  }
}

template <class T>
void fill(Column& column, T value, uint32_t begin, uint32_t end) {
  std::fill(column.values<T>() + begin, column.values<T>() + end, value);
}

template <class T>
bool fill_number(std::string_view text, Column& column, uint32_t begin, uint32_t end) {
  T value{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) { return false; }
  fill(column, value, begin, end);
  return true;
}

bool is_line_start(const FileSplit& split) { return split.begin == 0 || split.next > split.begin; }

}  // namespace

Status check_partition_type(const LogicalType& type, const std::string& name) {
  if (type.is_character() || type.is_integer() || type.kind == TypeKind::kDate ||
      type.kind == TypeKind::kBoolean) {
    return {};
  }
  return invalid_argument(ErrorId::kSqlType,
                          "a column of partitions is a string, a whole number, a DATE or a "
                          "BOOLEAN; '{}' is {}",
                          name, type.to_string());
}

Status put_partition_value(const FileColumn& to, std::string_view text, Column& column,
                           uint32_t begin, uint32_t end, Arena& arena) {
  bool good = true;
  switch (to.type.kind) {
    case TypeKind::kTinyint: good = fill_number<int8_t>(text, column, begin, end); break;
    case TypeKind::kSmallint: good = fill_number<int16_t>(text, column, begin, end); break;
    case TypeKind::kInt: good = fill_number<int32_t>(text, column, begin, end); break;
    case TypeKind::kBigint: good = fill_number<int64_t>(text, column, begin, end); break;
    case TypeKind::kBoolean:
      good = text == "true" || text == "false";
      fill(column, static_cast<uint8_t>(text == "true" ? 1 : 0), begin, end);
      break;
    case TypeKind::kDate: {
      const auto date = parse_date(text);
      good = date.has_value();
      if (good) { fill(column, date->days(), begin, end); }
      break;
    }
    default: fill(column, arena.copy(text), begin, end); break;
  }
  if (good) { return {}; }
  return invalid_argument(ErrorId::kRecordMalformed, "partition {}={}: this is no {}", to.partition,
                          text, to.type.to_string());
}

Result<std::unique_ptr<SplitReader>> SplitReader::open(FileSystem& files, const FileSplit& split,
                                                       std::shared_ptr<const ColumnPlan> plan,
                                                       ColumnBatch& batch) {
  if (plan->make_bulk_reader) { return BulkSplitReader::open(files, split, std::move(plan)); }
  return ColumnReader::open(files, split, std::move(plan), batch);
}

Status SplitReader::look_at_file(FileSystem& files) {
  if (plan_->file_columns.empty()) { return {}; }
  TIDEWHEEL_ASSIGN_OR_RETURN(info_, files.info(split_.path));
  return {};
}

Result<std::unique_ptr<SplitReader>> BulkSplitReader::open(FileSystem& files,
                                                           const FileSplit& split,
                                                           std::shared_ptr<const ColumnPlan> plan) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, files.open_read(split.path));
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<BulkReader> inner,
                             plan->make_bulk_reader(std::move(file), {split.path, split.begin,
                                                                      split.end, split.line - 1}));
  std::unique_ptr<BulkSplitReader> reader(
      new BulkSplitReader(std::move(plan), split, std::move(inner)));
  TIDEWHEEL_RETURN_IF_ERROR(reader->look_at_file(files));
  return std::unique_ptr<SplitReader>(std::move(reader));
}

SplitReader::Next BulkSplitReader::read(ColumnBatch& batch, uint32_t rows_max) {
  const uint32_t size = batch.size();
  const Result<bool> more = reader_->read(batch, rows_max);
  if (!more.ok()) { return fail(more.status()); }
  if (batch.size() > size) {
    if (Status status = fill_file_columns(batch, size); !status.ok()) {
      return fail(std::move(status));
    }
  }
  return *more ? Next::kMore : Next::kEnd;
}

Result<std::unique_ptr<SplitReader>> ColumnReader::open(FileSystem& files, const FileSplit& split,
                                                        std::shared_ptr<const ColumnPlan> plan,
                                                        ColumnBatch& batch) {
  TIDEWHEEL_ASSIGN_OR_RETURN(FileBytes bytes, FileBytes::open(files, split.path, 0, plan->options));
  std::unique_ptr<ColumnReader> reader(new ColumnReader(std::move(plan), split, std::move(bytes)));
  TIDEWHEEL_RETURN_IF_ERROR(reader->go_to_start(files, split, batch));
  TIDEWHEEL_RETURN_IF_ERROR(reader->look_at_file(files));
  return std::unique_ptr<SplitReader>(std::move(reader));
}

ColumnReader::ColumnReader(std::shared_ptr<const ColumnPlan> plan, const FileSplit& split,
                           FileBytes bytes)
    : SplitReader(std::move(plan), split),
      decoder_(plan_->make_decoder()),
      bytes_(std::move(bytes)),
      chunks_(kColumnChunkBytes) {
  decoder_->name_stream(split.path);
}

Status ColumnReader::go_to_start(FileSystem& files, const FileSplit& split, ColumnBatch& batch) {
  if (split.next == 0 && split.begin == 0) { return {}; }
  // The format has to see the head of the file first.
  while (decoder_->needs_header()) {
    size_t taken = 0;
    const auto next = decoder_->read(chunks_.bytes(), ended_, taken, batch, batch.size());
    chunks_.take(taken);
    if (next == RowDecoder::Next::kFailed) { return decoder_->status(); }
    if (next != RowDecoder::Next::kNeedsBytes || ended_) { break; }
    TIDEWHEEL_RETURN_IF_ERROR(add_bytes().status());
  }
  const int64_t offset = is_line_start(split) ? split.next : split.begin - 1;
  TIDEWHEEL_ASSIGN_OR_RETURN(bytes_, FileBytes::open(files, split.path, offset, plan_->options));
  chunks_.restart(offset);
  decoder_->go_on(split.line);
  ended_ = false;
  return is_line_start(split) ? Status() : skip_line_of_before();
}

// In the middle of a file the line in which the split begins belongs to the one before; when the
// byte before it ends a line, the split begins with one of its own.
Status ColumnReader::skip_line_of_before() {
  while (true) {
    const size_t newline = chunks_.bytes().find('\n');
    if (newline != std::string_view::npos) {
      chunks_.take(newline + 1);
      return {};
    }
    chunks_.take(chunks_.bytes().size());
    if (ended_) { return {}; }
    TIDEWHEEL_RETURN_IF_ERROR(add_bytes().status());
  }
}

Result<bool> ColumnReader::add_bytes() {
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileBytes::More more, bytes_.read_more(chunks_));
  ended_ = more != FileBytes::More::kBytes;
  return !ended_;
}

std::string_view ColumnReader::usable(bool& last) const {
  const std::string_view bytes = chunks_.bytes();
  last = ended_;
  if (!plan_->messages_are_lines || split_.end == kToTheEnd) { return bytes; }
  // The line that holds the byte before the split's end is its last one.
  const int64_t last_byte = split_.end - 1 - chunks_.offset();
  if (last_byte >= std::ssize(bytes)) { return bytes; }
  const size_t newline = bytes.find('\n', static_cast<size_t>(std::max<int64_t>(last_byte, 0)));
  if (newline == std::string_view::npos) { return bytes; }
  last = true;
  return bytes.substr(0, newline + 1);
}

SplitReader::Next ColumnReader::read(ColumnBatch& batch, uint32_t rows_max) {
  const int64_t offset_max = chunks_.offset() + kBatchBytesMax;
  while (true) {
    if (plan_->messages_are_lines && chunks_.offset() >= split_.end) { return Next::kEnd; }
    bool last = false;
    const std::string_view bytes = usable(last);
    const uint32_t size = batch.size();
    size_t taken = 0;
    const RowDecoder::Next next = decoder_->read(bytes, last, taken, batch, rows_max);
    chunks_.take(taken);
    if (batch.size() > size) {
      batch.share_arena(chunks_.chunk());
      if (Status status = fill_file_columns(batch, size); !status.ok()) {
        return fail(std::move(status));
      }
    }
    if (next == RowDecoder::Next::kFailed) { return fail(decoder_->status()); }
    if (next == RowDecoder::Next::kEnd) { return Next::kEnd; }
    if (next == RowDecoder::Next::kNeedsBytes && last) { return Next::kEnd; }
    if (next == RowDecoder::Next::kFull || chunks_.offset() >= offset_max) { return Next::kMore; }
    const Result<bool> more = add_bytes();
    if (!more.ok()) { return fail(more.status()); }
  }
}

Status SplitReader::fill_file_columns(ColumnBatch& batch, uint32_t begin) {
  const uint32_t end = batch.size();
  for (const FileColumn& to : plan_->file_columns) {
    Column& column = batch.column(to.column);
    column.ensure(end);
    switch (to.what) {
      case FileColumn::What::kPath:
        fill(column, batch.arena().copy(split_.path), begin, end);
        break;
      case FileColumn::What::kName:
        fill(column, batch.arena().copy(split_.path.substr(split_.path.rfind('/') + 1)), begin,
             end);
        break;
      case FileColumn::What::kSize: fill(column, info_.size_bytes, begin, end); break;
      case FileColumn::What::kModified: fill(column, info_.modified_ms, begin, end); break;
      case FileColumn::What::kPartition: {
        const auto value = partition_value(split_.path, to.partition);
        if (!value.has_value()) {
          return invalid_argument(ErrorId::kRecordMalformed,
                                  "the file is in no folder \"{}=..\": {}", to.partition,
                                  split_.path);
        }
        if (*value == plan_->default_partition) {
          column.set_nulls(begin, end);
        } else {
          TIDEWHEEL_RETURN_IF_ERROR(
              put_partition_value(to, *value, column, begin, end, batch.arena())
                  .with_context("file {}", split_.path));
        }
        break;
      }
    }
  }
  return {};
}

Result<std::vector<FileSplit>> ColumnSource::discover(SplitContext& context) {
  return plan_splits(context.files(), *plan_, context.is_first());
}

Result<std::vector<FileSplit>> plan_splits(FileSystem& files, const ColumnPlan& plan, bool first) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<FileSplit> splits,
                             find_splits(files, plan.paths, plan.options, plan.may_split(), first));
  if (plan.path_pattern.empty()) { return splits; }
  const re2::RE2 pattern(plan.path_pattern, re2::RE2::Quiet);
  std::erase_if(splits,
                [&](const FileSplit& split) { return !re2::RE2::FullMatch(split.path, pattern); });
  return splits;
}

Status ColumnSource::open(SourceContext& context) {
  readers_ = std::make_shared<Readers<SplitReader>>(context);
  errors_ = &context.metrics().counter("numRecordsInErrors");
  accumulated_errors_ = &context.metrics().group("accumulators").counter("malformed records");
  return ok_status();
}

ReadResult ColumnSource::read(FileSplit& split, SourceOut<ColumnRow>& out) {
  ColumnBatch& batch = out.batch();
  if (batch.size() == 0) { batch.set_types(plan_->types); }
  TIDEWHEEL_ASSIGN_OR_RETURN(SplitReader* const reader, readers_->of(split, [&](FileSystem& files) {
    return SplitReader::open(files, split, plan_, batch);
  }));
  const int64_t skipped_before = reader->skipped();
  const SplitReader::Next next = reader->read(batch, batch.size() + std::max(out.room(), 1U));
  split.next = reader->offset();
  readers_->note(split);
  split.line = reader->line();
  errors_->add(reader->skipped() - skipped_before);
  accumulated_errors_->add(reader->skipped() - skipped_before);
  switch (next) {
    case SplitReader::Next::kMore: return ReadResult::more();
    case SplitReader::Next::kEnd: return ReadResult::end();
    case SplitReader::Next::kFailed: break;
  }
  return reader->status();
}

}  // namespace tidewheel::file
