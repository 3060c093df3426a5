#include "tidewheel/rocksdb/rocksdb_new_files.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <utility>

namespace tidewheel {

namespace {

// Of those that no level below has a place for; compactions take them away in time.
constexpr size_t kFilesOnTopMax = 20;

::rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

NewTableFiles::NewTableFiles(::rocksdb::DB& database, ::rocksdb::ColumnFamilyHandle* family,
                             const ::rocksdb::Options& options, std::string path)
    : database_(database),
      family_(family),
      options_(std::make_unique<::rocksdb::Options>(options)),
      path_(std::move(path)) {
  ::rocksdb::ColumnFamilyMetaData data;
  database_.GetColumnFamilyMetaData(family_, &data);
  if (data.file_count > 0 || !options_->optimize_filters_for_hits) { return; }
  // They will be the last level, which has no filters.
  auto table = *options_->table_factory->GetOptions<::rocksdb::BlockBasedTableOptions>();
  table.filter_policy = nullptr;
  options_->table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
}

NewTableFiles::~NewTableFiles() = default;

bool NewTableFiles::are_welcome(::rocksdb::DB& database, ::rocksdb::ColumnFamilyHandle* family) {
  ::rocksdb::ColumnFamilyMetaData data;
  database.GetColumnFamilyMetaData(family, &data);
  uint64_t lowest = 0;
  uint64_t above = 0;
  for (const ::rocksdb::LevelMetaData& level : data.levels) {
    if (level.level == 0 && level.files.size() > kFilesOnTopMax) { return false; }
    if (level.files.empty()) { continue; }
    above += std::exchange(lowest, level.size);
  }
  return above <= lowest;
}

::rocksdb::Status NewTableFiles::prepare() {
  if (open_ != nullptr && open_->FileSize() < options_->target_file_size_base) [[likely]] {
    return ::rocksdb::Status::OK();
  }
  ::rocksdb::Status finished = finish();
  if (!finished.ok()) { return finished; }
  made_.push_back(fmt::format("{}{}.sst", path_, made_.size()));
  open_ = std::make_unique<::rocksdb::SstFileWriter>(::rocksdb::EnvOptions(*options_), *options_,
                                                     nullptr, /*invalidate_page_cache=*/false);
  return open_->Open(made_.back());
}

::rocksdb::Status NewTableFiles::put(std::string_view key, std::string_view value) {
  ::rocksdb::Status status = prepare();
  return status.ok() ? open_->Put(slice(key), slice(value)) : status;
}

::rocksdb::Status NewTableFiles::erase(std::string_view key) {
  ::rocksdb::Status status = prepare();
  return status.ok() ? open_->Delete(slice(key)) : status;
}

::rocksdb::Status NewTableFiles::finish() {
  if (open_ == nullptr) { return ::rocksdb::Status::OK(); }
  return std::exchange(open_, nullptr)->Finish();
}

::rocksdb::Status NewTableFiles::hand_over() {
  ::rocksdb::Status finished = finish();
  if (!finished.ok() || made_.empty()) { return finished; }
  ::rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;  // the manifest has it; files stay as they are
  return database_.IngestExternalFile(family_, std::exchange(made_, {}), options);
}

}  // namespace tidewheel
