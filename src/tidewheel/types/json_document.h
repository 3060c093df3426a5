// A JSON text, read into a flat list of its values.
//
// Not simdjson: SQL's functions and schemas have to give numbers back digit by digit (0.10, 1e400),
// take the last of equal keys, and say of every text whether all of it is JSON.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewheel {

enum class JsonKind : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

// `text`: of a number as it was written, of a string what stands between its quotes.
struct JsonNode {
  JsonKind kind = JsonKind::kNull;
  bool has_escapes = false;  // of a string
  uint32_t next = 0;         // the node behind it and all that is in it
  uint32_t size = 0;         // elements of an array, members of an object
  std::string_view text;

  bool is_scalar() const { return kind < JsonKind::kArray; }
};

// Nodes lie in the order of the text: an array is followed by its elements, an object by a key (a
// string) and a value for each member. Memory is kept from text to text. One thread.
class JsonDocument {
 public:
  static constexpr int32_t kDepthMax = 500;

  // False when it is no JSON, or nested too deeply. The nodes point into `text`.
  bool parse(std::string_view text);
  // Node 0 is the root.
  const JsonNode& node(uint32_t index) const { return nodes_[index]; }

  // The first element, or the first key.
  static uint32_t first_of(uint32_t index) { return index + 1; }
  uint32_t next_of(uint32_t index) const { return nodes_[index].next; }
  // The value of the last member with this key; UINT32_MAX: there is none.
  uint32_t member(uint32_t object, std::string_view key) const;
  // Element `at` of an array; UINT32_MAX: it has fewer.
  uint32_t element(uint32_t array, uint32_t at) const;

 private:
  bool value(int32_t depth);
  bool container(int32_t depth, bool is_object);
  bool string();
  bool number();
  bool word(std::string_view text, JsonKind kind);
  void skip_space();

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::vector<JsonNode> nodes_;
};

// What a string's text means; `buffer` is used where it has escapes.
std::string_view unescaped(const JsonNode& string, std::string& buffer);
// Appends what escapes mean. False when one is none.
bool append_unescaped(std::string& out, std::string_view text);
// In quotes, with escapes.
void append_json_string(std::string& out, std::string_view text);
// A number as Java's BigDecimal, or BigInteger, writes it.
void append_json_number(std::string& out, std::string_view text);
// Compact; keys in order, so that equal objects have equal texts.
void append_json(std::string& out, const JsonDocument& document, uint32_t index);

}  // namespace tidewheel
