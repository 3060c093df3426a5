// Messages that tests and the fuzz target read: fields of every kind, in both of the languages.
#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/protobuf/schema.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::protobuf {

inline constexpr char kEveryKind3[] = R"(
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
enum State { NEW = 0; PAID = 1; GONE = -5; LATER = 5000; }
message Place { string city = 1; optional int32 zip = 2; repeated int64 marks = 3;
  map<string, int32> counts = 4; }
message Every {
  int32 i32 = 1; int64 i64 = 2; uint32 u32 = 3; uint64 u64 = 4; sint32 s32 = 5; sint64 s64 = 6;
  fixed32 f32 = 7; fixed64 f64 = 8; sfixed32 sf32 = 9; sfixed64 sf64 = 10; bool yes = 11;
  State state = 12; float single = 13; double real = 14; string text = 15; bytes blob = 16;
  Place place = 17; google.protobuf.Timestamp at = 18;
  optional int64 maybe = 20; optional string maybe_text = 21; optional State maybe_state = 22;
  repeated int32 numbers = 30; repeated double reals = 31; repeated string texts = 32;
  repeated Place places = 33; repeated State states = 34; repeated bool flags = 35;
  repeated sint64 loose = 36 [packed = false];
  map<string, string> names = 40; map<int64, Place> by_number = 41; map<bool, State> by_flag = 42;
  map<sfixed32, double> by_fixed = 43;
  oneof choice { int64 one_number = 50; string one_text = 51; Place one_place = 52; }
  string far = 100000;
})";
inline constexpr char kEveryKind2[] = R"(
syntax = "proto2";
package shop;
enum Closed { A = 1; B = 2; }
enum Zero { NONE = 0; ONE = 1; }
message Inner { optional int32 x = 1 [default = 7]; repeated Inner2 deep = 2; }
message Inner2 { required string name = 1; optional Closed closed = 2;
  map<int32, Zero> kinds = 3; }
message Every {
  optional int64 number = 1 [default = -3]; optional string text = 2 [default = "none"];
  optional bytes blob = 3 [default = "\001x"]; optional bool yes = 4 [default = true];
  optional float single = 5 [default = 0.5]; optional double real = 6 [default = -2.5];
  optional Closed closed = 7 [default = B]; repeated Closed many = 8;
  repeated Closed packed_many = 9 [packed = true]; optional Inner inner = 10;
  optional group Pair = 11 { optional int32 left = 1; optional string right = 2; }
  repeated group Rows = 12 { optional int32 value = 1; repeated fixed32 cells = 2 [packed = true]; }
  oneof either { Inner as_inner = 20; int32 as_number = 21; Closed as_closed = 22; }
  optional uint64 large = 30;
})";

inline Schema schema_of_text(const std::string& text, const std::string& message) {
  const OpenProto open = [&](const std::string& name) -> Result<std::string> {
    if (name == "test.proto") { return text; }
    return not_found(ErrorId::kFileNotFound, "no such file: {}", name);
  };
  auto schema = schema_of_proto("test.proto", open, {.name = message, .indexes = {}});
  TIDEWHEEL_CHECK(schema.ok(), "{}", schema.status().message());
  return std::move(*schema);
}

inline LogicalType type_of(const Schema& schema, const Field& field, bool is_element = false);
inline LogicalType row_of_message(const Schema& schema, const Message& message) {
  std::vector<std::string> names;
  std::vector<LogicalType> types;
  for (const Field& field : message.fields) {
    names.push_back(field.name);
    types.push_back(type_of(schema, field));
  }
  return LogicalType::row(std::move(names), std::move(types));
}
// The column that holds all that the field can be.
inline LogicalType type_of(const Schema& schema, const Field& field, bool is_element) {
  if (field.is_repeated && !is_element) {
    if (is_message(field.kind) && schema.messages[field.type].is_entry) {
      const Message& entry = schema.messages[field.type];
      return LogicalType::map(type_of(schema, entry.fields[0]), type_of(schema, entry.fields[1]));
    }
    return LogicalType::array(type_of(schema, field, true));
  }
  switch (field.kind) {
    case Kind::kInt32:
    case Kind::kSint32:
    case Kind::kSfixed32: return LogicalType::of(TypeKind::kInt);
    case Kind::kUint64:
    case Kind::kFixed64: return LogicalType::decimal(20, 0);
    case Kind::kBool: return LogicalType::of(TypeKind::kBoolean);
    case Kind::kFloat: return LogicalType::of(TypeKind::kFloat);
    case Kind::kDouble: return LogicalType::of(TypeKind::kDouble);
    case Kind::kEnum:
    case Kind::kString: return LogicalType::string();
    case Kind::kBytes: return LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength);
    case Kind::kMessage:
    case Kind::kGroup: return row_of_message(schema, schema.messages[field.type]);
    default: return LogicalType::of(TypeKind::kBigint);
  }
}
inline RowType columns_of(const Schema& schema) {
  const LogicalType row = row_of_message(schema, schema.root());
  RowType columns;
  for (size_t i = 0; i < row.names.size(); ++i) { columns.add(row.names[i], row.children[i]); }
  return columns;
}

}  // namespace tidewheel::protobuf
