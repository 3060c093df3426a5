// Keys of keyed state that are bytes and mostly short: these lie in the table's slot, where a key
// that is Text has a pointer, so that a key is compared without another line of cache. In snapshots
// they are what Text is.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

#include "tidewheel/base/status.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/stored.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// Up to 23 bytes are inside; of more the place, which somebody else owns: the state's heap, where
// it is kept. Plain data. Operators with timers have Text: a timer would not own a long key.
//
// The last byte is the size, or kLong; bytes that are not used are 0. A long one has in front of it
// an address (8 bytes), its size (4), and the slot (4) and size class (4) of its block, if it has
// one.
class InlineText {
 public:
  static constexpr size_t kBytesMost = 23;

  InlineText() = default;
  explicit InlineText(const Text& text) {
    if (text.size() > kBytesMost) [[unlikely]] {
      set_long(text.data(), text.size(), {});
      return;
    }
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const auto size = static_cast<char>(text.size());
    const __m256i bytes = _mm256_maskz_loadu_epi8((1U << size) - 1, text.data());
    const __m256i sized = _mm256_mask_set1_epi8(bytes, 1U << kBytesMost, size);
    // In two stores that are as wide as the loads to come.
    const __m128i first = _mm256_castsi256_si128(sized);
    std::memcpy(words_.data(), &first, sizeof(first));
    words_[2] = static_cast<uint64_t>(_mm256_extract_epi64(sized, 2));
#else
    std::memcpy(words_.data(), text.data(), text.size());
    words_[2] |= uint64_t{text.size()} << 56;
#endif
  }

  bool is_long() const { return words_[2] >> 56 == kLong; }
  Text text() const {
    if (is_long()) [[unlikely]] {
      return {reinterpret_cast<const char*>(words_[0]), static_cast<uint32_t>(words_[1])};
    }
    return {reinterpret_cast<const char*>(words_.data()), static_cast<size_t>(words_[2] >> 56)};
  }
  friend bool operator==(const InlineText& a, const InlineText& b) {
    const uint64_t differs =
        (a.words_[0] ^ b.words_[0]) | (a.words_[1] ^ b.words_[1]) | (a.words_[2] ^ b.words_[2]);
    return differs == 0 || (a.is_long() && b.is_long() && a.text() == b.text());
  }
  uint64_t key_hash64() const { return hash64(text()); }
  uint32_t key_hash32() const { return fold32(key_hash64()); }

 private:
  friend struct tidewheel::Stored<InlineText, false>;
  static constexpr uint64_t kLong = 255;

  void set_long(const char* data, size_t size, TextBlock block) {
    words_[0] = reinterpret_cast<uintptr_t>(data);
    words_[1] = static_cast<uint32_t>(size) | uint64_t{block.slot} << 32;
    words_[2] = block.size_class | kLong << 56;
  }
  TextBlock block() const {
    return {static_cast<uint32_t>(words_[1] >> 32), static_cast<uint32_t>(words_[2])};
  }

  std::array<uint64_t, 3> words_{};  // little-endian
};
static_assert(sizeof(InlineText) == 24);

// A KeyReader for such keys.
class InlineKeyReader final : public KeyReader {
 public:
  using KeyReader::KeyReader;

  template <class>
  std::span<const InlineText> keys(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end) {
    const std::span<const Text> texts = text_keys(batch, begin, end);
    keys_.resize(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) { keys_[i] = InlineText(texts[i]); }
    return keys_;
  }

 private:
  std::vector<InlineText> keys_;
};
template <class K>
using KeyReaderOf = std::conditional_t<std::is_same_v<K, InlineText>, InlineKeyReader, KeyReader>;

// An operator for keys that are a number, or bytes. It has no timers.
template <template <class> class Op, class Base, class... Args>
std::unique_ptr<Base> make_by_inline_key(bool is_int, Args&&... args) {
  if (is_int) { return std::make_unique<Op<IntKey>>(std::forward<Args>(args)...); }
  return std::make_unique<Op<InlineText>>(std::forward<Args>(args)...);
}

}  // namespace tidewheel::sql

namespace tidewheel {

template <>
struct Stored<sql::InlineText, false> {
  sql::InlineText value{};

  static constexpr bool kUsesHeap = true;
  void store(const sql::InlineText& from, TextHeap& heap) {
    release(heap);
    value = from;
    if (!from.is_long()) { return; }
    const Text text = from.text();
    const TextBlock block = heap.allocate(text.size());
    std::memcpy(heap.address(block), text.data(), text.size());
    value.set_long(heap.address(block), text.size(), block);
  }
  void settle(TextHeap&) {}
  void release(TextHeap& heap) {
    if (value.is_long()) { heap.free(value.block()); }
    value = {};
  }
};

// One pass over the bytes, as for Text.
template <>
inline KeyHash key_hash<sql::InlineText>(const sql::InlineText& key, int32_t max_parallelism) {
  return key_hash(key.text(), max_parallelism);
}

template <>
inline const std::string& encoded_schema<sql::InlineText>() {
  return encoded_schema<Text>();
}
template <>
inline void encode<sql::InlineText>(Writer& writer, const sql::InlineText& value) {
  writer.text(value.text().view());
}

template <>
class StateDecoder<sql::InlineText> {
 public:
  static Result<StateDecoder> make(const StateMeta& meta, std::string_view schema) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto texts, StateDecoder<Text>::make(meta, schema));
    return StateDecoder(std::move(texts));
  }
  Status decode(std::string_view bytes, sql::InlineText& value) const {
    Text text;
    TIDEWHEEL_RETURN_IF_ERROR(texts_.decode(bytes, text));
    value = sql::InlineText(text);
    return ok_status();
  }
  void decode(Reader& reader, sql::InlineText& value) const {
    Text text;
    texts_.decode(reader, text);
    value = sql::InlineText(text);
  }

 private:
  explicit StateDecoder(StateDecoder<Text> texts) : texts_(std::move(texts)) {}
  StateDecoder<Text> texts_;
};

}  // namespace tidewheel
