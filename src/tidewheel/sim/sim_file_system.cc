#include "tidewheel/sim/sim_file_system.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/posix_file_system.h"

namespace tidewheel {

// A file or a directory. `durable` is what a crash leaves for sure.
struct SimFileSystem::Node {
  uint64_t id = 0;
  bool is_directory = false;
  int64_t modified_ms = 0;
  std::string bytes;
  std::string durable_bytes;
  bool sync_failed =
      false;            // bytes beyond durable_bytes were dropped from the cache by a failed sync
  size_t lost_end = 0;  // up to where
  std::map<std::string, NodeRef> entries;
  std::map<std::string, NodeRef> durable_entries;
  bool is_locked = false;
};

namespace {

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") { parts.emplace_back(part); }
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return parts;
}

}  // namespace

class SimFileSystem::OpenRead final : public ReadableFile {
 public:
  OpenRead(SimFileSystem& disk, NodeRef node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)), epoch_(disk.epoch_) {}

  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    return copy(static_cast<size_t>(offset), into);
  }
  Result<int64_t> read(std::span<char> into) override {
    if (into.size() > 1 && disk_.happens(disk_.faults_.short_read)) {
      into = into.first(1 + static_cast<size_t>(disk_.random_.below(into.size())));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got, copy(position_, into));
    position_ += static_cast<size_t>(got);
    return got;
  }
  Result<FileInfo> info() override {
    return FileInfo{static_cast<int64_t>(node_->bytes.size()), node_->modified_ms, false,
                    node_->id};
  }

 private:
  Result<int64_t> copy(size_t offset, std::span<char> into) {
    disk_.take_time();
    if (epoch_ != disk_.epoch_ || disk_.happens(disk_.faults_.read_error)) {
      return status_of_errno(EIO, "reading", path_);
    }
    if (offset >= node_->bytes.size()) { return 0; }
    const size_t count = std::min(into.size(), node_->bytes.size() - offset);
    std::copy_n(node_->bytes.data() + offset, count, into.data());
    if (count > 0 && disk_.happens(disk_.faults_.bit_flip)) {
      const size_t at = static_cast<size_t>(disk_.random_.below(count));
      into[at] = static_cast<char>(into[at] ^ (1 << disk_.random_.below(8)));
    }
    return static_cast<int64_t>(count);
  }

  SimFileSystem& disk_;
  const NodeRef node_;
  const std::string path_;
  const uint64_t epoch_;
  size_t position_ = 0;
};

class SimFileSystem::OpenWrite final : public WritableFile {
 public:
  OpenWrite(SimFileSystem& disk, NodeRef node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)), epoch_(disk.epoch_) {}

  Status append(std::string_view bytes) override {
    disk_.take_time();
    if (gone()) { return status_of_errno(EIO, "writing", path_); }
    const int64_t room = disk_.capacity_bytes_ - disk_.used_bytes();
    if (static_cast<int64_t>(bytes.size()) > room) {
      node_->bytes.append(bytes.substr(0, static_cast<size_t>(std::max<int64_t>(room, 0))));
      return status_of_errno(ENOSPC, "writing", path_);
    }
    if (disk_.happens(disk_.faults_.write_error)) {
      node_->bytes.append(
          bytes.substr(0, static_cast<size_t>(disk_.random_.below(bytes.size() + 1))));
      return status_of_errno(EIO, "writing", path_);
    }
    node_->bytes.append(bytes);
    node_->modified_ms = disk_.clock_.wall_ms();
    return {};
  }
  Status sync() override {
    disk_.take_time();
    if (gone()) { return status_of_errno(EIO, "syncing", path_); }
    if (disk_.happens(disk_.faults_.sync_error)) {
      // The kernel marks the pages clean although they were not written: a later sync skips them.
      node_->sync_failed = true;
      node_->lost_end = node_->bytes.size();
      return status_of_errno(EIO, "syncing", path_);
    }
    if (disk_.happens(disk_.faults_.sync_lost)) { return {}; }
    const size_t kept = node_->durable_bytes.size();
    node_->durable_bytes = node_->bytes;
    if (node_->sync_failed) {
      const size_t end = std::min(node_->lost_end, node_->durable_bytes.size());
      for (size_t i = std::min(kept, end); i < end; ++i) { node_->durable_bytes[i] = '\0'; }
    }
    return {};
  }
  Status close() override { return gone() ? status_of_errno(EIO, "closing", path_) : Status(); }
  int64_t size_bytes() const override { return static_cast<int64_t>(node_->bytes.size()); }

 private:
  bool gone() const { return epoch_ != disk_.epoch_; }

  SimFileSystem& disk_;
  const NodeRef node_;
  const std::string path_;
  const uint64_t epoch_;
};

