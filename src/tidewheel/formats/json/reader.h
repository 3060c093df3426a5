// Reads lines of JSON into structs:
//
//   struct Bid { int64_t auction = 0; std::optional<double> price; Text channel; Timestamp at; };
//   env.from("bids", tw::file::records<Bid>("bids.jsonl", tw::json()));
//
// or by hand: JsonReader<Bid> for a stream of bytes, JsonLineParser<Bid> for lines.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tidewheel/base/check.h"
#include "tidewheel/base/status.h"
#include "tidewheel/formats/json/cursor.h"
#include "tidewheel/formats/json/decoder.h"
#include "tidewheel/formats/json/index.h"
#include "tidewheel/formats/json/options.h"

namespace tidewheel {

// What a reader of records answers.
enum class JsonNext : uint8_t {
  kRow,         // `row` is the next one
  kNeedsBytes,  // call again with what was not taken and more bytes behind it
  kReject,      // reject() could not be read (JsonOnMalformed::kReject)
  kEnd,         // the stream has ended
  kFailed,      // status()
};

namespace json_detail {

// Finds the records, and says what went wrong: all that does not depend on the type.
class JsonReaderBase {
 public:
  // There is no header: reading may begin at the start of any line.
  static constexpr bool needs_header() { return false; }
  // After JsonNext::kFailed. Errors: kRecordMalformed.
  const Status& status() const { return status_; }
  // The same, after which reading may go on.
  Status take_status() { return std::exchange(status_, Status()); }
  // After JsonNext::kReject, or a call that skipped.
  const JsonReject& reject() const { return reject_; }
  // Records that were skipped or rejected, or of which values were left out.
  int64_t malformed_count() const { return malformed_count_; }
  // The line at which the next record begins, from 1.
  int64_t line() const { return line_; }
  // States where in the stream reading goes on, for messages.
  void set_line(int64_t line) {
    line_ = line;
    at_start_ = false;
  }

 protected:
  JsonReaderBase(JsonOptions options, std::string place);
  // Finds the next line that is not blank, whose tokens the cursor is then at. kRow: the caller
  // reads it, and calls end_record; `taken` is up to the end of the line.
  JsonNext begin_record(std::string_view bytes, bool ended, size_t& taken);
  // `good`: the value was read. kRow when it is all that the line holds; kReject: see skips().
  JsonNext end_record(bool good);
  bool skips() const { return skips_; }
  void begin_place(std::string place) {
    place_ = std::move(place);
    at_start_ = true;
    line_ = 1;
    status_ = Status();
    discarding_ = false;
    forget();
  }
  // What is given is one record, which may have line ends inside.
  void take_all_as_one() { one_record_ = true; }
  // The next bytes are others, wherever they lie.
  void forget() { window_size_ = next_ = 0; }

  JsonCursor cursor_;

 private:
  static constexpr size_t kWindowBytes = size_t{64} * 1024;

  JsonNext look_at(std::string_view bytes, bool ended, size_t& taken);
  JsonNext drop_oversized(std::string_view bytes, bool ended, size_t& taken);
  void index_window(std::string_view window);
  JsonNext take_line();
  JsonNext malformed(const char* at, std::string path, std::string reason);

  JsonOptions options_;
  bool skips_ = false;
  std::string place_;
  JsonIndex index_;
  // What is indexed: whole lines.
  const char* window_ = nullptr;
  size_t window_size_ = 0;
  size_t next_ = 0;                       // of the next line in it
  const uint32_t* next_token_ = nullptr;  // the first one of that line, or behind it
  const char* window_fault_ = nullptr;    // it is one line, and malformed as a whole
  size_t careful_bytes_ = 0;              // so many more are indexed line by line
  size_t searched_ = 0;                   // bytes before it have no line end
  bool discarding_ = false;               // the rest of an oversized line
  bool one_record_ = false;
  bool may_have_escapes_ = false;
  bool at_start_ = true;  // of the stream: a byte order mark may come
  std::string_view record_;
  int64_t line_ = 1;
  int64_t malformed_count_ = 0;
  Status status_;
  JsonReject reject_;
};

template <class T>
constexpr void check_row() {
  static_assert(Record<T>, "a row of JSON must be a record: see tidewheel/types/record.h");
}

}  // namespace json_detail

// Reads a stream of bytes as rows of T, one a line. The caller keeps the bytes that were not taken,
// in one piece, and adds to them; where they have not moved they have not changed. One thread.
template <class T>
class JsonReader : public json_detail::JsonReaderBase {
 public:
  using output = T;

  // `place` names the stream in messages, such as the file's path. Errors: kConnectorOption.
  static Result<JsonReader> open(const JsonOptions& options, std::string place) {
    json_detail::check_row<T>();
    TIDEWHEEL_RETURN_IF_ERROR(options.validate());
    return JsonReader(options, std::move(place));
  }

