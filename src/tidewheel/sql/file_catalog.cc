#include "tidewheel/sql/file_catalog.h"

#include <fmt/format.h>

#include <cctype>
#include <utility>

#include "tidewheel/base/world.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

constexpr std::string_view kSuffix = ".sql";
constexpr const char* kDatabaseFile = ".database.sql";
constexpr const char* kLockFile = ".lock";
// A folder that is on its way out; whoever comes by may end that.
constexpr std::string_view kDroppedPrefix = ".dropped-";
constexpr std::string_view kChecksumLead = "-- checksum of what is above: ";
constexpr int64_t kLockWaitNs = 10'000'000'000;
constexpr int64_t kLockPollNs = 2'000'000;

std::string file_name_of(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || c == '_' || c == '-')) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') { return c - '0'; }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
// Nothing when this is no name that `file_name_of` gives.
std::optional<std::string> name_of_file(std::string_view file) {
  std::string out;
  for (size_t i = 0; i < file.size(); ++i) {
    if (file[i] != '%') {
      out += file[i];
      continue;
    }
    if (i + 2 >= file.size()) { return std::nullopt; }
    const int high = hex_digit(file[i + 1]);
    const int low = hex_digit(file[i + 2]);
    if (high < 0 || low < 0) { return std::nullopt; }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (out.empty() || file_name_of(out) != file) { return std::nullopt; }
  return out;
}

std::string checksum_of(std::string_view sql) {
  return fmt::format("{:016x}", hash_bytes(sql.data(), sql.size()));
}
std::string with_checksum(std::string sql) {
  sql += ";\n";
  return sql + std::string(kChecksumLead) + checksum_of(sql) + "\n";
}

// The statement without its checksum. Errors: kDataLoss.
Result<std::string> checked(std::string bytes, const std::string& path) {
  const size_t at = bytes.rfind(kChecksumLead);
  if (at == std::string::npos) { return bytes; }
  std::string_view stored = std::string_view(bytes).substr(at + kChecksumLead.size());
  while (!stored.empty() && (stored.back() == '\n' || stored.back() == '\r')) {
    stored.remove_suffix(1);
  }
  if (stored != checksum_of(std::string_view(bytes).substr(0, at))) {
    return data_loss(ErrorId::kSqlCatalog,
                     "the file is damaged, its checksum is another; if it was changed by hand, "
                     "take its last line away: {}",
                     path);
  }
  bytes.resize(at);
  return bytes;
}

class FileCatalog final : public CatalogStore {
 public:
  FileCatalog(World& world, std::string directory, std::string name)
      : world_(world), directory_(std::move(directory)), name_(std::move(name)) {}

  std::vector<Option> options() const override {
    return {Option{"type", "file", {}, {}}, Option{"path", directory_, {}, {}}};
  }

  Result<std::vector<std::string>> databases() override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files().list(directory_));
    std::vector<std::string> names;
    for (const DirectoryEntry& entry : entries) {
      if (!entry.is_directory) { continue; }
      if (std::optional<std::string> name = name_of_file(entry.name)) {
        names.push_back(std::move(*name));
      }
    }
    return names;
  }

  Result<std::optional<CreateDatabase>> database(const std::string& name) override {
    const std::string folder = folder_of(name);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files().exists(folder));
    if (!exists) { return std::optional<CreateDatabase>(); }
    const std::string path = join_path(folder, kDatabaseFile);
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<std::string> bytes, read(path));
    if (!bytes.has_value()) { return std::optional<CreateDatabase>(CreateDatabase{}); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string sql, checked(*bytes, path));
    Result<Statement> parsed = parse_statement(sql);
    auto* const made = parsed.ok() ? std::get_if<CreateDatabase>(&parsed->node) : nullptr;
    if (made == nullptr) { return damaged(path, parsed.status(), "CREATE DATABASE"); }
    return std::optional<CreateDatabase>(std::move(*made));
  }

  Status create_database(const std::string& name, const CreateDatabase& statement) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, take_lock());
    const std::string folder = folder_of(name);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files().exists(folder));
    if (exists) {
      return already_exists(ErrorId::kSqlCatalog, "the database '{}' exists already", name);
    }
    TIDEWHEEL_RETURN_IF_ERROR(files().make_directories(folder));
    return write_database(name, statement);
  }

  Status alter_database(const std::string& name,
                        const std::function<void(CreateDatabase&)>& change) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, take_lock());
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<CreateDatabase> now, database(name));
    if (!now.has_value()) { return no_database(name); }
    change(*now);
    return write_database(name, *now);
  }

  Status drop_database(const std::string& name, bool cascades) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, take_lock());
    const std::string folder = folder_of(name);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files().exists(folder));
    if (!exists) { return no_database(name); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<std::string> names, objects(name));
    if (!cascades && !names.empty()) {
      return invalid_argument(ErrorId::kSqlCatalog,
                              "the database '{}' is not empty: drop what is in it, or add CASCADE",
                              name);
    }
    // It is gone at once, whatever happens while its files go one by one.
    const std::string dropped =
        join_path(directory_, std::string(kDroppedPrefix) + file_name_of(name));
    TIDEWHEEL_RETURN_IF_ERROR(files().remove_all(dropped));
    TIDEWHEEL_RETURN_IF_ERROR(files().rename(folder, dropped));
    return files().remove_all(dropped);
  }

  Result<std::vector<std::string>> objects(const std::string& database) override {
    std::vector<std::string> names;
    Result<std::vector<DirectoryEntry>> entries = files().list(folder_of(database));
    if (!entries.ok()) {
      if (entries.status().id() == ErrorId::kFileNotFound) { return names; }
      return entries.status();
    }
    for (const DirectoryEntry& entry : *entries) {
      const std::string_view file = entry.name;
      if (entry.is_directory || !file.ends_with(kSuffix)) { continue; }
      if (std::optional<std::string> name =
              name_of_file(file.substr(0, file.size() - kSuffix.size()))) {
        names.push_back(std::move(*name));
      }
    }
    return names;
  }

  Result<CatalogObjectRef> find(const ObjectPath& path) override {
    const std::string file = file_of(path);
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<std::string> bytes, read(file));
    if (!bytes.has_value()) {
      read_.erase(file);
      return CatalogObjectRef();
    }
    // Others may have changed it; parsing is what costs.
    Read& cached = read_[file];
    if (cached.object != nullptr && cached.bytes == *bytes) { return cached.object; }
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string sql, checked(*bytes, file));
    Result<Statement> parsed = parse_statement(sql);
    auto object = std::make_shared<CatalogObject>();
    object->path = path;
    if (auto* const table = parsed.ok() ? std::get_if<CreateTable>(&parsed->node) : nullptr) {
      object->definition = std::move(*table);
    } else if (auto* const view = parsed.ok() ? std::get_if<CreateView>(&parsed->node) : nullptr) {
      object->definition = std::move(*view);
    } else {
      return damaged(file, parsed.status(), "CREATE TABLE or CREATE VIEW");
    }
    object->text = std::make_shared<const std::string>(std::move(sql));
    cached = {std::move(*bytes), object};
    return CatalogObjectRef(std::move(object));
  }

  Status change(const ObjectPath& path, const Change& change) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, take_lock());
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files().exists(folder_of(path.database)));
    if (!exists) { return no_database(path.database); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObjectRef now, find(path));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<CatalogObject> made, change(now.get()));
    if (!made.has_value()) { return now == nullptr ? ok_status() : remove_file(path); }
    if (now != nullptr && made->text == now->text) { return ok_status(); }
    return write(path, *made);
  }

  Status remove(const ObjectPath& path) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, take_lock());
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files().exists(file_of(path)));
    return exists ? remove_file(path) : ok_status();
  }

  Status rename(const ObjectPath& from, const ObjectPath& to,
                const std::function<Status(const CatalogObject*)>& check) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, take_lock());
    TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObjectRef now, find(from));
    TIDEWHEEL_RETURN_IF_ERROR(check(now.get()));
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool taken, files().exists(file_of(to)));
    if (taken) {
      return already_exists(ErrorId::kSqlCatalog, "'{}' exists already", to.to_string());
    }
    CatalogObject renamed = *now;
    renamed.path = to;
    TIDEWHEEL_ASSIGN_OR_RETURN(renamed, rewritten(std::move(renamed)));
    // The name in the text is for readers: between these two it is the old one.
    TIDEWHEEL_RETURN_IF_ERROR(files().rename(file_of(from), file_of(to)));
    return write(to, renamed);
  }

 private:
  struct Read {
    std::string bytes;
    CatalogObjectRef object;
  };

  FileSystem& files() const { return world_.files(); }
  std::string folder_of(const std::string& database) const {
    return join_path(directory_, file_name_of(database));
  }
  std::string file_of(const ObjectPath& path) const {
    return join_path(folder_of(path.database), file_name_of(path.object) + std::string(kSuffix));
  }
  Status no_database(const std::string& name) const {
    return not_found(ErrorId::kSqlCatalog, "there is no database '{}' in the catalog '{}'", name,
                     name_);
  }
  static Status damaged(const std::string& path, const Status& reason, const char* wanted) {
    return data_loss(ErrorId::kSqlCatalog, "the file is damaged, it holds no {}: {}{}", wanted,
                     path, reason.ok() ? "" : "\n" + std::string(reason.message()));
  }

  // Nothing when there is no such file.
  Result<std::optional<std::string>> read(const std::string& path) {
    Result<std::string> bytes = read_all(files(), path);
    if (bytes.ok()) { return std::optional<std::string>(std::move(*bytes)); }
    if (bytes.status().id() == ErrorId::kFileNotFound) { return std::optional<std::string>(); }
    return bytes.status();
  }
  Status write(const ObjectPath& path, const CatalogObject& object) {
    return write_all_durably(files(), file_of(path),
                             with_checksum(to_sql_lines(statement_of(object))));
  }
  Status write_database(const std::string& name, CreateDatabase statement) {
    if (!statement.comment.has_value() && statement.options.empty()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists,
                                 files().exists(join_path(folder_of(name), kDatabaseFile)));
      if (!exists) { return ok_status(); }
    }
    statement.if_not_exists = false;
    statement.name.parts = {Identifier{name, {}}};
    Statement whole;
    whole.node = std::move(statement);
    return write_all_durably(files(), join_path(folder_of(name), kDatabaseFile),
                             with_checksum(to_sql_lines(whole)));
  }
  Status remove_file(const ObjectPath& path) {
    TIDEWHEEL_RETURN_IF_ERROR(files().remove(file_of(path)));
    return files().sync_directory(folder_of(path.database));
  }

  // Others hold it for some milliseconds.
  Result<std::unique_ptr<FileLock>> take_lock() {
    const std::string path = join_path(directory_, kLockFile);
    const int64_t deadline_ns = world_.clock().now_ns() + kLockWaitNs;
    const std::unique_ptr<Event> never = world_.executor().make_event();
    while (true) {
      Result<std::unique_ptr<FileLock>> lock = files().lock(path, "a statement of SQL");
      if (lock.ok() || lock.status().id() != ErrorId::kFileLocked ||
          world_.clock().now_ns() >= deadline_ns) {
        return lock;
      }
      never->wait(world_.clock().now_ns() + kLockPollNs);
    }
  }

  World& world_;
  const std::string directory_;
  const std::string name_;
  std::map<std::string, Read> read_;  // by file
};

}  // namespace

Result<std::unique_ptr<CatalogStore>> open_file_catalog(World& world, const std::string& directory,
                                                        const std::string& name,
                                                        const std::string& first_database) {
  TIDEWHEEL_RETURN_IF_ERROR(
      world.files().make_directories(directory).with_context("the catalog '{}'", name));
  auto catalog = std::make_unique<FileCatalog>(world, directory, name);
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<std::string> databases, catalog->databases());
  if (databases.empty()) {
    const Status made = catalog->create_database(first_database, {});
    // Another process may have been faster.
    if (!made.ok() && made.code() != StatusCode::kAlreadyExists) { return made; }
  }
  return std::unique_ptr<CatalogStore>(std::move(catalog));
}

}  // namespace tidewheel::sql
