#include "tidewheel/jobmanager/program_store.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/hex.h"

namespace tidewheel {
namespace {

constexpr size_t kIdDigits = 32;
constexpr size_t kNameBytesMax = 128;
constexpr size_t kCopyBytes = 1 << 20;

// The last part of what the client calls it, of plain letters only.
std::string tame_name(std::string_view name) {
  const size_t slash = name.find_last_of("/\\");
  if (slash != name.npos) { name.remove_prefix(slash + 1); }
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    out += plain ? c : '_';
  }
  if (out.size() > kNameBytesMax) { out.erase(0, out.size() - kNameBytesMax); }
  return out;
}

// Complete, or not at all.
Status copy_file(FileSystem& files, const std::string& from, const std::string& to) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto source, files.open_read(from));
  const std::string part = to + ".part";
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto target, files.open_write(part, WriteMode::kTruncate));
  std::vector<char> buffer(kCopyBytes);
  while (true) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t bytes, source->read(buffer));
    if (bytes == 0) { break; }
    TIDEWHEEL_RETURN_IF_ERROR(target->append({buffer.data(), static_cast<size_t>(bytes)}));
  }
  TIDEWHEEL_RETURN_IF_ERROR(target->sync());
  TIDEWHEEL_RETURN_IF_ERROR(target->close());
  return files.rename(part, to);
}

// Between two file systems a file can't be renamed.
Status move_file(FileSystem& files, const std::string& from, const std::string& to) {
  if (files.rename(from, to).ok()) { return ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(copy_file(files, from, to));
  return files.remove(from);
}

Status check_program_name(const std::string& name) {
  if (name.ends_with(".so") || is_sql_program(name)) { return ok_status(); }
  return invalid_argument(ErrorId::kArtifact,
                          "a program is a shared library (*.so) or an SQL script (*.sql), not '{}'",
                          name);
}

Status no_program(const std::string& id) {
  return not_found(ErrorId::kArtifact, "the cluster has no program {}", id);
}

}  // namespace

Result<std::string> sha256_of_file(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, files.open_read(path));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool fine = hash != nullptr && EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1;
  std::vector<char> buffer(kCopyBytes);
  while (fine) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t bytes, file->read(buffer));
    if (bytes == 0) { break; }
    fine = EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<size_t>(bytes)) == 1;
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_bytes = 0;
  fine = fine && EVP_DigestFinal_ex(hash.get(), digest, &digest_bytes) == 1;
  if (!fine) { return unavailable(ErrorId::kArtifact, "{} can't be hashed", path); }
  return to_hex({reinterpret_cast<const char*>(digest), digest_bytes});
}

bool is_sql_program(std::string_view name) { return name.ends_with(".sql"); }

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_sha256(std::string_view text) { return is_hex(text, 64); }

std::string random_hex(Random& random, size_t digits) {
  std::string out;
  while (out.size() < digits) { out += fmt::format("{:016x}", random.next()); }
  out.resize(digits);
  return out;
}

std::string ProgramStore::blob_path(const std::string& sha256) const {
  return join_path(join_path(directory_, "blobs"), sha256);
}

Result<ProgramInfo> ProgramStore::add(const UploadedProgram& upload, int64_t now_ms) {
  const auto refused = [&](Status why) -> Status {
    ignore(files_.remove(upload.path), "the folder of uploads is emptied by the next start");
    return why;
  };
  ProgramInfo info;
  info.name = tame_name(upload.name);
  Status named = check_program_name(info.name);
  if (!named.ok()) { return refused(std::move(named)); }
  if (!is_sha256(upload.sha256)) {
    return refused(invalid_argument(ErrorId::kArtifact, "'{}' is no SHA-256", upload.sha256));
  }
  info.id = random_hex(random_, kIdDigits) + "_" + info.name;
  info.sha256 = upload.sha256;
  info.bytes = upload.bytes;
  info.uploaded_ms = now_ms;
  const std::string uploads = join_path(directory_, "uploads");
  Status status = files_.make_directories(uploads);
  if (status.ok()) { status = files_.make_directories(join_path(directory_, "blobs")); }
  if (status.ok()) { status = move_file(files_, upload.path, blob_path(info.sha256)); }
  if (status.ok()) {
    status = write_all_durably(
        files_, join_path(uploads, info.id),
        fmt::format("{}\n{}\n{}\n{}\n", info.name, info.sha256, info.bytes, info.uploaded_ms));
  }
  if (!status.ok()) { return refused(std::move(status)); }
  return info;
}

