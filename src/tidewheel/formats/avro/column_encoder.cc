#include "tidewheel/formats/avro/column_encoder.h"

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "tidewheel/formats/avro/wire.h"
#include "tidewheel/types/decimal.h"

namespace tidewheel::avro {
namespace {

int64_t units_of(Logical logical) {
  switch (logical) {
    case Logical::kTimestampMicros:
    case Logical::kLocalTimestampMicros: return 1'000'000;
    case Logical::kTimestampNanos:
    case Logical::kLocalTimestampNanos: return 1'000'000'000;
    default: return 1'000;
  }
}

}  // namespace

class EncoderMaker {
 public:
  using How = ColumnEncoder::How;
  explicit EncoderMaker(const Schema& schema) : schema_(schema) {}

  Result<ColumnEncoder> make(NodeIndex index, const LogicalType& type, const std::string& path,
                             const std::vector<size_t>* sources, int32_t depth) {
    if (depth > kDepthMax) { return no(path, "it is nested too deeply"); }
    const Node& node = schema_.node(index);
    if (node.type == Type::kUnion) { return make_union(node, type, path, sources, depth); }
    ColumnEncoder made;
    made.type_ = type;
    made.path_ = path;
    TIDEWHEEL_RETURN_IF_ERROR(fill(node, made, sources, depth));
    return made;
  }

 private:
  static constexpr int32_t kDepthMax = 200;

  static Status no(const std::string& path, const std::string& why) {
    return invalid_argument(ErrorId::kFormatSchema,
                            "schema of Avro: it does not fit the columns: {}{}{}", path,
                            path.empty() ? "" : ": ", why);
  }

  // The first branch that the type fits.
  Result<ColumnEncoder> make_union(const Node& node, const LogicalType& type,
                                   const std::string& path, const std::vector<size_t>* sources,
                                   int32_t depth) {
    int32_t null_branch = -1;
    std::optional<Result<ColumnEncoder>> made;
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (schema_.node(node.children[i]).type == Type::kNull) {
        null_branch = static_cast<int32_t>(i);
      } else if (!made.has_value() || !made->ok()) {
        auto one = make(node.children[i], type, path, sources, depth + 1);
        if (one.ok()) { one->value_branch_ = static_cast<int32_t>(i); }
        if (one.ok() || !made.has_value()) { made = std::move(one); }
      }
    }
    if (!made.has_value()) { return no(path, "the union has no type but null"); }
    if (made->ok()) { (*made)->null_branch_ = null_branch; }
    return std::move(*made);
  }

  Status fill(const Node& node, ColumnEncoder& made, const std::vector<size_t>* sources,
              int32_t depth) {
    const LogicalType& type = made.type_;
    const auto misfit = [&] {
      return no(made.path_, type.as_nullable().to_string() + " can't be written as " +
                                std::string(type_name(node.type)));
    };
    switch (node.type) {
      case Type::kRecord:
        return type.kind == TypeKind::kRow ? fill_record(node, made, sources, depth) : misfit();
      case Type::kArray:
      case Type::kMap: return fill_list(node, made, depth);
      case Type::kBoolean:
        made.how_ = How::kBoolean;
        return type.kind == TypeKind::kBoolean ? Status() : misfit();
      case Type::kInt:
      case Type::kLong: return fill_whole(node, made) ? Status() : misfit();
      case Type::kFloat:
        made.how_ = How::kFloat;
        return type.kind == TypeKind::kFloat ? Status() : misfit();
      case Type::kDouble:
        made.how_ = How::kDouble;
        return type.is_approximate() ? Status() : misfit();
      case Type::kString: made.how_ = How::kText; return type.is_character() ? Status() : misfit();
      case Type::kBytes:
      case Type::kFixed: return fill_binary(node, made) ? Status() : misfit();
      case Type::kEnum:
        made.how_ = How::kSymbol;
        made.symbols_ = node.symbols;
        return type.is_character() ? Status() : misfit();
      case Type::kNull:
      case Type::kUnion: break;
    }
    return misfit();
  }