// Gone with a crash, as the process is that has it.
class SimFileSystem::Lock final : public FileLock {
 public:
  Lock(SimFileSystem& disk, NodeRef node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)), epoch_(disk.epoch_) {
    node_->is_locked = true;
  }
  ~Lock() override {
    if (epoch_ != disk_.epoch_ || keeps_name_) { return; }
    ignore(disk_.remove(path_), "a file that is left over is free");
    node_->is_locked = false;
  }
  void let_go() {
    node_->is_locked = false;
    keeps_name_ = true;
  }

 private:
  SimFileSystem& disk_;
  const NodeRef node_;
  const std::string path_;
  const uint64_t epoch_;
  bool keeps_name_ = false;
};

SimFileSystem::SimFileSystem(Simulation& simulation, const Clock& clock)
    : simulation_(simulation),
      clock_(clock),
      random_(simulation.random().fork()),
      root_(new_node(true)) {
  root_->entries["tmp"] = root_->durable_entries["tmp"] = new_node(true);
}

SimFileSystem::~SimFileSystem() = default;

SimFileSystem::NodeRef SimFileSystem::new_node(bool is_directory) {
  auto node = std::make_shared<Node>();
  node->id = next_id_++;
  node->is_directory = is_directory;
  node->modified_ms = clock_.wall_ms();
  return node;
}

void SimFileSystem::take_time() {
  if (faults_.delay_ns_max > 0) {
    simulation_.charge(
        static_cast<int64_t>(random_.below(static_cast<uint64_t>(faults_.delay_ns_max) + 1)));
  }
}

bool SimFileSystem::happens(double chance) { return chance > 0 && random_.chance(chance); }

int64_t SimFileSystem::used_bytes() const {
  int64_t bytes = 0;
  std::vector<const Node*> open = {root_.get()};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    bytes += static_cast<int64_t>(node->bytes.size());
    for (const auto& [name, entry] : node->entries) { open.push_back(entry.get()); }
  }
  return bytes;
}

Result<SimFileSystem::NodeRef> SimFileSystem::find(std::string_view doing,
                                                   const std::string& path) {
  NodeRef node = root_;
  for (const std::string& part : parts_of(path)) {
    if (!node->is_directory) { return status_of_errno(ENOTDIR, doing, path); }
    const auto entry = node->entries.find(part);
    if (entry == node->entries.end()) { return status_of_errno(ENOENT, doing, path); }
    node = entry->second;
  }
  return node;
}

Result<SimFileSystem::NodeRef> SimFileSystem::find_parent(std::string_view doing,
                                                          const std::string& path,
                                                          std::string& name) {
  const std::vector<std::string> parts = parts_of(path);
  if (parts.empty()) { return status_of_errno(EISDIR, doing, path); }
  name = parts.back();
  TIDEWHEEL_ASSIGN_OR_RETURN(NodeRef parent, find(doing, parent_path(path)));
  if (!parent->is_directory) { return status_of_errno(ENOTDIR, doing, path); }
  return parent;
}

Result<std::unique_ptr<ReadableFile>> SimFileSystem::open_read(const std::string& path) {
  take_time();
  if (!unreachable_.empty() && path.starts_with(unreachable_ + "/")) {
    ++reads_refused_;
    return status_of_errno(EHOSTDOWN, "opening", path);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(NodeRef node, find("opening", path));
  if (node->is_directory) { return status_of_errno(EISDIR, "opening", path); }
  return std::unique_ptr<ReadableFile>(std::make_unique<OpenRead>(*this, std::move(node), path));
}

Result<std::unique_ptr<WritableFile>> SimFileSystem::open_write(const std::string& path,
                                                                WriteMode mode) {
  take_time();
  std::string name;
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef parent, find_parent("opening for writing", path, name));
  NodeRef& node = parent->entries[name];
  if (node == nullptr) {
    node = new_node(false);
  } else if (node->is_directory) {
    return status_of_errno(EISDIR, "opening for writing", path);
  } else if (mode == WriteMode::kCreate) {
    return status_of_errno(EEXIST, "opening for writing", path);
  }
  if (mode == WriteMode::kTruncate) { node->bytes.clear(); }
  return std::unique_ptr<WritableFile>(std::make_unique<OpenWrite>(*this, node, path));
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  take_time();
  if (happens(faults_.rename_error)) { return status_of_errno(EIO, "renaming", from); }
  std::string from_name;
  std::string to_name;
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef from_parent, find_parent("renaming", from, from_name));
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef to_parent, find_parent("renaming to", to, to_name));
  const auto entry = from_parent->entries.find(from_name);
  if (entry == from_parent->entries.end()) { return status_of_errno(ENOENT, "renaming", from); }
  const NodeRef node = entry->second;
  const auto target = to_parent->entries.find(to_name);
  if (target != to_parent->entries.end() && target->second->is_directory != node->is_directory) {
    return status_of_errno(node->is_directory ? ENOTDIR : EISDIR, "renaming to", to);
  }
  from_parent->entries.erase(entry);
  to_parent->entries[to_name] = node;
  TIDEWHEEL_RETURN_IF_ERROR(sync_directory(parent_path(to)));
  return sync_directory(parent_path(from));
}

