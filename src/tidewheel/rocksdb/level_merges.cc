#include "tidewheel/rocksdb/level_merges.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/executor.h"
#include "tidewheel/base/world.h"

namespace tidewheel {

namespace {

// On the uppermost level, when what comes has found no other one free.
constexpr size_t kFilesOnTopMax = 40;
constexpr size_t kFilesOnTop = 16;  // then there is something to merge
// What is above the lowest level may be so many times as large as that.
constexpr uint64_t kAboveMax = 2;

struct Merge {
  std::vector<std::string> files;
  int level = 0;  // into which; 0: there is nothing to do
};

// Down to the lowest level that is not larger than all that is above it: so what is large is
// rewritten only when that takes as much away. All of it goes to the last level there is.
Merge merge_of(const ::rocksdb::ColumnFamilyMetaData& data) {
  Merge merge;
  uint64_t above = 0;  // of the level at hand
  uint64_t above_lowest = 0;
  uint64_t lowest_size = 0;
  int lowest = -1;
  bool is_top_used = false;
  for (const ::rocksdb::LevelMetaData& level : data.levels) {
    if (level.files.empty()) { continue; }
    if (level.level == 0) { is_top_used = level.files.size() > kFilesOnTop; }
    if (level.level == 1) { is_top_used = true; }
    if (above >= level.size) { merge.level = level.level; }
    above_lowest = above;
    lowest_size = level.size;
    lowest = level.level;
    above += level.size;
  }
  if (!is_top_used && above_lowest <= kAboveMax * lowest_size) { return {}; }
  if (lowest == 0 || merge.level == lowest) {
    merge.level = data.levels.back().level;
  } else if (merge.level == 0) {
    return {};
  }
  for (const ::rocksdb::LevelMetaData& level : data.levels) {
    if (level.level > merge.level) { break; }
    for (const ::rocksdb::SstFileMetaData& file : level.files) { merge.files.push_back(file.name); }
  }
  return merge;
}

}  // namespace

LevelMerges::LevelMerges(World& world, ::rocksdb::DB& database, MergeLimit& limit)
    : world_(world), database_(database), limit_(limit) {}

LevelMerges::~LevelMerges() {
  if (done_ == nullptr) { return; }
  if (!done_->is_set()) { ::rocksdb::CancelAllBackgroundWork(&database_, /*wait=*/false); }
  done_->wait();
}

void LevelMerges::make_room(::rocksdb::ColumnFamilyHandle* family) {
  if (done_ == nullptr || done_->is_set()) { return; }
  ::rocksdb::ColumnFamilyMetaData data;
  database_.GetColumnFamilyMetaData(family, &data);
  if (!data.levels.empty() && data.levels[0].files.size() > kFilesOnTopMax) { done_->wait(); }
}

void LevelMerges::consider(::rocksdb::ColumnFamilyHandle* family) {
  if (done_ != nullptr && !done_->is_set()) { return; }
  ::rocksdb::ColumnFamilyMetaData data;
  database_.GetColumnFamilyMetaData(family, &data);
  Merge merge = merge_of(data);
  if (merge.level == 0) { return; }
  if (limit_.count.fetch_add(1) >= limit_.count_max) {
    limit_.count.fetch_sub(1);
    return;
  }
  done_ = world_.executor().make_event();
  world_.executor().run_blocking([this, family, merge = std::move(merge), done = done_] {
    ::rocksdb::CompactionOptions options;
    options.compression = ::rocksdb::kDisableCompressionOption;  // the family's
    options.output_file_size_limit = database_.GetOptions(family).target_file_size_base;
    // Files that RocksDB compacts at the same time are a reason to let it be: the next files come
    // with another look. What the disk refuses is found by whoever writes next.
    database_.CompactFiles(options, family, merge.files, merge.level).PermitUncheckedError();
    limit_.count.fetch_sub(1);
    done->set();
  });
}

}  // namespace tidewheel
