// Finds the records and fields of CSV (RFC 4180) in a stream of bytes that comes in pieces.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tidewheel::csv {

// Where a field lies in its record. Without the quotes around it.
struct Field {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool quoted = false;
  bool escaped = false;  // has doubled quotes, or characters that are escaped, inside

  std::string_view in(std::string_view record) const { return record.substr(begin, end - begin); }
};

// Lines end with "\n" or "\r\n". A quoted field may hold line ends. One thread.
class Tokenizer {
 public:
  enum class Next : uint8_t {
    kRecord,      // fields() lie in the bytes given; the record takes size() of them
    kNeedsBytes,  // call again with the same bytes and more behind them
    kEnd,         // the stream has ended
    kMalformed,   // reason(); size() bytes are to be dropped, the next call goes on behind them
  };

  Tokenizer(char delimiter, char quote, size_t record_bytes_max, char escape = '\0')
      : delimiter_(delimiter),
        quote_(quote),
        escape_(escape),
        record_bytes_max_(record_bytes_max) {}

  // Looks for the next record at the start of `bytes`. After kRecord and kMalformed the caller
  // drops size() bytes; after kNeedsBytes it drops dropped() bytes (more than 0 only while the rest
  // of an oversized record is passed over). `ended`: no bytes come after these.
  Next next(std::string_view bytes, bool ended);

  const std::vector<Field>& fields() const { return fields_; }
  size_t size() const { return at_; }
  size_t dropped() const { return dropped_; }
  // Line ends in the record that was taken last, its own included.
  int64_t lines() const { return lines_; }
  // The next bytes are within a record.
  bool in_record() const {
    return state_ != State::kTaken && (state_ != State::kFieldStart || at_ > 0);
  }
  // A string literal, after kMalformed.
  const char* reason() const { return reason_; }

 private:
  enum class State : uint8_t {
    kFieldStart,
    kUnquoted,
    kQuoted,
    kAfterQuote,  // behind the closing quote
    kTail,        // of a malformed record: up to its line end
    kDiscard,     // the tail of an oversized record, which was reported
    kTaken,       // the last call gave a record
  };
  enum class Step : uint8_t { kGoOn, kStop };

  void begin_record();
  Step step_unquoted(std::string_view bytes, bool ended);
  Step step_quoted(std::string_view bytes, bool ended);
  Step step_with_escapes(std::string_view bytes, bool ended);
  Step step_after_quote(std::string_view bytes, bool ended);
  Step step_tail(std::string_view bytes, bool ended);
  Next discard(std::string_view bytes, bool ended);
  Next finish(std::string_view bytes, bool ended);
  void end_field(size_t end, bool quoted);
  Step end_record(std::string_view bytes, size_t newline, bool cut_return);
  Step malformed(const char* reason);

  const char delimiter_;
  const char quote_;
  const char escape_;
  const size_t record_bytes_max_;
  State state_ = State::kTaken;
  size_t at_ = 0;  // bytes before it were looked at
  size_t field_begin_ = 0;
  bool escaped_ = false;
  bool complete_ = false;
  const char* reason_ = nullptr;
  size_t dropped_ = 0;
  int64_t lines_ = 0;
  std::vector<Field> fields_;
};

}  // namespace tidewheel::csv