Result<ProgramInfo> ProgramStore::add_copy(const std::string& path) {
  ProgramInfo info;
  info.name = tame_name(file_name(path));
  TIDEWHEEL_RETURN_IF_ERROR(check_program_name(info.name));
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo file, files_.info(path));
  info.bytes = file.size_bytes;
  TIDEWHEEL_ASSIGN_OR_RETURN(info.sha256, sha256_of_file(files_, path));
  TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(join_path(directory_, "blobs")));
  TIDEWHEEL_RETURN_IF_ERROR(copy_file(files_, path, blob_path(info.sha256)));
  return info;
}

Result<ProgramInfo> ProgramStore::read_upload(const std::string& id) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text,
                             read_all(files_, join_path(join_path(directory_, "uploads"), id)));
  std::vector<std::string> lines;
  for (size_t at = 0, end = 0; (end = text.find('\n', at)) != text.npos; at = end + 1) {
    lines.push_back(text.substr(at, end - at));
  }
  ProgramInfo info;
  const auto number = [](const std::string& digits, int64_t& into) {
    return std::from_chars(digits.data(), digits.data() + digits.size(), into).ec == std::errc();
  };
  if (lines.size() < 4 || !is_sha256(lines[1]) || !number(lines[2], info.bytes) ||
      !number(lines[3], info.uploaded_ms)) {
    return data_loss(ErrorId::kArtifact, "what is known of the program {} is damaged", id);
  }
  info.id = id;
  info.name = lines[0];
  info.sha256 = lines[1];
  return info;
}

Result<std::vector<ProgramInfo>> ProgramStore::list() {
  std::vector<ProgramInfo> out;
  const std::string uploads = join_path(directory_, "uploads");
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files_.exists(uploads));
  if (!exists) { return out; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files_.list(uploads));
  for (const DirectoryEntry& entry : entries) {
    // Others are parts of writes that a crash has cut short, or have just been removed.
    if (entry.name.size() < kIdDigits + 2 || entry.name[kIdDigits] != '_') { continue; }
    Result<ProgramInfo> info = read_upload(entry.name);
    if (info.ok()) { out.push_back(std::move(*info)); }
  }
  std::sort(out.begin(), out.end(), [](const ProgramInfo& a, const ProgramInfo& b) {
    return std::tie(b.uploaded_ms, a.id) < std::tie(a.uploaded_ms, b.id);
  });
  return out;
}

Result<ProgramInfo> ProgramStore::find(const std::string& id) {
  const bool may_be = id.size() > kIdDigits + 1 && is_hex(id.substr(0, kIdDigits), kIdDigits) &&
                      id[kIdDigits] == '_' && id == tame_name(id);
  if (!may_be) { return no_program(id); }
  Result<ProgramInfo> info = read_upload(id);
  if (!info.ok() && info.status().id() == ErrorId::kFileNotFound) { return no_program(id); }
  return info;
}

Status ProgramStore::remove(const std::string& id) {
  TIDEWHEEL_RETURN_IF_ERROR(find(id).status());
  return files_.remove(join_path(join_path(directory_, "uploads"), id));
}

Status ProgramStore::remove_blob_unless_used(const std::string& sha256,
                                             const std::vector<std::string>& used) {
  if (!is_sha256(sha256) || std::find(used.begin(), used.end(), sha256) != used.end()) {
    return ok_status();
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<ProgramInfo> all, list());
  for (const ProgramInfo& info : all) {
    if (info.sha256 == sha256) { return ok_status(); }
  }
  return files_.remove_all(blob_path(sha256));
}

}  // namespace tidewheel