Status SimFileSystem::link(const std::string& from, const std::string& to) {
  take_time();
  std::string name;
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef node, find("linking", from));
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef parent, find_parent("linking to", to, name));
  if (node->is_directory) { return status_of_errno(EPERM, "linking", from); }
  if (parts_of(from).front() != parts_of(to).front()) {
    return status_of_errno(EXDEV, "linking", from);
  }
  if (!parent->entries.try_emplace(name, node).second) {
    return status_of_errno(EEXIST, "linking to", to);
  }
  return {};
}

Status SimFileSystem::remove(const std::string& path) {
  take_time();
  if (happens(faults_.remove_error)) { return status_of_errno(EIO, "removing", path); }
  std::string name;
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef parent, find_parent("removing", path, name));
  const auto entry = parent->entries.find(name);
  if (entry == parent->entries.end()) { return status_of_errno(ENOENT, "removing", path); }
  if (!entry->second->entries.empty()) { return status_of_errno(ENOTEMPTY, "removing", path); }
  parent->entries.erase(entry);
  return {};
}

Status SimFileSystem::remove_all(const std::string& path) {
  take_time();
  if (happens(faults_.remove_error)) { return status_of_errno(EIO, "removing", path); }
  std::string name;
  const Result<NodeRef> parent = find_parent("removing", path, name);
  if (!parent.ok()) {
    return parent.status().id() == ErrorId::kFileNotFound ? Status() : parent.status();
  }
  (*parent)->entries.erase(name);
  return {};
}

Status SimFileSystem::make_directories(const std::string& path) {
  take_time();
  NodeRef node = root_;
  for (const std::string& part : parts_of(path)) {
    if (!node->is_directory) { return status_of_errno(ENOTDIR, "making the folder", path); }
    NodeRef& entry = node->entries[part];
    if (entry == nullptr) {
      entry = new_node(true);
      node->durable_entries[part] = entry;
    }
    node = entry;
  }
  return node->is_directory ? Status() : status_of_errno(ENOTDIR, "making the folder", path);
}

Status SimFileSystem::sync_directory(const std::string& path) {
  take_time();
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef node, find("syncing", path));
  if (!node->is_directory) { return status_of_errno(ENOTDIR, "syncing", path); }
  if (happens(faults_.sync_error)) { return status_of_errno(EIO, "syncing", path); }
  if (happens(faults_.sync_lost)) { return {}; }
  node->durable_entries = node->entries;
  return {};
}

Result<std::vector<DirectoryEntry>> SimFileSystem::list(const std::string& path) {
  take_time();
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef node, find("listing", path));
  if (!node->is_directory) { return status_of_errno(ENOTDIR, "listing", path); }
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, entry] : node->entries) {
    entries.push_back({name, entry->is_directory});
  }
  return entries;
}

Result<FileInfo> SimFileSystem::info(const std::string& path) {
  take_time();
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef node, find("looking at", path));
  return FileInfo{static_cast<int64_t>(node->bytes.size()), node->modified_ms, node->is_directory,
                  node->id};
}

Result<bool> SimFileSystem::exists(const std::string& path) {
  take_time();
  return find("looking at", path).ok();
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock(const std::string& path,
                                                      const std::string& holder) {
  take_time();
  std::string name;
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef parent, find_parent("opening", path, name));
  NodeRef& node = parent->entries[name];
  if (node == nullptr) { node = new_node(false); }
  if (node->is_directory) { return status_of_errno(EISDIR, "opening", path); }
  if (node->is_locked) { return locked_by(path, node->bytes); }
  node->bytes = holder;
  return std::unique_ptr<FileLock>(std::make_unique<Lock>(*this, node, path));
}

void SimFileSystem::let_go(FileLock& lock) { static_cast<Lock&>(lock).let_go(); }

std::optional<std::string> SimFileSystem::durable_content(const std::string& path) const {
  const std::string* const bytes = durable_bytes(path);
  return bytes == nullptr ? std::nullopt : std::optional(*bytes);
}

