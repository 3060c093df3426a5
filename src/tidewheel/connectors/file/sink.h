// Sinks that write rows into part files of a folder:
//
//   counts.to(tw::file::write_lines("out/"));
//   counts.to(tw::file::write("out/", Encoder{}, {.suffix = ".csv"}));
//
// An encoder for rows of T is a copyable function `void operator()(const T& row, std::string& to)`, which
// appends one record with whatever ends it. It may have `std::string head() const`, which opens each part,
// and, in place of the function, `template <class T> auto bind() const`, which gives one for T.
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

#include "tidewheel/connectors/file/part_writer.h"
#include "tidewheel/operators/sink.h"
#include "tidewheel/types/print.h"

namespace tidewheel::file {

// All rows go into the folder itself.
struct NoBuckets {};

template <class T, class Encoder, class Bucket>
class PartFileSink {
 public:
  using input = T;
  using Pending = PendingPart;

  PartFileSink(std::string folder, Encoder encoder, Bucket bucket, WriteOptions options)
      : folder_(std::move(folder)), encoder_(std::move(encoder)), bucket_(std::move(bucket)),
        options_(std::move(options)) {}

  Status open(SinkContext& context) {
    files_ = &context.files();
    std::string head;
    if constexpr (requires { head = encoder_.head(); }) { head = encoder_.head(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(
        writer_, PartWriter::open(context.files(), context.clock(), folder_,
                                  context.subtask_index(), options_, std::move(head)));
    return ok_status();
  }
  Status write_rows(std::span<const T> rows, std::span<const int64_t>) {
    for (const T& row : rows) {
      TIDEWHEEL_ASSIGN_OR_RETURN(std::string* const record, begin(row));
      encoder_(row, *record);
      TIDEWHEEL_RETURN_IF_ERROR(writer_->record_done());
    }
    return ok_status();
  }
  Status flush() { return writer_->flush(); }
  Result<std::vector<Pending>> prepare(int64_t) { return writer_->prepare(); }
  Status commit(const Pending& pending) { return publish(*files_, pending); }
  Status abort(const Pending& pending) { return discard_part(*files_, pending); }
  Status close(bool) {
    if (writer_ != nullptr) { writer_->abandon(); }
    return ok_status();
  }

 private:
  Result<std::string*> begin(const T& row) {
    if constexpr (std::same_as<Bucket, NoBuckets>) {
      return writer_->begin_record({});
    } else {
      const auto& bucket = std::invoke(std::as_const(bucket_), row);
      return writer_->begin_record(std::string_view(bucket));
    }
  }

  std::string folder_;
  Encoder encoder_;
  Bucket bucket_;
  WriteOptions options_;
  FileSystem* files_ = nullptr;
  std::shared_ptr<PartWriter> writer_;  // of this copy, from `open` on
};

// Makes the sink for the rows of the stream that it is given to.
template <class Encoder, class Bucket = NoBuckets>
class PartFiles {
 public:
  PartFiles(std::string folder, Encoder encoder, WriteOptions options, Bucket bucket = {})
      : folder_(std::move(folder)), encoder_(std::move(encoder)), options_(std::move(options)),
        bucket_(std::move(bucket)) {}

  // Puts each row into the folder, within the folder, that `bucket(row)` names: text such as "2013-01-01".
  template <class NewBucket>
  PartFiles<Encoder, NewBucket> by_bucket(NewBucket bucket) && {
    return {std::move(folder_), std::move(encoder_), std::move(options_), std::move(bucket)};
  }
  template <class T>
  auto bind() const {
    if constexpr (requires { encoder_.template bind<T>(); }) {
      using Bound = std::remove_cvref_t<decltype(encoder_.template bind<T>())>;
      return PartFileSink<T, Bound, Bucket>(folder_, encoder_.template bind<T>(), bucket_, options_);
    } else {
      static_assert(std::is_invocable_v<const Encoder&, const T&, std::string&>,
                    "file::write needs an encoder that can be called with (const T&, std::string&)");
      return PartFileSink<T, Encoder, Bucket>(folder_, encoder_, bucket_, options_);
    }
  }

 private:
  std::string folder_;
  Encoder encoder_;
  WriteOptions options_;
  Bucket bucket_;
};

// Text as it is, any other row as print shows it; a line feed ends it.
struct LineEncoder {
  template <class T>
  void operator()(const T& row, std::string& to) const {
    print_to(to, row);
    to += '\n';
  }
};

template <class Encoder>
PartFiles<Encoder> write(std::string folder, Encoder encoder, WriteOptions options = {}) {
  return {std::move(folder), std::move(encoder), std::move(options)};
}
inline PartFiles<LineEncoder> write_lines(std::string folder, WriteOptions options = {}) {
  return {std::move(folder), {}, std::move(options)};
}

}  // namespace tidewheel::file
