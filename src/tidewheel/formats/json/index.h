// Where the tokens of JSON are: the first stage of simdjson, which finds them 64 bytes at a time
// (Langdale and Lemire, arXiv 1902.08318). What they mean is the decoders' business.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace tidewheel::json_detail {

// One thread.
class JsonIndex {
 public:
  JsonIndex();
  ~JsonIndex();
  JsonIndex(JsonIndex&&) noexcept;
  JsonIndex& operator=(JsonIndex&&) noexcept;

  // Finds all tokens of `text` (at most 4 GB): brackets, commas, colons outside of strings, and
  // the first bytes of strings, numbers and other words. Null when all is well, else what is wrong:
  // `text` is no UTF-8, or a string is not closed or has a control character inside.
  const char* build(std::string_view text);

  // The positions in `text`, ascending. Two more behind end() are text.size().
  const uint32_t* begin() const { return begin_; }
  const uint32_t* end() const { return end_; }

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  const uint32_t* begin_ = nullptr;
  const uint32_t* end_ = nullptr;
};

bool is_utf8(std::string_view text);

}  // namespace tidewheel::json_detail
