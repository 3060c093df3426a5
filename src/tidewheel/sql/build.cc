#include "tidewheel/sql/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/sql/calc.h"
#include "tidewheel/sql/changelog.h"
#include "tidewheel/sql/column_partitioner.h"
#include "tidewheel/sql/group_aggregate.h"
#include "tidewheel/sql/interval_join.h"
#include "tidewheel/sql/pair_filter.h"
#include "tidewheel/sql/top_n.h"
#include "tidewheel/sql/values_source.h"
#include "tidewheel/sql/window_aggregate.h"
#include "tidewheel/sql/window_join.h"
#include "tidewheel/sql/window_table.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

std::string node_line(const Plan& plan) {
  const std::string text = plan_text(plan, false);
  return text.substr(0, text.find('\n'));
}

// The tables that a plan reads, in order.
void append_tables(const Plan& plan, std::string& out) {
  if (const auto* scan = std::get_if<ScanNode>(&plan.node)) { out += scan->table->path + ";"; }
  for (const PlanRef& input : plan.inputs) { append_tables(*input, out); }
}

Status not_yet(const char* what) {
  return unimplemented(ErrorId::kSqlUnsupported, "{} can't be run yet", what);
}

}  // namespace

void JobBuilder::use(BuildOptions options) {
  options_ = std::move(options);
  built_.clear();
}

std::string JobBuilder::uid_of(const Plan& plan, const std::string& kind) {
  std::string text = node_line(plan);
  append_tables(plan, text);
  const std::string uid = fmt::format("sql-{}-{:016x}", kind, hash_bytes(text.data(), text.size()));
  const int32_t number = uids_[uid]++;
  return number == 0 ? uid : fmt::format("{}-{}", uid, number);
}

Stream<ColumnRow> JobBuilder::add(const Plan& plan, Added added,
                                  std::vector<Stream<ColumnRow>> inputs,
                                  std::function<Result<std::unique_ptr<Operator>>()> make) {
  const std::shared_ptr<JobGraph>& graph = env_.graph();
  GraphNode node;
  node.name = added.name;
  node.uid = added.uid;
  node.description = node_line(plan);
  node.stateful = added.stateful;
  // Changes of a row must not overtake each other: what comes from one subtask stays in one.
  const auto is_single = [&](const Stream<ColumnRow>& input) {
    return std::all_of(input.ends().begin(), input.ends().end(), [&](const StreamEnd& end) {
      const GraphNode& from = graph->node(end.node);
      return end.kind == EdgeKind::kForward &&
             (from.parallelism == 1 || from.fixed_parallelism == 1);
    });
  };
  const bool changes = plan.inputs.empty() ? plan.updates : plan.input().updates;
  const bool follows = inputs.size() == 1 && changes && is_single(inputs[0]);
  if (added.single || follows) {
    node.parallelism = 1;
    node.fixed_parallelism = 1;
  }
  const int32_t id = graph->add_node(
      std::move(node),
      [make = std::move(make)](const std::shared_ptr<const NodeLinks>&) { return make(); });
  for (size_t i = 0; i < inputs.size(); ++i) {
    graph->connect(inputs[i].ends(), id, static_cast<int32_t>(i));
  }
  StreamEnd end{.node = id};
  end.row_codec = make_column_codec(plan.type);
  return Stream<ColumnRow>(graph, {std::move(end)});
}

Stream<ColumnRow> JobBuilder::by_keys(Stream<ColumnRow> rows, const RowType& type,
                                      const std::vector<int32_t>& keys) {
  if (keys.empty()) { return rows.global(); }
  return rows.spread(EdgeKind::kHash,
                     [types = type.types, keys] { return make_column_partitioner(types, keys); });
}

struct JobBuilder::NodeBuilder {
  JobBuilder& builder;
  const Plan& plan;

  Result<Stream<ColumnRow>> input(size_t index = 0) const {
    return builder.build(plan.input(index));
  }

