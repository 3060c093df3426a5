#include "tidewheel/formats/avro/column_decoder.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/types/decimal.h"

namespace tidewheel::avro {
namespace {

bool are_distinct(const Text* begin, const Text* end) {
  constexpr std::ptrdiff_t kFew = 16;
  if (end - begin > kFew) {
    std::unordered_set<std::string_view> seen;
    return std::all_of(begin, end, [&](const Text& key) { return seen.insert(key.view()).second; });
  }
  for (const Text* key = begin; key != end; ++key) {
    if (std::find(begin, key, *key) != key) { return false; }
  }
  return true;
}

}  // namespace

void ColumnDecoder::bind(ColumnBatch& rows) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    columns_[i] = slot.parent < 0 ? &rows.column(slot.index)
                                  : &columns_[static_cast<size_t>(slot.parent)]->child(slot.index);
  }
  if (symbols_.empty() && defaults_.empty()) { return; }
  const std::vector<ArenaRef>& shared = rows.shared_arenas();
  if (std::find(shared.begin(), shared.end(), lasting_) == shared.end()) {
    rows.share_arena(lasting_);
  }
}

bool ColumnDecoder::decode(WireReader& in, uint32_t row) {
  empty_left_ = kEmptyElementsMax;
  return run(in, 0, row, 0);
}

void ColumnDecoder::drop_row(ColumnBatch& rows, uint32_t row) const {
  for (const size_t target : targets_) { rows.column(target).drop_rows(row); }
}

std::string ColumnDecoder::fault() const { return fault_; }

bool ColumnDecoder::wrong(uint32_t slot, std::string why) {
  fault_ = slot >= slots_.size() ? std::move(why) : "column '" + slots_[slot].path + "': " + why;
  return false;
}
bool ColumnDecoder::cut_short(uint32_t slot) {
  return wrong(slot, "the bytes end too early, or are no value of " +
                         slots_[slot].type.as_nullable().to_string());
}

bool ColumnDecoder::null_at(uint32_t slot, uint32_t row) {
  if (!slots_[slot].type.nullable) { return wrong(slot, "there is NULL for what is NOT NULL"); }
  columns_[slot]->append_null(row);
  return true;
}

bool ColumnDecoder::run(WireReader& in, uint32_t at, uint32_t row, int32_t depth) {
  if (depth > kDepthMax) { return wrong(kNoSlot, "values are nested too deeply"); }
  const Step* const steps = steps_.data();
  for (const Step* step = steps + at;; ++step) {
    switch (step->op) {
      case Op::kReturn: return true;
      case Op::kJump: step = steps + step->a - 1; continue;
      case Op::kCall:
        if (!run(in, step->a, row, depth + 1)) { return false; }
        continue;
      case Op::kFail: return wrong(step->slot, failures_[step->a]);
      case Op::kSkipLongs:
      case Op::kSkipFixed:
      case Op::kSkipBytes:
      case Op::kSkipList:
        if (!skip(in, *step, depth)) { return false; }
        continue;
      case Op::kBranch: {
        int64_t branch = 0;
        if (!in.read_long(branch) || branch < 0 || branch >= step->b) {
          return wrong(step->slot, "the union has no such branch");
        }
        step = steps + jumps_[step->a + static_cast<uint32_t>(branch)] - 1;
        continue;
      }
      case Op::kOptional: {
        int64_t branch = 0;
        if (!in.read_long(branch) || (branch | 1) != 1) [[unlikely]] {
          return wrong(step->slot, "the union has no such branch");
        }
        if (branch != step->b) { continue; }
        if (!null_at(step->slot, row)) { return false; }
        step = steps + step->a - 1;
        continue;
      }
      case Op::kInt32:
        if (!in.read_int(columns_[step->slot]->values<int32_t>()[row])) [[unlikely]] {
          return cut_short(step->slot);
        }
        continue;
      case Op::kInt64:
        if (!in.read_long(columns_[step->slot]->values<int64_t>()[row])) [[unlikely]] {
          return cut_short(step->slot);
        }
        continue;
      case Op::kDouble:
        if (!in.read_fixed(columns_[step->slot]->values<double>()[row])) [[unlikely]] {
          return cut_short(step->slot);
        }
        continue;
      case Op::kText: {
        std::string_view text;
        if (!in.read_bytes(text)) [[unlikely]] { return cut_short(step->slot); }
        columns_[step->slot]->values<Text>()[row] = text;
        continue;
      }
      case Op::kNull:
      case Op::kDefault:
      case Op::kArray:
      case Op::kMap:
        if (!put_nested(in, *step, row, depth)) { return false; }
        continue;
      default:
        if (!put_scalar(in, *step, row)) { return false; }
        continue;
    }
  }
}

