// Writes records into part files of a folder. A part is in progress while it is written, pending
// when it waits for the checkpoint that holds it, finished when it has its name. Until then it is
// hidden:
//
//   .part-0-3.csv.inprogress.1f00c2d4-8d31a0e7-5   subtask 0, number 3; of which operator, in which
//   part-0-3.csv                                   attempt, the how many-th
//
// A name is never used twice: not for other rows, and not by another attempt for the same rows in
// another state. Only one writer at a time has a subtask's files: another process that is given the
// same folder is refused.
// So recovery never writes to a file that a checkpoint refers to: what a checkpoint
// has of a part in progress is copied to a file of its own, which gets the part's name. A part that
// has its name already needs nothing, whichever checkpoint is restored.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/status.h"
#include "tidewheel/operators/sink.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
class Clock;  // base/clock.h
}

namespace tidewheel::file {

struct WriteOptions {
  std::string prefix = "part";                  // "<prefix>-<subtask>-<number><suffix>"
  std::string suffix = {};                      // such as ".csv"
  int64_t part_bytes_max = int64_t{128} << 20;  // a part that has reached it is closed
  Duration part_time_max{60'000};               // so is one that was begun so long ago; 0: no limit
  Duration idle_time_max{60'000};               // and one that got no row for so long; 0: no limit
  bool roll_on_checkpoint = false;              // every checkpoint closes all parts
  // Above 1: closed parts of less than merge_bytes wait, hidden, until a bucket has so many of
  // them, or so many bytes in them, or the first has waited so long (0: no limit); then they become
  // one part.
  int32_t merge_parts = 0;
  int64_t merge_bytes = int64_t{16} << 20;
  Duration merge_time_max{600'000};

  // Errors: kConnectorOption.
  [[nodiscard]] Status validate() const;
};

// A part that is complete on the disk and waits for its name.
struct PendingPart {
  std::string hidden_path;
  std::string path;
  std::vector<std::string> merged;  // hidden parts whose rows it has: they go when it has its name
  bool is_marker = false;           // no part: an empty file that says that the folder is complete
};

// What a checkpoint has of a part that is not pending yet.
struct PartState {
  std::string hidden_path;
  std::string path;
  std::string bucket;
  int64_t bytes = 0;    // so many of the file are valid
  bool closed = false;  // it has all its rows, and waits to be merged with others
  // Of one that waits. What it begins with tells with which others it can be merged.
  int64_t closed_wall_ms = 0;
  int64_t head_bytes = -1;  // -1: not known
  uint64_t head_hash = 0;
  // No part: a partition that is not announced yet, in `bucket`; closed_wall_ms is when its first
  // row came.
  bool is_open_partition = false;
};

using PartRecovery = SinkRecovery<PendingPart, PartState>;

struct PartPlace {
  std::string folder;
  int32_t subtask = 0;
  int32_t parallelism = 1;
  uint64_t writer = 0;   // which operator; the same in every attempt
  uint64_t attempt = 0;  // this attempt alone
};

// What has to be done on the disk for a checkpoint.
class PartSync {
 public:
  explicit PartSync(FileSystem& files) : files_(&files) {}
  // Blocks. Once. Makes bytes and names durable, and merges parts. Gives those that are complete.
  Result<std::vector<PendingPart>> run();

 private:
  friend class PartWriter;
  struct Open {
    std::shared_ptr<WritableFile> file;
    std::string folder;  // to be synced too, for the file's name; empty: that was done
    bool close = false;
  };
  struct Source {
    std::string path;
    int64_t from = 0;
  };
  struct Merge {
    std::vector<Source> sources;
    std::string target;
  };
  Status merge(const Merge& merge);

  FileSystem* files_;
  std::vector<Open> open_;
  std::vector<Merge> merges_;
  std::vector<PendingPart> complete_;
};

// The part files of one subtask, one open at a time in each bucket (a folder within the folder; ""
// is the folder itself). One thread at a time; blocks as far as appending to files does, and when
// it opens one.
class PartWriter {
 public:
  static constexpr size_t kOpenBucketsMax = 64;
  static constexpr size_t kClosedMax = 64;  // files that are closed and not synced yet

  // Makes the folder. `head` opens every part. `by_checkpoint`: parts get their names by `prepare`
  // and `publish`; else as soon as they are closed. Errors: kFileLocked when another process writes
  // the same operator's files there.
  static Result<std::unique_ptr<PartWriter>> open(FileSystem& files, Clock& clock, PartPlace place,
                                                  const WriteOptions& options, std::string head,
                                                  bool by_checkpoint);
  // What closes every part: appends to `tail` what the file still lacks. Parts can't be kept open
  // over a checkpoint then (roll_on_checkpoint), nor be merged.
  using Tail = std::function<Status(const std::string& bucket, std::string& tail)>;
  void set_tail(Tail tail) { tail_ = std::move(tail); }
  // Before the first record. Brings parts in progress to their names, as far as the checkpoint has
  // them, and removes what no checkpoint has. Blocks.
  Status recover(const PartRecovery& recovery);

  // The buffer to append one record to; then call record_done().
  Result<std::string*> begin_record(std::string_view bucket);
  Status record_done();

  // What was written so far is in the files.
  Status flush();
  // Closes the parts that are too old, or idle. Returns when to look again; Clock::kNever: never.
  Result<int64_t> on_time(int64_t wall_ms);
  // No record comes any more: `prepare` closes all parts.
  void end_of_input() { ended_ = true; }
  // All rows of a bucket are there: the next `prepare` closes its parts, and has none wait.
  Status finish_bucket(std::string_view bucket);
  // Cuts: what was written so far is made durable by the answer's run().
  Result<PartSync> prepare();
  // The parts that are still open, or wait to be merged, as of the latest `prepare`.
  const std::vector<PartState>& state() const { return state_; }
  // Drops what no checkpoint has. From then on others may write here.
  void abandon();

  int64_t bytes_written() const { return bytes_written_; }

 private:
  struct Part {
    std::string hidden_path;
    std::string path;
    std::string bucket;
    std::shared_ptr<WritableFile> file;  // null: durable as it is
    std::string buffer;
    int64_t bytes = 0;
    int64_t begun_ms = 0;
    int64_t written_ms = 0;
    int64_t closed_ms = 0;
    int64_t chosen = 0;     // when it became the current one, counted
    bool touched = true;    // has got a record since on_time
    bool referred = false;  // a checkpoint may refer to it; so its name is durable
    bool alone = false;     // not merged with others: its head is another
  };
  PartWriter(FileSystem& files, Clock& clock, PartPlace place, const WriteOptions& options,
             std::string head, bool by_checkpoint);
  Result<int64_t*> next_number(const std::string& bucket);
  Status name_part(const std::string& bucket, Part& part);
  Status open_part(std::string_view bucket, Part& part);
  std::string hidden_path_of(const std::string& path);
  Status take_lock();
  Status drain(Part& part);
  Status close_part(Part part);
  Status close_all();
  Status close_longest_unused();
  Status sync_closed();
  bool is_old(const Part& part, int64_t now_ms) const;
  void add_to(PartSync& sync, Part& part, bool close);
  Status merge_waiting(const std::string& bucket, std::vector<Part>& waiting, PartSync& sync);
  bool is_to_be_merged(const Part& part) const;
  bool is_due(const std::vector<Part>& waiting, int64_t now_ms) const;
  Status settle_closed(PartSync& sync);
  Status settle_waiting(PartSync& sync, int64_t now_ms);
  Status merge_without_checkpoint(int64_t now_ms);
  void note_state(const Part& part, bool closed);

  Status recover_part(const PartState& state);
  Status copy_prefix(const PartState& state, const std::string& hidden_path);
  // `keep`: file names, sorted.
  Status sweep(const std::string& folder, const std::vector<std::string>& keep);
  void note_number(const std::string& path);
  bool is_own(std::string_view name) const;

  FileSystem& files_;
  Clock& clock_;
  const PartPlace place_;
  const std::string stem_;    // "<prefix>-<subtask>-"
  const std::string marker_;  // ".inprogress.<writer>-"
  // In the folder: ".<stem>lock<marker>lock". A dead attempt's is removed like its hidden files.
  const std::string lock_name_;
  const WriteOptions options_;
  const std::string head_;
  Tail tail_;
  const uint64_t head_hash_;
  const bool by_checkpoint_;
  std::unique_ptr<FileLock> lock_;
  bool ended_ = false;
  std::map<std::string, int64_t, std::less<>> next_numbers_;   // by bucket
  std::map<std::string, int64_t, std::less<>> least_numbers_;  // by folder: above a checkpoint's
  std::map<std::string, Part, std::less<>> parts_;             // open ones, by bucket
  Part* current_ = nullptr;                                    // of begin_record
  std::string current_bucket_;
  int64_t choices_ = 0;
  std::vector<Part> closed_;                          // since the latest `prepare`
  std::map<std::string, std::vector<Part>> waiting_;  // to be merged, by bucket
  std::set<std::string, std::less<>> finished_;       // buckets, until the next `prepare`
  std::vector<PartState> state_;
  int64_t next_hidden_ = 0;
  int64_t bytes_written_ = 0;
};

// Gives a part its name; once more after a crash does no harm.
Status publish(FileSystem& files, const PendingPart& part);

}  // namespace tidewheel::file
