// The format Avro for structs: container files and messages.
//
//   env.from("orders", tw::file::records<Order>("orders.avro", tw::avro::format()));
//   orders.to(tw::file::write("out/", tw::avro::files<Order>(), {.suffix = ".avro"}));
#pragma once
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/formats/avro/container.h"
#include "tidewheel/formats/avro/struct_decoder.h"
#include "tidewheel/formats/avro/struct_encoder.h"
#include "tidewheel/formats/avro/struct_schema.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/record.h"

namespace tidewheel::avro {

// Reads single values, such as messages of a log. One thread.
template <class T>
class MessageParser {
 public:
  // Errors: kFormatSchema.
  static Result<MessageParser> open(const StructOptions& options = {}) {
    Schema schema = schema_for<T>();
    if (!options.writer_schema.empty()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(schema, Schema::parse(options.writer_schema));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(
        StructDecoder<T> decoder,
        StructDecoder<T>::make(std::make_shared<const Schema>(std::move(schema)),
                               options.allow_missing_fields));
    return MessageParser(std::move(decoder));
  }
  // Text in `row` points into the message. Errors: kRecordMalformed.
  Status parse(std::string_view message, T& row, Arena* arena = nullptr) {
    WireReader in(message);
    if (!decoder_.read(in, row, arena)) {
      return invalid_argument(ErrorId::kRecordMalformed, "{}", decoder_.fault());
    }
    if (in.left() == 0) { return {}; }
    return invalid_argument(ErrorId::kRecordMalformed,
                            "the message has {} bytes more than its schema", in.left());
  }

 private:
  explicit MessageParser(StructDecoder<T> decoder) : decoder_(std::move(decoder)) {}
  StructDecoder<T> decoder_;
};

enum class FileNext : uint8_t { kRow, kNeedsBytes, kReject, kEnd, kFailed };

// What of a container file's reader does not depend on the type: heads and blocks. line() is the
// number of the row in its block, and what is not taken begins with that block.
class FileReaderBase {
 public:
  bool needs_header() const { return !head_.has_value(); }
  const Status& status() const { return status_; }
  static constexpr int64_t malformed_count() { return 0; }
  int64_t line() const { return line_; }
  void set_line(int64_t line) {
    in_block_ = false;
    rows_to_skip_ = line - 1;
    line_ = line;
  }

 protected:
  explicit FileReaderBase(std::string place) : place_(std::move(place)) {}
  // kRow: the head has been read, and is `taken`.
  FileNext read_header(std::string_view bytes, bool ended, size_t& taken);
  // At the start of `bytes` is a block, or its rest; kRow: values() has a row left.
  FileNext find_block(std::string_view bytes, bool ended, size_t& taken);
  std::string_view values(std::string_view bytes) const;
  bool is_packed() const { return head_->codec != Codec::kNull; }
  FileNext fail(Status status);
  // Of the row at hand, which ends at `left` bytes before the block's end. True: it is to be passed
  // over.
  bool row_done(size_t left, size_t size);

  std::optional<ContainerHead> head_;
  int64_t line_ = 1;

 private:
  std::string place_;
  Status status_;
  bool in_block_ = false;
  ContainerBlock block_;
  size_t stored_at_ = 0;
  ArenaRef unpacked_;
  std::string_view packed_values_;
  size_t values_at_ = 0;
  int64_t rows_left_ = 0;
  int64_t rows_to_skip_ = 0;
};

// Reads a container file as rows of T (file::RecordReader drives it). One thread.
template <class T>
class FileReader : public FileReaderBase {
 public:
  using output = T;
  static Result<FileReader> open(const StructOptions& options, std::string place) {
    check_record<T>();
    return FileReader(options, std::move(place));
  }
  FileNext next(std::string_view bytes, bool ended, size_t& taken, T& row, Arena* arena = nullptr) {
    taken = 0;
    if (needs_header()) {
      const FileNext answer = read_header(bytes, ended, taken);
      if (answer != FileNext::kRow) { return answer; }
      if (Status status = compile(); !status.ok()) { return fail(std::move(status)); }
    }
    while (true) {
      const FileNext answer = find_block(bytes.substr(taken), ended, taken);
      if (answer != FileNext::kRow) { return answer; }
      const std::string_view left = values(bytes.substr(taken));
      WireReader in(left);
      if (!decoder_->read(in, row, arena)) {
        return fail(invalid_argument(ErrorId::kRecordMalformed, "row {} of a block: {}", line_,
                                     decoder_->fault()));
      }
      if (row_done(in.left(), left.size())) { continue; }
      // The block's bytes go with it.
      if (has_text_v<T> && is_packed()) { relocate_texts_into(row, *arena); }
      return FileNext::kRow;
    }
  }

 private:
  FileReader(const StructOptions& options, std::string place)
      : FileReaderBase(std::move(place)), options_(options) {}
  Status compile() {
    TIDEWHEEL_ASSIGN_OR_RETURN(Schema writer, Schema::parse(head_->schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        decoder_, StructDecoder<T>::make(std::make_shared<const Schema>(std::move(writer)),
                                         options_.allow_missing_fields));
    return {};
  }

  StructOptions options_;
  std::optional<StructDecoder<T>> decoder_;
};

// A format for sources: of files, and of messages.
template <class T>
class StructRows {
 public:
  using output = T;
  using Reader = FileReader<T>;
  explicit StructRows(StructOptions options) : options_(std::move(options)) {}
  Result<Reader> open(std::string place) const { return Reader::open(options_, std::move(place)); }
  Result<MessageParser<T>> open_messages() const { return MessageParser<T>::open(options_); }

 private:
  StructOptions options_;
};
class StructFormat {
 public:
  explicit StructFormat(StructOptions options) : options_(std::move(options)) {}
  template <class T>
  StructRows<T> rows() const {
    return StructRows<T>(options_);
  }

 private:
  StructOptions options_;
};
inline StructFormat format(StructOptions options = {}) { return StructFormat(std::move(options)); }

// The head of a container file with this schema, and the marker that follows from it.
Marker marker_of(std::string_view schema);

// Writes container files, a block for the rows that come together.
template <class T>
class FileWriter {
 public:
  explicit FileWriter(Codec codec, std::string schema)
      : codec_(codec), schema_(std::move(schema)), marker_(marker_of(schema_)) {}
  void append_header(std::string& out) const { out += make_head(schema_, codec_, marker_); }
  Status append_row(std::string& out, const T& row) const {
    return append_rows(out, std::span<const T>(&row, 1));
  }
  Status append_rows(std::string& out, std::span<const T> rows) const {
    std::string values;
    for (const T& row : rows) { append_value(values, row); }
    return append_block(codec_, marker_, std::ssize(rows), values, out);
  }

 private:
  Codec codec_;
  std::string schema_;
  Marker marker_;
};

// A format for sinks.
template <class T>
class StructFiles {
 public:
  explicit StructFiles(Codec codec) : codec_(codec) {}
  // Errors: kFormatSchema, for names that Avro can't have.
  Result<FileWriter<T>> open() const {
    std::string schema = schema_for<T>().to_json();
    TIDEWHEEL_RETURN_IF_ERROR(Schema::parse(schema).status());
    return FileWriter<T>(codec_, std::move(schema));
  }

 private:
  Codec codec_;
};
template <class T>
StructFiles<T> files(Codec codec = Codec::kSnappy) {
  return StructFiles<T>(codec);
}

}  // namespace tidewheel::avro
