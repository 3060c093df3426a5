// From a schema and columns to the tables by which messages are read.
#include <algorithm>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/protobuf/column_decoder.h"
#include "tidewheel/formats/protobuf/sql_schema.h"

namespace tidewheel::protobuf {
namespace {

constexpr size_t kTablesMax = 10'000;
// Up to this number fields are found by an index.
constexpr uint32_t kIndexedMax = 1024;

}  // namespace

class ColumnCompiler {
 public:
  ColumnCompiler(const Schema& schema, const ReadOptions& options)
      : schema_(schema), options_(options) {
    out_.lasting_ = Arena::create();
  }

  Result<ColumnDecoder> compile(const DecodedRow& row) {
    TIDEWHEEL_RETURN_IF_ERROR(check_columns(schema_, row.message, options_.may_lack));
    std::vector<std::pair<std::string, uint32_t>> wanted;
    for (const DecodedRow::Wanted& one : row.wanted) {
      const std::string& name = row.message.names[one.field];
      wanted.emplace_back(name, add_slot(-1, one.column, row.message.types[one.field], name));
      out_.targets_.push_back(one.column);
    }
    const uint32_t root = add_table(schema_.root(), wanted);
    TIDEWHEEL_CHECK(root == 0, "the message's table comes first");
    if (out_.tables_.size() > kTablesMax) {
      return invalid_argument(ErrorId::kFormatSchema, "schema of Protobuf: it is too large");
    }
    out_.columns_.resize(out_.slots_.size());
    return std::move(out_);
  }

 private:
  using Entry = ColumnDecoder::Entry;
  using Wanted = std::vector<std::pair<std::string, uint32_t>>;  // fields, and their slots

  uint32_t add_slot(int32_t parent, size_t index, const LogicalType& type, std::string path) {
    out_.slots_.push_back({parent, index, type, std::move(path)});
    return static_cast<uint32_t>(out_.slots_.size() - 1);
  }

  uint32_t add_table(const Message& message, const Wanted& wanted) {
    const auto at = static_cast<uint32_t>(out_.tables_.size());
    out_.tables_.emplace_back();
    ColumnDecoder::Table table;
    table.is_entry = message.is_entry;
    table.lists_are_null = !options_.defaults;
    table.oneofs.resize(message.oneofs);
    for (const Field& field : message.fields) {
      const auto it = std::find_if(wanted.begin(), wanted.end(),
                                   [&](const auto& one) { return one.first == field.name; });
      add_field(field, it == wanted.end() ? ColumnDecoder::kNone : it->second, table);
    }
    for (const auto& [name, slot] : wanted) {
      const bool is_there = std::any_of(message.fields.begin(), message.fields.end(),
                                        [&](const Field& one) { return one.name == name; });
      if (!is_there) { table.lacking.push_back(slot); }
    }
    const uint32_t last = message.fields.empty() ? 0 : message.fields.back().number;
    table.by_number.resize(std::min(last, kIndexedMax) + 1);
    for (size_t i = 0; i < table.entries.size(); ++i) {
      const uint32_t number = table.entries[i].number();
      if (number < table.by_number.size()) {
        table.by_number[number] = static_cast<uint16_t>(i + 1);
      }
    }
    out_.tables_[at] = std::move(table);
    return at;
  }

  void add_field(const Field& field, uint32_t slot, ColumnDecoder::Table& table) {
    const auto index = static_cast<uint32_t>(table.entries.size());
    Entry entry;
    entry.kind = field.kind;
    entry.wire = wire_of(field.kind);
    entry.tag = make_tag(field.number, field.is_packed ? uint32_t{kSized} : entry.wire);
    entry.oneof = field.oneof;
    const bool is_map =
        field.is_repeated && is_message(field.kind) && schema_.messages[field.type].is_entry;
    Merging::Single single{.number = field.number, .oneof = field.oneof};
    single.wire = entry.wire;
    single.is_message = !field.is_repeated && is_message(field.kind);
    single.is_group = field.kind == Kind::kGroup;
    single.is_map = is_map;
    if (is_map) { single.key = schema_.messages[field.type].fields[0].kind; }
    table.merging.fields.push_back(single);
    if (field.oneof >= 0) { table.oneofs[static_cast<size_t>(field.oneof)].push_back(index); }
    if (field.is_required) { table.required.push_back(index); }
    if (slot != ColumnDecoder::kNone) {
      entry.slot = slot;
      if (field.is_repeated) {
        add_list(field, is_map, entry);
        table.lists.push_back(index);
      } else {
        entry.op = value_op(field, slot, entry);
        table.absents.push_back(absent(field, table.is_entry, index, entry));
      }
    }
    table.entries.push_back(entry);
  }

