#include "tidewheel/formats/protobuf/column_decoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <unordered_set>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/protobuf/utf8.h"

namespace tidewheel::protobuf {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// Of merged messages, for one message: so many times its own bytes, and these.
constexpr int64_t kMergeFactor = 16;
constexpr int64_t kMergeBytesFree = 65536;
// Bits of a small message's fields, which need no allocation.
constexpr size_t kFewWords = 2;

template <class T>
bool are_distinct(const T* begin, const T* end) {
  constexpr std::ptrdiff_t kFew = 16;
  if (end - begin <= kFew) {
    for (const T* key = begin; key != end; ++key) {
      if (std::find(begin, key, *key) != key) { return false; }
    }
    return true;
  }
  if constexpr (std::is_same_v<T, Text>) {
    std::unordered_set<std::string_view> seen;
    return std::all_of(begin, end, [&](const T& key) { return seen.insert(key.view()).second; });
  } else {
    std::unordered_set<T> seen;
    return std::all_of(begin, end, [&](T key) { return seen.insert(key).second; });
  }
}

}  // namespace

const Text* ColumnDecoder::Symbols::find(int32_t number) const {
  if (number >= 0 && static_cast<size_t>(number) < dense.size()) {
    const Text& text = dense[static_cast<size_t>(number)];
    return text.empty() ? nullptr : &text;  // no name is empty
  }
  const auto it = std::lower_bound(others.begin(), others.end(), number,
                                   [](const auto& one, int32_t n) { return one.first < n; });
  return it != others.end() && it->first == number ? &it->second : nullptr;
}

void ColumnDecoder::bind(ColumnBatch& rows) {
  rows_ = &rows;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    columns_[i] = slot.parent < 0 ? &rows.column(slot.index)
                                  : &columns_[static_cast<size_t>(slot.parent)]->child(slot.index);
  }
  if (!shares_) { return; }
  const std::vector<ArenaRef>& shared = rows.shared_arenas();
  if (std::find(shared.begin(), shared.end(), lasting_) == shared.end()) {
    rows.share_arena(lasting_);
  }
}

bool ColumnDecoder::decode(std::string_view message, uint32_t row) {
  merge_bytes_left_ = std::ssize(message) * kMergeFactor + kMergeBytesFree;
  return read_message(message, 0, row, 0, false);
}

void ColumnDecoder::drop_row(ColumnBatch& rows, uint32_t row) const {
  for (const size_t target : targets_) { rows.column(target).drop_rows(row); }
}

ColumnDecoder::Found ColumnDecoder::wrong(uint32_t slot, std::string why) {
  fault_ = slot >= slots_.size() ? std::move(why) : "column '" + slots_[slot].path + "': " + why;
  return Found::kFault;
}
ColumnDecoder::Found ColumnDecoder::cut_short(uint32_t slot) {
  if (slot == kNone) { return wrong(slot, "the message is cut short, or is none"); }
  return wrong(slot, "the bytes end too early, or are no value of " +
                         slots_[slot].type.as_nullable().to_string());
}

const ColumnDecoder::Entry* ColumnDecoder::find(const Table& table, uint32_t tag) {
  const uint32_t number = tag >> 3;
  if (number < table.by_number.size()) {
    const uint16_t index = table.by_number[number];
    return index == 0 ? nullptr : &table.entries[index - 1];
  }
  const auto it = std::lower_bound(table.entries.begin(), table.entries.end(), number,
                                   [](const Entry& one, uint32_t n) { return one.number() < n; });
  return it != table.entries.end() && it->number() == number ? &*it : nullptr;
}

bool ColumnDecoder::read_message(std::string_view bytes, uint32_t table, uint32_t row,
                                 int32_t depth, bool is_merged) {
  const Table& fields = tables_[table];
  if (depth > kDepthMax) {
    wrong(kNone, "messages are nested too deeply");
    return false;
  }
  std::array<uint64_t, kFewWords> few{};
  std::vector<uint64_t> many;
  if (fields.entries.size() > kFewWords * 64) { many.resize(fields.entries.size() / 64 + 1); }
  const Frame frame{fields, bytes, row, depth, many.empty() ? few.data() : many.data()};
  Found found = read_fields(frame);
  if (found == Found::kValue) { found = finish(frame); }
  if (found == Found::kValue) [[likely]] { return true; }
  if (found == Found::kFault) { return false; }
  if (is_merged) {
    wrong(kNone, "a key of a map is there twice");
    return false;
  }
  return merge_and_read(frame, table);
}

