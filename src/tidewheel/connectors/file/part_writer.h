// Writes records into part files of a folder. A part is hidden while it is written
// (".part-0-3.inprogress"), and gets its name ("part-0-3") in one step when all of it is on the
// disk.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/status.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
class Clock;  // base/clock.h
}

namespace tidewheel::file {

struct WriteOptions {
  std::string prefix = "part";                  // "<prefix>-<subtask>-<number><suffix>"
  std::string suffix = {};                      // such as ".csv"
  int64_t part_bytes_max = int64_t{128} << 20;  // a part that has reached it is finished
  Duration part_time_max{0};                    // so is one that was begun so long ago; 0: no limit
  // When a finished part gets its name: at once; or when the checkpoint that holds it is complete,
  // which makes the results exactly-once. A part that is written when the input ends always gets it
  // then.
  bool on_checkpoint = false;

  // Errors: kConnectorOption.
  [[nodiscard]] Status validate() const;
};

// A part that is complete on the disk and waits for its name.
struct PendingPart {
  std::string hidden_path;
  std::string path;
};

// The part files of one subtask, one open at a time in each bucket (a folder within the folder; ""
// is the folder itself). Blocks. One thread at a time.
class PartWriter {
 public:
  static constexpr size_t kOpenBucketsMax = 64;

  // Makes the folder. `head` opens every part. Numbers go on after those of the parts that are
  // there.
  static Result<std::unique_ptr<PartWriter>> open(FileSystem& files, Clock& clock,
                                                  std::string folder, int32_t subtask,
                                                  const WriteOptions& options, std::string head);
  // The buffer to append one record to; then call record_done().
  Result<std::string*> begin_record(std::string_view bucket);
  Status record_done();

  // What was written so far is in the files.
  Status flush();
  // Finishes all open parts, and hands over those that have no name yet.
  Result<std::vector<PendingPart>> prepare();
  // Drops what was not handed over.
  void abandon();

 private:
  struct Part {
    std::string hidden_path;
    std::string path;
    std::unique_ptr<WritableFile> file;
    std::string buffer;
    int64_t bytes = 0;
    int64_t begun_ms = 0;
  };
  PartWriter(FileSystem& files, Clock& clock, std::string folder, int32_t subtask,
             const WriteOptions& options, std::string head);
  Status find_next_number(const std::string& folder, int64_t& next) const;
  Status open_part(std::string_view bucket, Part& part);
  Status drain(Part& part);
  Status finish(Part& part);
  Status finish_all();
  bool is_full(const Part& part) const;

  FileSystem& files_;
  Clock& clock_;
  const std::string folder_;
  const std::string stem_;  // "<prefix>-<subtask>-"
  const WriteOptions options_;
  const std::string head_;
  std::map<std::string, int64_t, std::less<>> next_numbers_;  // by bucket
  std::map<std::string, Part, std::less<>> parts_;            // open ones, by bucket
  Part* current_ = nullptr;                                   // of begin_record
  std::string current_bucket_;
  std::vector<PendingPart> pending_;
};

// Gives a part its name; once more after a crash does no harm.
Status publish(FileSystem& files, const PendingPart& part);
// Removes a part that will not get its name.
Status discard_part(FileSystem& files, const PendingPart& part);

}  // namespace tidewheel::file
