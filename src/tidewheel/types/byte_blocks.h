// Looks at text 16 bytes at a time: is there a quote in it, or a control character?
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tidewheel {

// 16 bytes, or what a comparison of each of them has given. Vectors of GCC and Clang: one
// instruction for each operation on every processor that has such.
class ByteBlock {
 public:
  static constexpr size_t kBytes = 16;
  using Lanes __attribute__((vector_size(16))) = signed char;

  static ByteBlock load(const char* from) {
    ByteBlock block;
    std::memcpy(&block.lanes_, from, kBytes);
    return block;
  }
  ByteBlock equal(char c) const { return {lanes_ == static_cast<signed char>(c)}; }
  // As signed bytes: what is below 32 is a control character, or not of ASCII.
  ByteBlock below(char c) const { return {lanes_ < static_cast<signed char>(c)}; }
  friend ByteBlock operator|(ByteBlock a, ByteBlock b) { return {a.lanes_ | b.lanes_}; }
  bool any() const {
    uint64_t halves[2];
    std::memcpy(halves, &lanes_, sizeof halves);
    return (halves[0] | halves[1]) != 0;
  }

 private:
  ByteBlock() = default;
  ByteBlock(Lanes lanes) : lanes_(lanes) {}  // NOLINT: a result
  Lanes lanes_;
};

// Whether `look(block).any()` for one of the blocks that have all bytes of `text`, some perhaps
// twice, and no others.
template <class F>
bool any_block(std::string_view text, F&& look) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (text.size() >= ByteBlock::kBytes) {
    for (const char* at = begin; at < end - ByteBlock::kBytes; at += ByteBlock::kBytes) {
      if (look(ByteBlock::load(at)).any()) { return true; }
    }
    return look(ByteBlock::load(end - ByteBlock::kBytes)).any();
  }
  if (text.empty()) { return false; }
  char bytes[ByteBlock::kBytes];
  if (text.size() >= 8) {
    std::memcpy(bytes, begin, 8);
    std::memcpy(bytes + 8, end - 8, 8);
  } else if (text.size() >= 4) {
    std::memcpy(bytes, begin, 4);
    std::memcpy(bytes + 4, end - 4, 4);
    std::memcpy(bytes + 8, bytes, 8);
  } else {
    const char three[4] = {begin[0], begin[text.size() / 2], end[-1], begin[0]};
    std::memcpy(bytes, three, 4);
    std::memcpy(bytes + 4, bytes, 4);
    std::memcpy(bytes + 8, bytes, 8);
  }
  return look(ByteBlock::load(bytes)).any();
}

}  // namespace tidewheel
