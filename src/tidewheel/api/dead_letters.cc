#include "tidewheel/api/dead_letters.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel {

std::vector<TableOption> bad_record_options() {
  return {{kBadRecordsOption, false, "fail",
           "fail, skip (and count) or dead-letter: records that can't be read"},
          {kDeadLetterTableOption, false, "", "the table that they are written to"}};
}

BadRecordPolicy read_bad_record_policy(TableOptions& options, const TableDefinition& table) {
  constexpr std::string_view kIgnoreErrors = ".ignore-parse-errors";
  const auto policy = static_cast<BadRecordPolicy>(
      options.choice(kBadRecordsOption, {"fail", "skip", "dead-letter"}, 0));
  const bool is_dead_letter = policy == BadRecordPolicy::kDeadLetter;
  if (is_dead_letter && !options.has(kDeadLetterTableOption)) {
    options.fail(kDeadLetterTableOption,
                 fmt::format("is needed with '{}' = 'dead-letter'", kBadRecordsOption));
  }
  if (!is_dead_letter && options.has(kDeadLetterTableOption)) {
    options.fail(kDeadLetterTableOption,
                 fmt::format("goes with '{}' = 'dead-letter' only", kBadRecordsOption));
  }
  static_cast<void>(options.text(kDeadLetterTableOption));
  if (policy == BadRecordPolicy::kFail) { return policy; }
  for (const auto& [key, value] : table.options) {
    if (key.ends_with(kIgnoreErrors) && options.flag(key, false)) {
      options.fail(
          key, fmt::format("leaves out what '{}' would have: set one of them", kBadRecordsOption));
    }
  }
  return policy;
}

bool has_dead_letters(const TableDefinition& table) {
  return table.options.contains(kDeadLetterTableOption);
}

RowType dead_letter_columns() {
  RowType type;
  type.add("record", LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength));
  type.add("error", LogicalType::string());
  type.add("source", LogicalType::string());
  type.add("position", LogicalType::of(TypeKind::kBigint));
  return type;
}

// ---- Columns

void DeadLetterColumns::begin(const ColumnBatch& rows) { next_ = rows.size(); }

void DeadLetterColumns::add(const Letter& letter, ColumnBatch& rows) {
  const uint32_t row = rows.size();
  rows.ensure_room(1);
  for (size_t i = 0; i < first_; ++i) { rows.column(i).append_null(row); }
  finish(rows);
  const std::string_view texts[] = {letter.record, letter.error, letter.source};
  for (size_t i = 0; i < std::size(texts); ++i) {
    rows.column(first_ + i).values<Text>()[row] = rows.arena().copy(texts[i]);
  }
  rows.column(first_ + std::size(texts)).values<int64_t>()[row] = letter.position;
  rows.set_size(row + 1);
  if (rows.kinds() != nullptr) { rows.make_kinds(row + 1)[row] = RowKind::kInsert; }
  next_ = row + 1;
}

void DeadLetterColumns::finish(ColumnBatch& rows) {
  if (next_ >= rows.size()) { return; }
  for (size_t i = 0; i < kDeadLetterColumns; ++i) {
    rows.column(first_ + i).set_nulls(next_, rows.size());
  }
  next_ = rows.size();
}

// ---- Decoders

bool can_pass_bad_records(const TableFormat& format, const MakeDecoder& make_decoder,
                          const TableOptions& options) {
  return format.messages_are_lines(options) ||
         dynamic_cast<const ResumableDecoder*>(make_decoder().get()) != nullptr;
}

BadRecordDecoder::BadRecordDecoder(std::unique_ptr<RowDecoder> inner, BadRecordPolicy policy,
                                   size_t columns)
    : inner_(std::move(inner)),
      resumable_(dynamic_cast<ResumableDecoder*>(inner_.get())),
      policy_(policy),
      letters_(columns) {}

void BadRecordDecoder::name_message(std::string_view source, int64_t position) {
  if (place_ != source) { place_ = source; }
  position_ = position;
}

void BadRecordDecoder::name_stream(std::string place) {
  inner_->name_stream(place);
  place_ = std::move(place);
  in_stream_ = true;
}

void BadRecordDecoder::go_on(int64_t line) {
  inner_->go_on(line);
  line_ = line;
}

void BadRecordDecoder::reject(const DeadLetterColumns::Letter& letter, ColumnBatch& rows) {
  ++rejected_;
  if (policy_ == BadRecordPolicy::kDeadLetter) { letters_.add(letter, rows); }
}

Result<bool> BadRecordDecoder::decode(Text message, ColumnBatch& rows) {
  const uint32_t size = rows.size();
  letters_.begin(rows);
  const Result<bool> read = inner_->decode(message, rows);
  if (!read.ok() && read.status().id() == ErrorId::kRecordMalformed) {
    reject({message.view(), read.status().message(), place_, in_stream_ ? line_ : position_}, rows);
    count_skipped();
    return rows.size() > size;
  }
  if (policy_ == BadRecordPolicy::kDeadLetter) { letters_.finish(rows); }
  count_skipped();
  return read;
}

RowDecoder::Next BadRecordDecoder::read(std::string_view bytes, bool ended, size_t& taken,
                                        ColumnBatch& rows, uint32_t rows_max) {
  if (resumable_ == nullptr) { return RowDecoder::read(bytes, ended, taken, rows, rows_max); }
  letters_.begin(rows);
  const Next next = read_on(bytes, ended, taken, rows, rows_max);
  if (policy_ == BadRecordPolicy::kDeadLetter) { letters_.finish(rows); }
  count_skipped();
  return next;
}

RowDecoder::Next BadRecordDecoder::read_on(std::string_view bytes, bool ended, size_t& taken,
                                           ColumnBatch& rows, uint32_t rows_max) {
  taken = 0;
  while (true) {
    size_t took = 0;
    const Next next = inner_->read(bytes.substr(taken), ended, took, rows, rows_max);
    taken += took;
    if (next != Next::kFailed) { return next; }
    status_ = inner_->status();
    // Without a header it is not known what the records are.
    if (status_.id() != ErrorId::kRecordMalformed || inner_->needs_header()) { return next; }
    const ResumableDecoder::Failed failed = resumable_->pass_failed();
    std::string_view record = failed.record;
    while (record.ends_with('\n') || record.ends_with('\r')) { record.remove_suffix(1); }
    reject({record, status_.message(), place_, failed.line}, rows);
    status_ = Status();
    if (rows.size() >= rows_max) { return Next::kFull; }
  }
}

}  // namespace tidewheel