  Result<Stream<ColumnRow>> operator()(const ScanNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                               builder.tables_.connector(node.table->options.at("connector")));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSource> source,
                               connector->source({*node.table, builder.tables_}));
    const bool projected = source->project(node.columns);
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows,
                               source->add_to(builder.env_, "Source: " + node.table->path,
                                              builder.uid_of(plan, "source")));
    RowType given;
    for (const TableColumn& column : node.table->columns) { given.add(column.name, column.type); }
    const std::shared_ptr<const RowCodec> codec = make_column_codec(projected ? plan.type : given);
    StreamEnds ends = rows.ends();
    for (StreamEnd& end : ends) { end.row_codec = codec; }
    rows = Stream<ColumnRow>(rows.graph(), std::move(ends));
    if (projected || node.columns.size() == given.size()) { return rows; }
    std::vector<Bound> outputs;
    for (const size_t column : node.columns) {
      outputs.push_back(Bound::of_column(static_cast<int32_t>(column), given.types[column]));
    }
    return calc(std::move(rows), std::nullopt, std::move(outputs), given.types);
  }

  Result<Stream<ColumnRow>> operator()(const ValuesNode& node) const {
    const std::string uid = builder.uid_of(plan, "values");
    Stream<ColumnRow> rows =
        builder.env_.add_source("Values", ValuesSource(node.rows, plan.type.types));
    rows.uid(uid);
    StreamEnds ends = rows.ends();
    for (StreamEnd& end : ends) { end.row_codec = make_column_codec(plan.type); }
    return Stream<ColumnRow>(rows.graph(), std::move(ends));
  }

  Stream<ColumnRow> calc(Stream<ColumnRow> rows, std::optional<Bound> condition,
                         std::vector<Bound> outputs, std::vector<LogicalType> types) const {
    return builder.add(plan, {.name = "Calc", .uid = builder.uid_of(plan, "calc")},
                       {std::move(rows)},
                       [condition = std::move(condition), outputs = std::move(outputs),
                        types = std::move(types), eval = builder.options_.eval] {
                         return make_calc_operator(condition, outputs, types, eval);
                       });
  }
  Result<Stream<ColumnRow>> operator()(const CalcNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    EvalOptions eval = builder.options_.eval;
    return calc(std::move(rows), node.condition, node.outputs, plan.input().type.types);
  }

  Result<Stream<ColumnRow>> operator()(const WatermarkNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    if (!node.has_value) { return rows; }
    return builder.add(
        plan, {.name = "WatermarkAssigner", .uid = builder.uid_of(plan, "watermark")},
        {std::move(rows)},
        [value = node.value, types = plan.input().type.types,
         per_record = builder.options_.watermark_per_record, eval = builder.options_.eval] {
          return make_watermark_operator(value, types, per_record, eval);
        });
  }

  Result<Stream<ColumnRow>> operator()(const UnionNode&) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> first, input());
    StreamEnds ends = first.ends();
    for (size_t i = 1; i < plan.inputs.size(); ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> next, input(i));
      ends.insert(ends.end(), next.ends().begin(), next.ends().end());
    }
    return Stream<ColumnRow>(first.graph(), std::move(ends));
  }

  Result<Stream<ColumnRow>> operator()(const AggregateNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    GroupAggregateSpec spec;
    spec.input = plan.input().type;
    spec.keys = node.keys;
    TIDEWHEEL_ASSIGN_OR_RETURN(spec.calls, calls(node.calls));
    spec.input_retracts = plan.input().updates;
    spec.emits_before = plan.emits_before;
    spec.ttl_ms = builder.options_.state_ttl_ms;
    spec.mini_batch = builder.options_.mini_batch;
    return builder.add(plan,
                       {.name = node.calls.empty() ? "Distinct" : "GroupAggregate",
                        .uid = builder.uid_of(plan, "aggregate"),
                        .stateful = true,
                        .single = node.keys.empty()},
                       {builder.by_keys(std::move(rows), plan.input().type, node.keys)},
                       [spec = std::move(spec)] { return make_group_aggregate(spec); });
  }
  static Result<std::vector<AggregateCall>> calls(const std::vector<AggregateCallNode>& nodes) {
    std::vector<AggregateCall> calls;
    for (const AggregateCallNode& node : nodes) {
      AggregateCall call;
      if (node.function == "COUNT" && node.arguments.empty()) {
        call.function = AggregateFunction::kCountStar;
      } else if (!find_aggregate_function(node.function, call.function)) {
        return unimplemented(ErrorId::kSqlUnsupported, "the aggregate {} is not there yet",
                             node.function);
      }
      call.arguments = node.arguments;
      call.distinct = node.distinct;
      call.filter = node.filter;
      call.result = node.result;
      call.separator = node.separator;
      calls.push_back(std::move(call));
    }
    return calls;
  }
  Result<Stream<ColumnRow>> operator()(const WindowNode& node) const {
    const LogicalType& time = plan.input().type.types[static_cast<size_t>(node.time)];
    if (node.window.kind == WindowSpecNode::Kind::kSession) {
      return not_yet("SESSION without an aggregate");
    }
    if (time.time == TimeAttribute::kProcessing) {
      return not_yet("a window by processing time without an aggregate");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    return builder.add(
        plan, {.name = "WindowTableFunction", .uid = builder.uid_of(plan, "windows")},
        {std::move(rows)},
        [types = plan.input().type.types, node]() -> Result<std::unique_ptr<Operator>> {
          return make_window_table(types, node.time, grid_of(node.window));
        });
  }
  Result<Stream<ColumnRow>> operator()(const WindowAggregateNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    WindowAggregateSpec spec;
    spec.input = plan.input().type;
    spec.keys = node.keys;
    TIDEWHEEL_ASSIGN_OR_RETURN(spec.calls, calls(node.calls));
    spec.window = grid_of(node.window);
    const LogicalType& time = spec.input.types[static_cast<size_t>(node.time)];
    spec.time = time.time == TimeAttribute::kProcessing ? -1 : node.time;
    for (const WindowAggregateNode::Property property : node.properties) {
      spec.properties.push_back(static_cast<WindowProperty>(property));
    }
    spec.input_retracts = plan.input().updates;
    return builder.add(plan,
                       {.name = "WindowAggregate",
                        .uid = builder.uid_of(plan, "window"),
                        .stateful = true,
                        .single = node.keys.empty()},
                       {builder.by_keys(std::move(rows), plan.input().type, node.keys)},
                       [spec = std::move(spec)] { return make_window_aggregate(spec); });
  }
  static GridWindow grid_of(const WindowSpecNode& window) {
    GridWindow grid;
    switch (window.kind) {
      case WindowSpecNode::Kind::kTumble: grid.kind = GridWindow::Kind::kTumble; break;
      case WindowSpecNode::Kind::kHop: grid.kind = GridWindow::Kind::kHop; break;
      case WindowSpecNode::Kind::kCumulate: grid.kind = GridWindow::Kind::kCumulate; break;
      case WindowSpecNode::Kind::kSession: grid.kind = GridWindow::Kind::kSession; break;
    }
    grid.size_ms = window.size_ms;
    grid.slide_ms = window.slide_ms;
    grid.offset_ms = window.offset_ms;
    return grid;
  }
  // Whether a side has one row at most for each value of its keys.
  bool is_unique(size_t side, const std::vector<int32_t>& keys) const {
    const auto& unique = plan.input(side).unique_keys;
    return std::any_of(unique.begin(), unique.end(), [&](const std::vector<int32_t>& key) {
      return std::all_of(key.begin(), key.end(), [&](int32_t column) {
        return std::find(keys.begin(), keys.end(), column) != keys.end();
      });
    });
  }
  Result<Stream<ColumnRow>> operator()(const JoinNode& node) const {
    if (node.left_window_end >= 0) {
      WindowJoinSpec spec;
      spec.left_window_end = node.left_window_end;
      spec.right_window_end = node.right_window_end;
      return join("WindowJoin", std::move(spec), make_window_join);
    }
    if (node.left_time >= 0) {
      IntervalJoinSpec spec;
      spec.left_time = node.left_time;
      spec.right_time = node.right_time;
      spec.lower_ms = node.lower_ms;
      spec.upper_ms = node.upper_ms;
      return join("IntervalJoin", std::move(spec), make_interval_join);
    }
    StreamJoinSpec spec;
    spec.left_retracts = plan.input(0).updates;
    spec.right_retracts = plan.input(1).updates;
    spec.left_is_unique = is_unique(0, node.left_keys);
    spec.right_is_unique = is_unique(1, node.right_keys);
    spec.left_ttl_ms = spec.right_ttl_ms = builder.options_.state_ttl_ms;
    return join("Join", std::move(spec), make_stream_join);
  }
  // What all joins have in common; `make(spec, filter)`.
  template <class Spec>
  Result<Stream<ColumnRow>> join(
      const char* name, Spec spec,
      Result<std::unique_ptr<Operator>> (*make)(Spec, std::unique_ptr<PairFilter>)) const {
    const auto& node = std::get<JoinNode>(plan.node);
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> left, input(0));
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> right, input(1));
    spec.kind = static_cast<StreamJoinKind>(node.kind);
    spec.left = plan.input(0).type;
    spec.right = plan.input(1).type;
    spec.left_keys = node.left_keys;
    spec.right_keys = node.right_keys;
    std::vector<LogicalType> columns = spec.left.types;
    columns.insert(columns.end(), spec.right.types.begin(), spec.right.types.end());
    return builder.add(plan,
                       {.name = name,
                        .uid = builder.uid_of(plan, "join"),
                        .stateful = true,
                        .single = node.left_keys.empty()},
                       {builder.by_keys(std::move(left), plan.input(0).type, node.left_keys),
                        builder.by_keys(std::move(right), plan.input(1).type, node.right_keys)},
                       [spec, make, columns = std::move(columns), condition = node.condition,
                        eval = builder.options_.eval]() -> Result<std::unique_ptr<Operator>> {
                         std::unique_ptr<PairFilter> filter;
                         if (condition.has_value()) {
                           TIDEWHEEL_ASSIGN_OR_RETURN(filter,
                                                      make_pair_filter(*condition, columns, eval));
                         }
                         return make(spec, std::move(filter));
                       });
  }
  Result<Stream<ColumnRow>> operator()(const RankNode&) const { return not_yet("a row number"); }
  Result<Stream<ColumnRow>> operator()(const TopNNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    TopNSpec spec;
    spec.input = plan.input().type;
    spec.partition_by = node.partition_by;
    for (const SortKeyNode& key : node.order_by) {
      spec.order_by.push_back({key.column, key.descending, key.nulls_first});
    }
    spec.first = node.first;
    spec.last = node.last;
    spec.has_rank = node.has_rank;
    spec.input_retracts = plan.input().updates;
    spec.emits_before = plan.emits_before;
    spec.ttl_ms = builder.options_.state_ttl_ms;
    return builder.add(plan,
                       {.name = "TopN",
                        .uid = builder.uid_of(plan, "top"),
                        .stateful = true,
                        .single = node.partition_by.empty()},
                       {builder.by_keys(std::move(rows), plan.input().type, node.partition_by)},
                       [spec = std::move(spec)] { return make_top_n(spec); });
  }
  Result<Stream<ColumnRow>> operator()(const LimitNode& node) const {
    if (plan.input().updates) { return not_yet("LIMIT without ORDER BY over rows that change"); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> rows, input());
    return builder.add(
        plan,
        {.name = "Limit", .uid = builder.uid_of(plan, "limit"), .stateful = true, .single = true},
        {rows.global()}, [node]() -> Result<std::unique_ptr<Operator>> {
          return make_limit_operator(node.offset, node.count);
        });
  }
  Result<Stream<ColumnRow>> operator()(const SortNode&) const {
    return not_yet("ORDER BY without LIMIT of what is not shown");
  }
};

