// Results of queries as text: the table that a changelog amounts to, and its rows as a box, CSV or
// JSON.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tidewheel/base/time_zone.h"
#include "tidewheel/sql/plan.h"
#include "tidewheel/sql/result.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// How values are written.
enum class CellStyle : uint8_t {
  kText,  // as CAST to STRING does
  kJson,  // those of nested types as JSON_STRING does, all others as text
};

// The rows that are there after all changes so far, as text. One thread.
class ResultTable {
 public:
  struct Row {
    std::vector<std::string> cells;  // of NULL: empty
    std::vector<bool> nulls;
    std::string sort_key;
  };

  // `visible` columns are shown; `order_by` may name those behind them. Without it rows stay in the
  // order in which they came.
  ResultTable(RowType type, size_t visible, const std::vector<SortKeyNode>& order_by, TimeZone zone,
              CellStyle style = CellStyle::kText);
  ~ResultTable();

  void apply(const ResultQueue::Rows& rows);
  size_t size() const { return alive_; }
  // In order.
  std::vector<const Row*> rows() const;

 private:
  struct Entry {
    Row row;
    bool alive = true;
  };
  const RowType type_;
  const size_t visible_;
  TimeZone zone_;
  const CellStyle style_;
  struct Sorter;
  std::unique_ptr<Sorter> sorter_;  // null: no order
  std::vector<Entry> entries_;
  std::unordered_multimap<std::string, size_t> by_text_;  // living entries, by all their cells
  size_t alive_ = 0;
};

// One row of a batch as texts.
ResultTable::Row result_row(const RowType& type, const ColumnBatch& batch, uint32_t row,
                            TimeZone& zone, CellStyle style = CellStyle::kText);

struct BoxOptions {
  size_t column_width_max = 60;  // longer texts are cut
};
// A box around rows, with the names of columns above; numbers to the right. For people.
std::string box_text(const std::vector<std::string>& names, const std::vector<bool>& right,
                     const std::vector<std::vector<std::string>>& rows,
                     const BoxOptions& options = {});
bool is_shown_right(const LogicalType& type);
// With a line end: RFC 4180, NULL as nothing.
std::string csv_line(const std::vector<std::string>& cells, const std::vector<bool>& nulls);
// {"a":1,"b":"x"} with a line end, of cells in CellStyle::kJson. Numbers, truth values and nested
// values as such, all else as strings.
std::string json_line(const RowType& type, const std::vector<std::string>& cells,
                      const std::vector<bool>& nulls);

}  // namespace tidewheel::sql
