// The programs that users have sent: kept by the hash of their bytes, and listed by an id for each
// upload. No name of a user's is ever a path.
//   blobs/SHA256   the bytes
//   uploads/ID     name, hash, size and time, a line each
// Calls block; one thread at a time.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/base/status.h"
#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

class FileSystem;  // base/file_system.h

class ProgramStore {
 public:
  // `directory` is made at the first use. Others may add to it and remove from it meanwhile.
  ProgramStore(FileSystem& files, std::string directory, Random random)
      : files_(files), directory_(std::move(directory)), random_(random) {}

  // Takes the file over, or removes it. Errors: kArtifact when its name is neither *.so nor *.sql.
  Result<ProgramInfo> add(const UploadedProgram& upload, int64_t now_ms);
  // A copy of a file that stays where it is; it is no upload, and has no id.
  Result<ProgramInfo> add_copy(const std::string& path);
  // The newest first.
  Result<std::vector<ProgramInfo>> list();
  // Errors: kArtifact when there is none.
  Result<ProgramInfo> find(const std::string& id);
  [[nodiscard]] Status remove(const std::string& id);
  // Removes the bytes that no upload and none of `used` refers to.
  [[nodiscard]] Status remove_blob_unless_used(const std::string& sha256,
                                               const std::vector<std::string>& used);
  std::string blob_path(const std::string& sha256) const;

 private:
  Result<ProgramInfo> read_upload(const std::string& id);

  FileSystem& files_;
  const std::string directory_;
  Random random_;
};

// Of the file's bytes, as 64 lower-case hex digits.
Result<std::string> sha256_of_file(FileSystem& files, const std::string& path);
bool is_sql_program(std::string_view name);
// 64 lower-case hex digits.
bool is_sha256(std::string_view text);
// Of `digits` lower-case hex digits.
bool is_hex(std::string_view text, size_t digits);
std::string random_hex(Random& random, size_t digits);

}  // namespace tidewheel
