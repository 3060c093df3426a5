// Sinks that write rows into part files of a folder:
//
//   counts.to(tw::file::write_lines("out/"));
//   counts.to(tw::file::write("out/", tw::csv::lines_of<Count>(), {.suffix = ".csv"}));
//
// A format for rows of T is a copyable object with `Result<Writer> open() const`, where Writer has
//   void append_header(std::string& out) const;             // optional: opens each part
//   void append_row(std::string& out, const T& row) const;  // one record, with what ends it; or
//                                                           // Status, when a row can be refused
//   Status append_rows(std::string& out, std::span<const T> rows) const;  // optional: a block of
//                                                           // rows, where there are no buckets
// or a copyable function `void(std::string& out, const T& row)`.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/connectors/file/part_writer.h"
#include "tidewheel/connectors/file/time_bucket.h"
#include "tidewheel/operators/sink.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/print.h"

namespace tidewheel::file {

// All rows go into the folder itself.
struct NoBuckets {};

// Writes with a function.
template <class F>
class FunctionWriter {
 public:
  explicit FunctionWriter(F function) : function_(std::move(function)) {}
  template <class T>
  void append_row(std::string& out, const T& row) const {
    function_(out, row);
  }

 private:
  F function_;
};

template <class Format>
concept OpensWriter = requires(const Format& format) {
  format.open().value();
};

template <class Format>
auto open_writer(const Format& format) {
  if constexpr (OpensWriter<Format>) {
    return format.open();
  } else {
    return Result<FunctionWriter<Format>>(FunctionWriter<Format>(format));
  }
}

template <class T, class Format, class Bucket>
class PartFileSink {
  using RowWriter = typename decltype(open_writer(std::declval<const Format&>()))::value_type;

 public:
  using input = T;
  using Pending = PendingPart;
  using State = PartState;
  static constexpr bool blocking_commits = true;

  PartFileSink(std::string folder, Format format, Bucket bucket, WriteOptions options)
      : folder_(std::move(folder)),
        format_(std::move(format)),
        bucket_(std::move(bucket)),
        options_(std::move(options)) {}

  Status open(SinkContext& context) {
    files_ = &context.files();
    clock_ = &context.clock();
    TIDEWHEEL_ASSIGN_OR_RETURN(RowWriter row_writer, open_writer(format_));
    row_writer_ = std::make_shared<const RowWriter>(std::move(row_writer));
    std::string head;
    if constexpr (requires { row_writer_->append_header(head); }) {
      row_writer_->append_header(head);
    }
    if constexpr (kByTime) {
      TIDEWHEEL_ASSIGN_OR_RETURN(TimeBucketNames names, TimeBucketNames::make(bucket_));
      bucket_names_ = std::make_shared<TimeBucketNames>(std::move(names));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(
        parts_, PartWriter::open(context.files(), context.clock(), place_of(context), options_,
                                 std::move(head), context.takes_final_checkpoint()));
    bytes_count_ = &context.metrics().counter("numBytesSend");
    return ok_status();
  }
  Status recover(const PartRecovery& recovery) { return parts_->recover(recovery); }

  Status write_rows(std::span<const T> rows, std::span<const int64_t> timestamps) {
    if constexpr (kWritesBlocks) {
      TIDEWHEEL_RETURN_IF_ERROR(write_block(rows));
    } else {
      TIDEWHEEL_RETURN_IF_ERROR(write_each(rows, timestamps));
    }
    bytes_count_->add(parts_->bytes_written() -
                      std::exchange(counted_bytes_, parts_->bytes_written()));
    return ok_status();
  }
  Status flush() { return parts_->flush(); }
  Status end_of_input() {
    parts_->end_of_input();
    return ok_status();
  }
  Result<int64_t> on_time(int64_t wall_ms) { return parts_->on_time(wall_ms); }
  Result<PrepareJob<Pending>> prepare(int64_t) {
    TIDEWHEEL_ASSIGN_OR_RETURN(PartSync sync, parts_->prepare());
    return PrepareJob<Pending>(
        [sync = std::make_shared<PartSync>(std::move(sync))] { return sync->run(); });
  }
  Result<std::vector<State>> snapshot_state(int64_t) { return parts_->state(); }
  Status commit(const Pending& pending) const { return publish(*files_, pending); }
  Status close(bool) {
    if (parts_ != nullptr) { parts_->abandon(); }
    return ok_status();
  }

 private:
  static constexpr bool kByTime = std::same_as<Bucket, TimeBucket>;
  static constexpr bool kWritesBlocks =
      std::same_as<Bucket, NoBuckets> &&
      requires(const RowWriter& writer, std::string& out, std::span<const T> rows) {
    { writer.append_rows(out, rows) } -> std::same_as<Status>;
  };

  Status write_block(std::span<const T> rows) {
    if (rows.empty()) { return ok_status(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string* const block, parts_->begin_record({}));
    TIDEWHEEL_RETURN_IF_ERROR(row_writer_->append_rows(*block, rows));
    return parts_->record_done();
  }
  Status write_each(std::span<const T> rows, std::span<const int64_t> timestamps) {
    int64_t now_ms = 0;
    if constexpr (kByTime) { now_ms = clock_->wall_ms(); }
    for (size_t i = 0; i < rows.size(); ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(std::string* const record, begin(rows[i], timestamps[i], now_ms));
      if constexpr (std::same_as<decltype(row_writer_->append_row(*record, rows[i])), Status>) {
        TIDEWHEEL_RETURN_IF_ERROR(row_writer_->append_row(*record, rows[i]));
      } else {
        row_writer_->append_row(*record, rows[i]);
      }
      TIDEWHEEL_RETURN_IF_ERROR(parts_->record_done());
    }
    return ok_status();
  }
  PartPlace place_of(SinkContext& context) {
    PartPlace place;
    place.folder = folder_;
    place.subtask = context.subtask_index();
    place.parallelism = context.parallelism();
    const std::string& uid = context.operator_context().uid();
    place.writer = hash_bytes(uid.data(), uid.size());
    place.attempt = context.random().next();
    return place;
  }
  Result<std::string*> begin(const T& row, int64_t timestamp, int64_t now_ms) {
    if constexpr (std::same_as<Bucket, NoBuckets>) {
      return parts_->begin_record({});
    } else if constexpr (kByTime) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view name, bucket_names_->of(timestamp, now_ms));
      return parts_->begin_record(name);
    } else {
      const auto& bucket = std::invoke(std::as_const(bucket_), row);
      return parts_->begin_record(std::string_view(bucket));
    }
  }

