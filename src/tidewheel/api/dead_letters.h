// What becomes of records of a table that can't be read: 'scan.bad-records' = fail, skip or
// dead-letter. With 'scan.dead-letter.table' they become rows of that table: the source gives them
// along with its other rows, in columns behind these, and the planner tells them apart. So a letter
// is as safe as any row: it is in the checkpoint that the record is in.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"

namespace tidewheel {

inline constexpr char kBadRecordsOption[] = "scan.bad-records";
inline constexpr char kDeadLetterTableOption[] = "scan.dead-letter.table";

enum class BadRecordPolicy : uint8_t { kFail, kSkip, kDeadLetter };

// The options, for connectors that know them.
std::vector<TableOption> bad_record_options();
// Notes errors: a table that is missing, or is named for nothing; values that a format leaves out
// by itself ('json.ignore-parse-errors'), so that nothing would be left for a letter.
BadRecordPolicy read_bad_record_policy(TableOptions& options, const TableDefinition& table);
// Whether a table's source gives the columns of dead letters.
bool has_dead_letters(const TableDefinition& table);

// record BYTES, error STRING, source STRING, position BIGINT: NULL in rows that are none.
RowType dead_letter_columns();
inline constexpr size_t kDeadLetterColumns = 4;
inline constexpr size_t kDeadLetterError = 1;  // which of them no letter has NULL for

// Writes the columns of dead letters, which are the last of a batch. One thread.
class DeadLetterColumns {
 public:
  struct Letter {
    std::string_view record;
    std::string_view error;
    std::string_view source;  // the file, topic, address
    int64_t position = 0;     // the line, offset, number of the record
  };

  // `first`: the number of the table's columns in the batch.
  explicit DeadLetterColumns(size_t first) : first_(first) {}
  // Rows come behind those of the batch.
  void begin(const RowBatch<ColumnRow>& rows);
  // Appends a row: a letter.
  void add(const Letter& letter, RowBatch<ColumnRow>& rows);
  // Rows since `begin` that are none have NULL in these columns.
  void finish(RowBatch<ColumnRow>& rows);

 private:
  const size_t first_;
  uint32_t next_ = 0;  // the first row whose columns are not written
};

// A decoder of streams that can go on behind a record that can't be read. A RowDecoder that can is
// a ResumableDecoder too.
class ResumableDecoder {
 public:
  struct Failed {
    std::string_view record;  // a part of the bytes that were given
    int64_t line = 0;
  };
  virtual ~ResumableDecoder() = default;
  // After RowDecoder::Next::kFailed with kRecordMalformed: the record, which has been taken. The
  // next `read` goes on behind it.
  virtual Failed pass_failed() = 0;
};

// Whether the streams of a format can be read on behind a bad record.
bool can_pass_bad_records(const TableFormat& format, const MakeDecoder& make_decoder,
                          const TableOptions& options);

// Follows a policy, around the decoder of a format: records that can't be read are left out and
// counted (RowDecoder::skipped), or become letters. `columns`: those of the batch before the
// letters'.
class BadRecordDecoder final : public RowDecoder {
 public:
  BadRecordDecoder(std::unique_ptr<RowDecoder> inner, BadRecordPolicy policy, size_t columns);

  Status open(const FormatContext& context) override { return inner_->open(context); }
  // Of messages: where the next one comes from, for its letter.
  void name_message(std::string_view source, int64_t position);
  Result<bool> decode(Text message, RowBatch<ColumnRow>& rows) override;

  void name_stream(std::string place) override;
  void go_on(int64_t line) override;
  bool needs_header() const override { return inner_->needs_header(); }
  Next read(std::string_view bytes, bool ended, size_t& taken, RowBatch<ColumnRow>& rows,
            uint32_t rows_max) override;
  int64_t line() const override { return resumable_ == nullptr ? line_ : inner_->line(); }

 private:
  void reject(const DeadLetterColumns::Letter& letter, RowBatch<ColumnRow>& rows);
  Next read_on(std::string_view bytes, bool ended, size_t& taken, RowBatch<ColumnRow>& rows,
               uint32_t rows_max);
  // Decoders of streams count what they could not read by themselves.
  void count_skipped() { skipped_ = inner_->skipped() + (resumable_ == nullptr ? rejected_ : 0); }

  const std::unique_ptr<RowDecoder> inner_;
  ResumableDecoder* const resumable_;  // null: each line is a message
  const BadRecordPolicy policy_;
  DeadLetterColumns letters_;
  int64_t rejected_ = 0;
  int64_t position_ = 0;
  bool in_stream_ = false;
};

}  // namespace tidewheel