ColumnDecoder::Found ColumnDecoder::read_fields(const Frame& frame) {
  const Entry* const begin = frame.table.entries.data();
  const Entry* const end = begin + frame.table.entries.size();
  const Entry* next = begin;
  WireReader in(frame.bytes);
  while (in.left() > 0) {
    uint32_t tag = 0;
    if (!in.read_tag(tag)) [[unlikely]] { return cut_short(kNone); }
    const Entry* entry = next;
    if (next == end || next->tag != tag) [[unlikely]] {
      entry = find(frame.table, tag);
      const uint32_t wire = tag & 7;
      const bool is_known =
          entry != nullptr &&
          (entry->tag == tag || (entry->is_packable() && (wire == kSized || wire == entry->wire)));
      if (!is_known) {
        if (!in.skip(tag)) { return cut_short(kNone); }
        continue;
      }
    }
    Found found = Found::kValue;
    if (entry->op < Op::kMessage) [[likely]] {
      if (entry->op == Op::kSkip) {
        if (!in.skip(tag)) [[unlikely]] { return cut_short(kNone); }
      } else {
        found = read_value(entry->op, *entry, entry->slot, frame.row, in);
      }
    } else {
      found = read_nested(frame, *entry, tag, in);
    }
    if (found != Found::kValue) [[unlikely]] {
      if (found != Found::kUnknown) { return found; }
      entry_is_unknown_ |= frame.table.is_entry;
      continue;
    }
    next = entry->is_list() ? entry : entry + 1;
    if (entry->is_list()) { continue; }
    frame.set(static_cast<uint32_t>(entry - begin));
    if (entry->oneof >= 0) { leave_oneof(frame, *entry); }
  }
  return Found::kValue;
}

// What the oneof was before is no more.
void ColumnDecoder::leave_oneof(const Frame& frame, const Entry& entry) {
  for (const uint32_t other : frame.table.oneofs[static_cast<size_t>(entry.oneof)]) {
    const Entry& old = frame.table.entries[other];
    if (&old == &entry || !frame.has(other)) { continue; }
    frame.forget(other);
    if (old.slot != kNone) { columns_[old.slot]->drop_rows(frame.row); }
  }
}

// Values that have no other values within.
ColumnDecoder::Found ColumnDecoder::read_value(Op op, const Entry& entry, uint32_t slot,
                                               uint32_t row, WireReader& in) {
  switch (op) {
    case Op::kInt32: {
      uint64_t bits = 0;
      if (!in.read_varint(bits)) [[unlikely]] { return cut_short(slot); }
      columns_[slot]->values<int32_t>()[row] = static_cast<int32_t>(bits);
      return Found::kValue;
    }
    case Op::kInt64: {
      uint64_t bits = 0;
      if (!in.read_varint(bits)) [[unlikely]] { return cut_short(slot); }
      columns_[slot]->values<int64_t>()[row] = static_cast<int64_t>(bits);
      return Found::kValue;
    }
    case Op::kDouble:
      if (!in.read_fixed(columns_[slot]->values<double>()[row])) [[unlikely]] {
        return cut_short(slot);
      }
      return Found::kValue;
    case Op::kText: {
      std::string_view text;
      if (!in.read_sized(text)) [[unlikely]] { return cut_short(slot); }
      columns_[slot]->values<Text>()[row] = text;
      return Found::kValue;
    }
    case Op::kUtf8: {
      std::string_view text;
      if (!in.read_sized(text)) [[unlikely]] { return cut_short(slot); }
      if (!is_utf8(text)) [[unlikely]] { return wrong(slot, "the text is not UTF-8"); }
      columns_[slot]->values<Text>()[row] = text;
      return Found::kValue;
    }
    case Op::kNumber: return put_number(entry, slot, row, in);
    case Op::kReal: return put_real(slot, row, in);
    case Op::kSymbol: return put_symbol(entry, slot, row, in);
    default: break;
  }
  TIDEWHEEL_CHECK(false, "an operation that no value has");
  return Found::kFault;
}