  std::string folder_;
  Format format_;
  Bucket bucket_;
  WriteOptions options_;
  FileSystem* files_ = nullptr;
  const Clock* clock_ = nullptr;
  Counter* bytes_count_ = nullptr;
  int64_t counted_bytes_ = 0;
  // Of this copy, from `open` on.
  std::shared_ptr<TimeBucketNames> bucket_names_;
  std::shared_ptr<const RowWriter> row_writer_;
  std::shared_ptr<PartWriter> parts_;
};

// Makes the sink for the rows of the stream that it is given to.
template <class Format, class Bucket = NoBuckets>
class PartFiles {
 public:
  PartFiles(std::string folder, Format format, WriteOptions options, Bucket bucket = {})
      : folder_(std::move(folder)),
        format_(std::move(format)),
        options_(std::move(options)),
        bucket_(std::move(bucket)) {}

  // Puts each row into the folder, within the folder, that `bucket(row)` names: text such as
  // "2013-01-01".
  template <class NewBucket>
  PartFiles<Format, NewBucket> by_bucket(NewBucket bucket) && {
    return {std::move(folder_), std::move(format_), std::move(options_), std::move(bucket)};
  }
  // Puts each row into a folder by the time, such as "2013-01-01--07".
  PartFiles<Format, TimeBucket> by_time(TimeBucket bucket = {}) && {
    return {std::move(folder_), std::move(format_), std::move(options_), std::move(bucket)};
  }
  template <class T>
  PartFileSink<T, Format, Bucket> bind() const {
    if constexpr (!OpensWriter<Format>) {
      static_assert(
          std::is_invocable_v<const Format&, std::string&, const T&>,
          "file::write needs a format with open(), or a const function of (std::string& out, "
          "const T& row)");
    }
    return {folder_, format_, bucket_, options_};
  }

 private:
  std::string folder_;
  Format format_;
  WriteOptions options_;
  Bucket bucket_;
};

// Text as it is, any other row as print shows it; a line feed ends it.
struct PrintedLine {
  template <class T>
  void operator()(std::string& out, const T& row) const {
    print_to(out, row);
    out += '\n';
  }
};

template <class Format>
PartFiles<Format> write(std::string folder, Format format, WriteOptions options = {}) {
  return {std::move(folder), std::move(format), std::move(options)};
}
inline PartFiles<PrintedLine> write_lines(std::string folder, WriteOptions options = {}) {
  return {std::move(folder), {}, std::move(options)};
}

}  // namespace tidewheel::file
