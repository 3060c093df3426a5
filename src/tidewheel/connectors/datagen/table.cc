#include "tidewheel/connectors/datagen/table.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/connectors/datagen/source.h"

namespace tidewheel::datagen {
namespace {

class DatagenTable final : public TableSource {
 public:
  DatagenTable(Plan plan, int64_t parallelism)
      : declared_(std::move(plan)), plan_(declared_), parallelism_(parallelism) {}

  bool is_bounded() const override { return declared_.rows >= 0; }
  bool project(const std::vector<size_t>& columns) override {
    plan_.types.clear();
    plan_.makers.clear();
    for (const size_t column : columns) {
      plan_.types.push_back(declared_.types[column]);
      plan_.makers.push_back(declared_.makers[column]);
    }
    return true;
  }
  TableEstimate estimate(FileSystem&) const override { return {.rows = declared_.rows}; }
  void limit(int64_t rows) override {
    plan_.rows = plan_.rows < 0 ? rows : std::min(plan_.rows, rows);
  }
  Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                   const std::string& uid) override {
    const auto rows = env.add_source(name, RowSource(plan_)).uid(uid);
    return parallelism_ > 0 ? rows.parallelism(static_cast<int32_t>(parallelism_)) : rows;
  }

 private:
  const Plan declared_;
  Plan plan_;
  int64_t parallelism_;
};

class DatagenConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "datagen"; }
  bool can_write() const override { return false; }
  std::vector<TableOption> options() const override {
    return {{"rows-per-second", false, "10000", "how fast rows come, all subtasks together"},
            {"number-of-rows", false, "", "how many rows there are; without it, no end"},
            {"scan.parallelism", false, "", "how many subtasks make rows"},
            {"seed", false, "", "a number; the same seed gives the same rows"}};
  }
  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    Plan plan;
    plan.rows_per_second = options.number("rows-per-second", 10'000, 1, 1'000'000'000'000);
    plan.rows = options.number("number-of-rows", -1, 0);
    if (options.has("seed")) { plan.seed = static_cast<uint64_t>(options.number("seed", 0)); }
    const int64_t parallelism = options.number("scan.parallelism", 0, 1, 32768);
    for (const TableColumn& column : context.table.columns) {
      plan.types.push_back(column.type);
      plan.makers.push_back(make_maker("fields." + column.name, column.type, options));
      const std::optional<int64_t> rows = plan.makers.back()->rows();
      if (rows.has_value()) { plan.rows = plan.rows < 0 ? *rows : std::min(plan.rows, *rows); }
    }
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    return std::make_unique<DatagenTable>(std::move(plan), parallelism);
  }
};

}  // namespace

std::unique_ptr<TableConnector> table_connector() { return std::make_unique<DatagenConnector>(); }

}  // namespace tidewheel::datagen
