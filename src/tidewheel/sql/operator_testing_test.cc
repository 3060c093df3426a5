#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/sql/stream_join.h"
#include "tidewheel/testing/operator_harness.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql::testing {

using tidewheel::testing::HarnessOptions;
using tidewheel::testing::OperatorHarness;

RowType columns(std::vector<std::pair<std::string, LogicalType>> columns) {
  RowType type;
  for (auto& [name, column] : columns) { type.add(name, column); }
  return type;
}

LogicalType bigint(bool nullable) { return LogicalType::of(TypeKind::kBigint, nullable); }

namespace {

RowKind kind_of(const std::string& line) {
  for (const RowKind kind : {RowKind::kInsert, RowKind::kUpdateBefore, RowKind::kUpdateAfter}) {
    if (line.starts_with(row_kind_text(kind))) { return kind; }
  }
  return RowKind::kDelete;
}

std::vector<std::string> split(const std::string& row) {
  std::vector<std::string> parts(1);
  for (const char c : row) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

void put_value(Column& column, uint32_t row, const std::string& text, Arena& arena) {
  column.ensure(row + 1);
  if (text == "NULL") { return column.set_null(row); }
  if (column.type().kind == TypeKind::kBoolean) {
    column.values<uint8_t>()[row] = text == "TRUE" ? 1 : 0;
    return;
  }
  if (column.type().kind == TypeKind::kDecimal) {
    const auto value = detail::parse_decimal(text, 38, column.type().scale);
    if (column.physical() == Physical::kInt64) {
      column.values<int64_t>()[row] = static_cast<int64_t>(*value);
    } else {
      column.values<Int128>()[row] = *value;
    }
    return;
  }
  with_physical(column.physical(), [&]<class T>() {
    if constexpr (std::is_same_v<T, Text>) {
      column.values<Text>()[row] = arena.copy(text);
    } else if constexpr (std::is_floating_point_v<T>) {
      column.values<T>()[row] = static_cast<T>(std::strtod(text.c_str(), nullptr));
    } else {
      column.values<T>()[row] = static_cast<T>(std::strtoll(text.c_str(), nullptr, 10));
    }
  });
}

}  // namespace

BatchRef make_batch(const RowType& type, const Lines& rows) {
  const auto pool =
      BatchPool::create_for<ColumnRow>(static_cast<uint32_t>(rows.size() + 1), nullptr);
  auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
  batch->set_types(type.types);
  const auto count = static_cast<uint32_t>(rows.size());
  const bool has_kinds = std::any_of(rows.begin(), rows.end(), [](const std::string& row) {
    return kind_of(row) != RowKind::kInsert;
  });
  for (uint32_t i = 0; i < count; ++i) {
    const std::vector<std::string> values = split(rows[i].substr(3));
    EXPECT_EQ(values.size(), type.size()) << rows[i];
    for (size_t c = 0; c < type.size(); ++c) {
      put_value(batch->column(c), i, values[c], batch->arena());
    }
    if (has_kinds) { batch->make_kinds(count)[i] = kind_of(rows[i]); }
  }
  batch->set_size(count);
  batch->seal();
  return BatchRef::adopt(batch);
}

Lines batch_lines(const std::vector<LogicalType>& types, const Element& element) {
  const ColumnBatch& batch = ColumnBatch::of(*element.batch);
  Lines lines;
  for (uint32_t row = element.begin; row < element.end; ++row) {
    std::string line = row_kind_text(batch.kind(row));
    for (size_t c = 0; c < types.size(); ++c) {
      line += c == 0 ? " " : ",";
      append_value_text(line, types[c], batch.view(c), row);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string Changelog::key_of(const std::string& row) const {
  std::string key;
  const std::vector<std::string> parts = split(row);
  for (size_t i = 0; i < key_columns_; ++i) { key += parts[i] + ","; }
  return key;
}

void Changelog::erase(const std::string& row) {
  const auto found = rows_.find(row);
  if (found == rows_.end()) {
    ADD_FAILURE() << "taken back, but not there: " << row;
    return;
  }
  if (--found->second == 0) { rows_.erase(found); }
}

void Changelog::take(const Lines& lines) {
  for (const std::string& line : lines) {
    const std::string row = line.substr(3);
    const RowKind kind = kind_of(line);
    if (is_retraction(kind)) {
      erase(row);
      continue;
    }
    if (key_columns_ > 0) {
      const auto same = std::find_if(rows_.begin(), rows_.end(), [&](const auto& other) {
        return key_of(other.first) == key_of(row);
      });
      if (same != rows_.end()) {
        EXPECT_EQ(kind, RowKind::kUpdateAfter) << line;
        rows_.erase(same);
      }
    }
    ++rows_[row];
  }
}

Lines Changelog::rows() const {
  Lines all;
  for (const auto& [row, count] : rows_) { all.insert(all.end(), static_cast<size_t>(count), row); }
  return all;
}

SqlHarnessOptions random_options(Random& random, uint64_t seed) {
  SqlHarnessOptions options;
  options.backend = random.chance(0.4);
  options.batch_rows = 1 + static_cast<uint32_t>(random.below(8));
  options.refusal = random.chance(0.5) ? 0.3 : 0.0;
  options.incremental = random.chance(0.5);
  options.seed = seed;
  if (random.chance(0.3)) { options.rows_a_batch = 1; }
  return options;
}

void for_seeds(uint64_t count, const std::function<void(uint64_t seed)>& run) {
  for (uint64_t seed = 1; seed <= count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run(seed);
    if (::testing::Test::HasFailure()) { return; }
  }
}

std::unique_ptr<Operator> must_make(Result<std::unique_ptr<Operator>> made) {
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return std::move(made).value();
}

namespace {

class LessFilter final : public PairFilter {
 public:
  LessFilter(size_t less, size_t more) : less_(less), more_(more) {}
  void evaluate(std::span<const ColumnView> columns, uint32_t count, uint8_t* keeps) override {
    const ColumnView& less = columns[less_];
    const ColumnView& more = columns[more_];
    for (uint32_t i = 0; i < count; ++i) {
      const bool is_less =
          !less.is_null(i) && !more.is_null(i) && less.at<int64_t>(i) < more.at<int64_t>(i);
      keeps[i] = is_less ? 1 : 0;
    }
  }

 private:
  const size_t less_;
  const size_t more_;
};

}  // namespace

std::unique_ptr<PairFilter> less_filter(size_t less, size_t more) {
  return std::make_unique<LessFilter>(less, more);
}

struct SqlHarness::State {
  Make make;
  std::vector<RowType> inputs;
  RowType output;
  SqlHarnessOptions options;
  // The last one is in use. What the others have given out is still looked at.
  std::vector<std::unique_ptr<MapBackend>> backends;
  std::vector<std::unique_ptr<OperatorHarness>> harnesses;

  ~State() { harnesses.clear(); }
  OperatorHarness& harness() { return *harnesses.back(); }
};

SqlHarness::SqlHarness(Make make, std::vector<RowType> inputs, RowType output,
                       SqlHarnessOptions options)
    : state_(std::make_unique<State>()) {
  state_->make = std::move(make);
  state_->inputs = std::move(inputs);
  state_->output = std::move(output);
  state_->options = options;
  make_harness();
}

SqlHarness::~SqlHarness() = default;

void SqlHarness::make_harness() {
  const SqlHarnessOptions& wanted = state_->options;
  HarnessOptions options{.subtask_index = wanted.subtask,
                         .parallelism = wanted.parallelism,
                         .batch_rows = wanted.batch_rows,
                         .refusal = wanted.refusal,
                         .seed = wanted.seed};
  options.config.set(options::kIncrementalCheckpoints, wanted.incremental);
  if (wanted.backend) {
    state_->backends.push_back(std::make_unique<MapBackend>(
        key_groups_of(wanted.subtask, wanted.parallelism, options.max_parallelism),
        MapBackendOptions{.cache_bytes = wanted.backend_cache_bytes}));
    options.state_backend = state_->backends.back().get();
  }
  state_->harnesses.push_back(std::make_unique<OperatorHarness>(state_->make(), options));
}

SqlHarness& SqlHarness::push(const Lines& rows, int32_t input) {
  const RowType& type = state_->inputs[static_cast<size_t>(input)];
  for (size_t begin = 0; begin < rows.size();) {
    const size_t end = std::min<size_t>(rows.size(), begin + state_->options.rows_a_batch);
    const Lines part(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                     rows.begin() + static_cast<std::ptrdiff_t>(end));
    state_->harness().push_element(Element::rows(make_batch(type, part)), input);
    begin = end;
  }
  return *this;
}

SqlHarness& SqlHarness::watermark(int64_t time_ms) {
  state_->harness().watermark(time_ms);
  return *this;
}
SqlHarness& SqlHarness::epoch(int64_t number) {
  state_->harness().epoch(number);
  return *this;
}
SqlHarness& SqlHarness::input_watermark(int32_t input, int64_t time_ms) {
  state_->harness().input_watermark(input, time_ms);
  return *this;
}
SqlHarness& SqlHarness::advance_to_wall_ms(int64_t time_ms) {
  state_->harness().advance_to_wall_ms(time_ms);
  return *this;
}
SqlHarness& SqlHarness::end_of_input(int32_t inputs) {
  state_->harness().end_of_input(inputs);
  return *this;
}

Lines SqlHarness::take() {
  Lines all;
  for (const Element& element : state_->harness().take_elements()) {
    if (element.kind != Element::Kind::kBatch) { continue; }
    const Lines lines = batch_lines(state_->output.types, element);
    all.insert(all.end(), lines.begin(), lines.end());
  }
  return all;
}

Snapshot SqlHarness::snapshot() { return state_->harness().snapshot(); }

SqlHarness& SqlHarness::restart() {
  const Status status = open(snapshot());
  EXPECT_TRUE(status.ok()) << status.to_string();
  return *this;
}

Status SqlHarness::open(const Snapshot& snapshot) {
  make_harness();
  return state_->harness().open_restored(snapshot);
}

int64_t SqlHarness::counter(const std::string& name) {
  return static_cast<int64_t>(state_->harness().context().metrics().counter(name).value());
}

// ---- The helpers themselves

TEST(OperatorTesting, a_batch_is_what_its_lines_say) {
  const RowType type = columns({{"a", bigint()},
                                {"b", LogicalType::string()},
                                {"c", LogicalType::decimal(10, 2)},
                                {"d", LogicalType::of(TypeKind::kDouble)}});
  const Lines lines = {"+I 1,x,1.50,0.5", "-D NULL,NULL,NULL,NULL", "+U -3,abc,-0.01,2.0"};
  EXPECT_EQ(batch_lines(type.types, Element::rows(make_batch(type, lines))), lines);
}

TEST(OperatorTesting, a_changelog_makes_a_table) {
  Changelog log(1);
  log.take({"+I 1,a", "+I 2,b", "+U 1,c", "-D 2,b"});
  EXPECT_EQ(log.rows(), Lines{"1,c"});
}

}  // namespace tidewheel::sql::testing
