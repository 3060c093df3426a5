// From schemas to steps: the specification's "Schema Resolution", with columns as the reader's
// side.
#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/avro/column_decoder.h"

namespace tidewheel::avro {

namespace {

constexpr int32_t kCompileDepthMax = 200;
constexpr size_t kStepsMax = 1'000'000;

// How many units of a point in time make a second; 0: it is none.
int64_t units_of(Logical logical) {
  switch (logical) {
    case Logical::kTimestampMillis:
    case Logical::kLocalTimestampMillis: return 1'000;
    case Logical::kTimestampMicros:
    case Logical::kLocalTimestampMicros: return 1'000'000;
    case Logical::kTimestampNanos:
    case Logical::kLocalTimestampNanos: return 1'000'000'000;
    default: return 0;
  }
}

bool is_whole(Type type) { return type == Type::kInt || type == Type::kLong; }
bool is_list(const LogicalType& type) {
  return type.kind == TypeKind::kArray || type.kind == TypeKind::kMap ||
         type.kind == TypeKind::kMultiset;
}

std::string described(const Node& node) {
  std::string text(node.is_named() ? std::string_view(node.name) : type_name(node.type));
  if (node.is_named()) { text += " (" + std::string(type_name(node.type)) + ")"; }
  if (node.logical != Logical::kNone) { text += " " + std::string(logical_name(node.logical)); }
  return text;
}

}  // namespace

class ColumnCompiler {
 public:
  ColumnCompiler(const Schema& writer, const Schema& reader)
      : writer_(writer), reader_(reader), is_empty_(writer.size(), -1) {
    out_.lasting_ = Arena::create();
  }

  Result<ColumnDecoder> compile(const DecodedRow& row) {
    std::vector<size_t> slots(row.message.size(), SIZE_MAX);
    for (const DecodedRow::Wanted& wanted : row.wanted) {
      slots[wanted.field] = add_slot(-1, wanted.column, row.message.types[wanted.field],
                                     row.message.names[wanted.field]);
      out_.targets_.push_back(wanted.column);
    }
    const LogicalType type = LogicalType::row(row.message.names, row.message.types, false);
    TIDEWHEEL_RETURN_IF_ERROR(put_value(writer_.root(), reader_.root(), type, slots, 0));
    emit(Op::kReturn);
    TIDEWHEEL_RETURN_IF_ERROR(put_subroutines());
    out_.columns_.resize(out_.slots_.size());
    if (out_.steps_.size() > kStepsMax) { return refuse("", "it is too large"); }
    return std::move(out_);
  }

 private:
  using Slots = std::vector<size_t>;  // of a row's fields; SIZE_MAX: not wanted
  struct PendingCall {
    uint32_t step;
    NodeIndex type;
  };

  static Status refuse(const std::string& path, const std::string& why) {
    return invalid_argument(ErrorId::kFormatSchema,
                            "schema of Avro: it does not fit the columns: {}{}{}", path,
                            path.empty() ? "" : ": ", why);
  }

  uint32_t here() const { return static_cast<uint32_t>(out_.steps_.size()); }
  uint32_t emit(Op op, size_t slot = 0, size_t a = 0, size_t b = 0) {
    out_.steps_.push_back(
        {op, static_cast<uint32_t>(slot), static_cast<uint32_t>(a), static_cast<uint32_t>(b)});
    return here() - 1;
  }
  // The next step, as the target of jumps.
  uint32_t label() {
    barrier_ = here();
    return barrier_;
  }
  Step& step(uint32_t at) { return out_.steps_[at]; }
  size_t add_slot(int32_t parent, size_t index, const LogicalType& type, std::string path) {
    out_.slots_.push_back({parent, index, type, std::move(path)});
    return out_.slots_.size() - 1;
  }
  const ColumnDecoder::Slot& slot(size_t index) const { return out_.slots_[index]; }

  // ---- Values into a column, or (a row's) into the columns of its fields.

  // The node, or the one branch of a union that is not null.
  Result<NodeIndex> without_null(const Schema& schema, NodeIndex index, const std::string& path) {
    const Node& node = schema.node(index);
    if (node.type != Type::kUnion) { return index; }
    NodeIndex found = index;
    size_t count = 0;
    for (const NodeIndex branch : node.children) {
      if (schema.node(branch).type == Type::kNull) { continue; }
      found = branch;
      ++count;
    }
    if (count != 1) { return refuse(path, "the reader's union of several types is no column"); }
    return found;
  }

