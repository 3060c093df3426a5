#include "tidewheel/connectors/kafka/metadata_columns.h"

#include <algorithm>

namespace tidewheel::kafka {
namespace {

using What = MetadataColumn::What;

struct Known {
  std::string_view key;
  What what;
};
constexpr Known kKnown[] = {{"topic", What::kTopic},
                            {"partition", What::kPartition},
                            {"headers", What::kHeaders},
                            {"leader-epoch", What::kLeaderEpoch},
                            {"offset", What::kOffset},
                            {"timestamp", What::kTimestamp},
                            {"timestamp-type", What::kTimestampType}};

bool is_text(const LogicalType& type) { return type.is_character() || type.is_bytes(); }

// Whether values can be written to a column of this type as they are.
bool fits(What what, const LogicalType& type) {
  switch (what) {
    case What::kTopic:
    case What::kTimestampType: return type.is_character();
    case What::kPartition:
    case What::kLeaderEpoch: return type.kind == TypeKind::kInt || type.kind == TypeKind::kBigint;
    case What::kOffset: return type.kind == TypeKind::kBigint;
    case What::kTimestamp: return type.is_timestamp() || type.kind == TypeKind::kBigint;
    case What::kHeaders:
      return type.kind == TypeKind::kMap && is_text(type.children[0]) && is_text(type.children[1]);
  }
  return false;
}

std::string all_keys() {
  std::string all;
  for (const Known& known : kKnown) {
    if (!all.empty()) { all += ", "; }
    all += known.key;
  }
  return all;
}

void put_integer(const LogicalType& type, int64_t value, Column& column, uint32_t row) {
  if (type.kind == TypeKind::kInt) {
    column.values<int32_t>()[row] = static_cast<int32_t>(value);
  } else {
    column.values<int64_t>()[row] = value;
  }
}

// Of headers with the same name the last one, as in Flink.
void put_headers(const MessageView& view, ColumnBatch& batch, Column& column, uint32_t row,
                 std::vector<Header>& headers) {
  headers.clear();
  view.headers(headers);
  uint32_t elements = column.child_rows();
  Column& names = column.child(0);
  Column& values = column.child(1);
  const auto room = elements + static_cast<uint32_t>(headers.size());
  names.ensure(room);
  values.ensure(room);
  for (size_t i = 0; i < headers.size(); ++i) {
    const bool comes_again =
        std::any_of(headers.begin() + static_cast<ptrdiff_t>(i) + 1, headers.end(),
                    [&](const Header& later) { return later.name == headers[i].name; });
    if (comes_again) { continue; }
    names.values<Text>()[elements] = batch.arena().copy(headers[i].name);
    if (headers[i].value.has_value()) {
      values.values<Text>()[elements] = batch.arena().copy(*headers[i].value);
    } else {
      values.set_null(elements);
    }
    ++elements;
  }
  column.set_child_rows(elements);
  column.offsets()[row + 1] = elements;
}

}  // namespace

RowType message_metadata() {
  RowType type;
  const LogicalType bytes =
      LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength, 0, false);
  type.add("topic", LogicalType::string(false));
  type.add("partition", LogicalType::of(TypeKind::kInt, false));
  type.add("headers", LogicalType::map(bytes, bytes.as_nullable(), false));
  type.add("leader-epoch", LogicalType::of(TypeKind::kInt));
  type.add("offset", LogicalType::of(TypeKind::kBigint, false));
  type.add("timestamp", LogicalType::with(TypeKind::kTimestampLtz, 3, 0, false));
  type.add("timestamp-type", LogicalType::string(false));
  return type;
}

Result<MetadataColumn> metadata_column(const TableColumn& column, size_t batch_column) {
  const auto* const found =
      std::find_if(std::begin(kKnown), std::end(kKnown),
                   [&](const Known& known) { return known.key == column.metadata_key; });
  if (found == std::end(kKnown)) {
    return invalid_argument(ErrorId::kSqlOption,
                            "column '{}': messages have no metadata '{}'; they have {}",
                            column.name, column.metadata_key, all_keys());
  }
  if (!fits(found->what, column.type)) {
    const RowType types = message_metadata();
    return invalid_argument(ErrorId::kSqlType, "column '{}' is {}, and the metadata '{}' are {}",
                            column.name, column.type.to_string(), column.metadata_key,
                            types.types[types.find(column.metadata_key)].to_string());
  }
  return MetadataColumn{found->what, batch_column, column.type};
}

void put_metadata(const MetadataColumn& to, const MessageView& view, ColumnBatch& batch,
                  uint32_t row, std::vector<Header>& scratch) {
  Column& column = batch.column(to.column);
  const Message& message = view.message();
  switch (to.what) {
    case What::kTopic: column.values<Text>()[row] = batch.arena().copy(view.topic()); break;
    case What::kPartition: put_integer(to.type, view.partition(), column, row); break;
    case What::kOffset: put_integer(to.type, message.offset, column, row); break;
    case What::kHeaders: put_headers(view, batch, column, row, scratch); break;
    case What::kLeaderEpoch:
      if (message.leader_epoch < 0) {
        column.set_null(row);
      } else {
        put_integer(to.type, message.leader_epoch, column, row);
      }
      break;
    case What::kTimestamp:
      column.values<int64_t>()[row] =
          to.type.is_timestamp() ? message.timestamp_ms * (to.type.units_per_second() / 1'000)
                                 : message.timestamp_ms;
      break;
    case What::kTimestampType:
      column.values<Text>()[row] =
          message.timestamp_type == TimestampType::kCreateTime      ? Text("CreateTime")
          : message.timestamp_type == TimestampType::kLogAppendTime ? Text("LogAppendTime")
                                                                    : Text("NoTimestampType");
      break;
  }
}

}  // namespace tidewheel::kafka