  void add_list(const Field& field, bool is_map, Entry& entry) {
    const LogicalType type = out_.slots_[entry.slot].type;
    const std::string path = out_.slots_[entry.slot].path;
    const auto parent = static_cast<int32_t>(entry.slot);
    entry.op = is_map ? Op::kMap : Op::kList;
    if (!is_map) {
      entry.element_slot = add_slot(parent, 0, type.children[0], path + "[]");
      entry.element = value_op(field, entry.element_slot, entry);
      return;
    }
    const uint32_t key = add_slot(parent, 0, type.children[0], path + ".key");
    const uint32_t value = add_slot(parent, 1, type.children[1], path + ".value");
    entry.a = add_table(schema_.messages[field.type], {{"key", key}, {"value", value}});
  }

  // How a value gets into the column; what it needs is added.
  Op value_op(const Field& field, uint32_t slot, Entry& entry) {
    const LogicalType type = out_.slots_[slot].type;
    switch (field.kind) {
      case Kind::kMessage:
      case Kind::kGroup: {
        if (type.is_timestamp()) { return Op::kTimestamp; }
        Wanted wanted;
        for (size_t i = 0; i < type.names.size(); ++i) {
          wanted.emplace_back(type.names[i],
                              add_slot(static_cast<int32_t>(slot), i, type.children[i],
                                       out_.slots_[slot].path + "." + type.names[i]));
        }
        entry.a = add_table(schema_.messages[field.type], wanted);
        return Op::kMessage;
      }
      case Kind::kEnum:
        entry.is_closed = schema_.enums[field.type].is_closed;
        entry.a = add_symbols(schema_.enums[field.type]);
        return type.is_character() ? Op::kSymbol : Op::kNumber;
      case Kind::kString: return field.is_utf8 ? Op::kUtf8 : Op::kText;
      case Kind::kBytes: return Op::kText;
      case Kind::kDouble: return Op::kDouble;
      case Kind::kFloat: return Op::kReal;
      case Kind::kInt32: return type.kind == TypeKind::kInt ? Op::kInt32 : Op::kNumber;
      case Kind::kInt64: return type.kind == TypeKind::kBigint ? Op::kInt64 : Op::kNumber;
      default: return Op::kNumber;
    }
  }

  uint32_t add_symbols(const Enum& from) {
    constexpr int32_t kDenseMax = 1024;
    ColumnDecoder::Symbols made;
    for (const auto& [number, name] : from.values) {
      // Of several names the first is the value's own.
      if (made.find(number) != nullptr) { continue; }
      const Text text = out_.lasting_->copy(name);
      if (number < 0 || number >= kDenseMax) {
        made.others.emplace_back(number, text);
        std::sort(made.others.begin(), made.others.end(),
                  [](const auto& a, const auto& b) { return a.first < b.first; });
        continue;
      }
      const auto index = static_cast<size_t>(number);
      if (index >= made.dense.size()) { made.dense.resize(index + 1); }
      made.dense[index] = text;
    }
    out_.shares_ = true;
    out_.symbols_.push_back(std::move(made));
    return static_cast<uint32_t>(out_.symbols_.size() - 1);
  }

  ColumnDecoder::Absent absent(const Field& field, bool of_entry, uint32_t index,
                               const Entry& entry) {
    ColumnDecoder::Absent made;
    made.entry = index;
    // A message within has no default of its own: its fields have.
    made.is_null = !of_entry && field.has_presence && !options_.defaults;
    made.bits = field.bits;
    const LogicalType& type = out_.slots_[entry.slot].type;
    if (field.kind == Kind::kFloat && type.kind == TypeKind::kDouble) {
      const auto single = std::bit_cast<float>(static_cast<uint32_t>(field.bits));
      made.bits = std::bit_cast<uint64_t>(static_cast<double>(single));
    }
    if (field.kind == Kind::kEnum && type.is_character()) {
      const Text* const name = out_.symbols_[entry.a].find(static_cast<int32_t>(field.bits));
      if (name != nullptr) { made.text = *name; }
    } else if (!field.text.empty()) {
      made.text = out_.lasting_->copy(field.text);
      out_.shares_ = true;
    }
    return made;
  }

  const Schema& schema_;
  const ReadOptions options_;
  ColumnDecoder out_;
};

Result<ColumnDecoder> ColumnDecoder::compile(const Schema& schema, const DecodedRow& row,
                                             const ReadOptions& options) {
  return ColumnCompiler(schema, options).compile(row);
}

}  // namespace tidewheel::protobuf