Result<Stream<ColumnRow>> JobBuilder::build_node(const Plan& plan) {
  return std::visit(NodeBuilder{*this, plan}, plan.node);
}

Result<Stream<ColumnRow>> JobBuilder::build(const Plan& plan) {
  // Nothing is computed twice: equal parts have equal texts.
  const std::string text = plan_text(plan, true);
  if (const auto it = built_.find(text); it != built_.end()) { return it->second; }
  TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, build_node(plan));
  built_.emplace(text, rows);
  return rows;
}

Status JobBuilder::insert(const Plan& plan, const TableDefinition& table) {
  const auto option = table.options.find("connector");
  if (option == table.options.end()) {
    return invalid_argument(ErrorId::kSqlOption,
                            "the table has no option 'connector', so that nobody can write it: {}",
                            table.path);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                             tables_.connector(option->second));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSink> sink,
                             connector->sink({table, tables_}));
  if (plan.updates && sink->changelog() == ChangelogKinds::kAppend) {
    const Plan* const updating = first_updating(plan);
    return invalid_argument(
        ErrorId::kSqlQuery,
        "Table sink '{}' doesn't support consuming update changes which is produced by node {}",
        table.path, updating == nullptr ? "" : node_line(*updating));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, build(plan));
  return sink->add_to(env_, std::move(rows), "Sink: " + table.path,
                      uid_of(plan, "sink") + "-" +
                          fmt::format("{:08x}", static_cast<uint32_t>(hash_bytes(
                                                    table.path.data(), table.path.size()))));
}

}  // namespace tidewheel::sql
