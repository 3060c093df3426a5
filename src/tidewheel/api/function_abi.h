// What crosses the border between the engine and users' SQL functions: plain data and pointers to
// functions, so that a library's compiler and standard library need not be the engine's. Written by
// api/function_library.h, read by sql/user_function.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tidewheel/types/column.h"

namespace tidewheel::abi {

// Counted up when an older library could be misunderstood; entries and frames may get fields behind
// those they have without that.
inline constexpr int32_t kFunctionAbi = 1;

struct ValueSink;

// What the engine does for a sink. None of them throws.
struct SinkCalls {
  // Room for rows [0, rows), of the children of rows too; pointers may change.
  void (*ensure)(ValueSink* sink, uint32_t rows);
  // Makes `validity`.
  void (*make_validity)(ValueSink* sink);
  // Bytes that live as long as the values.
  char* (*allocate)(ValueSink* sink, size_t bytes);
};

// Where the values of one column go (types/column.h says how they lie). Rows are written in order.
struct ValueSink {
  void* values = nullptr;
  uint64_t* validity = nullptr;  // null: there is no NULL so far
  uint32_t* offsets = nullptr;   // of lists
  uint32_t child_rows = 0;       // of lists: elements that are there
  uint32_t capacity = 0;         // rows that there is room for
  ValueSink* children = nullptr;
  uint32_t child_count = 0;
  bool is_list = false;
  const SinkCalls* calls = nullptr;
  void* column = nullptr;  // the engine's
};

// A call for many rows of a function that gives a value for each.
struct CallFrame {
  uint32_t rows = 0;
  const uint8_t* active = nullptr;  // a byte for each row: it is asked for; null: all are
  const ColumnView* arguments = nullptr;
  ValueSink* result = nullptr;
  // Notes why the call fails; the function then answers kFailed.
  void (*fail)(void* engine, const char* text, size_t bytes) = nullptr;
  void* engine = nullptr;
};

// A call of a function that gives a table for each row. It takes rows from `row` on until `end`, or
// until it has made `rows_max` rows, and moves `row`.
struct TableFrame {
  uint32_t row = 0;
  uint32_t end = 0;
  uint32_t rows_max = 0;
  const ColumnView* arguments = nullptr;
  ValueSink* columns = nullptr;
  // `count` rows more were made of `row`.
  void (*made)(void* engine, uint32_t row, uint32_t count) = nullptr;
  void (*fail)(void* engine, const char* text, size_t bytes) = nullptr;
  void* engine = nullptr;
};

inline constexpr int32_t kOk = 0;
inline constexpr int32_t kFailed = 1;

// Which results a call of an aggregate function gives.
inline constexpr int32_t kNoResults = 0;
inline constexpr int32_t kResultsAfter = 1;   // after row i
inline constexpr int32_t kResultsAround = 2;  // before row i and, in the next row, after it

// A call of an aggregate function for many rows. The accumulator of row i's group is plain memory
// at cells[i] + offset; or it is bytes, as the function has written them, none at first.
struct AggregateFrame {
  uint32_t rows = 0;
  std::byte* const* cells = nullptr;
  size_t offset = 0;
  bool adds = true;                       // else results are asked for, and nothing else
  bool is_ascending = true;               // each row is there once, in order
  const uint32_t* row_numbers = nullptr;  // in the columns of the arguments
  const int8_t* weights = nullptr;        // 1: add, -1: take back, 0: pass over; null: all are 1
  const uint8_t* resets = nullptr;        // after which rows the group begins anew; null: none
  const ColumnView* arguments = nullptr;
  int32_t wanted = kNoResults;
  ValueSink* results = nullptr;
  uint32_t result_at = 0;  // the first result of row i is in row result_at + result_stride * i
  uint32_t result_stride = 1;
  // Bytes of row i's group, valid until the next call of either; and what they become.
  const char* (*load)(void* engine, uint32_t row, size_t* bytes) = nullptr;
  void (*store)(void* engine, uint32_t row, const char* state, size_t bytes) = nullptr;
  void (*fail)(void* engine, const char* text, size_t bytes) = nullptr;
  void* engine = nullptr;
};

// One accumulator of an aggregate function.
struct StateFrame {
  char* state = nullptr;  // plain memory, or bytes
  size_t state_bytes = 0;
  // What is merged in, in the same form; what is decoded, as bytes.
  const char* other = nullptr;
  size_t other_bytes = 0;
  // What a merge of bytes, or encoding, gives.
  void (*store)(void* engine, const char* state, size_t bytes) = nullptr;
  void (*fail)(void* engine, const char* text, size_t bytes) = nullptr;
  void* engine = nullptr;
};

struct AggregateCalls {
  const char* state_type = nullptr;  // of the accumulator: another one can't be read
  uint32_t state_bytes = 0;          // of plain memory, a multiple of 8; 0: it is bytes
  bool has_retract = false;          // takes rows back
  int32_t (*accumulate)(const void* function, AggregateFrame* frame) = nullptr;
  int32_t (*merge)(const void* function, StateFrame* frame) = nullptr;
  // Of plain memory only.
  int32_t (*init)(const void* function, StateFrame* frame) = nullptr;
  int32_t (*encode)(const void* function, StateFrame* frame) = nullptr;
  int32_t (*decode)(const void* function, StateFrame* frame) = nullptr;
};

// Where the value of one asynchronous call goes: one of them is called, once, on any thread.
struct AsyncCall {
  void (*complete)(void* engine, const char* bytes, size_t size) = nullptr;
  void (*fail)(void* engine, const char* text, size_t bytes) = nullptr;
  void* engine = nullptr;
};

struct AsyncFrame {
  uint32_t row = 0;
  const ColumnView* arguments = nullptr;  // until the function returns
  AsyncCall call;
};

struct AsyncCalls {
  void (*call)(const void* function, const AsyncFrame* frame) = nullptr;
  // Puts the bytes of a value into a row of a column.
  int32_t (*write)(const char* bytes, size_t size, ValueSink* sink, uint32_t row) = nullptr;
};

enum class FunctionKind : int32_t { kScalar = 1, kTable = 2, kAggregate = 3, kAsync = 4 };

enum FunctionFlags : uint32_t {
  kIsVolatile = 1,  // may give another value for the same arguments
  kTakesNulls = 2,  // is called with NULLs; else a NULL argument gives NULL, or no rows
  kNeverFails = 4,  // cheap, and may be called for rows that nobody asks for
};

// One function. Types are written as in SQL. Several entries of one name are overloads.
struct FunctionEntry {
  const char* name = nullptr;
  FunctionKind kind = FunctionKind::kScalar;
  uint32_t flags = 0;
  const char* const* argument_types = nullptr;
  uint32_t argument_count = 0;
  const char* result_type = nullptr;  // of a table: ROW<..> of its columns
  const void* function = nullptr;     // handed to the calls
  int32_t (*call)(const void* function, CallFrame* frame) = nullptr;         // kScalar
  int32_t (*call_table)(const void* function, TableFrame* frame) = nullptr;  // kTable
  const AggregateCalls* aggregate = nullptr;                                 // kAggregate
  const AsyncCalls* async = nullptr;                                         // kAsync
};

// What a library's entry point gives; it lives as long as the library.
struct FunctionTable {
  int32_t abi = kFunctionAbi;
  uint32_t entry_bytes = sizeof(FunctionEntry);  // entries lie so far apart
  uint32_t count = 0;
  const FunctionEntry* entries = nullptr;
};

// extern "C" const FunctionTable* tidewheel_plugin_functions();
inline constexpr const char* kFunctionsEntryPoint = "tidewheel_plugin_functions";
using FunctionsEntryPoint = const FunctionTable* (*)();

}  // namespace tidewheel::abi