bool ColumnDecoder::put_nested(WireReader& in, const Step& step, uint32_t row, int32_t depth) {
  if (step.op == Op::kNull) { return null_at(step.slot, row); }
  if (step.op != Op::kDefault) { return read_list(in, step, row, depth); }
  WireReader value{defaults_[step.b].view()};
  return run(value, step.a, row, depth + 1);
}

// A value that nobody asks for.
bool ColumnDecoder::skip(WireReader& in, const Step& step, int32_t depth) {
  bool good = true;
  int64_t number = 0;
  std::string_view bytes;
  switch (step.op) {
    case Op::kSkipLongs:
      for (uint32_t i = 0; good && i < step.a; ++i) { good = in.read_long(number); }
      break;
    case Op::kSkipFixed: good = in.skip(step.a); break;
    case Op::kSkipBytes: good = in.read_bytes(bytes); break;
    default: return skip_list(in, step, depth);
  }
  return good || wrong(kNoSlot, "the message is cut short");
}

// Whole numbers that have to fit something narrower, or are in other units.
bool ColumnDecoder::put_number(WireReader& in, const Step& step, uint32_t row) {
  Column& column = *columns_[step.slot];
  if (step.op == Op::kBoolean) {
    uint8_t& value = column.values<uint8_t>()[row];
    return (in.read_fixed(value) && value <= 1) || cut_short(step.slot);
  }
  int64_t value = 0;
  if (!in.read_long(value)) { return cut_short(step.slot); }
  const auto misfit = [&] {
    return wrong(step.slot, "this is no " + slots_[step.slot].type.as_nullable().to_string() +
                                ": " + std::to_string(value));
  };
  constexpr int64_t kDayMs = 86'400'000;
  switch (step.op) {
    case Op::kInt8:
      column.values<int8_t>()[row] = static_cast<int8_t>(value);
      return value == static_cast<int8_t>(value) || misfit();
    case Op::kInt16:
      column.values<int16_t>()[row] = static_cast<int16_t>(value);
      return value == static_cast<int16_t>(value) || misfit();
    case Op::kTimeMillis:
    case Op::kTimeMicros: {
      const int64_t ms = step.op == Op::kTimeMicros ? floor_divided(value, 1000) : value;
      column.values<int32_t>()[row] = static_cast<int32_t>(ms);
      return (ms >= 0 && ms < kDayMs) || misfit();
    }
    default: break;
  }
  const Scale& scale = scales_[step.a];
  int64_t& to = column.values<int64_t>()[row];
  if (__builtin_mul_overflow(floor_divided(value, scale.divisor), scale.factor, &to)) {
    return misfit();
  }
  return true;
}

bool ColumnDecoder::put_scalar(WireReader& in, const Step& step, uint32_t row) {
  if (step.op <= Op::kTimeMicros) { return put_number(in, step, row); }
  Column& column = *columns_[step.slot];
  int64_t whole = 0;
  float single = 0;
  std::string_view bytes;
  switch (step.op) {
    case Op::kFloat: return in.read_fixed(column.values<float>()[row]) || cut_short(step.slot);
    case Op::kFloatOfLong:
      if (!in.read_long(whole)) { return cut_short(step.slot); }
      column.values<float>()[row] = static_cast<float>(whole);
      return true;
    case Op::kDoubleOfFloat:
      if (!in.read_fixed(single)) { return cut_short(step.slot); }
      column.values<double>()[row] = static_cast<double>(single);
      return true;
    case Op::kDoubleOfLong:
      if (!in.read_long(whole)) { return cut_short(step.slot); }
      column.values<double>()[row] = static_cast<double>(whole);
      return true;
    case Op::kFixedText:
      bytes = {in.at(), std::min<size_t>(step.a, in.left())};
      if (!in.skip(step.a)) { return cut_short(step.slot); }
      column.values<Text>()[row] = bytes;
      return true;
    case Op::kSymbol:
      if (!in.read_long(whole) || whole < 0 || whole >= step.b) {
        return wrong(step.slot, "the enum has no such symbol");
      }
      column.values<Text>()[row] = symbols_[step.a + static_cast<uint32_t>(whole)];
      return true;
    case Op::kDecimal:
      if (!in.read_bytes(bytes)) { return cut_short(step.slot); }
      return put_decimal(bytes, step, row);
    case Op::kFixedDecimal:
      bytes = {in.at(), std::min<size_t>(step.a, in.left())};
      if (!in.skip(step.a)) { return cut_short(step.slot); }
      return put_decimal(bytes, step, row);
    default: break;
  }
  TIDEWHEEL_CHECK(step.op == Op::kDecimalOfLong, "a step that nobody runs");
  if (!in.read_long(whole)) { return cut_short(step.slot); }
  return put_unscaled(whole, 0, step.slot, row);
}

