// Entries that come in the order of their keys become files, which a database takes as they are: no
// write buffer is filled and flushed for them, and those that overlap nothing are never compacted.
// For the files of this folder only.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class SstFileWriter;
class Status;
struct Options;
}  // namespace rocksdb

namespace tidewheel {

// Of one column family. One thread at a time.
class NewTableFiles {
 public:
  // Paths are `path` with a number and an ending.
  NewTableFiles(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* family,
                const rocksdb::Options& options, std::string path);
  ~NewTableFiles();

  // Whether the database does well to take files now. Each time they go to a level above those that
  // have the same keys, where there is one that is free; so void entries would fill the disk if
  // many of them were taken before any level is full.
  static bool are_welcome(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* family);

  // Keys in rising order.
  rocksdb::Status put(std::string_view key, std::string_view value);
  rocksdb::Status erase(std::string_view key);
  // Gives what has come to the database.
  rocksdb::Status hand_over();

 private:
  rocksdb::Status prepare();
  rocksdb::Status finish();

  rocksdb::DB& database_;
  rocksdb::ColumnFamilyHandle* const family_;
  const std::unique_ptr<rocksdb::Options> options_;
  const std::string path_;
  std::unique_ptr<rocksdb::SstFileWriter> open_;
  std::vector<std::string> made_;
};

}  // namespace tidewheel
