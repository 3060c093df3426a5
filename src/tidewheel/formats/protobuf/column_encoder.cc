#include "tidewheel/formats/protobuf/column_encoder.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <utility>

#include "tidewheel/formats/protobuf/sql_schema.h"
#include "tidewheel/formats/protobuf/utf8.h"
#include "tidewheel/formats/protobuf/wire.h"
#include "tidewheel/types/decimal.h"

namespace tidewheel::protobuf {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// What `write` appends with its size before it. Sizes are short most often: one byte is left for
// them, and what is longer is moved.
template <class Write>
bool append_with_size(std::string& out, const Write& write) {
  const size_t at = out.size();
  out += '\0';
  if (!write()) { return false; }
  const size_t size = out.size() - at - 1;
  if (size < 0x80) {
    out[at] = static_cast<char>(size);
    return true;
  }
  std::string prefix;
  append_varint(prefix, size);
  out[at] = prefix[0];
  out.insert(at + 1, prefix, 1);
  return true;
}

}  // namespace

class EncoderMaker {
 public:
  EncoderMaker(const Schema& schema, const WriteOptions& options)
      : schema_(schema), options_(options) {}

  void fill_message(const Message& message, const std::vector<std::string>& names,
                    const std::vector<LogicalType>& types, const std::vector<size_t>* columns,
                    ColumnEncoder& made) const {
    made.how_ = ColumnEncoder::How::kMessage;
    made.oneofs_ = message.oneofs;
    for (const Field& field : message.fields) {
      const auto it = std::find(names.begin(), names.end(), field.name);
      const auto at = static_cast<size_t>(it - names.begin());
      const bool is_there = it != names.end();
      if (!is_there && !field.is_required) { continue; }
      ColumnEncoder child = make(field, is_there ? types[at] : LogicalType(),
                                 made.path_.empty() ? field.name : made.path_ + "." + field.name);
      child.source_ = !is_there ? SIZE_MAX : columns == nullptr ? at : (*columns)[at];
      made.children_.push_back(std::move(child));
    }
  }

 private:
  ColumnEncoder make(const Field& field, const LogicalType& type, std::string path) const {
    ColumnEncoder made;
    made.kind_ = field.kind;
    made.type_ = type;
    made.path_ = std::move(path);
    made.number_ = field.number;
    made.oneof_ = field.oneof;
    made.is_required_ = field.is_required;
    made.has_presence_ = field.has_presence;
    made.is_utf8_ = field.is_utf8;
    made.null_text_ = options_.null_text;
    append_varint(made.tag_,
                  make_tag(field.number, field.is_packed ? uint32_t{kSized} : wire_of(field.kind)));
    if (field.kind == Kind::kGroup) {
      append_varint(made.end_tag_, make_tag(field.number, kEndGroup));
    }
    if (type.kind == TypeKind::kNull) { return made; }  // it is required, and there is no column
    LogicalType value = type;
    if (field.is_repeated) {
      made.is_packed_ = field.is_packed;
      if (is_message(field.kind) && schema_.messages[field.type].is_entry) {
        const Message& entry = schema_.messages[field.type];
        made.is_map_ = true;
        made.children_.push_back(make(entry.fields[0], type.children[0], made.path_ + ".key"));
        made.children_.push_back(make(entry.fields[1], type.children[1], made.path_ + ".value"));
        return made;
      }
      made.is_list_ = true;
      value = type.children[0];
      made.type_ = value;
    }
    made.physical_ = value.physical();
    fill_value(field, value, made);
    return made;
  }
  void fill_value(const Field& field, const LogicalType& type, ColumnEncoder& made) const {
    switch (field.kind) {
      case Kind::kMessage:
      case Kind::kGroup:
        if (type.is_timestamp()) {
          made.how_ = ColumnEncoder::How::kTimestamp;
        } else {
          fill_message(schema_.messages[field.type], type.names, type.children, nullptr, made);
        }
        return;
      case Kind::kEnum:
        made.symbols_ = schema_.enums[field.type].values;
        made.how_ = type.is_character() ? ColumnEncoder::How::kSymbol : ColumnEncoder::How::kWhole;
        return;
      case Kind::kFloat: made.how_ = ColumnEncoder::How::kFloat; return;
      case Kind::kDouble: made.how_ = ColumnEncoder::How::kDouble; return;
      case Kind::kString:
      case Kind::kBytes: made.how_ = ColumnEncoder::How::kText; return;
      default: made.how_ = ColumnEncoder::How::kWhole; return;
    }
  }