ColumnDecoder::Found ColumnDecoder::read_nested(const Frame& frame, const Entry& entry,
                                                uint32_t tag, WireReader& in) {
  if (entry.op == Op::kList) { return read_elements(frame, entry, tag, in); }
  if (entry.op == Op::kMap) { return read_map_entry(frame, entry, in); }
  // The second time a message is there, it is merged with the first.
  if (frame.has(static_cast<uint32_t>(&entry - frame.table.entries.data()))) {
    return Found::kMerge;
  }
  std::string_view bytes;
  if ((tag & 7) == kSized ? !in.read_sized(bytes) : !in.read_group(entry.number(), bytes)) {
    return cut_short(entry.slot);
  }
  if (entry.op == Op::kTimestamp) { return put_timestamp(entry, bytes, frame.row); }
  return read_message(bytes, entry.a, frame.row, frame.depth + 1, false) ? Found::kValue
                                                                         : Found::kFault;
}

ColumnDecoder::Found ColumnDecoder::read_elements(const Frame& frame, const Entry& entry,
                                                  uint32_t tag, WireReader& in) {
  const uint32_t wire = tag & 7;
  std::string_view bytes;
  if (entry.wire != kSized && wire == kSized) {
    if (!in.read_sized(bytes)) { return cut_short(entry.slot); }
    return read_packed(entry, bytes);
  }
  Column& column = *columns_[entry.slot];
  const uint32_t element = column.child_rows();
  columns_[entry.element_slot]->ensure(element + 1);
  Found found = Found::kValue;
  if (entry.element == Op::kMessage || entry.element == Op::kTimestamp) {
    if (wire == kSized ? !in.read_sized(bytes) : !in.read_group(entry.number(), bytes)) {
      return cut_short(entry.slot);
    }
    if (entry.element == Op::kTimestamp) {
      Entry one = entry;
      one.slot = entry.element_slot;
      found = put_timestamp(one, bytes, element);
    } else if (!read_message(bytes, entry.a, element, frame.depth + 1, false)) {
      found = Found::kFault;
    }
  } else {
    found = read_value(entry.element, entry, entry.element_slot, element, in);
  }
  if (found == Found::kValue) { column.set_child_rows(element + 1); }
  return found;
}

ColumnDecoder::Found ColumnDecoder::read_packed(const Entry& entry, std::string_view bytes) {
  Column& column = *columns_[entry.slot];
  Column& elements = *columns_[entry.element_slot];
  uint32_t at = column.child_rows();
  WireReader in(bytes);
  while (in.left() > 0) {
    elements.ensure(at + 1);
    const Found found = read_value(entry.element, entry, entry.element_slot, at, in);
    if (found == Found::kUnknown) { continue; }
    if (found != Found::kValue) { return found; }
    column.set_child_rows(++at);
  }
  return Found::kValue;
}

ColumnDecoder::Found ColumnDecoder::read_map_entry(const Frame& frame, const Entry& entry,
                                                   WireReader& in) {
  std::string_view bytes;
  if (!in.read_sized(bytes)) { return cut_short(entry.slot); }
  Column& column = *columns_[entry.slot];
  const uint32_t element = column.child_rows();
  column.child(0).ensure(element + 1);
  column.child(1).ensure(element + 1);
  entry_is_unknown_ = false;
  if (!read_message(bytes, entry.a, element, frame.depth + 1, false)) { return Found::kFault; }
  if (std::exchange(entry_is_unknown_, false)) {
    column.child(0).drop_rows(element);
    column.child(1).drop_rows(element);
    return Found::kUnknown;
  }
  column.set_child_rows(element + 1);
  return Found::kValue;
}

// ---- Numbers

bool ColumnDecoder::read_number(Kind kind, WireReader& in, uint64_t& bits) {
  const auto widened = [](int64_t value) { return static_cast<uint64_t>(value); };
  uint32_t four = 0;
  switch (kind) {
    case Kind::kFixed32:
    case Kind::kSfixed32:
      if (!in.read_fixed(four)) { return false; }
      bits = kind == Kind::kFixed32 ? four : widened(static_cast<int32_t>(four));
      return true;
    case Kind::kFixed64:
    case Kind::kSfixed64: return in.read_fixed(bits);
    default: break;
  }
  if (!in.read_varint(bits)) { return false; }
  switch (kind) {
    case Kind::kInt32:
    case Kind::kEnum: bits = widened(static_cast<int32_t>(bits)); break;
    case Kind::kUint32: bits = static_cast<uint32_t>(bits); break;
    case Kind::kSint32: bits = widened(unzigzag(static_cast<uint32_t>(bits))); break;
    case Kind::kSint64: bits = widened(unzigzag(bits)); break;
    case Kind::kBool: bits = bits != 0 ? 1 : 0; break;
    default: break;
  }
  return true;
}

