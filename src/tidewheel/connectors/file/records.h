// A source of the records of files, read by a format:
//
//   env.from("flights", tw::file::records("flights.csv.gz", tw::csv::rows<Flight>({.null_literals =
//   {"NA"}})));
//   env.from("trades", tw::file::records<Trade>("trades.jsonl", tw::json()));
//
// A format is a copyable object that makes a reader for each file:
//
//   struct Format {
//     using output = Row;
//     using Reader = ...;
//     Result<Reader> open(std::string place) const;  // `place` is the file's path, for messages
//   };
//   enum class Next { kRow, kNeedsBytes, kReject, kEnd, kFailed };
//   Next Reader::next(std::string_view bytes, bool ended, size_t& taken, Row& row, Arena* arena);
//   const Status& Reader::status() const;            // after kFailed
//   int64_t Reader::malformed_count() const;         // records left out so far
//   int64_t Reader::line() const;                    // where the next record begins
//   void Reader::set_line(int64_t line);
//   bool Reader::needs_header() const;               // until the start of the file has been read
//
// `next` reads a row from the start of `bytes`, of which it takes `taken`; Text in the row points
// into `bytes` or into `arena`. With kNeedsBytes it is called again with what it has not taken and
// more behind that.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/metrics.h"
#include "tidewheel/connectors/file/file_bytes.h"
#include "tidewheel/connectors/file/readers.h"
#include "tidewheel/connectors/file/splits.h"
#include "tidewheel/operators/byte_chunks.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/types/record.h"

namespace tidewheel::file {

template <class F>
concept RecordFormat = requires(const F& format, typename F::Reader& reader, std::string_view bytes,
                                size_t& taken, typename F::output& row, Arena* arena) {
  { format.open(std::string()) } -> std::same_as<Result<typename F::Reader>>;
  reader.next(bytes, true, taken, row, arena);
  { reader.status() } -> std::convertible_to<Status>;
  { reader.malformed_count() } -> std::convertible_to<int64_t>;
};

// The records of one split. Blocks. One thread at a time.
template <RecordFormat Format>
class RecordReader {
 public:
  using Row = typename Format::output;
  enum class Next : uint8_t { kRow, kEnd, kWait, kFailed };

  // Goes on from split.next.
  static Result<std::unique_ptr<RecordReader>> open(FileSystem& files, const FileSplit& split,
                                                    const ReadOptions& options,
                                                    const Format& format) {
    TIDEWHEEL_ASSIGN_OR_RETURN(typename Format::Reader reader, format.open(split.path));
    TIDEWHEEL_ASSIGN_OR_RETURN(FileBytes bytes, FileBytes::open(files, split.path, 0, options));
    std::unique_ptr<RecordReader> made(
        new RecordReader(format, std::move(reader), std::move(bytes), split));
    if (split.next > 0) { TIDEWHEEL_RETURN_IF_ERROR(made->go_to(files, split, options)); }
    return made;
  }

  // The next row; its Text lies in chunk() and `arena`.
  Next next(Row& row, Arena& arena) {
    while (true) {
      if (chunks_.offset() >= end_) { return Next::kEnd; }
      size_t taken = 0;
      const auto answer = reader_->next(chunks_.bytes(), ended_, taken, row, &arena);
      using Answer = decltype(answer);
      chunks_.take(taken);
      switch (answer) {
        case Answer::kRow: return Next::kRow;
        case Answer::kReject: continue;  // counted by the reader
        case Answer::kFailed: return fail(reader_->status());
        case Answer::kEnd:
          if (!replaced_) { return Next::kEnd; }
          if (Status status = begin_anew(); !status.ok()) { return fail(std::move(status)); }
          continue;
        case Answer::kNeedsBytes: break;
      }
      const Result<FileBytes::More> more = bytes_.read_more(chunks_);
      if (!more.ok()) { return fail(more.status()); }
      if (*more == FileBytes::More::kWait) { return Next::kWait; }
      replaced_ = *more == FileBytes::More::kReplaced;
      ended_ = replaced_ || *more == FileBytes::More::kEnd;
    }
  }
  const ArenaRef& chunk() const { return chunks_.chunk(); }
  int64_t offset() const { return chunks_.offset(); }
  int64_t line() const { return reader_->line(); }
  int64_t malformed_count() const { return malformed_before_ + reader_->malformed_count(); }
  const Status& status() const { return status_; }  // after kFailed

 private:
  static constexpr size_t kChunkBytes = 256 * 1024;

  RecordReader(const Format& format, typename Format::Reader reader, FileBytes bytes,
               const FileSplit& split)
      : format_(format),
        path_(split.path),
        end_(split.end),
        reader_(std::move(reader)),
        bytes_(std::move(bytes)),
        chunks_(kChunkBytes) {}

