// Numbers as the protocols of Kafka and ZooKeeper have them: the most significant byte first.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tidewheel {

class BigEndianWriter {
 public:
  template <class T>
  void integer(T value) {
    for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
      out_ += static_cast<char>(static_cast<uint64_t>(value) >> shift);
    }
  }
  // Their count as int32, and they.
  void bytes(std::string_view bytes) {
    integer(static_cast<int32_t>(bytes.size()));
    out_ += bytes;
  }
  std::string take() { return std::move(out_); }

 protected:
  std::string out_;
};

// Reads what a peer has sent, and remembers the first thing that was wrong with it; after that all
// reads give zeros. Counts are checked against what is left, so that nothing large is made of a few
// bytes. Who gave the bytes keeps them alive.
class BigEndianReader {
 public:
  explicit BigEndianReader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T integer() {
    if (!take(sizeof(T))) { return 0; }
    uint64_t value = 0;
    for (size_t i = at_ - sizeof(T); i < at_; ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    }
    return static_cast<T>(value);
  }
  // As BigEndianWriter::bytes writes them; a count below 0 is null, here empty.
  std::string bytes() {
    const auto size = integer<int32_t>();
    return size < 0 ? std::string() : raw(static_cast<size_t>(size));
  }
  // Of an array, null being empty. Each item takes a byte at least.
  size_t count() {
    const auto count = integer<int32_t>();
    return count < 0 ? 0 : checked_count(static_cast<size_t>(count));
  }
  void skip(size_t size) { static_cast<void>(take(size)); }
  bool ok() const { return what_ == nullptr; }
  std::string_view rest() const { return bytes_.substr(at_); }
  void damage(const char* what) {
    if (what_ == nullptr) { what_ = what; }
  }

 protected:
  bool take(size_t size) {
    if (what_ != nullptr) { return false; }
    if (bytes_.size() - at_ < size) {
      what_ = "it ends too early";
      return false;
    }
    at_ += size;
    return true;
  }
  std::string raw(size_t size) {
    return take(size) ? std::string(bytes_.substr(at_ - size, size)) : std::string();
  }
  size_t checked_count(size_t count) {
    if (count <= bytes_.size() - at_) { return count; }
    damage("more items than there are bytes");
    return 0;
  }

  const std::string_view bytes_;
  size_t at_ = 0;
  const char* what_ = nullptr;  // is wrong; null: nothing
};

}  // namespace tidewheel
