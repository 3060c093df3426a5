// A source of the lines of text files:
//
//   env.from("lines", tw::file::lines("access.log"));
//   env.from("lines", tw::file::lines("logs/", {.watch_every = 1s}));
//
// Rows are Text, which points into the bytes as they were read, or std::string:
// `lines<std::string>(...)`.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/connectors/file/line_reader.h"
#include "tidewheel/connectors/file/readers.h"
#include "tidewheel/connectors/file/splits.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/types/text.h"

namespace tidewheel::file {

template <class Line>
class LineSource {
  static_assert(std::same_as<Line, Text> || std::same_as<Line, std::string>,
                "lines are tidewheel::Text or std::string");

 public:
  using output = Line;
  using Split = FileSplit;
  static constexpr bool blocking = true;

  LineSource(std::vector<std::string> paths, const ReadOptions& options)
      : paths_(std::move(paths)), options_(options) {}

  Result<std::vector<Split>> discover(SplitContext& context) {
    return find_splits(context.files(), paths_, options_, /*may_split=*/true, context.is_first());
  }
  std::string split_id(const Split& split) const { return split.id(); }
  int64_t discovery_interval_ms() const { return to_ms(options_.watch_every); }
  bool is_bounded() const { return options_.is_bounded(); }
  SplitAssignment assignment() const {
    return options_.follow ? SplitAssignment::kSpread : SplitAssignment::kOnRequest;
  }
  Status open(SourceContext& context) {
    readers_ = std::make_shared<Readers<LineReader>>(context);
    return ok_status();
  }
  void close_split(Split& split) { readers_->remove(split); }
  void close() { readers_.reset(); }

  ReadResult read(Split& split, SourceOut<Line>& out) {
    TIDEWHEEL_ASSIGN_OR_RETURN(LineReader* const reader,
                               readers_->of(split, [&](FileSystem& files) {
                                 return LineReader::open(files, split, options_);
                               }));
    const Arena* shared = nullptr;
    int64_t bytes = 0;
    std::string_view line;
    LineReader::Next next = LineReader::Next::kLine;
    while (out.room() > 0 && bytes < kBatchBytesMax) {
      next = reader->next(line);
      if (next != LineReader::Next::kLine) { break; }
      bytes += std::ssize(line);
      if constexpr (std::same_as<Line, Text>) {
        if (reader->chunk().get() != shared) {
          out.share_arena(reader->chunk());
          shared = reader->chunk().get();
        }
      }
      out.emit(Line(line));
    }
    split.next = reader->offset();
    readers_->note(split);
    switch (next) {
      case LineReader::Next::kLine: return ReadResult::more();
      case LineReader::Next::kEnd: return ReadResult::end();
      case LineReader::Next::kWait:
        return ReadResult::wait_until(readers_->clock().wall_ms() + to_ms(options_.follow_every));
      case LineReader::Next::kFailed: break;
    }
    return reader->status();
  }

 private:
  std::vector<std::string> paths_;
  ReadOptions options_;
  std::shared_ptr<Readers<LineReader>> readers_;  // of this copy, from `open` on
};

// The lines of a file, or of the files in a folder.
template <class Line = Text>
LineSource<Line> lines(std::string path, const ReadOptions& options = {}) {
  return LineSource<Line>({std::move(path)}, options);
}
template <class Line = Text>
LineSource<Line> lines(std::vector<std::string> paths, const ReadOptions& options = {}) {
  return LineSource<Line>(std::move(paths), options);
}

}  // namespace tidewheel::file
