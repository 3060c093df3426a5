#include "tidewheel/checkpoint/local_copies.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

// A job that takes checkpoints changes its folder with each of them.
constexpr int64_t kAbandonedMs = int64_t{24} * 3600 * 1000;

bool is_job_id(std::string_view name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<LocalCopyOptions> local_copy_options(const Config& config) {
  LocalCopyOptions copies;
  copies.writes = config.get(options::kLocalBackup);
  copies.reads = config.get(options::kRecoverFromLocal);
  const std::string text = config.get(options::kLocalBackupDirectories);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string_view part = std::string_view(text).substr(begin, end - begin);
    while (part.starts_with(' ')) { part.remove_prefix(1); }
    while (part.ends_with(' ')) { part.remove_suffix(1); }
    if (!part.empty()) { copies.directories.emplace_back(part); }
    begin = end + 1;
  }
  if (copies.directories.empty() && (copies.writes || copies.reads)) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}'; it takes folders on local disks, separated by commas",
                            options::kLocalBackupDirectories.key, text);
  }
  return copies;
}

LocalCopies::LocalCopies(World& world, LocalCopyOptions options, std::string job_id)
    : world_(world),
      options_(std::move(options)),
      job_id_(std::move(job_id)),
      figures_(std::make_shared<LocalCopyFigures>(world.logger().named("checkpoint"))) {
  remove_abandoned_jobs();
  if (!options_.writes) { return; }
  for (const std::string& directory : options_.directories) {
    const std::string folder = join_path(directory, job_id_);
    const Status made = world_.files().make_directories(folder);
    if (!made.ok()) { note_failed_write(folder, made); }
  }
}

std::string LocalCopies::place_of(const std::string& job_id, std::string_view file) const {
  const std::string name = file_name(file);
  const size_t which = hash_bytes(name.data(), name.size()) % options_.directories.size();
  return join_path(join_path(options_.directories[which], job_id), name);
}

void LocalCopies::note_failed_write(const std::string& path, const Status& why) {
  figures_->unwritten.fetch_add(1, std::memory_order_relaxed);
  if (fails_.exchange(true)) { return; }  // every task has its own, in every checkpoint
  TIDEWHEEL_MARK("checkpoint.local_copy_not_written");
  figures_->logger.warning("no local copy of state at {}, checkpoints go on without: {}", path,
                           why.to_string());
}

LocalCopyMap LocalCopies::find(const Manifest& manifest) const {
  LocalCopyMap found;
  if (!options_.reads || manifest.kind == SnapshotKind::kSavepoint) { return found; }
  std::set<std::string> there;
  for (const std::string& directory : options_.directories) {
    const std::string folder = join_path(directory, manifest.job_id);
    const auto entries = world_.files().list(folder);
    if (!entries.ok()) { continue; }  // then its copies are missing
    for (const DirectoryEntry& entry : *entries) { there.insert(join_path(folder, entry.name)); }
  }
  const std::map<std::string, uint64_t> files = files_of(manifest);
  for (const auto& [file, size] : files) {
    std::string path = place_of(manifest.job_id, file);
    if (!there.contains(path)) { continue; }
    found[file] = std::make_shared<const LocalCopy>(std::move(path), figures_);
  }
  if (found.size() < files.size()) {
    TIDEWHEEL_MARK("checkpoint.local_copy_missing");
    const size_t missing = files.size() - found.size();
    figures_->missing.fetch_add(static_cast<int64_t>(missing), std::memory_order_relaxed);
    figures_->logger.info("{} of the {} files of checkpoint {} have no local copy", missing,
                          files.size(), manifest.checkpoint);
  }
  return found;
}

void LocalCopies::confirm(const Manifest& manifest) {
  if (!options_.writes) { return; }
  fails_.store(false);
  confirmed_ = manifest.checkpoint;
  std::set<std::string> needed;
  for (const auto& [file, size] : files_of(manifest)) { needed.insert(place_of(file)); }
  for (const std::string& directory : options_.directories) {
    const std::string folder = join_path(directory, job_id_);
    const auto entries = world_.files().list(folder);
    if (!entries.ok()) { continue; }
    for (const DirectoryEntry& entry : *entries) {
      const std::string path = join_path(folder, entry.name);
      // Names begin with the number of their checkpoint; a later one may be under way.
      const std::string_view number = std::string_view(entry.name).substr(0, entry.name.find('-'));
      const bool is_later = checkpoint_of_name(fmt::format("chk-{}", number)) > confirmed_;
      if (is_later || needed.contains(path)) { continue; }
      ignore(world_.files().remove_all(path), "it goes with the next checkpoint");
    }
  }
}

void LocalCopies::adopt(const Manifest& manifest) {
  if (manifest.job_id == job_id_) { confirmed_ = std::max(confirmed_, manifest.checkpoint); }
}

void LocalCopies::discard(const std::vector<std::string>& files) {
  if (!options_.writes) { return; }
  for (const std::string& file : files) {
    ignore(world_.files().remove(place_of(file)), "it need not be there");
  }
}

void LocalCopies::drop(int64_t checkpoint) {
  if (!options_.writes || checkpoint != confirmed_) { return; }
  for (const std::string& directory : options_.directories) {
    ignore(world_.files().remove_all(join_path(directory, job_id_)), "another job removes it");
  }
}

void LocalCopies::remove_abandoned_jobs() {
  if (!options_.writes) { return; }
  const int64_t oldest_ms = world_.clock().wall_ms() - kAbandonedMs;
  for (const std::string& directory : options_.directories) {
    const auto entries = world_.files().list(directory);
    if (!entries.ok()) { continue; }
    for (const DirectoryEntry& entry : *entries) {
      const std::string folder = join_path(directory, entry.name);
      if (!entry.is_directory || !is_job_id(entry.name) || entry.name == job_id_) { continue; }
      const auto info = world_.files().info(folder);
      if (!info.ok() || info->modified_ms > oldest_ms) { continue; }
      TIDEWHEEL_MARK("checkpoint.abandoned_local_copies_removed");
      ignore(world_.files().remove_all(folder), "another job removes it");
    }
  }
}

}  // namespace tidewheel
