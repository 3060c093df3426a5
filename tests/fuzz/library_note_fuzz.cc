// Fuzzes the reader of ELF notes, which looks at any file that a user names.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tidewheel/plugins/library_note.h"

namespace {

class BytesFile final : public tidewheel::ReadableFile {
 public:
  explicit BytesFile(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  tidewheel::Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    if (offset < 0 || static_cast<std::size_t>(offset) >= bytes_.size()) { return int64_t{0}; }
    const auto rest = bytes_.subspan(static_cast<std::size_t>(offset));
    const std::size_t count = std::min(rest.size(), into.size());
    if (count > 0) { std::memcpy(into.data(), rest.data(), count); }
    return static_cast<int64_t>(count);
  }
  tidewheel::Result<int64_t> read(std::span<char>) override { return int64_t{0}; }
  tidewheel::Result<tidewheel::FileInfo> info() override { return tidewheel::FileInfo{}; }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  BytesFile file({data, size});
  tidewheel::ignore(tidewheel::read_library_note(file), "only a crash is wrong");
  return 0;
}
