// Reads values of Avro straight into columns. Writer's schema, reader's schema and the columns'
// types are resolved once, into a program of steps; a value costs one step for each field that the
// writer has, whether it is read or passed over.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/status.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/formats/avro/wire.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"

namespace tidewheel::avro {

// What a step does. `slot` is the column that it writes, where it writes one.
enum class Op : uint8_t {
  kReturn,     // the end of the program, of an element, or of a default
  kJump,       // to step `a`
  kCall,       // the steps at `a`, up to their kReturn: a record that may hold itself
  kFail,       // values of a branch that the column can't hold
  kSkipLongs,  // `a` of them
  kSkipFixed,  // `a` bytes
  kSkipBytes,  // a size, and so many bytes
  kSkipList,   // elements by the steps at `a`; b: an element takes no byte
  kBranch,     // to one of the `b` steps jumps_[a..], by the index of the union
  kOptional,   // index 1 - `b`: goes on; index `b`: NULL, and on at step `a`
  kNull,       // puts NULL
  kDefault,    // the steps at `a`, which read defaults_[b]
  kBoolean,
  kInt8,  // these four from int and long
  kInt16,
  kInt32,
  kInt64,
  kScaled,  // a point in time: scales_[a]
  kTimeMillis,
  kTimeMicros,
  kFloat,
  kFloatOfLong,
  kDouble,
  kDoubleOfFloat,
  kDoubleOfLong,
  kText,
  kFixedText,     // `a` bytes
  kSymbol,        // of symbols_[a..], `b` of them
  kDecimal,       // bytes; scale `b`
  kFixedDecimal,  // `a` bytes; scale `b`
  kDecimalOfLong,
  kArray,  // elements by the steps at `a`; b: an element takes no byte
  kMap,    // entries: keys to the first child, values by the steps at `a`
};

struct Step {
  Op op = Op::kReturn;
  uint32_t slot = 0;
  uint32_t a = 0;
  uint32_t b = 0;
};

// One for each writer's schema. One thread.
class ColumnDecoder {
 public:
  // Errors: kFormatSchema, naming the field: a field that is NOT NULL which the writer does not
  // have and that has no default, or one of another type.
  static Result<ColumnDecoder> compile(const Schema& writer, const Schema& reader,
                                       const DecodedRow& row);

  // The columns to write, until they are another batch's.
  void bind(RowBatch<ColumnRow>& rows);
  // Reads a value to row `row`, the one behind those written, for which there must be room; Text
  // points into the bytes. When it answers false, see fault(); what was appended is for drop_row.
  bool decode(WireReader& in, uint32_t row);
  void drop_row(RowBatch<ColumnRow>& rows, uint32_t row) const;
  // What is wrong: "column 'a.b': ...".
  std::string fault() const;

 private:
  friend class ColumnCompiler;
  struct Slot {
    int32_t parent = -1;  // the slot of which it is a child; -1: a column of the batch
    size_t index = 0;     // which child, or which column
    LogicalType type;
    std::string path;  // for messages
  };
  struct Scale {
    int64_t factor = 1;
    int64_t divisor = 1;
  };
  static constexpr int32_t kDepthMax = 256;
  static constexpr uint32_t kNoSlot = UINT32_MAX;  // of steps that write no column
  // Elements that take no bytes, such as nulls: so many in one value.
  static constexpr int64_t kEmptyElementsMax = 65536;

  bool run(WireReader& in, uint32_t at, uint32_t row, int32_t depth);
  bool skip(WireReader& in, const Step& step, int32_t depth);
  bool put_nested(WireReader& in, const Step& step, uint32_t row, int32_t depth);
  bool put_number(WireReader& in, const Step& step, uint32_t row);
  bool put_scalar(WireReader& in, const Step& step, uint32_t row);
  bool put_decimal(std::string_view bytes, const Step& step, uint32_t row);
  bool put_unscaled(Int128 unscaled, uint32_t scale, uint32_t slot, uint32_t row);
  bool read_list(WireReader& in, const Step& step, uint32_t row, int32_t depth);
  bool skip_list(WireReader& in, const Step& step, int32_t depth);
  bool read_block(WireReader& in, bool is_empty, int64_t& count, int64_t& bytes);
  bool null_at(uint32_t slot, uint32_t row);
  bool cut_short(uint32_t slot);
  bool wrong(uint32_t slot, std::string why);

  std::vector<Step> steps_;
  std::vector<Slot> slots_;
  std::vector<Column*> columns_;  // by slot
  std::vector<uint32_t> jumps_;
  std::vector<Scale> scales_;
  std::vector<Text> defaults_;  // in lasting_
  std::vector<Text> symbols_;
  std::vector<std::string> failures_;
  ArenaRef lasting_;  // the symbols' bytes, and those of defaults
  std::vector<size_t> targets_;
  int64_t empty_left_ = 0;
  std::string fault_;
};

}  // namespace tidewheel::avro
