#include "tidewheel/connectors/file/splits.h"

#include <algorithm>

#include "tidewheel/base/file_system.h"

namespace tidewheel::file {
namespace {

class SplitFinder {
 public:
  SplitFinder(FileSystem& files, const ReadOptions& options, bool may_split)
      : files_(files), options_(options), may_split_(may_split) {}

  Status add(const std::string& path, bool must_exist) {
    const Result<FileInfo> info = files_.info(path);
    if (!info.ok()) {
      // Between two looks, or between the look at a folder and that at its files, files may go.
      if (!must_exist && info.status().code() == StatusCode::kNotFound) { return ok_status(); }
      return info.status();
    }
    if (info->is_directory) { return add_folder(path, must_exist); }
    add_file(path, info->size_bytes);
    return ok_status();
  }
  std::vector<FileSplit> take() { return std::move(splits_); }

 private:
  Status add_folder(const std::string& path, bool must_exist) {
    const Result<std::vector<DirectoryEntry>> entries = files_.list(path);
    if (!entries.ok()) {
      if (!must_exist && entries.status().code() == StatusCode::kNotFound) { return ok_status(); }
      return entries.status();
    }
    for (const DirectoryEntry& entry : *entries) {
      if (entry.name.starts_with('.') || entry.name.starts_with('_')) { continue; }
      if (entry.is_directory && !options_.recursive) { continue; }
      TIDEWHEEL_RETURN_IF_ERROR(add(join_path(path, entry.name), false));
    }
    return ok_status();
  }

  // A file that is watched or followed is one split, whose id does not change when the file grows.
  void add_file(const std::string& path, int64_t size) {
    const bool plain = compression_of(path, options_.compression) == Compression::kNone;
    const bool bounded = options_.is_bounded();
    if (!plain || !bounded || !may_split_ || options_.split_bytes <= 0 || size == 0) {
      // Pipes and the like have no size; what is no regular file is read until it ends.
      splits_.push_back({path, 0, plain && bounded && size > 0 ? size : kToTheEnd, 0, 1});
      return;
    }
    for (int64_t begin = 0; begin < size; begin += options_.split_bytes) {
      splits_.push_back({path, begin, std::min(size, begin + options_.split_bytes), begin, 1});
    }
  }

  FileSystem& files_;
  const ReadOptions& options_;
  const bool may_split_;
  std::vector<FileSplit> splits_;
};

}  // namespace

Status ReadOptions::validate() const {
  if (to_ms(watch_every) < 0) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "watch_every accepts a time above 0, or 0 to read "
                            "once, not {} ms",
                            to_ms(watch_every));
  }
  if (follow && to_ms(follow_every) <= 0) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "follow_every accepts a time above 0, not {} ms", to_ms(follow_every));
  }
  if (split_bytes < 0 || (split_bytes > 0 && split_bytes < 1024)) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "split_bytes accepts 1024 or more, or 0 for whole "
                            "files, not {}",
                            split_bytes);
  }
  if (record_bytes_max < 1) {
    return invalid_argument(ErrorId::kConnectorOption, "record_bytes_max accepts 1 or more, not {}",
                            record_bytes_max);
  }
  return ok_status();
}

Result<std::vector<FileSplit>> find_splits(FileSystem& files, const std::vector<std::string>& paths,
                                           const ReadOptions& options, bool may_split, bool first) {
  TIDEWHEEL_RETURN_IF_ERROR(options.validate());
  if (paths.empty()) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "a file source needs the path of a file or folder");
  }
  SplitFinder finder(files, options, may_split);
  for (const std::string& path : paths) { TIDEWHEEL_RETURN_IF_ERROR(finder.add(path, first)); }
  return finder.take();
}

}  // namespace tidewheel::file