  static bool fill_whole(const Node& node, ColumnEncoder& made) {
    const LogicalType& type = made.type_;
    made.how_ = How::kWhole;
    made.narrows_ = node.type == Type::kInt;
    switch (type.kind) {
      case TypeKind::kTinyint:
      case TypeKind::kSmallint:
      case TypeKind::kInt:
      case TypeKind::kBigint: return true;
      case TypeKind::kDate: return node.type == Type::kInt;
      case TypeKind::kTime:
        made.how_ = How::kScaled;
        made.factor_ = node.logical == Logical::kTimeMicros ? 1000 : 1;
        return node.type == Type::kInt || node.logical == Logical::kTimeMicros;
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampLtz: {
        const int64_t wanted = units_of(node.logical);
        const int64_t have = type.units_per_second();
        made.how_ = How::kScaled;
        made.factor_ = wanted > have ? wanted / have : 1;
        made.divisor_ = have > wanted ? have / wanted : 1;
        return node.type == Type::kLong;
      }
      default: return false;
    }
  }
  static bool fill_binary(const Node& node, ColumnEncoder& made) {
    const bool is_fixed = node.type == Type::kFixed;
    made.size_ = node.size;
    if (made.type_.kind == TypeKind::kDecimal) {
      made.how_ = is_fixed ? How::kFixedDecimal : How::kDecimal;
      made.scale_ = node.scale;
      made.precision_ = std::min(node.precision, LogicalType::kMaxDecimal);
      return node.logical == Logical::kDecimal;
    }
    made.how_ = is_fixed ? How::kFixedText : How::kText;
    return made.type_.is_bytes() || (made.type_.is_character() && !is_fixed);
  }

  Status fill_record(const Node& node, ColumnEncoder& made, const std::vector<size_t>* sources,
                     int32_t depth) {
    made.how_ = How::kRecord;
    size_t used = 0;
    for (const Field& field : node.fields) {
      const std::string path = made.path_.empty() ? field.name : made.path_ + "." + field.name;
      const auto name = std::find(made.type_.names.begin(), made.type_.names.end(), field.name);
      if (name == made.type_.names.end()) {
        if (!field.has_default) {
          return no(path, "there is no such column, and the schema has no default for it");
        }
        ColumnEncoder constant;
        constant.constant_ = field.default_bytes;
        made.children_.push_back(std::move(constant));
        continue;
      }
      const auto at = static_cast<size_t>(name - made.type_.names.begin());
      TIDEWHEEL_ASSIGN_OR_RETURN(
          ColumnEncoder child, make(field.type, made.type_.children[at], path, nullptr, depth + 1));
      child.source_ = sources == nullptr ? at : (*sources)[at];
      made.children_.push_back(std::move(child));
      ++used;
    }
    if (used == made.type_.names.size()) { return {}; }
    for (const std::string& name : made.type_.names) {
      const bool is_known = std::any_of(node.fields.begin(), node.fields.end(),
                                        [&](const Field& field) { return field.name == name; });
      if (!is_known) {
        return no(made.path_.empty() ? name : made.path_ + "." + name,
                  "the schema has no such field");
      }
    }
    return {};
  }

  Status fill_list(const Node& node, ColumnEncoder& made, int32_t depth) {
    const LogicalType& type = made.type_;
    const bool is_array = node.type == Type::kArray;
    const bool fits = is_array ? type.kind == TypeKind::kArray
                               : type.kind == TypeKind::kMap || type.kind == TypeKind::kMultiset;
    if (!fits) {
      return no(made.path_, type.as_nullable().to_string() + " can't be written as " +
                                std::string(type_name(node.type)));
    }
    if (!is_array && !type.children[0].is_character()) {
      return no(made.path_, "keys of maps must be strings");
    }
    made.how_ = is_array ? How::kArray : How::kMap;
    const LogicalType element = type.kind == TypeKind::kMultiset
                                    ? LogicalType::of(TypeKind::kInt, false)
                                    : type.children[is_array ? 0 : 1];
    TIDEWHEEL_ASSIGN_OR_RETURN(ColumnEncoder child,
                               make(node.children[0], element,
                                    made.path_ + (is_array ? "[]" : ".value"), nullptr, depth + 1));
    made.children_.push_back(std::move(child));
    return {};
  }

