#include "tidewheel/rest/upload.h"

#include <openssl/evp.h>

#include <algorithm>
#include <optional>

#include "tidewheel/base/check.h"
#include "tidewheel/base/hex.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

constexpr size_t kFieldBytesMax = 1 << 20;
constexpr size_t kNameBytesMax = 100;

Status malformed(std::string_view what) {
  return invalid_argument(ErrorId::kRestRequest, "not a multipart/form-data body: {}", what);
}

// The value of `name` in "form-data; name="a"; filename="b""; none: it is not there.
std::optional<std::string> parameter_of(std::string_view field, std::string_view name) {
  size_t at = field.find(';');
  while (at < field.size()) {
    ++at;
    while (at < field.size() && (field[at] == ' ' || field[at] == '\t')) { ++at; }
    const size_t equals = field.find('=', at);
    if (equals == std::string_view::npos) { return std::nullopt; }
    const std::string_view key = field.substr(at, equals - at);
    std::string value;
    at = equals + 1;
    if (at < field.size() && field[at] == '"') {
      for (++at; at < field.size() && field[at] != '"'; ++at) {
        if (field[at] == '\\' && at + 1 < field.size()) { ++at; }
        value += field[at];
      }
      at = field.find(';', at);
    } else {
      const size_t end = std::min(field.find(';', at), field.size());
      value = field.substr(at, end - at);
      while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) { value.pop_back(); }
      at = end;
    }
    if (equal_without_case(key, name)) { return value; }
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> MultipartSplitter::boundary_of(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const std::optional<std::string> boundary = parameter_of(content_type, "boundary");
  if (!equal_without_case(type, "multipart/form-data") || !boundary.has_value() ||
      boundary->empty() || boundary->size() > 70 ||
      boundary->find_first_of("\r\n") != std::string::npos) {
    return malformed(fmt::format(
        "the field Content-Type has to be multipart/form-data with a boundary, not '{}'",
        content_type));
  }
  return *boundary;
}

MultipartSplitter::MultipartSplitter(std::string_view boundary, Sink& sink)
    : delimiter_("\r\n--" + std::string(boundary)), sink_(sink) {}

Status MultipartSplitter::put(std::string_view bytes) {
  buffer_ += bytes;
  bool goes_on = true;
  while (goes_on) { TIDEWHEEL_RETURN_IF_ERROR(step(goes_on)); }
  return {};
}

// Goes on while the buffer holds something that can be taken.
Status MultipartSplitter::step(bool& goes_on) {
  goes_on = false;
  switch (state_) {
    case State::kPreamble:
    case State::kBody: {
      const size_t found = buffer_.find(delimiter_);
      // A delimiter may have begun at the end.
      const size_t kept = std::min(buffer_.size(), delimiter_.size() - 1);
      const size_t ready = found == std::string::npos ? buffer_.size() - kept : found;
      if (state_ == State::kBody && ready > 0) {
        TIDEWHEEL_RETURN_IF_ERROR(sink_.add(std::string_view(buffer_).substr(0, ready)));
      }
      if (found == std::string::npos) {
        buffer_.erase(0, ready);
        return {};
      }
      if (state_ == State::kBody) { TIDEWHEEL_RETURN_IF_ERROR(sink_.end_part()); }
      buffer_.erase(0, found + delimiter_.size());
      state_ = State::kBoundary;
      goes_on = true;
      return {};
    }
    case State::kBoundary: {
      if (buffer_.size() < 2) { return {}; }
      if (buffer_.starts_with("--")) {
        state_ = State::kEnd;
        buffer_.clear();
        return {};
      }
      if (!buffer_.starts_with("\r\n")) {
        return malformed("a boundary that does not end its line");
      }
      buffer_.erase(0, 2);
      state_ = State::kHead;
      goes_on = true;
      return {};
    }
    case State::kHead: {
      const size_t end = buffer_.find("\r\n\r\n");
      if (end == std::string::npos) {
        return buffer_.size() > kHeadBytesMax ? malformed("the head of a part is too long")
                                              : ok_status();
      }
      TIDEWHEEL_RETURN_IF_ERROR(read_head(std::string_view(buffer_).substr(0, end)));
      // A line break before the part's bytes, which may be none: the delimiter begins with one.
      buffer_.erase(0, end + 4);
      state_ = State::kBody;
      goes_on = true;
      return {};
    }
    case State::kEnd: buffer_.clear(); return {};
  }
  return {};
}

Status MultipartSplitter::read_head(std::string_view head) {
  if (++parts_ > kPartsMax) { return malformed("too many parts"); }
  Part part;
  bool has_name = false;
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) { return malformed("a part's field without a colon"); }
    if (!equal_without_case(line.substr(0, colon), "Content-Disposition")) { continue; }
    const std::optional<std::string> name = parameter_of(line.substr(colon), "name");
    const std::optional<std::string> file = parameter_of(line.substr(colon), "filename");
    has_name = name.has_value();
    part.name = name.value_or("");
    part.is_file = file.has_value();
    part.file_name = file.value_or("");
  }
  if (!has_name) { return malformed("a part without a name"); }
  return sink_.begin_part(part);
}

