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

enum class FunctionKind : int32_t { kScalar = 1, kTable = 2 };

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