const std::string* SimFileSystem::durable_bytes(const std::string& path) const {
  const Node* node = root_.get();
  for (const std::string& part : parts_of(path)) {
    const auto entry = node->durable_entries.find(part);
    if (entry == node->durable_entries.end()) { return nullptr; }
    const auto now = node->entries.find(part);
    if (now == node->entries.end() || now->second != entry->second) { return nullptr; }
    node = entry->second.get();
  }
  return node->is_directory || node->sync_failed ? nullptr : &node->durable_bytes;
}

std::vector<std::string> SimFileSystem::files_below(const std::string& path) const {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, NodeRef>> open;
  NodeRef top = root_;
  for (const std::string& part : parts_of(path)) {
    const auto entry = top->entries.find(part);
    if (entry == top->entries.end()) { return files; }
    top = entry->second;
  }
  open.emplace_back(path, top);
  while (!open.empty()) {
    const auto [name, node] = open.back();
    open.pop_back();
    if (!node->is_directory) { files.push_back(name); }
    for (const auto& [part, entry] : node->entries) {
      open.emplace_back(join_path(name, part), entry);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Status SimFileSystem::flip_bit(const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef node, find("damaging", path));
  if (node->bytes.empty()) { return {}; }
  const size_t at = static_cast<size_t>(random_.below(node->bytes.size()));
  const auto flipped = static_cast<char>(node->bytes[at] ^ (1 << random_.below(8)));
  node->bytes[at] = flipped;
  if (at < node->durable_bytes.size()) { node->durable_bytes[at] = flipped; }
  return {};
}

Status SimFileSystem::cut_short(const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const NodeRef node, find("damaging", path));
  if (node->bytes.empty()) { return {}; }
  node->bytes.resize(random_.below(node->bytes.size()));
  node->durable_bytes.resize(std::min(node->durable_bytes.size(), node->bytes.size()));
  return {};
}

void SimFileSystem::crash() {
  ++epoch_;
  crash_node(root_);
}

void SimFileSystem::crash_node(const NodeRef& node) {
  node->is_locked = false;
  if (!node->is_directory) {
    std::string& durable = node->durable_bytes;
    const bool appended =
        node->bytes.size() > durable.size() && node->bytes.compare(0, durable.size(), durable) == 0;
    if (node->sync_failed) {
      node->bytes = durable;  // what followed the failed sync may be anything; it is gone here
    } else if (appended) {
      const size_t tail = node->bytes.size() - durable.size();
      const size_t kept = static_cast<size_t>(random_.below(tail + 1));
      node->bytes.resize(durable.size() + kept);
      // Torn: the size reached the disk, the bytes of the last sector did not.
      if (kept > 0 && random_.chance(0.3)) {
        const size_t torn = 1 + static_cast<size_t>(random_.below(std::min<size_t>(kept, 512)));
        std::fill(node->bytes.end() - static_cast<std::ptrdiff_t>(torn), node->bytes.end(), '\0');
      }
    } else if (node->bytes != durable && random_.chance(0.5)) {
      node->bytes = durable;  // truncated without a sync: the old content or the new one
    }
    node->durable_bytes = node->bytes;
    node->sync_failed = false;
    return;
  }
  // Each change of a name since the last sync has reached the disk, or not; of a file that was
  // renamed, both its names or neither, as with a file system that has a journal.
  std::map<NodeRef, std::string> renamed_to;
  for (const auto& [name, entry] : node->entries) {
    const auto durable = node->durable_entries.find(name);
    if (durable == node->durable_entries.end() || durable->second != entry) {
      renamed_to[entry] = name;
    }
  }
  std::map<std::string, bool> reached;
  std::set<std::string> names;
  for (const auto& [name, entry] : node->entries) { names.insert(name); }
  for (const auto& [name, entry] : node->durable_entries) { names.insert(name); }
  for (const std::string& name : names) {
    const auto now = node->entries.find(name);
    const auto durable = node->durable_entries.find(name);
    const NodeRef new_entry = now == node->entries.end() ? nullptr : now->second;
    const NodeRef old_entry = durable == node->durable_entries.end() ? nullptr : durable->second;
    if (new_entry == old_entry) { continue; }
    const auto target = renamed_to.find(old_entry);
    const std::string& change = target == renamed_to.end() ? name : target->second;
    const auto drawn = reached.find(change);
    const bool is_new =
        drawn == reached.end() ? (reached[change] = random_.chance(0.5)) : drawn->second;
    const NodeRef left = is_new ? new_entry : old_entry;
    if (left == nullptr) {
      node->entries.erase(name);
    } else {
      node->entries[name] = left;
    }
  }
  node->durable_entries = node->entries;
  for (const auto& [name, entry] : node->entries) { crash_node(entry); }
}

}  // namespace tidewheel