// Runs on the blocking pool, one call at a time.
class Upload::Writer final : public MultipartSplitter::Sink {
 public:
  explicit Writer(Upload& upload)
      : upload_(upload),
        random_(upload.world_.fork_random()),
        hash_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {}

  Status begin_part(const MultipartSplitter::Part& part) override {
    part_ = part;
    field_.clear();
    if (!part.is_file) { return {}; }
    UploadedFile file{.part_name = part.name, .file_name = safe_file_name(part.file_name)};
    file.path = join_path(upload_.directory_,
                          fmt::format("{:016x}{:016x}.upload", random_.next(), random_.next()));
    TIDEWHEEL_ASSIGN_OR_RETURN(file_,
                               upload_.world_.files().open_write(file.path, WriteMode::kCreate));
    upload_.files_.push_back(std::move(file));
    TIDEWHEEL_CHECK(EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr) == 1, "SHA-256");
    return {};
  }
  Status add(std::string_view bytes) override {
    if (!part_.is_file) {
      if (field_.size() + bytes.size() > kFieldBytesMax) {
        return malformed("a field that is too long");
      }
      field_ += bytes;
      return {};
    }
    TIDEWHEEL_RETURN_IF_ERROR(file_->append(bytes));
    TIDEWHEEL_CHECK(EVP_DigestUpdate(hash_.get(), bytes.data(), bytes.size()) == 1, "SHA-256");
    upload_.files_.back().bytes += static_cast<int64_t>(bytes.size());
    return {};
  }
  Status end_part() override {
    if (!part_.is_file) {
      upload_.fields_[part_.name] = std::move(field_);
      return {};
    }
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    TIDEWHEEL_CHECK(EVP_DigestFinal_ex(hash_.get(), digest, &size) == 1, "SHA-256");
    upload_.files_.back().sha256 = to_hex({reinterpret_cast<const char*>(digest), size});
    const std::unique_ptr<WritableFile> file = std::move(file_);
    return file->close();
  }

 private:
  Upload& upload_;
  Random random_;
  MultipartSplitter::Part part_;
  std::string field_;
  std::unique_ptr<WritableFile> file_;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash_;
};

Result<std::shared_ptr<Upload>> Upload::begin(World& world, std::string directory,
                                              std::string_view content_type) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string boundary,
                             MultipartSplitter::boundary_of(content_type));
  return std::shared_ptr<Upload>(new Upload(world, std::move(directory), boundary));
}

Upload::Upload(World& world, std::string directory, std::string_view boundary)
    : world_(world), directory_(std::move(directory)) {
  writer_ = std::make_unique<Writer>(*this);
  splitter_ = std::make_unique<MultipartSplitter>(boundary, *writer_);
}

Upload::~Upload() {
  std::vector<std::string> paths;
  for (const UploadedFile& file : files_) { paths.push_back(file.path); }
  if (paths.empty()) { return; }
  world_.executor().run_blocking([&world = world_, paths] {
    for (const std::string& path : paths) {
      ignore(world.files().remove(path), "what is left goes with the folder");
    }
  });
}

void Upload::take(std::string piece, std::function<void(Status)> done) {
  world_.executor().run_blocking([self = shared_from_this(), piece = std::move(piece),
                                  done = std::move(done)] { done(self->splitter_->put(piece)); });
}

Status Upload::finish() const {
  return splitter_->is_complete() ? ok_status() : malformed("its end is missing");
}

std::vector<UploadedFile> Upload::release() { return std::exchange(files_, {}); }

std::string safe_file_name(std::string_view name) {
  const size_t slash = name.find_last_of("/\\");
  if (slash != std::string_view::npos) { name.remove_prefix(slash + 1); }
  // The end says what kind of file it is.
  if (name.size() > kNameBytesMax) { name.remove_prefix(name.size() - kNameBytesMax); }
  std::string out(name);
  for (char& c : out) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
    if (!is_plain) { c = '_'; }
  }
  while (out.starts_with('.')) { out.erase(0, 1); }
  return out.empty() ? "program" : out;
}

}  // namespace tidewheel
