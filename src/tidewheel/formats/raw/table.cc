#include "tidewheel/formats/raw/table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel {
namespace {

struct RawPlan {
  LogicalType type;
  size_t column = 0;  // of the batch
  bool wanted = true;
  bool swaps = false;  // the bytes of numbers are in the other order than in memory
};

template <class T>
void swap_bytes(T& value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  std::reverse(bytes, bytes + sizeof(T));
  std::memcpy(&value, bytes, sizeof(T));
}

class RawDecoder final : public RowDecoder {
 public:
  explicit RawDecoder(RawPlan plan) : plan_(std::move(plan)) {}

  Result<bool> decode(Text message, ColumnBatch& rows) override {
    const uint32_t row = rows.size();
    rows.ensure_room(1);
    if (plan_.wanted) {
      Column& column = rows.column(plan_.column);
      if (column.physical() == Physical::kText) {
        column.values<Text>()[row] = message;
      } else if (!put_number(message, column, row)) {
        return invalid_argument(ErrorId::kRecordMalformed,
                                "a message of {} bytes is no {}, which has {}", message.size(),
                                plan_.type.to_string(), physical_bytes(column.physical()));
      }
    }
    rows.set_size(row + 1);
    return true;
  }

 private:
  bool put_number(Text message, Column& column, uint32_t row) const {
    return with_physical(column.physical(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, Text>) {
        T& value = column.values<T>()[row];
        if (message.size() != sizeof(T)) { return false; }
        std::memcpy(&value, message.data(), sizeof(T));
        if (plan_.swaps) { swap_bytes(value); }
        if (column.physical() == Physical::kBool) { value = value != 0 ? 1 : 0; }
      }
      return true;
    });
  }
  const RawPlan plan_;
};

class RawEncoder final : public RowEncoder {
 public:
  explicit RawEncoder(RawPlan plan) : plan_(std::move(plan)) {}
  // NULL is an empty message.
  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    const ColumnView& column = rows.view(plan_.column);
    if (column.is_null(row)) { return {}; }
    with_physical(plan_.type.physical(), [&]<class T>() {
      T value = column.at<T>(row);
      if constexpr (std::is_same_v<T, Text>) {
        message += value.view();
      } else {
        if (plan_.swaps) { swap_bytes(value); }
        message.append(reinterpret_cast<const char*>(&value), sizeof(T));
      }
    });
    return {};
  }

 private:
  const RawPlan plan_;
};

class RawTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return "raw"; }
  std::vector<TableOption> options() const override {
    return {{"raw.charset", false, "UTF-8", "of strings; only UTF-8"},
            {"raw.endianness", false, "big-endian", "of numbers; or little-endian"}};
  }
  bool messages_are_lines(const TableOptions&) const override { return true; }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(RawPlan plan, plan_of(row.message, options));
    plan.wanted = !row.wanted.empty();
    plan.column = plan.wanted ? row.wanted.front().column : 0;
    return MakeDecoder(
        [plan]() -> std::unique_ptr<RowDecoder> { return std::make_unique<RawDecoder>(plan); });
  }
  Result<MakeEncoder> encoder(const RowType& message, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(RawPlan plan, plan_of(message, options));
    plan.column = columns.front();
    return MakeEncoder(
        [plan]() -> std::unique_ptr<RowEncoder> { return std::make_unique<RawEncoder>(plan); });
  }

 private:
  static Result<RawPlan> plan_of(const RowType& message, TableOptions& options) {
    options.choice("raw.charset", {"UTF-8"}, 0);
    const bool is_little =
        options.choice("raw.endianness", {"big-endian", "little-endian"}, 0) == 1;
    if (message.size() != 1) {
      return invalid_argument(ErrorId::kSqlType,
                              "the format raw is for one column, and there are {}", message.size());
    }
    const LogicalType& type = message.types.front();
    const bool is_known = type.is_character() || type.is_bytes() || type.is_integer() ||
                          type.is_approximate() || type.kind == TypeKind::kBoolean;
    if (!is_known) {
      return invalid_argument(ErrorId::kSqlType,
                              "the format raw is for a string, bytes, a number or a BOOLEAN; "
                              "column '{}' is {}",
                              message.names.front(), type.to_string());
    }
    return RawPlan{type, 0, true, is_little != (std::endian::native == std::endian::little)};
  }
};

}  // namespace

std::unique_ptr<TableFormat> raw_table_format() { return std::make_unique<RawTableFormat>(); }

}  // namespace tidewheel
