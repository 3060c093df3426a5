#include "tidewheel/connectors/discard/table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/stream.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel {
namespace {

struct DiscardColumns {
  using input = ColumnRow;
  Status write_batch(const ColumnBatch&, uint32_t, uint32_t) { return ok_status(); }
};

class BlackholeTable final : public TableSink {
 public:
  explicit BlackholeTable(int64_t parallelism) : parallelism_(parallelism) {}
  ChangelogKinds changelog() const override { return ChangelogKinds::kRetract; }
  Status add_to(Env&, Stream<ColumnRow> rows, const std::string& name,
                const std::string& uid) override {
    const SinkEnd end = rows.to(DiscardColumns()).name(name).uid(uid);
    if (parallelism_ > 0) { end.parallelism(static_cast<int32_t>(parallelism_)); }
    return ok_status();
  }

 private:
  int64_t parallelism_;
};

class BlackholeConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "blackhole"; }
  bool can_read() const override { return false; }
  std::vector<TableOption> options() const override {
    return {{"sink.parallelism", false, "", "how many subtasks take rows"}};
  }
  Result<std::unique_ptr<TableSink>> sink(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    const int64_t parallelism = options.number("sink.parallelism", 0, 1, 32768);
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    return std::make_unique<BlackholeTable>(parallelism);
  }
};

}  // namespace

std::unique_ptr<TableConnector> blackhole_table_connector() {
  return std::make_unique<BlackholeConnector>();
}

}  // namespace tidewheel
