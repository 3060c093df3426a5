// Reads messages of Protocol Buffers straight into columns. The schema and the columns' types are
// resolved once, into a table for each message and place; a field costs a look at its tag, which is
// most often the one behind the field before, and a jump to what reads its value.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/status.h"
#include "tidewheel/formats/protobuf/schema.h"
#include "tidewheel/formats/protobuf/wire.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"

namespace tidewheel::protobuf {

struct ReadOptions {
  // What is absent is the default of the schema, and not NULL.
  bool defaults = false;
  // Columns that may be NULL are so where the message has no such field; else that is an error.
  bool may_lack = false;
};

// What is done with a value.
enum class Op : uint8_t {
  kSkip,  // nobody asks for it
  kInt32,
  kInt64,
  kDouble,
  kText,
  kUtf8,       // text that has to be UTF-8
  kNumber,     // any other whole number, or truth value, into any other column of numbers
  kReal,       // a float
  kSymbol,     // the name of a value of symbols_[a]
  kMessage,    // into a row: tables_[a]
  kTimestamp,  // a message that is a point in time
  kList,       // elements by `element`
  kMap,        // entries: tables_[a]
};

// The message with what is there several times put together, as if its writer had done so: messages
// merged, of a oneof the last one, of entries with one key the last one.
struct Merging {
  struct Single {
    uint32_t number = 0;
    int32_t oneof = -1;
    uint32_t wire = 0;  // of one value
    bool is_message = false;
    bool is_group = false;
    bool is_map = false;
    Kind key = Kind::kInt32;  // of maps
  };
  std::vector<Single> fields;  // by number
};
// False: the bytes are no message.
bool merge_message(const Merging& merging, std::string_view bytes, std::string& merged);

// One for each schema. One thread.
class ColumnDecoder {
 public:
  // Errors: kFormatSchema, naming the column: one that the message has no field for, or one of
  // another type.
  static Result<ColumnDecoder> compile(const Schema& schema, const DecodedRow& row,
                                       const ReadOptions& options);

  // The columns to write, until they are another batch's.
  void bind(RowBatch<ColumnRow>& rows);
  // Reads a message to row `row`, the one behind those written, for which there must be room; Text
  // points into the bytes, or into the batch. When it answers false, see fault(); what was appended
  // is for drop_row.
  bool decode(std::string_view message, uint32_t row);
  void drop_row(RowBatch<ColumnRow>& rows, uint32_t row) const;
  // What is wrong: "column 'a.b': ...".
  const std::string& fault() const { return fault_; }

 private:
  friend class ColumnCompiler;
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Slot {
    int32_t parent = -1;  // the slot of which it is a child; -1: a column of the batch
    size_t index = 0;     // which child, or which column
    LogicalType type;
    std::string path;  // for messages
  };
  // A field of a message. Where a value goes: to `slot`, or, of a list, to its element's.
  struct Entry {
    uint32_t tag = 0;   // as writers of this schema have it
    uint32_t wire = 0;  // of one value
    Op op = Op::kSkip;
    Op element = Op::kSkip;
    Kind kind = Kind::kInt32;
    bool is_closed = false;  // numbers that are no values of the enum are as if absent
    uint32_t slot = kNone;
    uint32_t element_slot = kNone;
    uint32_t a = 0;
    int32_t oneof = -1;
    uint32_t number() const { return tag >> 3; }
    bool is_list() const { return op >= Op::kList; }
    // Readers take its elements packed and one by one, whatever the schema says.
    bool is_packable() const { return op == Op::kList && wire != kSized && wire != kBeginGroup; }
  };
  // What becomes of a column whose field is absent.
  struct Absent {
    uint32_t entry = 0;
    bool is_null = false;
    uint64_t bits = 0;  // a number
    Text text;          // in lasting_
  };
  struct Table {
    std::vector<Entry> entries;                 // by number
    std::vector<uint16_t> by_number;            // index of the entry + 1, of small numbers
    std::vector<Absent> absents;                // of fields that are wanted, but for lists
    std::vector<uint32_t> lists;                // entries
    std::vector<uint32_t> lacking;              // slots without a field
    std::vector<uint32_t> required;             // entries
    std::vector<std::vector<uint32_t>> oneofs;  // entries
    Merging merging;
    bool is_entry = false;
    bool lists_are_null = false;  // those without elements
  };
  struct Symbols {
    std::vector<Text> dense;                       // of 0, 1, ..; null: none
    std::vector<std::pair<int32_t, Text>> others;  // by number
    const Text* find(int32_t number) const;
  };
  // Where a message is being read.
  struct Frame {
    const Table& table;
    std::string_view bytes;
    uint32_t row;
    int32_t depth;
    uint64_t* seen;  // by entry
    bool has(uint32_t entry) const { return (seen[entry / 64] >> (entry % 64) & 1) != 0; }
    void set(uint32_t entry) const { seen[entry / 64] |= uint64_t{1} << (entry % 64); }
    void forget(uint32_t entry) const { seen[entry / 64] &= ~(uint64_t{1} << (entry % 64)); }
  };
  // What reading a message or a field has come to.
  enum class Found : uint8_t { kValue, kUnknown, kFault, kMerge };

  bool read_message(std::string_view bytes, uint32_t table, uint32_t row, int32_t depth,
                    bool is_merged);
  Found read_fields(const Frame& frame);
  Found read_field(const Frame& frame, const Entry& entry, WireReader& in);
  Found finish(const Frame& frame);
  Found finish_list(const Frame& frame, const Entry& entry);
  bool merge_and_read(const Frame& frame, uint32_t table);
  void drop_fields(const Frame& frame);
  void leave_oneof(const Frame& frame, const Entry& entry);
  static const Entry* find(const Table& table, uint32_t tag);

  Found read_value(Op op, const Entry& entry, uint32_t slot, uint32_t row, WireReader& in);
  Found read_nested(const Frame& frame, const Entry& entry, uint32_t tag, WireReader& in);
  Found read_elements(const Frame& frame, const Entry& entry, uint32_t tag, WireReader& in);
  Found read_packed(const Entry& entry, std::string_view bytes);
  Found read_map_entry(const Frame& frame, const Entry& entry, WireReader& in);
  Found put_number(const Entry& entry, uint32_t slot, uint32_t row, WireReader& in);
  Found put_real(uint32_t slot, uint32_t row, WireReader& in);
  Found put_symbol(const Entry& entry, uint32_t slot, uint32_t row, WireReader& in);
  Found put_timestamp(const Entry& entry, std::string_view bytes, uint32_t row);
  bool put_absent(const Frame& frame, const Absent& absent);
  Found store_number(uint32_t slot, uint32_t row, uint64_t bits, bool is_unsigned);
  static bool read_number(Kind kind, WireReader& in, uint64_t& bits);
  bool keys_are_distinct(const Entry& entry, uint32_t first, uint32_t end) const;
  Found wrong(uint32_t slot, std::string why);
  Found cut_short(uint32_t slot);

  std::vector<Table> tables_;
  std::vector<Slot> slots_;
  std::vector<Column*> columns_;  // by slot
  std::vector<Symbols> symbols_;
  ArenaRef lasting_;  // the symbols' bytes, and those of defaults
  std::vector<size_t> targets_;
  bool shares_ = false;  // whether Text may point into lasting_
  RowBatch<ColumnRow>* rows_ = nullptr;
  int64_t merge_bytes_left_ = 0;
  bool entry_is_unknown_ = false;  // the entry of a map that was read last
  std::string fault_;
};

}  // namespace tidewheel::protobuf
