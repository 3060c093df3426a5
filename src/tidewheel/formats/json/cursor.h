// Goes from token to token of one record, and remembers what is wrong with it and where.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/formats/json/options.h"
#include "tidewheel/formats/json/values.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/byte_blocks.h"

namespace tidewheel::json_detail {

// Values inside of values that no field asks for may be nested so deep.
inline constexpr size_t kDepthMax = 1024;

// What decoders need to know of the options.
struct JsonRules {
  JsonTimestampFormat timestamp_format = JsonTimestampFormat::kSql;
  bool fail_on_missing_field = false;
  bool allow_missing_fields = false;
  bool ignore_parse_errors = false;
};

// What a record was refused for.
struct JsonFault {
  const char* at = nullptr;       // in the record
  std::vector<std::string> path;  // the innermost step first: ".price", "[3]"
  std::string reason;
  std::string path_text() const;  // "$.bids[3].price"
};

// Everything that reads answers false when the record is malformed; then fault() says why. One
// thread. The bytes, index and arena are the reader's.
class JsonCursor {
 public:
  explicit JsonCursor(const JsonRules& rules) : rules_(rules) {}

  // Tokens are at `base` + each of [at, end); behind them are two more entries, the text's size.
  void restart(const char* base, const uint32_t* at, const uint32_t* end, bool may_have_escapes) {
    base_ = base;
    at_ = at;
    end_ = end;
    may_have_escapes_ = may_have_escapes;
  }
  void set_arena(Arena* arena) { arena_ = arena; }
  Arena& arena() { return *arena_; }
  const JsonRules& rules() const { return rules_; }

  const uint32_t* at() const { return at_; }
  void go_to(const uint32_t* at) { at_ = at; }
  // The first byte of the token; '\0' behind the last one.
  char peek() const { return at_ != end_ ? base_[*at_] : '\0'; }
  const char* here() const { return base_ + *at_; }
  bool take(char c) {
    if (peek() != c) { return false; }
    ++at_;
    return true;
  }
  void advance() { ++at_; }
  // The token, which goes on to white space or the next one; empty behind the last.
  std::string_view token() const {
    uint32_t stop = at_[1];
    while (stop > *at_ && is_space(base_[stop - 1])) { --stop; }
    return {base_ + *at_, stop - *at_};
  }
  bool is_null() const { return peek() == 'n' && token() == "null"; }

  // Takes a key and its colon when the key is `quoted` ("\"price\"") and stands alone.
  bool take_key(std::string_view quoted) {
    if (at_[1] - at_[0] != quoted.size() || at_ + 1 >= end_ || base_[at_[1]] != ':' ||
        !equal_bytes(base_ + *at_, quoted)) {
      return false;
    }
    at_ += 2;
    return true;
  }
  // Takes any key and its colon. `raw` is what stands between the quotes; `key` is without escapes,
  // and valid until the next call.
  bool take_any_key(std::string_view& key, std::string_view& raw);
  // What stands between the quotes of the string here; the token is not taken.
  bool raw_string(std::string_view& raw) const {
    const std::string_view text = token();
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') { return false; }
    raw = text.substr(1, text.size() - 2);
    return true;
  }
  bool has_escapes(std::string_view raw) const {
    return may_have_escapes_ && any_block(raw, [](ByteBlock block) { return block.equal('\\'); });
  }
  // Without escapes, in memory of the cursor's own until the next call.
  bool unescaped(std::string_view raw, std::string_view& text);

  // Takes a string, or any other value as its JSON.
  bool take_text(Text& text);
  bool take_text(std::string& text);
  // Takes a value of any kind, and checks that it is one.
  bool skip_value();

  // Keeps what is wrong with the token here. Returns false.
  bool no(std::string_view expected);
  bool fault_here(std::string reason);
  // States in which field or element the value is, from the innermost to the outermost.
  void add_field(std::string_view name) { fault_.path.push_back('.' + std::string(name)); }
  void add_element(size_t index) { fault_.path.push_back('[' + std::to_string(index) + ']'); }
  const JsonFault& fault() const { return fault_; }

  // A value that can't be read was left out, as ignore_parse_errors asks.
  void note_ignored() { has_ignored_ = true; }
  bool take_ignored() { return std::exchange(has_ignored_, false); }

 private:
  static bool equal_bytes(const char* a, std::string_view b) {
    size_t size = b.size();
    const char* other = b.data();
    for (; size > 8; a += 8, other += 8, size -= 8) {
      if (load<uint64_t>(a) != load<uint64_t>(other)) { return false; }
    }
    if (size == 8) { return load<uint64_t>(a) == load<uint64_t>(other); }
    if (size >= 4) {
      return load<uint32_t>(a) == load<uint32_t>(other) &&
             load<uint32_t>(a + size - 4) == load<uint32_t>(other + size - 4);
    }
    for (size_t i = 0; i < size; ++i) {
      if (a[i] != other[i]) { return false; }
    }
    return true;
  }
  template <class N>
  static N load(const char* from) {
    N number;
    std::memcpy(&number, from, sizeof(N));
    return number;
  }
  bool bad_escape(const char* at);
  bool take_json(std::string_view& text);
  bool check_scalar();

  const JsonRules rules_;
  const char* base_ = nullptr;
  const uint32_t* at_ = nullptr;
  const uint32_t* end_ = nullptr;
  bool may_have_escapes_ = false;
  bool has_ignored_ = false;
  Arena* arena_ = nullptr;
  JsonFault fault_;
  std::string scratch_;
};

}  // namespace tidewheel::json_detail
