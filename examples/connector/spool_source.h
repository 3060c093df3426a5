// Reads the files of a spool. Each line is a message.
#pragma once
#include <tidewheel/api/table.h>
#include <tidewheel/base/file_system.h>
#include <tidewheel/base/metrics.h>
#include <tidewheel/dataflow/column_batch.h>
#include <tidewheel/operators/source.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// What the table's options come to; the same for all subtasks.
struct SpoolReadPlan {
  std::string folder;
  int64_t interval_ms = 0;  // 0: only the files that are there at the start
  std::vector<tidewheel::LogicalType> types;
  tidewheel::MakeDecoder make_decoder;
};

class SpoolSource {
 public:
  using output = tidewheel::ColumnRow;
  // A file, and how far it has been read. The engine keeps it in checkpoints.
  struct Split {
    std::string name;
    int64_t offset = 0;
  };
  // Reading a file may take its time, so `read` runs on the blocking pool.
  static constexpr bool blocking = true;

  explicit SpoolSource(std::shared_ptr<const SpoolReadPlan> plan) : plan_(std::move(plan)) {}

  tidewheel::Result<std::vector<Split>> discover(tidewheel::SplitContext& context);
  std::string split_id(const Split& split) const { return split.name; }
  int64_t discovery_interval_ms() const { return plan_->interval_ms; }

  tidewheel::Status open(tidewheel::SourceContext& context);
  tidewheel::Status open_split(Split& split);
  void close_split(Split& split) { reading_.erase(split.name); }
  tidewheel::ReadResult read(Split& split, tidewheel::SourceOut<tidewheel::ColumnRow>& out);

 private:
  // A file that is being read.
  struct Reading {
    std::shared_ptr<tidewheel::ReadableFile> file;
    std::string bytes;
    size_t begin = 0;    // of what is not read yet: the byte at Split::offset
    bool ended = false;  // there are no more behind these
  };
  // A whole line, without its end, and how many bytes it takes. False: the file has ended.
  tidewheel::Result<bool> next_line(const Split& split, Reading& reading, std::string_view& line,
                                    size_t& taken);
  std::string path_of(const Split& split) const;

  std::shared_ptr<const SpoolReadPlan> plan_;
  // Of this copy, from `open` on.
  tidewheel::FileSystem* files_ = nullptr;
  std::shared_ptr<tidewheel::RowDecoder> decoder_;
  tidewheel::Counter* errors_ = nullptr;
  int64_t skipped_ = 0;
  std::map<std::string, Reading> reading_;  // by name
};