  const Schema& schema_;
  const WriteOptions& options_;
};

Result<ColumnEncoder> ColumnEncoder::make(const Schema& schema, const RowType& row,
                                          const std::vector<size_t>& columns,
                                          const WriteOptions& options) {
  TIDEWHEEL_RETURN_IF_ERROR(check_columns(schema, row, false));
  for (const Field& field : schema.root().fields) {
    if (field.is_required && row.find(field.name) == row.size()) {
      return invalid_argument(ErrorId::kFormatSchema,
                              "schema of Protobuf: there is no column '{}', and the message {} "
                              "requires it",
                              field.name, schema.root().name);
    }
  }
  ColumnEncoder made;
  EncoderMaker(schema, options).fill_message(schema.root(), row.names, row.types, &columns, made);
  return made;
}

bool ColumnEncoder::fail(Fault& fault, std::string why) const {
  if (fault.field == nullptr) { fault = {this, std::move(why)}; }
  return false;
}

Status ColumnEncoder::append(std::span<const ColumnView> columns, uint32_t row,
                             std::string& out) const {
  const size_t size = out.size();
  Fault fault;
  if (append_fields(columns.data(), false, row, out, fault)) [[likely]] { return {}; }
  out.resize(size);
  return invalid_argument(ErrorId::kRecordMalformed,
                          "column '{}': {}, for which the schema of Protobuf has no place",
                          fault.field->path_, fault.why);
}

bool ColumnEncoder::append_fields(const ColumnView* columns, bool is_constant, uint32_t row,
                                  std::string& out, Fault& fault) const {
  // Of a oneof's columns the last one that is not NULL counts.
  std::vector<const ColumnEncoder*> chosen(oneofs_);
  for (const ColumnEncoder& child : children_) {
    if (child.oneof_ < 0 || child.source_ == SIZE_MAX) { continue; }
    const ColumnEncoder*& best = chosen[static_cast<size_t>(child.oneof_)];
    if (!columns[child.source_].is_null(is_constant ? 0 : row) &&
        (best == nullptr || best->source_ < child.source_)) {
      best = &child;
    }
  }
  for (const ColumnEncoder& child : children_) {
    if (child.source_ == SIZE_MAX) { return child.fail(fault, "there is no column"); }
    if (child.oneof_ >= 0 && chosen[static_cast<size_t>(child.oneof_)] != &child) { continue; }
    if (!is_constant) {
      if (!child.append_field(columns[child.source_], row, out, fault)) [[unlikely]] {
        return false;
      }
      continue;
    }
    ColumnView view = columns[child.source_];
    view.is_constant = true;
    if (!child.append_field(view, row, out, fault)) { return false; }
  }
  return true;
}

bool ColumnEncoder::append_field(const ColumnView& column, uint32_t row, std::string& out,
                                 Fault& fault) const {
  if (column.is_null(row)) {
    return !is_required_ || fail(fault, "there is NULL for what is required");
  }
  if (is_list_) { return append_list(column, row, out, fault); }
  if (is_map_) { return append_map(column, row, out, fault); }
  if (!has_presence_ && is_default(column, row)) { return true; }
  out += tag_;
  if (!append_value(column, row, out, fault)) { return false; }
  out += end_tag_;
  return true;
}