  const Schema& schema_;
};

Result<ColumnEncoder> ColumnEncoder::make(const Schema& schema, const RowType& row,
                                          const std::vector<size_t>& columns) {
  const Node& root = schema.node(schema.root());
  EncoderMaker maker(schema);
  if (root.type != Type::kRecord && root.type != Type::kUnion && row.size() == 1) {
    // A message that is a single value, as keys often are.
    TIDEWHEEL_ASSIGN_OR_RETURN(ColumnEncoder value,
                               maker.make(schema.root(), row.types[0], row.names[0], nullptr, 0));
    value.source_ = columns[0];
    ColumnEncoder message;
    message.how_ = How::kRecord;
    message.children_.push_back(std::move(value));
    return message;
  }
  return maker.make(schema.root(), LogicalType::row(row.names, row.types, false), "", &columns, 0);
}

Status ColumnEncoder::append(std::span<const ColumnView> columns, uint32_t row,
                             std::string& out) const {
  const size_t size = out.size();
  if (value_branch_ >= 0) { append_long(out, value_branch_); }
  if (append_fields(columns.data(), false, row, out)) [[likely]] { return {}; }
  out.resize(size);
  for (const ColumnEncoder& child : children_) {
    if (child.how_ == How::kDefault) { continue; }
    std::string why;
    const ColumnEncoder* const fault = child.find_fault(columns[child.source_], row, why);
    if (fault == nullptr) { continue; }
    return invalid_argument(ErrorId::kRecordMalformed,
                            "column '{}': {}, for which the schema of Avro has no place",
                            fault->path_, why);
  }
  return invalid_argument(ErrorId::kRecordMalformed, "the row does not fit the schema of Avro");
}

bool ColumnEncoder::append_value(const ColumnView& column, uint32_t row, std::string& out) const {
  if (how_ == How::kDefault) {
    out += constant_;
    return true;
  }
  if (column.is_null(row)) {
    if (null_branch_ < 0) { return false; }
    append_long(out, null_branch_);
    return true;
  }
  if (value_branch_ >= 0) { append_long(out, value_branch_); }
  return append_present(column, row, out);
}

bool ColumnEncoder::append_present(const ColumnView& column, uint32_t row, std::string& out) const {
  switch (how_) {
    case How::kRecord: return append_fields(column.children, column.is_constant, row, out);
    case How::kBoolean: out += column.at<uint8_t>(row) != 0 ? '\1' : '\0'; return true;
    case How::kWhole:
    case How::kScaled: return append_whole(column, row, out);
    case How::kFloat:
    case How::kDouble: return append_real(column, row, out);
    case How::kText: append_bytes(out, column.at<Text>(row)); return true;
    case How::kFixedText:
    case How::kSymbol: return append_text(column, row, out);
    case How::kDecimal:
    case How::kFixedDecimal: return append_decimal(column, row, out);
    case How::kArray:
    case How::kMap: return append_list(column, row, out);
    case How::kDefault: break;
  }
  return false;
}

bool ColumnEncoder::append_fields(const ColumnView* columns, bool is_constant, uint32_t row,
                                  std::string& out) const {
  for (const ColumnEncoder& child : children_) {
    if (child.how_ == How::kDefault) {
      out += child.constant_;
    } else if (!is_constant) {
      if (!child.append_value(columns[child.source_], row, out)) [[unlikely]] { return false; }
    } else {
      ColumnView view = columns[child.source_];
      view.is_constant = true;
      if (!child.append_value(view, row, out)) { return false; }
    }
  }
  return true;
}