  // Where a value is put: into `slot`, or, when it is the message itself, into `fields`.
  Status put_value(NodeIndex w, NodeIndex r, const LogicalType& type, const Slots& fields,
                   int32_t depth) {
    return put(w, r, type, SIZE_MAX, fields, depth);
  }
  Status put_column(NodeIndex w, NodeIndex r, size_t slot_index, int32_t depth) {
    const LogicalType type = slot(slot_index).type;
    return put(w, r, type, slot_index, {}, depth);
  }

  Status put(NodeIndex w, NodeIndex r, const LogicalType& type, size_t to, const Slots& fields,
             int32_t depth) {
    const std::string path = to == SIZE_MAX ? "" : slot(to).path;
    if (depth > kCompileDepthMax || out_.steps_.size() > kStepsMax) {
      return refuse(path, "it is nested too deeply");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex inner, without_null(reader_, r, path));
    const Node& node = writer_.node(w);
    if (node.type == Type::kUnion) { return put_union(w, inner, type, to, fields, depth); }
    if (node.type == Type::kNull) {
      if (to == SIZE_MAX) { return refuse(path, "the message is null"); }
      emit(Op::kNull, to);
      return {};
    }
    if (type.kind == TypeKind::kRow) { return put_row(w, inner, type, to, fields, depth); }
    if (is_list(type)) { return put_list(w, inner, type, to, depth); }
    return put_scalar(node, reader_.node(inner), type, to);
  }

  Status put_union(NodeIndex w, NodeIndex r, const LogicalType& type, size_t to,
                   const Slots& fields, int32_t depth) {
    const Node& node = writer_.node(w);
    const auto null = std::find_if(node.children.begin(), node.children.end(), [&](NodeIndex one) {
      return writer_.node(one).type == Type::kNull;
    });
    if (node.children.size() == 2 && null != node.children.end() && to != SIZE_MAX) {
      const auto null_index = static_cast<size_t>(null - node.children.begin());
      const uint32_t optional = emit(Op::kOptional, to, 0, null_index);
      TIDEWHEEL_RETURN_IF_ERROR(put(node.children[1 - null_index], r, type, to, fields, depth + 1));
      step(optional).a = label();
      return {};
    }
    const size_t first = out_.jumps_.size();
    out_.jumps_.resize(first + node.children.size());
    emit(Op::kBranch, to, first, node.children.size());
    std::vector<uint32_t> ends;
    Status first_failure;
    for (size_t i = 0; i < node.children.size(); ++i) {
      out_.jumps_[first + i] = label();
      // A branch that does not fit is an error only when a value has it.
      const Status status = put(node.children[i], r, type, to, fields, depth + 1);
      if (!status.ok()) {
        if (first_failure.ok()) { first_failure = status; }
        out_.steps_.resize(out_.jumps_[first + i]);
        std::erase_if(calls_, [&](const PendingCall& call) { return call.step >= here(); });
        out_.failures_.push_back("a value of the writer's " +
                                 described(writer_.node(node.children[i])) +
                                 " does not fit the column");
        emit(Op::kFail, to, out_.failures_.size() - 1);
        continue;
      }
      ends.push_back(emit(Op::kJump));
    }
    if (ends.empty()) {
      return first_failure.ok() ? refuse(to == SIZE_MAX ? "" : slot(to).path, "the union is empty")
                                : first_failure;
    }
    for (const uint32_t end : ends) { step(end).a = label(); }
    return {};
  }

  // The writer's field for a field of the reader.
  static size_t find_field(const Node& writer, const Field& field) {
    for (size_t i = 0; i < writer.fields.size(); ++i) {
      if (writer.fields[i].name == field.name) { return i; }
    }
    for (const std::string& alias : field.aliases) {
      for (size_t i = 0; i < writer.fields.size(); ++i) {
        if (writer.fields[i].name == alias) { return i; }
      }
    }
    return SIZE_MAX;
  }

