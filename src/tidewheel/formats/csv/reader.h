// Reads CSV into structs:
//
//   struct Flight { int32_t year; std::optional<double> dep_delay; Text tailnum; Timestamp
//   time_hour; }; csv::rows<Flight>({.null_literals = {"NA"}})            // a format, for sources
//   that take one
//
// or by hand: Reader<Flight> for a stream of bytes, LineParser<Flight> for lines that are records.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/status.h"
#include "tidewheel/formats/csv/options.h"
#include "tidewheel/formats/csv/tokenizer.h"
#include "tidewheel/formats/csv/values.h"

namespace tidewheel::csv {

// What a reader of records answers.
enum class Next : uint8_t {
  kRow,         // `row` is the next one
  kNeedsBytes,  // call again with what was not taken and more bytes behind it
  kReject,      // reject() could not be read (OnMalformed::kReject)
  kEnd,         // the stream has ended
  kFailed,      // status()
};

namespace detail {

// Where a struct's fields are in a record, and what went wrong: all that does not depend on the
// type.
class ReaderBase {
 public:
  // While the header is not read the stream must be given from its start; afterwards reading may go
  // on from the start of any record.
  bool needs_header() const { return needs_header_; }
  // After Next::kFailed. Errors: kRecordMalformed; kConnectorOption when columns are missing.
  const Status& status() const { return status_; }
  // After Next::kReject, or a call that skipped.
  const Reject& reject() const { return reject_; }
  // Records that were skipped or rejected.
  int64_t malformed_count() const { return malformed_count_; }
  // The line at which the next record begins, from 1.
  int64_t line() const { return line_; }
  // States where in the stream reading goes on, for messages.
  void set_line(int64_t line) { line_ = line; }
  const std::vector<std::string>& columns() const { return columns_; }

 protected:
  static constexpr uint32_t kNoColumn = UINT32_MAX;
  struct FieldInfo {
    std::string_view name;
    bool is_optional = false;
  };

  ReaderBase(Options options, std::string place, std::vector<FieldInfo> fields);
  Status open();
  // Gives the next record with as many fields as there are columns, having dealt with the header
  // and with what is malformed. Next::kRow: fields() lie in `bytes` from `taken - record size` on.
  Next next_record(std::string_view bytes, bool ended, size_t& taken, std::string_view& record);
  Next fail_value(size_t field, std::string_view record, std::string_view value,
                  const std::string& expected);
  bool is_null(std::string_view text) const;
  std::string_view trimmed(std::string_view text) const;
  // Undoes doubled quotes and escapes, in `scratch_`.
  std::string_view unescape(std::string_view text, bool quoted);
  // Reads on to the first record behind the header. kRow: it has been read.
  Next read_header(std::string_view bytes, bool ended, size_t& taken);
  Next malformed(std::string_view record, std::string column, std::string reason);
  // A value of the record at hand was left out.
  void count_malformed() { ++malformed_count_; }
  // For records that come one by one, without a header.
  Status use_declared_columns();
  void forget_failure() { status_ = Status(); }
  // Kept for retries: true when `next` should look for another record.
  bool skips() const { return options_.on_malformed == OnMalformed::kSkip; }

  Options options_;
  size_t null_bytes_max_ = 0;
  ValueContext context_;
  std::unique_ptr<TimePattern> pattern_;
  std::string place_;
  std::vector<FieldInfo> fields_;
  std::vector<uint32_t> column_of_;  // of each field of the struct
  std::vector<std::string> columns_;
  Tokenizer tokenizer_;
  bool needs_header_ = false;
  bool at_start_ = true;  // of the stream: a byte order mark may come
  int64_t line_ = 1;
  int64_t record_line_ = 1;
  int64_t malformed_count_ = 0;
  Status status_;
  Reject reject_;
  std::string scratch_;