bool ColumnEncoder::append_whole(const ColumnView& column, uint32_t row, std::string& out) const {
  int64_t value = 0;
  switch (type_.physical()) {
    case Physical::kInt8: value = column.at<int8_t>(row); break;
    case Physical::kInt16: value = column.at<int16_t>(row); break;
    case Physical::kInt32: value = column.at<int32_t>(row); break;
    default: value = column.at<int64_t>(row); break;
  }
  if (how_ == How::kScaled) {
    if (divisor_ > 1) {
      value = floor_divided(value, divisor_);
    } else if (__builtin_mul_overflow(value, factor_, &value)) {
      return false;
    }
  }
  if (narrows_ && value != static_cast<int32_t>(value)) { return false; }
  append_long(out, value);
  return true;
}

bool ColumnEncoder::append_real(const ColumnView& column, uint32_t row, std::string& out) const {
  if (type_.kind == TypeKind::kDouble) {
    append_fixed(out, column.at<double>(row));
  } else if (how_ == How::kDouble) {
    append_fixed(out, static_cast<double>(column.at<float>(row)));
  } else {
    append_fixed(out, column.at<float>(row));
  }
  return true;
}

bool ColumnEncoder::append_decimal(const ColumnView& column, uint32_t row, std::string& out) const {
  const Int128 value = type_.physical() == Physical::kInt64 ? Int128{column.at<int64_t>(row)}
                                                            : column.at<Int128>(row);
  Int128 unscaled = value;
  if (scale_ != type_.scale || precision_ < type_.precision) {
    const auto rescaled =
        tidewheel::detail::rescale_decimal(value, type_.scale, scale_, precision_);
    if (!rescaled.has_value()) { return false; }
    unscaled = *rescaled;
  }
  return append_unscaled(unscaled, size_, how_ == How::kFixedDecimal, out);
}

bool ColumnEncoder::append_text(const ColumnView& column, uint32_t row, std::string& out) const {
  const std::string_view text = column.at<Text>(row);
  if (how_ == How::kFixedText) {
    out += text;
    return text.size() == size_;
  }
  const auto it = std::find(symbols_.begin(), symbols_.end(), text);
  append_long(out, it - symbols_.begin());
  return it != symbols_.end();
}

bool ColumnEncoder::append_list(const ColumnView& column, uint32_t row, std::string& out) const {
  const uint32_t at = column.is_constant ? 0 : row;
  const uint32_t begin = column.offsets[at];
  const uint32_t end = column.offsets[at + 1];
  const bool is_map = how_ == How::kMap;
  if (begin < end) {
    append_long(out, end - begin);
    for (uint32_t i = begin; i < end; ++i) {
      if (is_map) {
        if (column.children[0].is_null(i)) { return false; }
        append_bytes(out, column.children[0].at<Text>(i));
      }
      if (!children_[0].append_value(column.children[is_map ? 1 : 0], i, out)) { return false; }
    }
  }
  append_long(out, 0);
  return true;
}

const ColumnEncoder* ColumnEncoder::find_fault(const ColumnView& column, uint32_t row,
                                               std::string& why) const {
  std::string ignored;
  if (append_value(column, row, ignored)) { return nullptr; }
  if (column.is_null(row)) {
    why = "there is NULL";
    return this;
  }
  if (how_ == How::kRecord) {
    for (const ColumnEncoder& child : children_) {
      if (child.how_ == How::kDefault) { continue; }
      ColumnView view = column.children[child.source_];
      view.is_constant |= column.is_constant;
      const ColumnEncoder* const fault = child.find_fault(view, row, why);
      if (fault != nullptr) { return fault; }
    }
  }
  if (how_ == How::kArray || how_ == How::kMap) {
    const uint32_t at = column.is_constant ? 0 : row;
    for (uint32_t i = column.offsets[at]; i < column.offsets[at + 1]; ++i) {
      if (how_ == How::kMap && column.children[0].is_null(i)) {
        why = "there is a key that is NULL";
        return this;
      }
      const ColumnEncoder* const fault =
          children_[0].find_fault(column.children[how_ == How::kMap ? 1 : 0], i, why);
      if (fault != nullptr) { return fault; }
    }
  }
  why = "there is a value of " + type_.as_nullable().to_string();
  return this;
}

}  // namespace tidewheel::avro