  Status put_row(NodeIndex w, NodeIndex r, const LogicalType& type, size_t to, const Slots& fields,
                 int32_t depth) {
    const std::string path = to == SIZE_MAX ? "" : slot(to).path;
    const Node& from = writer_.node(w);
    const Node& reader = reader_.node(r);
    if (to == SIZE_MAX && from.type != Type::kRecord && type.names.size() == 1) {
      // A message that is a single value, as keys often are, is the only column.
      if (fields[0] == SIZE_MAX) {
        put_skip(w);
        return {};
      }
      const bool is_record = reader.type == Type::kRecord && reader.fields.size() == 1;
      return put_column(w, is_record ? reader.fields[0].type : r, fields[0], depth + 1);
    }
    if (from.type != Type::kRecord || reader.type != Type::kRecord) {
      return refuse(path, "a row needs a record, and the writer's is " + described(from));
    }
    Slots targets = fields;
    if (to != SIZE_MAX) {
      targets.clear();
      for (size_t i = 0; i < type.children.size(); ++i) {
        targets.push_back(
            add_slot(static_cast<int32_t>(to), i, type.children[i], path + "." + type.names[i]));
      }
    }
    // By the writer's fields: the reader's field that each is for.
    std::vector<size_t> field_of(from.fields.size(), SIZE_MAX);
    std::vector<size_t> missing;
    std::vector<size_t> reader_field(type.names.size(), SIZE_MAX);
    for (size_t i = 0; i < type.names.size(); ++i) {
      if (targets[i] == SIZE_MAX) { continue; }
      const auto it = std::find_if(reader.fields.begin(), reader.fields.end(),
                                   [&](const Field& one) { return one.name == type.names[i]; });
      if (it == reader.fields.end()) {
        return refuse(path, "the reader's schema has no field '" + type.names[i] + "'");
      }
      reader_field[i] = static_cast<size_t>(it - reader.fields.begin());
      const size_t found = find_field(from, *it);
      if (found == SIZE_MAX) {
        missing.push_back(i);
      } else {
        field_of[found] = i;
      }
    }
    for (size_t i = 0; i < from.fields.size(); ++i) {
      if (field_of[i] == SIZE_MAX) {
        put_skip(from.fields[i].type);
        continue;
      }
      TIDEWHEEL_RETURN_IF_ERROR(put_column(from.fields[i].type,
                                           reader.fields[reader_field[field_of[i]]].type,
                                           targets[field_of[i]], depth + 1));
    }
    for (const size_t i : missing) {
      TIDEWHEEL_RETURN_IF_ERROR(put_default(reader.fields[reader_field[i]], targets[i], depth));
    }
    return {};
  }

  Status put_default(const Field& field, size_t to, int32_t depth) {
    const LogicalType& type = slot(to).type;
    if (!field.has_default) {
      if (!type.nullable) {
        return refuse(slot(to).path, "the writer has no such field, and it has no default");
      }
      emit(Op::kNull, to);
      return {};
    }
    // A default is read as if the reader's schema had written it; its texts have to last.
    const Text bytes = out_.lasting_->copy(field.default_bytes);
    out_.defaults_.push_back(bytes);
    const uint32_t at = emit(Op::kDefault, to, 0, out_.defaults_.size() - 1);
    const uint32_t jump = emit(Op::kJump);
    step(at).a = label();
    ColumnCompiler inner(reader_, reader_);
    std::swap(inner.out_, out_);
    const Status status = inner.put_column(field.type, field.type, to, depth + 1);
    inner.emit(Op::kReturn);
    const Status rest = status.ok() ? inner.put_subroutines() : status;
    std::swap(inner.out_, out_);
    TIDEWHEEL_RETURN_IF_ERROR(rest);
    step(jump).a = label();
    return {};
  }

  Status put_list(NodeIndex w, NodeIndex r, const LogicalType& type, size_t to, int32_t depth) {
    const Node& from = writer_.node(w);
    const Node& reader = reader_.node(r);
    const bool is_array = type.kind == TypeKind::kArray;
    const Type wanted = is_array ? Type::kArray : Type::kMap;
    if (from.type != wanted || reader.type != wanted) {
      return refuse(slot(to).path, type.to_string() + " needs an " +
                                       std::string(type_name(wanted)) + ", and the writer's is " +
                                       described(from));
    }
    if (!is_array && !type.children[0].is_character()) {
      return refuse(slot(to).path, "keys of maps must be strings");
    }
    const bool is_empty = is_array && takes_no_bytes(from.children[0], 0);
    const uint32_t at = emit(is_array ? Op::kArray : Op::kMap, to, 0, is_empty ? 1 : 0);
    const LogicalType element = type.kind == TypeKind::kMultiset
                                    ? LogicalType::of(TypeKind::kInt, false)
                                    : type.children[is_array ? 0 : 1];
    const auto parent = static_cast<int32_t>(to);
    if (!is_array) { add_slot(parent, 0, type.children[0], slot(to).path + ".key"); }
    const size_t child =
        add_slot(parent, is_array ? 0 : 1, element, slot(to).path + (is_array ? "[]" : ".value"));
    step(at).slot = static_cast<uint32_t>(to);
    const uint32_t jump = emit(Op::kJump);
    step(at).a = label();
    TIDEWHEEL_RETURN_IF_ERROR(put_column(from.children[0], reader.children[0], child, depth + 1));
    emit(Op::kReturn);
    step(jump).a = label();
    return {};
  }