// Numbers are never cut: one that does not fit the column is malformed.
ColumnDecoder::Found ColumnDecoder::store_number(uint32_t slot, uint32_t row, uint64_t bits,
                                                 bool is_unsigned) {
  Column& column = *columns_[slot];
  const auto value = static_cast<int64_t>(bits);
  bool fits = !is_unsigned || value >= 0;
  switch (column.physical()) {
    case Physical::kBool: column.values<uint8_t>()[row] = static_cast<uint8_t>(bits); break;
    case Physical::kInt8:
      column.values<int8_t>()[row] = static_cast<int8_t>(value);
      fits = fits && value == static_cast<int8_t>(value);
      break;
    case Physical::kInt16:
      column.values<int16_t>()[row] = static_cast<int16_t>(value);
      fits = fits && value == static_cast<int16_t>(value);
      break;
    case Physical::kInt32:
      column.values<int32_t>()[row] = static_cast<int32_t>(value);
      fits = fits && value == static_cast<int32_t>(value);
      break;
    case Physical::kInt128: column.values<Int128>()[row] = bits; return Found::kValue;
    default: column.values<int64_t>()[row] = value; break;
  }
  if (fits) [[likely]] { return Found::kValue; }
  return wrong(slot, "this is no " + slots_[slot].type.as_nullable().to_string() + ": " +
                         (is_unsigned ? std::to_string(bits) : std::to_string(value)));
}

ColumnDecoder::Found ColumnDecoder::put_number(const Entry& entry, uint32_t slot, uint32_t row,
                                               WireReader& in) {
  uint64_t bits = 0;
  if (!read_number(entry.kind, in, bits)) { return cut_short(slot); }
  if (entry.is_closed && symbols_[entry.a].find(static_cast<int32_t>(bits)) == nullptr) {
    return Found::kUnknown;
  }
  return store_number(slot, row, bits, entry.kind == Kind::kUint64 || entry.kind == Kind::kFixed64);
}

ColumnDecoder::Found ColumnDecoder::put_real(uint32_t slot, uint32_t row, WireReader& in) {
  float single = 0;
  if (!in.read_fixed(single)) { return cut_short(slot); }
  if (columns_[slot]->physical() == Physical::kFloat) {
    columns_[slot]->values<float>()[row] = single;
  } else {
    columns_[slot]->values<double>()[row] = static_cast<double>(single);
  }
  return Found::kValue;
}

ColumnDecoder::Found ColumnDecoder::put_symbol(const Entry& entry, uint32_t slot, uint32_t row,
                                               WireReader& in) {
  uint64_t bits = 0;
  if (!in.read_varint(bits)) { return cut_short(slot); }
  const auto number = static_cast<int32_t>(bits);
  const Text* const name = symbols_[entry.a].find(number);
  if (name != nullptr) [[likely]] {
    columns_[slot]->values<Text>()[row] = *name;
    return Found::kValue;
  }
  if (entry.is_closed) { return Found::kUnknown; }
  columns_[slot]->values<Text>()[row] = rows_->arena().copy(std::to_string(number));
  return Found::kValue;
}

ColumnDecoder::Found ColumnDecoder::put_timestamp(const Entry& entry, std::string_view bytes,
                                                  uint32_t row) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  WireReader in(bytes);
  while (in.left() > 0) {
    uint32_t tag = 0;
    uint64_t bits = 0;
    if (!in.read_tag(tag)) { return cut_short(entry.slot); }
    const bool is_seconds = tag == make_tag(1, kVarint);
    const bool is_nanos = tag == make_tag(2, kVarint);
    if (is_seconds || is_nanos ? !in.read_varint(bits) : !in.skip(tag)) {
      return cut_short(entry.slot);
    }
    if (is_seconds) { seconds = static_cast<int64_t>(bits); }
    if (is_nanos) { nanos = static_cast<int32_t>(bits); }
  }
  const int64_t units = slots_[entry.slot].type.units_per_second();
  int64_t& to = columns_[entry.slot]->values<int64_t>()[row];
  if (nanos < 0 || nanos >= kNanosPerSecond || __builtin_mul_overflow(seconds, units, &to) ||
      __builtin_add_overflow(to, nanos / (kNanosPerSecond / units), &to)) {
    return wrong(entry.slot, "there is no such point in time: " + std::to_string(seconds) +
                                 " s and " + std::to_string(nanos) + " ns");
  }
  return Found::kValue;
}

