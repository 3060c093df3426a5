// Takes an upload (multipart/form-data, RFC 7578) piece by piece: files go to a folder, with their
// hash, other fields to memory.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/http/message.h"

namespace tidewheel {

class World;  // base/world.h

// Splits the bytes of a multipart body. One thread.
class MultipartSplitter {
 public:
  struct Part {
    std::string name;
    std::string file_name;  // as the client gave it
    bool is_file = false;
  };
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual Status begin_part(const Part& part) = 0;
    virtual Status add(std::string_view bytes) = 0;
    virtual Status end_part() = 0;
  };
  static constexpr size_t kHeadBytesMax = 16 * 1024;
  static constexpr int32_t kPartsMax = 16;

  // The boundary of a field Content-Type. Errors: kRestRequest.
  static Result<std::string> boundary_of(std::string_view content_type);
  MultipartSplitter(std::string_view boundary, Sink& sink);
  // Errors: kRestRequest, and the sink's.
  Status put(std::string_view bytes);
  // True once the closing boundary has come.
  bool is_complete() const { return state_ == State::kEnd; }

 private:
  enum class State : uint8_t { kPreamble, kBoundary, kHead, kBody, kEnd };
  Status step(bool& goes_on);
  Status read_head(std::string_view head);

  const std::string delimiter_;  // "\r\n--boundary"
  Sink& sink_;
  State state_ = State::kPreamble;
  std::string buffer_ = "\r\n";  // so that a boundary at the very start is one too
  int32_t parts_ = 0;
};

struct UploadedFile {
  std::string path = {};  // here
  std::string part_name = {};
  std::string file_name = {};  // safe_file_name of what the client calls it
  std::string sha256 = {};     // 64 lower-case hex digits
  int64_t bytes = 0;
};

class Upload final : public HttpBodyTaker, public std::enable_shared_from_this<Upload> {
 public:
  // Files are made in `directory`, which is there. Errors: kRestRequest.
  static Result<std::shared_ptr<Upload>> begin(World& world, std::string directory,
                                               std::string_view content_type);
  // Deletes the files that nobody has taken.
  ~Upload() override;
  void take(std::string piece, std::function<void(Status)> done) override;

  // When all pieces were taken. Errors: kRestRequest when the end is missing.
  Status finish() const;
  const std::vector<UploadedFile>& files() const { return files_; }
  const std::map<std::string, std::string>& fields() const { return fields_; }
  // The files are the caller's from now on.
  std::vector<UploadedFile> release();

 private:
  class Writer;
  Upload(World& world, std::string directory, std::string_view boundary);

  World& world_;
  const std::string directory_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<MultipartSplitter> splitter_;
  std::vector<UploadedFile> files_;
  std::map<std::string, std::string> fields_;
};

// The last part of a name, with letters, digits, '.', '-' and '_' only; never empty, hidden or
// long.
std::string safe_file_name(std::string_view name);

}  // namespace tidewheel