  Status put_scalar(const Node& from, const Node& reader, const LogicalType& type, size_t to) {
    const auto no = [&] {
      return refuse(slot(to).path,
                    type.as_nullable().to_string() + " can't be read from " + described(from));
    };
    switch (type.kind) {
      case TypeKind::kBoolean:
        if (from.type != Type::kBoolean) { return no(); }
        emit(Op::kBoolean, to);
        return {};
      case TypeKind::kTinyint:
      case TypeKind::kSmallint:
      case TypeKind::kInt:
      case TypeKind::kBigint: {
        if (!is_whole(from.type)) { return no(); }
        const auto width = static_cast<int>(type.kind) - static_cast<int>(TypeKind::kTinyint);
        emit(static_cast<Op>(static_cast<int>(Op::kInt8) + width), to);
        return {};
      }
      case TypeKind::kFloat:
      case TypeKind::kDouble: return put_real(from, type, to) ? Status() : no();
      case TypeKind::kDecimal: return put_decimal(from, to) ? Status() : no();
      case TypeKind::kChar:
      case TypeKind::kVarchar:
      case TypeKind::kBinary:
      case TypeKind::kVarbinary: return put_text(from, type, to) ? Status() : no();
      case TypeKind::kDate:
        if (from.type != Type::kInt) { return no(); }
        emit(Op::kInt32, to);
        return {};
      case TypeKind::kTime:
        if (from.type != Type::kInt && from.logical != Logical::kTimeMicros) { return no(); }
        emit(from.type == Type::kInt ? Op::kTimeMillis : Op::kTimeMicros, to);
        return {};
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampLtz: return put_timestamp(from, reader, type, to) ? Status() : no();
      default: return no();
    }
  }
  bool put_real(const Node& from, const LogicalType& type, size_t to) {
    const bool is_double = type.kind == TypeKind::kDouble;
    if (is_whole(from.type)) {
      emit(is_double ? Op::kDoubleOfLong : Op::kFloatOfLong, to);
    } else if (from.type == Type::kFloat) {
      emit(is_double ? Op::kDoubleOfFloat : Op::kFloat, to);
    } else if (from.type == Type::kDouble && is_double) {
      emit(Op::kDouble, to);
    } else {
      return false;
    }
    return true;
  }
  bool put_decimal(const Node& from, size_t to) {
    const auto scale = static_cast<size_t>(from.scale);
    if (is_whole(from.type)) {
      emit(Op::kDecimalOfLong, to);
    } else if (from.logical != Logical::kDecimal) {
      return false;
    } else if (from.type == Type::kBytes) {
      emit(Op::kDecimal, to, 0, scale);
    } else {
      emit(Op::kFixedDecimal, to, from.size, scale);
    }
    return true;
  }
  bool put_text(const Node& from, const LogicalType& type, size_t to) {
    if (from.type == Type::kString || from.type == Type::kBytes) {
      emit(Op::kText, to);
    } else if (from.type == Type::kFixed && type.is_bytes()) {
      emit(Op::kFixedText, to, from.size);
    } else if (from.type == Type::kEnum && type.is_character()) {
      emit(Op::kSymbol, to, out_.symbols_.size(), from.symbols.size());
      for (const std::string& symbol : from.symbols) {
        out_.symbols_.push_back(out_.lasting_->copy(symbol));
      }
    } else {
      return false;
    }
    return true;
  }
  // A long that says nothing of its unit has the reader's.
  bool put_timestamp(const Node& from, const Node& reader, const LogicalType& type, size_t to) {
    if (from.type != Type::kLong) { return false; }
    int64_t units = units_of(from.logical);
    if (units == 0) { units = units_of(reader.logical); }
    if (units == 0) { units = 1'000; }
    const int64_t wanted = type.units_per_second();
    if (units == wanted) {
      emit(Op::kInt64, to);
      return true;
    }
    emit(Op::kScaled, to, out_.scales_.size());
    out_.scales_.push_back(
        {wanted > units ? wanted / units : 1, units > wanted ? units / wanted : 1});
    return true;
  }

  // ---- Values that nobody asks for.

  void put_skip(NodeIndex w) {
    const Node& node = writer_.node(w);
    if (takes_no_bytes(w, 0)) { return; }
    const auto put_or_add = [&](Op op, uint32_t count) {
      // Behind a jump's target nothing may be merged with what is before.
      constexpr uint32_t kMergedMax = 1 << 20;
      if (!out_.steps_.empty() && out_.steps_.back().op == op && here() != barrier_ &&
          out_.steps_.back().a < kMergedMax && count < kMergedMax) {
        out_.steps_.back().a += count;
      } else {
        emit(op, 0, count);
      }
    };
    switch (node.type) {
      case Type::kNull: return;
      case Type::kBoolean: return put_or_add(Op::kSkipFixed, 1);
      case Type::kInt:
      case Type::kLong:
      case Type::kEnum: return put_or_add(Op::kSkipLongs, 1);
      case Type::kFloat: return put_or_add(Op::kSkipFixed, 4);
      case Type::kDouble: return put_or_add(Op::kSkipFixed, 8);
      case Type::kFixed: return put_or_add(Op::kSkipFixed, node.size);
      case Type::kBytes:
      case Type::kString: emit(Op::kSkipBytes); return;
      case Type::kRecord:
      case Type::kArray:
      case Type::kMap:
      case Type::kUnion: calls_.push_back({emit(Op::kCall), w}); return;
    }
  }
  // The steps that pass over types with types inside: once for each type, so that recursive ones
  // end and those that are used in many places are not many.
  Status put_subroutines() {
    std::map<NodeIndex, uint32_t> made;
    while (!calls_.empty()) {
      const auto [call, type] = calls_.back();
      calls_.pop_back();
      const auto it = made.find(type);
      if (it != made.end()) {
        step(call).a = it->second;
        continue;
      }
      step(call).a = label();
      made[type] = here();
      put_skip_steps(type);
      emit(Op::kReturn);
      if (out_.steps_.size() > kStepsMax) { return refuse("", "it is too large"); }
    }
    return {};
  }
  void put_skip_steps(NodeIndex w) {
    const Node& node = writer_.node(w);
    switch (node.type) {
      case Type::kRecord:
        for (const Field& field : node.fields) { put_skip(field.type); }
        return;
      case Type::kArray:
      case Type::kMap: {
        const bool is_map = node.type == Type::kMap;
        const bool is_empty = !is_map && takes_no_bytes(node.children[0], 0);
        emit(Op::kSkipList, 0, here() + 2, is_empty ? 1 : 0);
        emit(Op::kReturn);
        label();
        if (is_map) { emit(Op::kSkipBytes); }
        put_skip(node.children[0]);
        return;
      }
      default: break;
    }
    const size_t first = out_.jumps_.size();
    out_.jumps_.resize(first + node.children.size());
    emit(Op::kBranch, SIZE_MAX, first, node.children.size());
    for (size_t i = 0; i < node.children.size(); ++i) {
      out_.jumps_[first + i] = label();
      put_skip(node.children[i]);
      emit(Op::kReturn);
    }
  }

  // Whether a value may have no bytes at all.
  bool takes_no_bytes(NodeIndex w, int32_t depth) {
    const Node& node = writer_.node(w);
    if (node.type == Type::kNull) { return true; }
    if (node.type == Type::kFixed) { return node.size == 0; }
    if (node.type != Type::kRecord) { return false; }
    if (depth > kCompileDepthMax) { return true; }
    if (is_empty_[w] < 0) {
      is_empty_[w] = 1;  // for a record within itself
      for (const Field& field : node.fields) {
        if (!takes_no_bytes(field.type, depth + 1)) {
          is_empty_[w] = 0;
          break;
        }
      }
    }
    return is_empty_[w] == 1;
  }

  const Schema& writer_;
  const Schema& reader_;
  ColumnDecoder out_;
  std::vector<PendingCall> calls_;
  uint32_t barrier_ = 0;
  std::vector<int8_t> is_empty_;  // by the writer's nodes; -1: not known
};

Result<ColumnDecoder> ColumnDecoder::compile(const Schema& writer, const Schema& reader,
                                             const DecodedRow& row) {
  return ColumnCompiler(writer, reader).compile(row);
}

}  // namespace tidewheel::avro
