// Messages of Protocol Buffers as this format needs them: plain data, made once from descriptors.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::protobuf {

enum class Kind : uint8_t {
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kSint32,
  kSint64,
  kFixed32,
  kFixed64,
  kSfixed32,
  kSfixed64,
  kBool,
  kEnum,
  kFloat,
  kDouble,
  kString,
  kBytes,
  kMessage,
  kGroup,
};
std::string_view kind_name(Kind kind);
inline bool is_message(Kind kind) { return kind >= Kind::kMessage; }

struct Field {
  std::string name;
  uint32_t number = 0;
  Kind kind = Kind::kInt32;
  bool is_repeated = false;   // maps too: repeated entries
  bool is_packed = false;     // how writers have the elements; readers take both
  bool has_presence = false;  // absent can be told from the default
  bool is_required = false;
  bool is_utf8 = false;  // a string of proto3: other bytes are an error
  int32_t oneof = -1;    // which of the message's; -1: none
  uint32_t type = 0;     // of messages[], or of enums[]
  uint64_t bits = 0;     // the default: a whole number, a truth value, or the bits of a real
  std::string text;      // the default of strings and bytes
};
struct Message {
  std::string name;           // in full: "shop.Order"
  std::vector<Field> fields;  // by rising number
  bool is_entry = false;      // of a map: key is field 1, value field 2
  bool is_timestamp = false;  // google.protobuf.Timestamp
  uint32_t oneofs = 0;
};
struct Enum {
  std::string name;
  std::vector<std::pair<int32_t, std::string>> values;  // as declared
  bool is_closed = false;  // proto2: a number that is none of them is as if it were not there
};
// A message with all that it holds.
struct Schema {
  std::vector<Message> messages;  // the message itself is the first
  std::vector<Enum> enums;

  const Message& root() const { return messages[0]; }
};

// Which message of a file: by its full name; or by its place among the file's messages, then among
// those within it; both empty: the first.
struct MessageChoice {
  std::string name;
  std::vector<int32_t> indexes;
};

// A file that protoc wrote: --descriptor_set_out, with --include_imports where it imports others.
// Errors: kFormatSchema, naming what is wrong or lacks.
Result<Schema> schema_of_descriptors(std::string_view descriptor_set, const std::string& message);

// Gives the text of a .proto file by the name that it is imported by.
using OpenProto = std::function<Result<std::string>(const std::string& name)>;
// Of .proto files, beginning with `file`. Google's own ("google/protobuf/..") are always there.
// Errors: kFormatSchema with file, line and column.
Result<Schema> schema_of_proto(const std::string& file, const OpenProto& open,
                               const MessageChoice& choice);

}  // namespace tidewheel::protobuf
