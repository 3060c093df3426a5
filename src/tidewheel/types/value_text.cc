#include "tidewheel/types/value_text.h"

#include "tidewheel/types/decimal.h"
#include "tidewheel/types/print.h"
#include "tidewheel/types/serde.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
namespace {

constexpr int kDepthMax = 64;
constexpr int32_t kShortDecimalDigits = 18;  // in 8 bytes

class ValuePrinter {
 public:
  explicit ValuePrinter(std::string_view bytes) : reader_(bytes) {}

  bool print(const Schema& schema, int depth = 0) {
    if (depth > kDepthMax || !reader_.ok()) { return false; }
    if (schema.custom) { return print_custom(schema); }
    switch (schema.kind) {
      case Kind::kBool: out_ += reader_.flag() ? "true" : "false"; break;
      case Kind::kInt8: number(int64_t{reader_.fixed<int8_t>()}); break;
      case Kind::kInt16: number(int64_t{reader_.fixed<int16_t>()}); break;
      case Kind::kInt32: number(int64_t{reader_.fixed<int32_t>()}); break;
      case Kind::kInt64: number(reader_.fixed<int64_t>()); break;
      case Kind::kUint8: number(uint64_t{reader_.fixed<uint8_t>()}); break;
      case Kind::kUint16: number(uint64_t{reader_.fixed<uint16_t>()}); break;
      case Kind::kUint32: number(uint64_t{reader_.fixed<uint32_t>()}); break;
      case Kind::kUint64: number(reader_.fixed<uint64_t>()); break;
      case Kind::kFloat: number(reader_.fixed<float>()); break;
      case Kind::kDouble: number(reader_.fixed<double>()); break;
      case Kind::kString: print_detail::append_quoted(out_, reader_.bytes_view()); break;
      case Kind::kBytes: print_detail::append_hex(out_, reader_.bytes_view()); break;
      default: return print_other(schema, depth);
    }
    return reader_.ok();
  }
  bool at_end() { return reader_.finish().ok(); }
  std::string take() { return std::move(out_); }

 private:
  template <class T>
  void number(T value) {
    print_detail::append_number(out_, value);
  }
  bool print_other(const Schema& schema, int depth) {
    switch (schema.kind) {
      case Kind::kTimestamp: out_ += to_string(reader_.fixed<Timestamp>()); break;
      case Kind::kLocalTimestamp: out_ += to_string(reader_.fixed<LocalTimestamp>()); break;
      case Kind::kDate: out_ += to_string(reader_.fixed<Date>()); break;
      case Kind::kTime: out_ += to_string(reader_.fixed<Time>()); break;
      case Kind::kDecimal: print_decimal(schema); break;
      case Kind::kOptional:
        if (!reader_.flag()) {
          out_ += "null";
          break;
        }
        return print_child(schema, 0, depth);
      case Kind::kArray: return print_array(schema, depth);
      case Kind::kMap: return print_map(schema, depth);
      case Kind::kUnion: {
        const uint64_t index = reader_.varint();
        return print_child(schema, index, depth);
      }
      case Kind::kRow: return print_row(schema, depth);
      default: return false;  // an interval, or what a newer version has
    }
    return reader_.ok();
  }
  bool print_child(const Schema& schema, uint64_t index, int depth) {
    return index < schema.children.size() && print(schema.children[index], depth + 1);
  }
  void print_decimal(const Schema& schema) {
    const Int128 unscaled = schema.a <= kShortDecimalDigits ? Int128{reader_.fixed<int64_t>()}
                                                            : reader_.fixed<Int128>();
    out_ += detail::decimal_to_string(unscaled, schema.b);
  }
  bool print_custom(const Schema& schema) {
    const size_t size = schema.kind == Kind::kFixedBytes ? static_cast<size_t>(schema.a)
                                                         : reader_.fixed<uint32_t>();
    if (size > reader_.remaining()) { return false; }
    std::string bytes(size, '\0');
    reader_.raw(bytes.data(), size);
    print_detail::append_hex(out_, bytes);
    return reader_.ok();
  }
  bool print_array(const Schema& schema, int depth) {
    const uint64_t count =
        schema.a >= 0 ? static_cast<uint64_t>(schema.a) : static_cast<uint64_t>(reader_.count());
    if (schema.a == 0) { reader_.skip(1); }
    out_ += '[';
    for (uint64_t i = 0; i < count; ++i) {
      if (i > 0) { out_ += ", "; }
      if (!print_child(schema, 0, depth)) { return false; }
    }
    out_ += ']';
    return reader_.ok();
  }
  bool print_map(const Schema& schema, int depth) {
    const size_t count = reader_.count();
    out_ += '{';
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) { out_ += ", "; }
      if (!print_child(schema, 0, depth)) { return false; }
      out_ += ": ";
      if (!print_child(schema, 1, depth)) { return false; }
    }
    out_ += '}';
    return reader_.ok();
  }
  bool print_row(const Schema& schema, int depth) {
    if (schema.children.empty()) { reader_.skip(1); }
    out_ += '{';
    for (size_t i = 0; i < schema.children.size(); ++i) {
      if (i > 0) { out_ += ", "; }
      if (i < schema.names.size()) { out_ += schema.names[i] + ": "; }
      if (!print_child(schema, i, depth)) { return false; }
    }
    out_ += '}';
    return reader_.ok();
  }

  Reader reader_;
  std::string out_;
};

std::string in_hex(std::string_view bytes) {
  std::string out;
  print_detail::append_hex(out, bytes);
  return out;
}

}  // namespace

std::string value_text(const Schema& schema, std::string_view bytes) {
  ValuePrinter printer(bytes);
  return printer.print(schema) && printer.at_end() ? printer.take() : in_hex(bytes);
}

std::string value_text(std::string_view encoded_schema, std::string_view bytes) {
  const Result<Schema> schema = Schema::parse(encoded_schema);
  return !encoded_schema.empty() && schema.ok() ? value_text(*schema, bytes) : in_hex(bytes);
}

}  // namespace tidewheel
