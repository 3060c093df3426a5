#include "tidewheel/rest/java_throwable.h"

#include <algorithm>
#include <cstdint>

#include "tidewheel/http/client.h"

namespace tidewheel {
namespace {

// Java Object Serialization Specification, version 6, chapter 6 ("Object Serialization Stream
// Protocol"). Fields that a stream leaves out are null in the object.
constexpr char kNull = 0x70;
constexpr char kReference = 0x71;
constexpr char kClassDescription = 0x72;
constexpr char kObject = 0x73;
constexpr char kString = 0x74;
constexpr char kEndOfBlock = 0x78;
constexpr char kLongString = 0x7c;
constexpr char kHasWriteMethod = 0x01;
constexpr char kSerializable = 0x02;
// Handles count classes, strings and objects in the order of the stream; that of the type's name
// "Ljava/lang/String;" is the second.
constexpr uint32_t kTypeNameHandle = 0x7e0001;
constexpr size_t kTextBytesMax = 1 << 20;

class Stream {
 public:
  void byte(char value) { out_ += value; }
  void number(uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) { out_ += static_cast<char>(value >> (8 * i)); }
  }
  void name(std::string_view text) {
    number(text.size(), 2);
    out_ += text;
  }
  void string(std::string_view text) {
    // "Modified UTF-8" has no zero byte and writes characters beyond 16 bits in another way: both
    // become question marks.
    std::string clean(text.substr(0, kTextBytesMax));
    std::replace_if(
        clean.begin(), clean.end(),
        [](char c) { return c == '\0' || static_cast<unsigned char>(c) >= 0x80; }, '?');
    const bool is_long = clean.size() > 0xffff;
    byte(is_long ? kLongString : kString);
    number(clean.size(), is_long ? 8 : 2);
    out_ += clean;
  }
  void begin_class(std::string_view class_name, uint64_t version, char flags, uint16_t fields) {
    byte(kClassDescription);
    name(class_name);
    number(version, 8);
    byte(flags);
    number(fields, 2);
  }
  void text_field(std::string_view field, bool is_first) {
    byte('L');
    name(field);
    if (is_first) {
      string("Ljava/lang/String;");
    } else {
      byte(kReference);
      number(kTypeNameHandle, 4);
    }
  }
  const std::string& bytes() const { return out_; }

 private:
  std::string out_;
};

}  // namespace

std::string serialized_throwable(std::string_view class_name, std::string_view message) {
  Stream stream;
  stream.number(0xaced0005, 4);  // magic and version
  stream.byte(kObject);
  stream.begin_class("org.apache.flink.util.SerializedThrowable", 7284183123441947635U,
                     kSerializable, 2);
  stream.text_field("fullStringifiedStackTrace", true);
  stream.text_field("originalErrorClassName", false);
  stream.byte(kEndOfBlock);
  stream.begin_class("java.lang.Exception", 0xd0fd1f3e1a3b1cc4, kSerializable, 0);
  stream.byte(kEndOfBlock);
  stream.begin_class("java.lang.Throwable", 0xd5c635273977b8cb, kSerializable | kHasWriteMethod, 1);
  stream.text_field("detailMessage", false);
  stream.byte(kEndOfBlock);
  stream.byte(kNull);  // no further class above
  // The values, from the topmost class down.
  stream.string(message);
  stream.byte(kEndOfBlock);
  stream.string(message);
  stream.string(class_name);
  return base64(stream.bytes());
}

}  // namespace tidewheel
