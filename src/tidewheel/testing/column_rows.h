// Rows of columns, given and shown as text.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/check.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/testing/table_harness.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::test {

inline RowType row_of(const NamedTypes& columns) {
  RowType row;
  for (const auto& [name, type] : columns) { row.add(name, type); }
  return row;
}
inline std::vector<size_t> all_of(const RowType& row) {
  std::vector<size_t> all;
  for (size_t i = 0; i < row.size(); ++i) { all.push_back(i); }
  return all;
}

// A batch of rows of these types.
class ColumnRows {
 public:
  explicit ColumnRows(const RowType& row)
      : row_(row), pool_(BatchPool::create_for<ColumnRow>(64, nullptr)) {
    batch_ = static_cast<ColumnBatch*>(pool_->acquire());
    batch_->set_types(row.types);
  }
  ~ColumnRows() { batch_->release(); }
  ColumnRows(const ColumnRows&) = delete;
  ColumnRows& operator=(const ColumnRows&) = delete;

  // Adds lines of a format, such as json_table_format().
  void add(const std::unique_ptr<TableFormat>& format, std::string_view lines) {
    TableOptions options(table_of({}, {{"connector", "test"}}), format->options());
    const auto make = format->decoder(DecodedRow::all(row_), options);
    TIDEWHEEL_CHECK(make.ok(), "{}", make.status().message());
    const auto decoder = (*make)();
    size_t taken = 0;
    decoder->read(batch_->arena().copy(lines), true, taken, *batch_, kRowsMax);
    TIDEWHEEL_CHECK(decoder->status().ok(), "{}", decoder->status().message());
  }
  ColumnBatch& batch() { return *batch_; }
  ColumnBatch& sealed() {
    batch_->seal();
    return *batch_;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> texts;
    sealed();
    for (uint32_t row = 0; row < batch_->size(); ++row) {
      std::string text =
          batch_->kinds() == nullptr ? "[" : std::string(row_kind_text(batch_->kind(row))) + "[";
      for (size_t i = 0; i < row_.size(); ++i) {
        if (i > 0) { text += ", "; }
        append_value_text(text, row_.types[i], batch_->view(i), row);
      }
      texts.push_back(text + "]");
    }
    return texts;
  }

 private:
  static constexpr uint32_t kRowsMax = 4096;

  RowType row_;
  std::shared_ptr<BatchPool> pool_;
  ColumnBatch* batch_;
};

}  // namespace tidewheel::test