bool ColumnEncoder::append_list(const ColumnView& column, uint32_t row, std::string& out,
                                Fault& fault) const {
  const uint32_t at = column.is_constant ? 0 : row;
  const uint32_t begin = column.offsets[at];
  const uint32_t end = column.offsets[at + 1];
  const ColumnView& elements = column.children[0];
  if (begin == end) { return true; }
  const auto append_one = [&](uint32_t i) {
    return elements.is_null(i) ? append_default(out, fault) : append_value(elements, i, out, fault);
  };
  if (is_packed_) {
    out += tag_;
    return append_with_size(out, [&] {
      for (uint32_t i = begin; i < end; ++i) {
        if (!append_one(i)) { return false; }
      }
      return true;
    });
  }
  for (uint32_t i = begin; i < end; ++i) {
    out += tag_;
    if (!append_one(i)) { return false; }
    out += end_tag_;
  }
  return true;
}

bool ColumnEncoder::append_map(const ColumnView& column, uint32_t row, std::string& out,
                               Fault& fault) const {
  const uint32_t at = column.is_constant ? 0 : row;
  for (uint32_t i = column.offsets[at]; i < column.offsets[at + 1]; ++i) {
    out += tag_;
    const bool done = append_with_size(out, [&] {
      for (size_t part = 0; part < 2; ++part) {
        const ColumnEncoder& child = children_[part];
        const ColumnView& values = column.children[part];
        out += child.tag_;
        if (values.is_null(i) ? !child.append_default(out, fault)
                              : !child.append_value(values, i, out, fault)) {
          return false;
        }
      }
      return true;
    });
    if (!done) { return false; }
  }
  return true;
}

bool ColumnEncoder::append_value(const ColumnView& column, uint32_t row, std::string& out,
                                 Fault& fault) const {
  switch (how_) {
    case How::kWhole: return append_whole(column, row, out, fault);
    case How::kFloat:
    case How::kDouble: return append_real(column, row, out, fault);
    case How::kText:
      if (is_utf8_ && !is_utf8(column.at<Text>(row))) {
        return fail(fault, "there is text that is not UTF-8");
      }
      append_sized(out, column.at<Text>(row));
      return true;
    case How::kSymbol: return append_symbol(column.at<Text>(row), out, fault);
    case How::kTimestamp: return append_timestamp(column, row, out);
    case How::kMessage: break;
  }
  if (kind_ == Kind::kGroup) {
    return append_fields(column.children, column.is_constant, row, out, fault);
  }
  return append_with_size(
      out, [&] { return append_fields(column.children, column.is_constant, row, out, fault); });
}

// Of columns of at most 64 bits.
int64_t ColumnEncoder::whole_of(const ColumnView& column, uint32_t row) const {
  switch (physical_) {
    case Physical::kBool: return column.at<uint8_t>(row);
    case Physical::kInt8: return column.at<int8_t>(row);
    case Physical::kInt16: return column.at<int16_t>(row);
    case Physical::kInt32: return column.at<int32_t>(row);
    default: return column.at<int64_t>(row);
  }
}

bool ColumnEncoder::append_whole(const ColumnView& column, uint32_t row, std::string& out,
                                 Fault& fault) const {
  if (physical_ == Physical::kInt128) {
    const Int128 wide = column.at<Int128>(row);
    if (wide < 0 || wide > Int128{UINT64_MAX}) { return fail(fault, "the number is too large"); }
    return append_number(static_cast<uint64_t>(wide), out, fault);
  }
  const int64_t value = whole_of(column, row);
  const bool is_wide_unsigned = kind_ == Kind::kUint64 || kind_ == Kind::kFixed64;
  if (is_wide_unsigned && value < 0) { return fail(fault, "the number is negative"); }
  return append_number(static_cast<uint64_t>(value), out, fault);
}

bool ColumnEncoder::append_number(uint64_t bits, std::string& out, Fault& fault) const {
  const auto value = static_cast<int64_t>(bits);
  bool fits = true;
  switch (kind_) {
    case Kind::kSint64: append_varint(out, zigzag(value)); break;
    case Kind::kFixed64:
    case Kind::kSfixed64: append_fixed(out, bits); break;
    case Kind::kInt32:
    case Kind::kEnum:
      fits = value == static_cast<int32_t>(value);
      append_varint(out, bits);
      break;
    case Kind::kSint32:
      fits = value == static_cast<int32_t>(value);
      append_varint(out, zigzag(value));
      break;
    case Kind::kSfixed32:
      fits = value == static_cast<int32_t>(value);
      append_fixed(out, static_cast<uint32_t>(bits));
      break;
    case Kind::kUint32:
      fits = bits == static_cast<uint32_t>(bits);
      append_varint(out, bits);
      break;
    case Kind::kFixed32:
      fits = bits == static_cast<uint32_t>(bits);
      append_fixed(out, static_cast<uint32_t>(bits));
      break;
    default: append_varint(out, bits); break;
  }
  return fits || fail(fault, "there is the number " + std::to_string(value));
}

