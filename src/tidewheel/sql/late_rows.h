// Rows that come too late for an operator: counted, or handed to whoever reads them.
#pragma once
#include <cstdint>
#include <vector>

#include "tidewheel/base/metrics.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/node_links.h"
#include "tidewheel/sql/column_output.h"

namespace tidewheel::sql {

// The side output of operators that have late rows, as they came.
inline const OutputTag<ColumnRow> kLateRows{"late rows"};

// One operator's. It calls `add` for rows of a batch, and `give` before the batch is gone.
class LateRows {
 public:
  void open(OperatorContext& context, SideOutputs& sides) {
    dropped_ = &context.metrics().counter("numLateRecordsDropped");
    output_ = sides.find(kLateRows);
  }
  void add(uint32_t row) {
    if (output_ == nullptr) { return dropped_->add(); }
    rows_.push_back(row);
  }
  void give(const ColumnBatch& in, const std::vector<LogicalType>& types) {
    if (!rows_.empty()) [[unlikely]] { send(in, types); }
  }

 private:
  // There are few of them: strings are copied, so that the batch is not kept.
  void send(const ColumnBatch& in, const std::vector<LogicalType>& types) {
    emit_columns(*output_, types, rows_.size(), [&](ColumnBatch& out, size_t begin, size_t end) {
      out.ensure_room(static_cast<uint32_t>(end - begin));
      for (size_t i = 0; i < types.size(); ++i) {
        gather(in.view(i), {rows_.data() + begin, end - begin}, out.column(i), out.size(),
               &out.arena());
      }
    });
    rows_.clear();
  }

  Counter* dropped_ = nullptr;
  Output<ColumnRow>* output_ = nullptr;  // null: nobody reads them
  std::vector<uint32_t> rows_;
};

}  // namespace tidewheel::sql