  // The format has to see the head of the file, which is read first, with a record behind it.
  Status go_to(FileSystem& files, const FileSplit& split, const ReadOptions& options) {
    const ArenaRef arena = Arena::create();
    Row ignored{};
    while (reader_->needs_header()) {
      const Next answer = next(ignored, *arena);
      if (answer == Next::kFailed && reader_->needs_header()) { return status_; }
      if (answer != Next::kRow) { break; }
    }
    malformed_before_ = -reader_->malformed_count();
    TIDEWHEEL_ASSIGN_OR_RETURN(bytes_, FileBytes::open(files, split.path, split.next, options));
    chunks_.restart(split.next);
    reader_->set_line(split.line);
    ended_ = false;
    return ok_status();
  }
  Status begin_anew() {
    replaced_ = false;
    ended_ = false;
    malformed_before_ += reader_->malformed_count();
    TIDEWHEEL_ASSIGN_OR_RETURN(typename Format::Reader reader, format_.open(path_));
    reader_.emplace(std::move(reader));
    return bytes_.reopen(chunks_);
  }
  Next fail(Status status) {
    status_ = std::move(status);
    return Next::kFailed;
  }

  const Format format_;
  const std::string path_;
  const int64_t end_;
  std::optional<typename Format::Reader> reader_;  // always there
  FileBytes bytes_;
  ByteChunks chunks_;
  bool ended_ = false;     // no bytes come after those in chunks_
  bool replaced_ = false;  // but then the file that has replaced this one does
  int64_t malformed_before_ = 0;
  Status status_;
};

// The rows of files. Records that the format leaves out are counted in the metric
// numRecordsInErrors and in the accumulator "malformed records".
template <RecordFormat Format>
class RecordSource {
  using Reader = RecordReader<Format>;

 public:
  using output = typename Format::output;
  using Split = FileSplit;
  static constexpr bool blocking = true;

  RecordSource(std::vector<std::string> paths, Format format, const ReadOptions& options)
      : paths_(std::move(paths)), format_(std::move(format)), options_(options) {}

  // A record can't be found from the middle of a file, so a file is one split.
  Result<std::vector<Split>> discover(SplitContext& context) {
    return find_splits(context.files(), paths_, options_, /*may_split=*/false, context.is_first());
  }
  std::string split_id(const Split& split) const { return split.id(); }
  int64_t discovery_interval_ms() const { return to_ms(options_.watch_every); }
  bool is_bounded() const { return options_.is_bounded(); }
  SplitAssignment assignment() const {
    return options_.follow ? SplitAssignment::kSpread : SplitAssignment::kOnRequest;
  }
  Status open(SourceContext& context) {
    readers_ = std::make_shared<Readers<Reader>>(context);
    errors_ = &context.metrics().counter("numRecordsInErrors");
    accumulated_errors_ = &context.metrics().group("accumulators").counter("malformed records");
    return ok_status();
  }
  void close_split(Split& split) { readers_->remove(split); }
  void close() { readers_.reset(); }

  ReadResult read(Split& split, SourceOut<output>& out) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Reader* const reader, readers_->of(split, [&](FileSystem& files) {
      return Reader::open(files, split, options_, format_);
    }));
    const int64_t malformed_before = reader->malformed_count();
    const int64_t bytes_before = reader->offset();
    Arena& arena = out.batch().arena();
    const Arena* shared = nullptr;
    auto next = Reader::Next::kRow;
    while (out.room() > 0 && reader->offset() - bytes_before < kBatchBytesMax) {
      next = reader->next(row_, arena);
      if (next != Reader::Next::kRow) { break; }
      if (has_text_v<output> && reader->chunk().get() != shared) {
        out.share_arena(reader->chunk());
        shared = reader->chunk().get();
      }
      out.emit(std::move(row_));
    }
    split.next = reader->offset();
    readers_->note(split);
    split.line = reader->line();
    errors_->add(reader->malformed_count() - malformed_before);
    accumulated_errors_->add(reader->malformed_count() - malformed_before);
    switch (next) {
      case Reader::Next::kRow: return ReadResult::more();
      case Reader::Next::kEnd: return ReadResult::end();
      case Reader::Next::kWait:
        return ReadResult::wait_until(readers_->clock().wall_ms() + to_ms(options_.follow_every));
      case Reader::Next::kFailed: break;
    }
    return reader->status();
  }

 private:
  std::vector<std::string> paths_;
  Format format_;
  ReadOptions options_;
  std::shared_ptr<Readers<Reader>> readers_;  // of this copy, from `open` on
  Counter* errors_ = nullptr;
  Counter* accumulated_errors_ = nullptr;
  output row_{};  // kept from row to row, for the memory of its fields
};

// The records of a file, or of the files in a folder.
template <RecordFormat Format>
RecordSource<Format> records(std::string path, Format format, const ReadOptions& options = {}) {
  return RecordSource<Format>({std::move(path)}, std::move(format), options);
}
template <RecordFormat Format>
RecordSource<Format> records(std::vector<std::string> paths, Format format,
                             const ReadOptions& options = {}) {
  return RecordSource<Format>(std::move(paths), std::move(format), options);
}

// A format that reads rows of any type, such as tw::json(): has `rows<T>()`, which gives the one
// for rows of T.
template <class F, class T>
concept FormatOfAnyRows = requires(const F& format) {
  { format.template rows<T>() } -> RecordFormat;
};
template <class T, class Format>
requires FormatOfAnyRows<Format, T>
auto records(std::string path, const Format& format, const ReadOptions& options = {}) {
  return records(std::move(path), format.template rows<T>(), options);
}
template <class T, class Format>
requires FormatOfAnyRows<Format, T>
auto records(std::vector<std::string> paths, const Format& format,
             const ReadOptions& options = {}) {
  return records(std::move(paths), format.template rows<T>(), options);
}

}  // namespace tidewheel::file