 private:
  Status map_columns();
  bool is_blank() const;
  bool has_other_names() const;
  size_t skip_comment(std::string_view bytes, bool ended, bool& needs_bytes);
  Next take_header(std::string_view record);
  bool has_right_count(std::string_view record, Next& answer);
  Next tokenize(std::string_view bytes, bool ended, size_t& taken, std::string_view& record);
};

template <class T>
using Bare = typename std::conditional_t<kinds::kOptional<T>, T, std::optional<T>>::value_type;

template <class T>
constexpr void check_row() {
  static_assert(refl::Reflected<T>, "a row of CSV must be a plain struct");
  kinds::for_each_index<refl::count<T>()>([]<size_t kIndex>() {
    static_assert(
        kIsValue<Bare<refl::FieldType<T, kIndex>>>,
        "a row of CSV must be flat: its fields are numbers, bools, enums, strings, Text, "
        "Bytes, Decimal, Timestamp, LocalTimestamp, Date, Time, durations, or an optional of "
        "these");
  });
}

}  // namespace detail

// Reads a stream of bytes as rows of T. The caller keeps the bytes that were not taken, in one
// piece, and adds to them. One thread.
template <class T>
class Reader : public detail::ReaderBase {
 public:
  using output = T;

  // `place` names the stream in messages, such as the file's path. Errors: kConnectorOption.
  static Result<Reader> open(const Options& options, std::string place) {
    detail::check_row<T>();
    Reader reader(options, std::move(place));
    TIDEWHEEL_RETURN_IF_ERROR(reader.ReaderBase::open());
    return reader;
  }

  // Reads the next row from the start of `bytes`, of which `taken` can be dropped afterwards,
  // whatever the answer is. `ended`: no bytes come after these. Text in `row` points into `bytes`,
  // or, where quotes had to be undone, into `arena`, which rows without Text don't need.
  Next next(std::string_view bytes, bool ended, size_t& taken, T& row, Arena* arena = nullptr) {
    taken = 0;
    while (true) {
      size_t took = 0;
      std::string_view record;
      Next answer = next_record(bytes.substr(taken), ended, took, record);
      taken += took;
      if (answer != Next::kRow) { return answer; }
      answer = convert(record, row, arena);
      if (answer != Next::kReject || !skips()) { return answer; }
    }
  }

 private:
  Reader(Options options, std::string place)
      : ReaderBase(std::move(options), std::move(place), fields_of_row()) {}

  static std::vector<FieldInfo> fields_of_row() {
    std::vector<FieldInfo> fields;
    kinds::for_each_index<refl::count<T>()>([&fields]<size_t kIndex>() {
      fields.push_back(
          {refl::field_name<T, kIndex>(), kinds::kOptional<refl::FieldType<T, kIndex>>});
    });
    return fields;
  }

  Next convert(std::string_view record, T& row, Arena* arena) {
    size_t bad = SIZE_MAX;
    std::string_view bad_text;
    refl::with_fields(row, [&](auto&... fields) {
      size_t index = 0;
      const auto convert_next = [&](auto& field) {
        if (!convert_field(record, index, field, arena, bad_text)) {
          bad = index;
          return false;
        }
        ++index;
        return true;
      };
      static_cast<void>((convert_next(fields) && ...));
    });
    if (bad == SIZE_MAX) [[likely]] { return Next::kRow; }
    return fail_field(record, bad, bad_text);
  }