bool ColumnEncoder::append_real(const ColumnView& column, uint32_t row, std::string& out,
                                Fault& fault) const {
  const double value = type_.kind == TypeKind::kDouble ? column.at<double>(row)
                                                       : static_cast<double>(column.at<float>(row));
  if (how_ == How::kDouble) {
    append_fixed(out, value);
  } else {
    const auto single = static_cast<float>(value);
    append_fixed(out, single);
    if (static_cast<double>(single) != value && !std::isnan(value)) {
      return fail(fault, "there is a DOUBLE that is no float");
    }
  }
  return true;
}

// A value of the enum by its name, or by its number.
bool ColumnEncoder::append_symbol(std::string_view name, std::string& out, Fault& fault) const {
  for (const auto& [number, symbol] : symbols_) {
    if (symbol == name) {
      append_varint(out, static_cast<uint64_t>(int64_t{number}));
      return true;
    }
  }
  int32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) {
    return fail(fault, "the enum has no value '" + std::string(name) + "'");
  }
  append_varint(out, static_cast<uint64_t>(int64_t{number}));
  return true;
}

bool ColumnEncoder::append_timestamp(const ColumnView& column, uint32_t row,
                                     std::string& out) const {
  const int64_t units = type_.units_per_second();
  const int64_t value = column.at<int64_t>(row);
  const int64_t seconds = value / units - (value % units < 0 ? 1 : 0);
  const int64_t nanos = (value - seconds * units) * (kNanosPerSecond / units);
  return append_with_size(out, [&] {
    if (seconds != 0) {
      append_varint(out, make_tag(1, kVarint));
      append_varint(out, static_cast<uint64_t>(seconds));
    }
    if (nanos != 0) {
      append_varint(out, make_tag(2, kVarint));
      append_varint(out, static_cast<uint64_t>(nanos));
    }
    return true;
  });
}

bool ColumnEncoder::append_default(std::string& out, Fault& fault) const {
  switch (how_) {
    case How::kWhole:
      if (kind_ == Kind::kEnum) { return append_symbol(symbols_[0].second, out, fault); }
      return append_number(0, out, fault);
    case How::kSymbol: return append_symbol(symbols_[0].second, out, fault);
    case How::kFloat: append_fixed(out, 0.0F); return true;
    case How::kDouble: append_fixed(out, 0.0); return true;
    case How::kText:
      append_sized(out, kind_ == Kind::kString ? std::string_view(null_text_) : "");
      return true;
    case How::kTimestamp:
    case How::kMessage:
      // Without fields; of a group that is nothing at all.
      if (kind_ != Kind::kGroup) { out += '\0'; }
      return true;
  }
  return true;
}

// Whether the field is as if it were absent, where the two can't be told apart.
bool ColumnEncoder::is_default(const ColumnView& column, uint32_t row) const {
  switch (how_) {
    case How::kText: return column.at<Text>(row).empty();
    case How::kFloat:
    case How::kDouble: {
      const double value = type_.kind == TypeKind::kDouble
                               ? column.at<double>(row)
                               : static_cast<double>(column.at<float>(row));
      return std::bit_cast<uint64_t>(value) == 0;
    }
    case How::kSymbol: return column.at<Text>(row) == Text(symbols_[0].second);
    case How::kWhole:
      return physical_ == Physical::kInt128 ? column.at<Int128>(row) == 0
                                            : whole_of(column, row) == 0;
    default: return false;
  }
}

}  // namespace tidewheel::protobuf