  // Reads the next row from the start of `bytes`, of which `taken` can be dropped afterwards,
  // whatever the answer is. `ended`: no bytes come after these. Text in `row` points into `bytes`,
  // or, where escapes had to be undone, into `arena`, which rows without Text don't need.
  JsonNext next(std::string_view bytes, bool ended, size_t& taken, T& row, Arena* arena = nullptr) {
    taken = 0;
    cursor_.set_arena(arena);
    while (true) {
      size_t took = 0;
      JsonNext answer = begin_record(bytes.substr(taken), ended, took);
      taken += took;
      if (answer == JsonNext::kRow) {
        answer = end_record(decoder_.read(cursor_, row));
        if (answer == JsonNext::kRow) [[likely]] { return answer; }
      }
      if (answer != JsonNext::kReject || !skips()) { return answer; }
    }
  }
  // For callers whose bytes are others each time, such as one line after another.
  using JsonReaderBase::forget;
  using JsonReaderBase::take_all_as_one;

 private:
  JsonReader(JsonOptions options, std::string place)
      : JsonReaderBase(std::move(options), std::move(place)) {}

  json_detail::Decoder<T> decoder_;
};

// Gives rejects as rows, so that they come along in the stream and can be sent elsewhere.
template <class T>
class JsonReader<std::variant<T, JsonReject>> {
 public:
  using output = std::variant<T, JsonReject>;

  static Result<JsonReader> open(JsonOptions options, std::string place) {
    options.on_malformed = JsonOnMalformed::kReject;
    TIDEWHEEL_ASSIGN_OR_RETURN(JsonReader<T> reader,
                               JsonReader<T>::open(options, std::move(place)));
    return JsonReader(std::move(reader));
  }
  JsonNext next(std::string_view bytes, bool ended, size_t& taken, output& row,
                Arena* arena = nullptr) {
    T* const place = std::get_if<T>(&row);
    const JsonNext next = reader_.next(
        bytes, ended, taken, place != nullptr ? *place : row.template emplace<T>(), arena);
    if (next != JsonNext::kReject) { return next; }
    row = reader_.reject();
    return JsonNext::kRow;
  }
  static constexpr bool needs_header() { return false; }
  const Status& status() const { return reader_.status(); }
  const JsonReject& reject() const { return reader_.reject(); }
  int64_t malformed_count() const { return reader_.malformed_count(); }
  int64_t line() const { return reader_.line(); }
  void set_line(int64_t line) { reader_.set_line(line); }

 private:
  explicit JsonReader(JsonReader<T> reader) : reader_(std::move(reader)) {}
  JsonReader<T> reader_;
};

// Reads lines that are records, such as those of a source of lines. One thread.
template <class T>
class JsonLineParser {
 public:
  static Result<JsonLineParser> open(JsonOptions options = {}, std::string place = "line") {
    options.on_malformed = JsonOnMalformed::kFail;
    TIDEWHEEL_ASSIGN_OR_RETURN(JsonReader<T> reader,
                               JsonReader<T>::open(options, std::move(place)));
    return JsonLineParser(std::move(reader));
  }
  // The same for messages: each is one record, which may have line ends inside.
  static Result<JsonLineParser> open_messages(JsonOptions options = {}) {
    TIDEWHEEL_ASSIGN_OR_RETURN(JsonLineParser parser, open(std::move(options), "message"));
    parser.reader_.take_all_as_one();
    return parser;
  }
  // Errors: kRecordMalformed.
  Status parse(std::string_view line, T& row, Arena* arena = nullptr) {
    size_t taken = 0;
    reader_.forget();
    reader_.set_line(1);
    const JsonNext next = reader_.next(line, /*ended=*/true, taken, row, arena);
    if (next == JsonNext::kFailed) { return reader_.take_status(); }
    if (next != JsonNext::kRow) {
      return invalid_argument(ErrorId::kRecordMalformed, "an empty line is no record");
    }
    if (taken != line.size()) {
      return invalid_argument(ErrorId::kRecordMalformed, "there is more than one line");
    }
    return {};
  }

 private:
  explicit JsonLineParser(JsonReader<T> reader) : reader_(std::move(reader)) {}
  JsonReader<T> reader_;
};

// A format for sources: makes a reader for each stream. `T` is the row, or
// std::variant<Row, JsonReject>.
template <class T>
class JsonRows {
 public:
  using output = T;
  using Reader = JsonReader<T>;
  explicit JsonRows(JsonOptions options) : options_(std::move(options)) {}
  Result<Reader> open(std::string place) const { return Reader::open(options_, std::move(place)); }
  // For connectors whose records come one by one, in messages.
  Result<JsonLineParser<T>> open_messages() const {
    return JsonLineParser<T>::open_messages(options_);
  }
  const JsonOptions& options() const { return options_; }

 private:
  JsonOptions options_;
};

}  // namespace tidewheel