// ---- What is absent, and the ends of lists

ColumnDecoder::Found ColumnDecoder::finish(const Frame& frame) {
  for (const Absent& absent : frame.table.absents) {
    if (!frame.has(absent.entry) && !put_absent(frame, absent)) [[unlikely]] {
      return Found::kFault;
    }
  }
  for (const uint32_t slot : frame.table.lacking) { columns_[slot]->append_null(frame.row); }
  for (const uint32_t list : frame.table.lists) {
    const Found found = finish_list(frame, frame.table.entries[list]);
    if (found != Found::kValue) [[unlikely]] { return found; }
  }
  for (const uint32_t entry : frame.table.required) {
    if (!frame.has(entry)) {
      return wrong(frame.table.entries[entry].slot,
                   "the field number " + std::to_string(frame.table.entries[entry].number()) +
                       " is required, and absent");
    }
  }
  return Found::kValue;
}

bool ColumnDecoder::put_absent(const Frame& frame, const Absent& absent) {
  const Entry& entry = frame.table.entries[absent.entry];
  Column& column = *columns_[entry.slot];
  const uint32_t row = frame.row;
  if (absent.is_null) {
    if (!slots_[entry.slot].type.nullable) {
      wrong(entry.slot, "the field is absent, and the column NOT NULL");
      return false;
    }
    column.append_null(row);
    return true;
  }
  if (entry.op == Op::kMessage) { return read_message({}, entry.a, row, frame.depth + 1, false); }
  switch (column.physical()) {
    case Physical::kText: column.values<Text>()[row] = absent.text; return true;
    case Physical::kDouble:
      column.values<double>()[row] = std::bit_cast<double>(absent.bits);
      break;
    case Physical::kFloat:
      column.values<float>()[row] = std::bit_cast<float>(static_cast<uint32_t>(absent.bits));
      break;
    default:
      return store_number(entry.slot, row, absent.bits,
                          entry.kind == Kind::kUint64 || entry.kind == Kind::kFixed64) ==
             Found::kValue;
  }
  return true;
}

ColumnDecoder::Found ColumnDecoder::finish_list(const Frame& frame, const Entry& entry) {
  Column& column = *columns_[entry.slot];
  const uint32_t first = column.offsets()[frame.row];
  const uint32_t end = column.child_rows();
  if (first == end) {
    if (frame.table.lists_are_null && slots_[entry.slot].type.nullable) {
      column.append_null(frame.row);
    } else {
      column.offsets()[frame.row + 1] = end;
    }
    return Found::kValue;
  }
  column.offsets()[frame.row + 1] = end;
  if (entry.op == Op::kMap && !keys_are_distinct(entry, first, end)) { return Found::kMerge; }
  return Found::kValue;
}

bool ColumnDecoder::keys_are_distinct(const Entry& entry, uint32_t first, uint32_t end) const {
  Column& keys = columns_[entry.slot]->child(0);
  return with_physical(keys.physical(), [&]<class T>() {
    if constexpr (std::is_same_v<T, Int128> || std::is_floating_point_v<T>) {
      return true;  // keys are of other types
    } else {
      return are_distinct(keys.values<T>() + first, keys.values<T>() + end);
    }
  });
}

// Forgets what was read of a message.
void ColumnDecoder::drop_fields(const Frame& frame) {
  for (const Entry& entry : frame.table.entries) {
    if (entry.slot != kNone) { columns_[entry.slot]->drop_rows(frame.row); }
  }
  for (const uint32_t slot : frame.table.lacking) { columns_[slot]->drop_rows(frame.row); }
}

bool ColumnDecoder::merge_and_read(const Frame& frame, uint32_t table) {
  merge_bytes_left_ -= std::ssize(frame.bytes);
  std::string merged;
  if (merge_bytes_left_ < 0) {
    wrong(kNone, "messages in it are there several times, too often to be merged");
    return false;
  }
  if (!merge_message(frame.table.merging, frame.bytes, merged)) {
    cut_short(kNone);
    return false;
  }
  drop_fields(frame);
  const Text kept = rows_->arena().copy(merged);
  return read_message(kept, table, frame.row, frame.depth, true);
}

}  // namespace tidewheel::protobuf