bool ColumnDecoder::put_decimal(std::string_view bytes, const Step& step, uint32_t row) {
  Int128 unscaled = 0;
  if (!parse_unscaled(bytes, unscaled)) { return null_at(step.slot, row); }
  return put_unscaled(unscaled, step.b, step.slot, row);
}

// What is beyond the precision is NULL.
bool ColumnDecoder::put_unscaled(Int128 unscaled, uint32_t scale, uint32_t slot, uint32_t row) {
  const LogicalType& type = slots_[slot].type;
  const int from = static_cast<int>(std::min<uint32_t>(scale, 1000));
  const auto value = tidewheel::detail::rescale_decimal(unscaled, from, type.scale, type.precision);
  if (!value.has_value()) { return null_at(slot, row); }
  Column& column = *columns_[slot];
  if (column.physical() == Physical::kInt64) {
    column.values<int64_t>()[row] = static_cast<int64_t>(*value);
  } else {
    column.values<Int128>()[row] = *value;
  }
  return true;
}

// The head of a block: how many elements, and their bytes where they are said (else -1).
bool ColumnDecoder::read_block(WireReader& in, bool is_empty, int64_t& count, int64_t& bytes) {
  bytes = -1;
  if (!in.read_long(count) || count == INT64_MIN) { return false; }
  if (count < 0) {
    count = -count;
    if (!in.read_long(bytes) || bytes < 0 || static_cast<uint64_t>(bytes) > in.left()) {
      return false;
    }
  }
  if (!is_empty) { return static_cast<uint64_t>(count) <= in.left(); }
  if (count > empty_left_) { return false; }
  empty_left_ -= count;
  return true;
}

bool ColumnDecoder::skip_list(WireReader& in, const Step& step, int32_t depth) {
  while (true) {
    int64_t count = 0;
    int64_t bytes = 0;
    if (!read_block(in, step.b != 0, count, bytes)) {
      return wrong(kNoSlot, "the message is cut short, or has too many elements");
    }
    if (count == 0) { return true; }
    if (bytes >= 0) {
      static_cast<void>(in.skip(static_cast<size_t>(bytes)));  // they are there
      continue;
    }
    for (int64_t i = 0; i < count; ++i) {
      if (!run(in, step.a, 0, depth + 1)) { return false; }
    }
  }
}

bool ColumnDecoder::read_list(WireReader& in, const Step& step, uint32_t row, int32_t depth) {
  Column& column = *columns_[step.slot];
  const bool is_map = step.op == Op::kMap;
  Column& elements = column.child(is_map ? 1 : 0);
  const uint32_t first = column.child_rows();
  bool good = true;
  while (good) {
    int64_t count = 0;
    int64_t bytes = 0;
    if (!read_block(in, step.b != 0, count, bytes)) {
      good = wrong(step.slot, "the bytes end too early, or there are too many elements");
      break;
    }
    if (count == 0) { break; }
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t element = column.child_rows();
      elements.ensure(element + 1);
      if (is_map) {
        std::string_view key;
        column.child(0).ensure(element + 1);
        if (!in.read_bytes(key)) {
          good = cut_short(step.slot);
          break;
        }
        column.child(0).values<Text>()[element] = key;
      }
      if (!run(in, step.a, element, depth + 1)) {
        good = false;
        break;
      }
      column.set_child_rows(element + 1);
    }
  }
  column.offsets()[row + 1] = column.child_rows();
  if (!good || !is_map) { return good; }
  // Once for all, since looking at each key would take long for maps that have many.
  const uint32_t end = column.child_rows();
  const Text* const keys = column.child(0).values<Text>();
  if (!are_distinct(keys + first, keys + end)) { return wrong(step.slot, "a key is there twice"); }
  return true;
}

}  // namespace tidewheel::avro
