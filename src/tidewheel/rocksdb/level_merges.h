// Files that are handed to a database lie on levels of their own, the newer above the older. When
// these levels are used up, or hold too much that is void, they are merged in one go. RocksDB's own
// compactions would go from level to level, and rewrite everything several times on the way. For
// the files of this folder only.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace tidewheel {

class Event;  // base/executor.h
class World;  // base/world.h

// How many there may be, in all databases of a job: they share threads with others who block.
struct MergeLimit {
  int32_t count_max = 1;
  std::atomic<int32_t> count{0};
};

// Of one database. One thread at a time.
class LevelMerges {
 public:
  LevelMerges(World& world, rocksdb::DB& database, MergeLimit& limit);
  // Ends what is under way.
  ~LevelMerges();

  // Before files are handed over: waits where merges do not follow.
  void make_room(rocksdb::ColumnFamilyHandle* family);
  // After that. Merges in the background, one thing at a time.
  void consider(rocksdb::ColumnFamilyHandle* family);

 private:
  World& world_;
  rocksdb::DB& database_;
  MergeLimit& limit_;
  std::shared_ptr<Event> done_;  // null: none was begun
};

}  // namespace tidewheel