  template <class F>
  bool convert_field(std::string_view record, size_t index, F& value, Arena* arena,
                     std::string_view& bad_text) {
    const uint32_t column = column_of_[index];
    if (column >= tokenizer_.fields().size()) { return no_value(value); }
    const Field& field = tokenizer_.fields()[column];
    std::string_view text = field.in(record);
    if (!field.quoted) {
      if (options_.trim) { text = trimmed(text); }
      if constexpr (kinds::kOptional<F>) {
        if (is_null(text)) { return no_value(value); }
      }
    }
    if (field.escaped) { text = unescape(text, field.quoted); }
    bad_text = text;
    if constexpr (kinds::kOptional<F>) {
      return convert_text(text, field.escaped, value.emplace(), arena);
    } else {
      return convert_text(text, field.escaped, value, arena);
    }
  }
  template <class F>
  bool convert_text(std::string_view text, bool escaped, F& value, Arena* arena) {
    if constexpr (std::is_same_v<F, Text>) {
      TIDEWHEEL_DCHECK(!escaped || arena != nullptr, "rows with Text need an arena");
      value = escaped ? arena->copy(text) : Text(text);
      return true;
    } else {
      return detail::parse_value(text, context_, value);
    }
  }
  // A field that is not there: only with allow_missing_fields.
  template <class F>
  static bool no_value(F& value) {
    if constexpr (kinds::kOptional<F>) {
      value.reset();
    } else {
      value = F{};
    }
    return true;
  }
  Next fail_field(std::string_view record, size_t bad, std::string_view bad_text) {
    std::string expected;
    kinds::for_each_index<refl::count<T>()>([&]<size_t kIndex>() {
      if (kIndex == bad) { expected = detail::describe_type<refl::FieldType<T, kIndex>>(context_); }
    });
    return fail_value(bad, record, bad_text, expected);
  }
};

// Reads lines that are whole records, such as those of a source of lines. There is no header:
// `columns` of the options name them, or the struct's fields do. One thread.
template <class T>
class LineParser {
 public:
  static Result<LineParser> open(Options options, std::string place = "line") {
    options.header = false;
    options.on_malformed = OnMalformed::kFail;
    TIDEWHEEL_ASSIGN_OR_RETURN(Reader<T> reader, Reader<T>::open(options, std::move(place)));
    return LineParser(std::move(reader));
  }
  // Errors: kRecordMalformed.
  Status parse(std::string_view line, T& row, Arena* arena = nullptr) {
    size_t taken = 0;
    const Next next = reader_.next(line, /*ended=*/true, taken, row, arena);
    if (next == Next::kFailed) { return reader_.status(); }
    if (next != Next::kRow) {
      return invalid_argument(ErrorId::kRecordMalformed, "an empty line is no record");
    }
    if (taken != line.size()) {
      return invalid_argument(ErrorId::kRecordMalformed, "a line holds more than one record");
    }
    return {};
  }

 private:
  explicit LineParser(Reader<T> reader) : reader_(std::move(reader)) {}
  Reader<T> reader_;
};

// A format for sources: makes a reader for each stream. `T` is the row, or, so that rejects come
// along in the stream and can be sent elsewhere, std::variant<Row, Reject>.
template <class T>
class Rows {
 public:
  using output = T;
  using Reader = csv::Reader<T>;
  explicit Rows(Options options) : options_(std::move(options)) {}
  Result<Reader> open(std::string place) const { return Reader::open(options_, std::move(place)); }
  // For connectors whose records come one by one, in messages.
  Result<LineParser<T>> open_messages() const { return LineParser<T>::open(options_, "message"); }
  const Options& options() const { return options_; }

 private:
  Options options_;
};

// Gives rejects as rows.
template <class T>
class Reader<std::variant<T, Reject>> {
 public:
  using output = std::variant<T, Reject>;

  static Result<Reader> open(Options options, std::string place) {
    options.on_malformed = OnMalformed::kReject;
    TIDEWHEEL_ASSIGN_OR_RETURN(Reader<T> reader, Reader<T>::open(options, std::move(place)));
    return Reader(std::move(reader));
  }
  Next next(std::string_view bytes, bool ended, size_t& taken, output& row,
            Arena* arena = nullptr) {
    T* const place = std::get_if<T>(&row);
    const Next next = reader_.next(bytes, ended, taken,
                                   place != nullptr ? *place : row.template emplace<T>(), arena);
    if (next != Next::kReject) { return next; }
    row = reader_.reject();
    return Next::kRow;
  }
  bool needs_header() const { return reader_.needs_header(); }
  const Status& status() const { return reader_.status(); }
  const Reject& reject() const { return reader_.reject(); }
  int64_t malformed_count() const { return reader_.malformed_count(); }
  int64_t line() const { return reader_.line(); }
  void set_line(int64_t line) { reader_.set_line(line); }

 private:
  explicit Reader(Reader<T> reader) : reader_(std::move(reader)) {}
  Reader<T> reader_;
};

template <class T>
Rows<T> rows(Options options = {}) {
  return Rows<T>(std::move(options));
}
template <class T>
Rows<std::variant<T, Reject>> rows_and_rejects(Options options = {}) {
  return Rows<std::variant<T, Reject>>(std::move(options));
}

}  // namespace tidewheel::csv
