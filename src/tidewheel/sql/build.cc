#include "tidewheel/sql/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/split_watermarks.h"
#include "tidewheel/base/epoch_options.h"
#include "tidewheel/sql/calc.h"
#include "tidewheel/sql/changelog.h"
#include "tidewheel/sql/changelog_normalize.h"
#include "tidewheel/sql/column_partitioner.h"
#include "tidewheel/sql/correlate.h"
#include "tidewheel/sql/epoch_fold.h"
#include "tidewheel/sql/group_aggregate.h"
#include "tidewheel/sql/interval_join.h"
#include "tidewheel/sql/join_waits.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/local_aggregate.h"
#include "tidewheel/sql/local_window_aggregate.h"
#include "tidewheel/sql/lookup_join.h"
#include "tidewheel/sql/match_recognize.h"
#include "tidewheel/sql/mini_batch.h"
#include "tidewheel/sql/multi_join.h"
#include "tidewheel/sql/multi_join_rule.h"
#include "tidewheel/sql/not_null.h"
#include "tidewheel/sql/over.h"
#include "tidewheel/sql/pair_filter.h"
#include "tidewheel/sql/row_watermarks.h"
#include "tidewheel/sql/scan_pushdown.h"
#include "tidewheel/sql/session_table.h"
#include "tidewheel/sql/set_operation.h"
#include "tidewheel/sql/sort.h"
#include "tidewheel/sql/temporal_join.h"
#include "tidewheel/sql/top_n.h"
#include "tidewheel/sql/values_source.h"
#include "tidewheel/sql/window_aggregate.h"
#include "tidewheel/sql/window_join.h"
#include "tidewheel/sql/window_table.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

// So many bytes of the names of tables tell plans from each other; what reads a table many times by
// way of queries that several read would have more than could be looked at.
constexpr size_t kTablesBytesMax = 64 << 10;

Status not_yet(const char* what) {
  return unimplemented(ErrorId::kSqlUnsupported, "{} can't be run yet", what);
}

}  // namespace

void JobBuilder::use(BuildOptions options) {
  options_ = std::move(options);
  built_.clear();
  folded_.clear();
  read_.clear();
}

std::string JobBuilder::uid_of(const Plan& plan, const std::string& kind) {
  // The state is the same wherever late rows go.
  Plan alone = plan;
  alone.side.reset();
  std::string text = node_text(alone, false);
  // In one phase or in two, the state is the same.
  if (const auto* aggregate = std::get_if<AggregateNode>(&plan.node);
      aggregate != nullptr && aggregate->two_phase) {
    Plan one_phase = plan;
    std::get<AggregateNode>(one_phase.node).two_phase = false;
    text = node_text(one_phase, false);
  }
  if (const auto* scan = std::get_if<ScanNode>(&plan.node)) { text += scan->table->path + ";"; }
  for (const PlanRef& input : plan.inputs) { text += tables_of(input); }
  const std::string uid = fmt::format("sql-{}-{:016x}", kind, hash_bytes(text.data(), text.size()));
  const int32_t number = uids_[uid]++;
  return number == 0 ? uid : fmt::format("{}-{}", uid, number);
}

const std::string& JobBuilder::tables_of(const PlanRef& plan) {
  if (const auto it = tables_of_.find(plan.get()); it != tables_of_.end()) {
    return it->second.second;
  }
  std::string tables;
  if (const auto* scan = std::get_if<ScanNode>(&plan->node)) { tables = scan->table->path + ";"; }
  for (const PlanRef& input : plan->inputs) { tables += tables_of(input); }
  if (tables.size() > kTablesBytesMax) { tables.resize(kTablesBytesMax); }
  return tables_of_.emplace(plan.get(), std::pair(plan, std::move(tables))).first->second.second;
}

std::string JobBuilder::new_name(const Plan& plan, std::string name) {
  if (!options_.unique_names) { return name; }
  name += fmt::format("[{}]", ++names_given_);
  names_[keys_.number(plan)] = name;
  return name;
}

std::string JobBuilder::name_of(const Plan& plan) {
  const auto it = names_.find(keys_.number(plan));
  return it == names_.end() ? "" : it->second;
}

Stream<ColumnRow> JobBuilder::add(const Plan& plan, Added added,
                                  std::vector<Stream<ColumnRow>> inputs, Make make) {
  return add_linked(
      plan, std::move(added), std::move(inputs),
      [make = std::move(make)](const std::shared_ptr<const NodeLinks>&) { return make(); });
}

Stream<ColumnRow> JobBuilder::add_linked(const Plan& plan, Added added,
                                         std::vector<Stream<ColumnRow>> inputs, MakeLinked make) {
  const std::shared_ptr<JobGraph>& graph = env_.graph();
  GraphNode node;
  node.name = new_name(plan, added.name);
  node.uid = added.uid;
  node.description = node_text(plan, false);
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
  const int32_t id = graph->add_node(std::move(node), std::move(make));
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
  // An operator that is given mini-batches, where there are some.
  Make bundled(const std::vector<LogicalType>& types, Make make) const {
    const BundleOptions& options = builder.options_.bundles;
    if (options.rows_max == 0) { return make; }
    return [spec = MiniBatchSpec{types, std::min(options.rows_max, kMiniBatchRowsMax),
                                 options.latency_ms},
            make = std::move(make)]() -> Result<std::unique_ptr<Operator>> {
      TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<Operator> inner, make());
      return make_mini_batch(spec, std::move(inner));
    };
  }
  // Makes an operator that has a side output for late rows.
  template <class Spec>
  static MakeLinked linked(Spec spec, Result<std::unique_ptr<Operator>> (*make)(Spec)) {
    return [spec = std::move(spec), make](std::shared_ptr<const NodeLinks> links) {
      Spec one = spec;
      one.links = std::move(links);
      return make(std::move(one));
    };
  }
  // How long rows of an input are kept.
  int64_t ttl_ms(size_t index = 0) const {
    const int64_t kept_ms = plan.input(index).kept_ms;
    return kept_ms >= 0 ? kept_ms : builder.options_.state_ttl_ms;
  }

  Result<Stream<ColumnRow>> operator()(const ScanNode& node) const {
    bool follows = false;
    return scan_table(node, nullptr, follows);
  }
  // `follows`: the source follows `watermark`, which may be null, in each of its splits.
  Result<Stream<ColumnRow>> scan_table(const ScanNode& node, const WatermarkNode* watermark,
                                       bool& follows) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                               builder.tables_.connector(node.table->options.at("connector")));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSource> source,
                               connector->source({*node.table, builder.tables_}));
    if (plan.side.has_value()) { return scan_with_letters(node, *source, watermark, follows); }
    // A row that is left out would not take back the one before it.
    const bool upserts = source->changelog() == ChangelogKinds::kUpsert;
    ScanNode rest = node;  // what is left to be done behind the source
    std::erase_if(rest.kept, [&](const ScanNode::OneOf& one) {
      return !upserts && source->keep_only(one.column, one.values);
    });
    std::vector<ColumnPath> paths;
    for (size_t i = 0; i < node.columns.size(); ++i) {
      ColumnPath& path = paths.emplace_back(ColumnPath{node.columns[i]});
      if (node.field(i) == ScanNode::kWhole) { continue; }
      path.fields.push_back(static_cast<size_t>(node.field(i)));
    }
    const bool has_fields = std::any_of(
        paths.begin(), paths.end(), [](const ColumnPath& path) { return !path.fields.empty(); });
    if (!upserts && rest.kept.empty() &&
        (has_fields ? source->project_fields(paths) : source->project(node.columns))) {
      auto* const splits = dynamic_cast<SplitWatermarkSource*>(source.get());
      if (watermark != nullptr && splits != nullptr) {
        follows = true;
        splits->follow_watermarks(
            make_row_watermarks(watermark->value, plan.type.types, builder.options_.eval),
            builder.options_.watermark_per_record);
      }
      return scan(*source, plan.type);
    }
    // Each column that is needed, once.
    std::vector<size_t> columns;
    const auto add = [&](size_t column) {
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
        columns.push_back(column);
      }
    };
    for (const size_t column : node.columns) { add(column); }
    for (const ScanNode::OneOf& one : rest.kept) { add(one.column); }
    if (upserts) {
      for (const std::string& name : node.table->primary_key) { add(column_named(node, name)); }
    }
    if (!source->project(columns)) {
      columns.resize(node.table->columns.size());
      std::iota(columns.begin(), columns.end(), size_t{0});
    }
    return scan_and_calc(*source, rest, columns);
  }
  // The source gives all columns of the table, and then those of dead letters. It is the same for
  // all readers, so that a letter is written once.
  Result<Stream<ColumnRow>> scan_with_letters(const ScanNode& node, TableSource& source,
                                              const WatermarkNode* watermark, bool& follows) const {
    TIDEWHEEL_CHECK(node.columns.size() == node.table->columns.size() && node.kept.empty(),
                    "a table with dead letters is read as a whole");
    std::string key = node.table->path;
    for (const auto& [option, value] : node.table->options) { key += "\n" + option + "=" + value; }
    auto* const splits = dynamic_cast<SplitWatermarkSource*>(&source);
    if (watermark != nullptr && splits != nullptr) {
      follows = true;
      key += "\nwatermark " + bound_text(watermark->value);
    }
    RowType given = plan.type;
    const RowType letters = dead_letter_columns();
    for (size_t i = 0; i < letters.size(); ++i) { given.add(letters.names[i], letters.types[i]); }
    auto found = builder.lettered_.find(key);
    if (found == builder.lettered_.end()) {
      if (follows) {
        splits->follow_watermarks(
            make_row_watermarks(watermark->value, given.types, builder.options_.eval),
            builder.options_.watermark_per_record);
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, scan(source, given));
      Plan all = plan;
      all.side.reset();
      all.type = given;
      TIDEWHEEL_RETURN_IF_ERROR(builder.write_side(*plan.side, "DeadLetters",
                                                   std::make_shared<Plan>(std::move(all)),
                                                   plan.side->goes, rows));
      found = builder.lettered_.emplace(key, std::move(rows)).first;
    }
    std::vector<Bound> outputs = all_columns(plan);
    Stream<ColumnRow> rows = calc(found->second, plan.side->stays, std::move(outputs), given.types);
    if (source.changelog() != ChangelogKinds::kUpsert) { return rows; }
    std::vector<int32_t> keys;
    for (const std::string& name : node.table->primary_key) {
      keys.push_back(static_cast<int32_t>(plan.type.find(name)));
    }
    return normalize(std::move(rows), plan.type, std::move(keys));
  }
  Result<Stream<ColumnRow>> scan(TableSource& source, const RowType& type) const {
    const auto& node = std::get<ScanNode>(plan.node);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const Stream<ColumnRow> rows,
        source.add_to(builder.env_, builder.new_name(plan, "Source: " + node.table->path),
                      builder.uid_of(plan, "source")));
    StreamEnds ends = rows.ends();
    const std::shared_ptr<const RowCodec> codec = make_column_codec(type);
    for (StreamEnd& end : ends) { end.row_codec = codec; }
    return Stream<ColumnRow>(rows.graph(), std::move(ends));
  }
  // What the source does not do itself. `columns`: those that it gives.
  Result<Stream<ColumnRow>> scan_and_calc(TableSource& source, const ScanNode& node,
                                          const std::vector<size_t>& columns) const {
    RowType given;
    for (const size_t column : columns) {
      given.add(node.table->columns[column].name, node.table->columns[column].type);
    }
    CalcNode left = calc_behind_scan(node, plan.type, given, [&](size_t column) {
      const auto at = std::find(columns.begin(), columns.end(), column) - columns.begin();
      return static_cast<int32_t>(at);
    });
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, scan(source, given));
    if (source.changelog() == ChangelogKinds::kUpsert) {
      std::vector<int32_t> keys;
      for (const std::string& name : node.table->primary_key) {
        keys.push_back(static_cast<int32_t>(given.find(name)));
      }
      rows = normalize(std::move(rows), given, std::move(keys));
    }
    const bool is_all = !left.condition.has_value() && node.columns == columns &&
                        std::all_of(node.fields.begin(), node.fields.end(),
                                    [](int32_t field) { return field == ScanNode::kWhole; });
    if (is_all) { return rows; }
    return calc(std::move(rows), std::move(left.condition), std::move(left.outputs), given.types);
  }

  static size_t column_named(const ScanNode& node, const std::string& name) {
    const auto& columns = node.table->columns;
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const TableColumn& one) { return one.name == name; });
    return static_cast<size_t>(found - columns.begin());
  }
  // Upserts as a changelog. `given`: the columns of the rows.
  Stream<ColumnRow> normalize(Stream<ColumnRow> rows, const RowType& given,
                              std::vector<int32_t> keys) const {
    ChangelogNormalizeSpec spec{given, keys, builder.options_.state_ttl_ms};
    const Stream<ColumnRow> made = builder.add(
        plan,
        {.name = "ChangelogNormalize", .uid = builder.uid_of(plan, "normalize"), .stateful = true},
        {builder.by_keys(std::move(rows), given, keys)},
        [spec] { return make_changelog_normalize(spec); });
    StreamEnds ends = made.ends();
    for (StreamEnd& end : ends) { end.row_codec = make_column_codec(given); }
    return Stream<ColumnRow>(made.graph(), std::move(ends));
  }

  Result<Stream<ColumnRow>> operator()(const ValuesNode& node) const {
    const std::string uid = builder.uid_of(plan, "values");
    const std::shared_ptr<SourcePause>& pause = builder.options_.pause;
    if (pause != nullptr) { ++pause->sources; }
    Stream<ColumnRow> rows = builder.env_.add_source(
        builder.new_name(plan, "Values"), ValuesSource(node.rows, plan.type.types, pause));
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
    ReadColumns reads(plan.input().type.size(), false);
    const auto add = [&](const Bound& column) { reads[static_cast<size_t>(column.column)] = true; };
    if (node.condition.has_value()) { for_each_column(*node.condition, add); }
    for (const Bound& output : node.outputs) { for_each_column(output, add); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, builder.build_for(plan.input(), reads));
    EvalOptions eval = builder.options_.eval;
    return calc(std::move(rows), node.condition, node.outputs, plan.input().type.types);
  }

  Result<Stream<ColumnRow>> operator()(const WatermarkNode& node) const {
    const auto* const table = std::get_if<ScanNode>(&plan.input().node);
    bool follows = false;
    TIDEWHEEL_ASSIGN_OR_RETURN(
        Stream<ColumnRow> rows,
        table == nullptr || !node.has_value
            ? input()
            : NodeBuilder{builder, plan.input()}.scan_table(*table, &node, follows));
    if (!node.has_value || follows) { return rows; }
    return builder.add(
        plan, {.name = "WatermarkAssigner", .uid = builder.uid_of(plan, "watermark")},
        {std::move(rows)},
        [value = node.value, types = plan.input().type.types,
         per_record = builder.options_.watermark_per_record, eval = builder.options_.eval] {
          return make_watermark_operator(value, types, per_record, eval);
        });
  }

  Result<Stream<ColumnRow>> operator()(const CorrelateNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    CorrelateSpec spec;
    spec.function = node.function;
    spec.input = plan.input().type.types;
    spec.arguments = node.arguments;
    spec.passed = node.passed;
    spec.given = node.given;
    spec.is_left = node.is_left;
    spec.emits_before = plan.emits_before;
    if (node.function->is_async()) {
      return builder.add(plan, {.name = "AsyncCalc", .uid = builder.uid_of(plan, "async")},
                         {std::move(rows)},
                         [spec = std::move(spec), options = builder.options_.async_calls] {
                           return make_async_calls(spec, options);
                         });
    }
    return builder.add(plan, {.name = "Correlate", .uid = builder.uid_of(plan, "correlate")},
                       {std::move(rows)},
                       [spec = std::move(spec)] { return make_correlate(spec); });
  }

  Result<Stream<ColumnRow>> operator()(const ExpandNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    return builder.add(
        plan, {.name = "Expand", .uid = builder.uid_of(plan, "expand")}, {std::move(rows)},
        [projections = node.projections, types = plan.input().type.types,
         eval = builder.options_.eval] { return make_expand_operator(projections, types, eval); });
  }

  Result<Stream<ColumnRow>> operator()(const UnionNode&) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> first, input());
    StreamEnds ends = first.ends();
    for (size_t i = 1; i < plan.inputs.size(); ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> next, input(i));
      ends.insert(ends.end(), next.ends().begin(), next.ends().end());
    }
    if (plan.updates) { keep_order(ends); }
    return Stream<ColumnRow>(first.graph(), std::move(ends));
  }
  // Changes that come from one subtask go to one, also where others come from several.
  void keep_order(StreamEnds& ends) const {
    const auto is_single = [&](const StreamEnd& end) {
      const GraphNode& from = builder.env_.graph()->node(end.node);
      return end.kind == EdgeKind::kForward &&
             (from.parallelism == 1 || from.fixed_parallelism == 1);
    };
    if (std::all_of(ends.begin(), ends.end(), is_single)) { return; }
    for (StreamEnd& end : ends) {
      if (!is_single(end)) { continue; }
      end.kind = EdgeKind::kGlobal;
      end.kind_chosen = true;
    }
  }

  Result<Stream<ColumnRow>> operator()(const SetOperationNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> left, input(0));
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> right, input(1));
    SetOperationSpec spec;
    spec.is_intersect = node.is_intersect;
    spec.all = node.all;
    spec.left = plan.input(0).type;
    spec.right = plan.input(1).type;
    spec.output = plan.type;
    spec.ttl_ms = ttl_ms();
    std::vector<int32_t> keys(plan.type.size());
    std::iota(keys.begin(), keys.end(), 0);
    return builder.add(plan,
                       {.name = node.is_intersect ? "Intersect" : "Except",
                        .uid = builder.uid_of(plan, "set"),
                        .stateful = true,
                        .single = false},
                       {builder.by_keys(std::move(left), spec.left, keys),
                        builder.by_keys(std::move(right), spec.right, keys)},
                       [spec] { return make_set_operation(spec); });
  }

  Result<Stream<ColumnRow>> operator()(const AggregateNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    GroupAggregateSpec spec;
    spec.input = plan.input().type;
    spec.keys = node.keys;
    TIDEWHEEL_ASSIGN_OR_RETURN(spec.calls, calls(node.calls));
    spec.input_retracts = plan.input().updates;
    spec.emits_before = plan.emits_before;
    spec.ttl_ms = ttl_ms();
    spec.mini_batch = builder.options_.mini_batch;
    spec.by_epoch = builder.by_epoch_.contains(builder.keys_.number(plan));
    if (node.two_phase) { rows = local_aggregate(std::move(rows), spec); }
    return builder.add(plan,
                       {.name = node.calls.empty() ? "Distinct" : "GroupAggregate",
                        .uid = builder.uid_of(plan, "aggregate"),
                        .stateful = true,
                        .single = node.keys.empty()},
                       {builder.by_keys(std::move(rows), spec.input, spec.keys)},
                       bundled(spec.input.types, [spec] { return make_group_aggregate(spec); }));
  }
  // Puts the first phase before an aggregate, whose spec becomes that of the second.
  Stream<ColumnRow> local_aggregate(Stream<ColumnRow> rows, GroupAggregateSpec& spec) const {
    LocalAggregateSpec local{spec.input, spec.keys, spec.calls};
    spec.partial = spec.input;
    spec.input = local_aggregate_output(local);
    std::iota(spec.keys.begin(), spec.keys.end(), 0);
    return first_phase("LocalGroupAggregate", std::move(rows), spec.input,
                       [local] { return make_local_aggregate(local); });
  }
  // An operator without state that gives rows of `type` to the one of this plan.
  Stream<ColumnRow> first_phase(const char* name, Stream<ColumnRow> rows, const RowType& type,
                                Make make) const {
    const Stream<ColumnRow> made =
        builder.add(plan, {.name = name, .uid = builder.uid_of(plan, "local")}, {std::move(rows)},
                    std::move(make));
    StreamEnds ends = made.ends();
    for (StreamEnd& end : ends) { end.row_codec = make_column_codec(type); }
    return Stream<ColumnRow>(made.graph(), std::move(ends));
  }
  Result<Stream<ColumnRow>> operator()(const OverNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    OverSpec spec;
    spec.input = plan.input().type;
    spec.partition_by = node.partition_by;
    for (const SortKeyNode& key : node.order_by) {
      spec.order_by.push_back({key.column, key.descending, key.nulls_first});
    }
    for (const OverCallNode& one : node.calls) {
      OverCall call;
      call.kind = static_cast<OverCall::Kind>(one.kind);
      call.call.arguments = one.call.arguments;
      call.call.result = one.call.result;
      if (one.kind == OverCallNode::Kind::kAggregate) {
        TIDEWHEEL_ASSIGN_OR_RETURN(auto made, calls({one.call}));
        call.call = std::move(made[0]);
      }
      call.frame = {one.frame.by_rows, one.frame.preceding, one.frame.following};
      call.offset = one.offset;
      spec.calls.push_back(std::move(call));
    }
    spec.input_retracts = plan.input().updates;
    spec.emits_before = plan.emits_before;
    spec.mini_batch = builder.options_.mini_batch;
    spec.at_end = node.mode == OverNode::Mode::kAtEnd;
    spec.ttl_ms = ttl_ms();
    Added added{.name = "OverAggregate",
                .uid = builder.uid_of(plan, "over"),
                .stateful = true,
                .single = node.partition_by.empty()};
    std::vector<Stream<ColumnRow>> inputs{
        builder.by_keys(std::move(rows), plan.input().type, node.partition_by)};
    if (node.mode != OverNode::Mode::kUpdating) {
      const bool by_time = node.mode == OverNode::Mode::kByTime;
      return builder.add_linked(
          plan, std::move(added), std::move(inputs),
          linked(std::move(spec), by_time ? make_over_by_time : make_over_by_order));
    }
    return builder.add(plan, std::move(added), std::move(inputs),
                       bundled(spec.input.types, [spec] { return make_over_by_order(spec); }));
  }
  Result<Stream<ColumnRow>> operator()(const MatchNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    MatchSpec spec;
    spec.input = plan.input().type;
    spec.output = plan.type;
    spec.partition_by = node.partition_by;
    for (const SortKeyNode& key : node.order_by) {
      spec.order_by.push_back({key.column, key.descending, key.nulls_first});
    }
    for (const MatchElementNode& element : node.pattern) {
      spec.pattern.push_back({element.variable, element.least, element.most, element.reluctant});
    }
    for (const MatchLookupNode& one : node.lookups) {
      MatchLookup lookup;
      lookup.kind = static_cast<MatchLookup::Kind>(one.kind);
      lookup.variable = one.variable;
      lookup.column = one.column;
      lookup.offset = one.offset;
      lookup.type = one.type;
      if (one.kind == MatchLookupNode::Kind::kAggregate) {
        TIDEWHEEL_ASSIGN_OR_RETURN(auto made, calls({one.call}));
        lookup.call = std::move(made[0]);
      }
      spec.lookups.push_back(std::move(lookup));
    }
    spec.conditions = node.conditions;
    spec.measures = node.measures;
    spec.skip = static_cast<MatchSpec::Skip>(node.skip);
    spec.skip_to = node.skip_to;
    spec.within_ms = node.within_ms;
    spec.eval = builder.options_.eval;
    return builder.add_linked(
        plan,
        {.name = "Match",
         .uid = builder.uid_of(plan, "match"),
         .stateful = true,
         .single = node.partition_by.empty()},
        {builder.by_keys(std::move(rows), plan.input().type, node.partition_by)},
        linked(std::move(spec), make_match_recognize));
  }
  static Result<std::vector<AggregateCall>> calls(const std::vector<AggregateCallNode>& nodes) {
    std::vector<AggregateCall> calls;
    for (const AggregateCallNode& node : nodes) {
      AggregateCall call;
      if (node.user != nullptr) {
        call.function = AggregateFunction::kUser;
        call.user = node.user;
      } else if (node.function == "COUNT" && node.arguments.empty()) {
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
    if (time.time == TimeAttribute::kProcessing) {
      return not_yet("a window by processing time without an aggregate");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    if (node.window.kind == WindowSpecNode::Kind::kSession) {
      return session_table(std::move(rows), node);
    }
    return builder.add(
        plan, {.name = "WindowTableFunction", .uid = builder.uid_of(plan, "windows")},
        {std::move(rows)},
        [types = plan.input().type.types, node]() -> Result<std::unique_ptr<Operator>> {
          return make_window_table(types, node.time, grid_of(node.window));
        });
  }
  Result<Stream<ColumnRow>> session_table(Stream<ColumnRow> rows, const WindowNode& node) const {
    if (plan.input().updates) {
      return invalid_argument(ErrorId::kSqlUnsupported,
                              "SESSION without an aggregate takes rows that are only added; these "
                              "are changed, too");
    }
    SessionTableSpec spec;
    spec.input = plan.input().type;
    spec.partition_by = node.partition_by;
    spec.time = node.time;
    spec.gap_ms = node.window.size_ms;
    return builder.add_linked(
        plan,
        {.name = "SessionTableFunction",
         .uid = builder.uid_of(plan, "session"),
         .stateful = true,
         .single = node.partition_by.empty()},
        {builder.by_keys(std::move(rows), plan.input().type, node.partition_by)},
        linked(std::move(spec), make_session_table));
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
    if (has_local_windows(plan, builder.options_.window_phases, builder.env_.parallelism())) {
      rows = local_windows(std::move(rows), spec);
    }
    return builder.add_linked(plan,
                              {.name = "WindowAggregate",
                               .uid = builder.uid_of(plan, "window"),
                               .stateful = true,
                               .single = node.keys.empty()},
                              {builder.by_keys(std::move(rows), spec.input, spec.keys)},
                              linked(spec, make_window_aggregate));
  }
  // Puts the first phase before windows, whose spec becomes that of the second.
  Stream<ColumnRow> local_windows(Stream<ColumnRow> rows, WindowAggregateSpec& spec) const {
    LocalWindowSpec local{spec.input,  spec.keys, spec.calls,
                          spec.window, spec.time, builder.options_.watermark_interval_ms};
    spec.partial = spec.input;
    spec.input = local_window_output(local);
    std::iota(spec.keys.begin(), spec.keys.end(), 0);
    return first_phase("LocalWindowAggregate", std::move(rows), spec.input,
                       [local] { return make_local_window_aggregate(local); });
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
      return join("WindowJoin", node, std::move(spec), make_window_join);
    }
    if (node.left_time >= 0) {
      IntervalJoinSpec spec;
      spec.left_time = node.left_time;
      spec.right_time = node.right_time;
      spec.lower_ms = node.lower_ms;
      spec.upper_ms = node.upper_ms;
      return join("IntervalJoin", node, std::move(spec), make_interval_join);
    }
    StreamJoinSpec spec;
    spec.left_retracts = plan.input(0).updates;
    spec.right_retracts = plan.input(1).updates;
    spec.left_is_unique = is_unique(0, node.left_keys);
    spec.right_is_unique = is_unique(1, node.right_keys);
    spec.nulls_match = node.nulls_match;
    spec.left_ttl_ms = ttl_ms(0);
    spec.right_ttl_ms = ttl_ms(1);
    if (spec.left_ttl_ms == 0 && spec.right_ttl_ms == 0) { spec.waits = find_waiting_side(plan); }
    return join("Join", node, std::move(spec), make_stream_join);
  }
  Result<Stream<ColumnRow>> operator()(const MultiJoinNode& node) const {
    MultiJoinSpec spec;
    std::vector<Stream<ColumnRow>> inputs;
    const std::vector<int32_t> shared = shared_inputs(plan);
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      if (shared[i] < 0) {
        TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input(i));
        inputs.push_back(builder.by_keys(std::move(rows), plan.input(i).type, node.keys[i]));
      }
      MultiJoinInput& one = spec.inputs.emplace_back();
      one.type = plan.input(i).type;
      one.keys = node.keys[i];
      one.retracts = plan.input(i).updates;
      one.is_unique = is_unique(i, node.keys[i]);
      one.ttl_ms = ttl_ms(i);
      one.same_as = shared[i];
      if (i == 0) { continue; }
      one.pads = node.steps[i - 1].kind == JoinKind::kLeft;
      one.anchors = node.steps[i - 1].anchors;
    }
    return builder.add(
        plan, {.name = "MultiJoin", .uid = builder.uid_of(plan, "multi-join"), .stateful = true},
        std::move(inputs),
        [spec = std::move(spec), steps = node.steps,
         eval = builder.options_.eval]() -> Result<std::unique_ptr<Operator>> {
          const std::vector<LogicalType> all = multi_join_output(spec).types;
          std::vector<std::unique_ptr<PairFilter>> filters(1);
          size_t end = spec.inputs[0].type.size();
          for (size_t i = 0; i < steps.size(); ++i) {
            end += spec.inputs[i + 1].type.size();
            std::unique_ptr<PairFilter>& filter = filters.emplace_back();
            if (!steps[i].condition.has_value()) { continue; }
            const std::vector<LogicalType> columns(all.begin(),
                                                   all.begin() + static_cast<ptrdiff_t>(end));
            TIDEWHEEL_ASSIGN_OR_RETURN(filter,
                                       make_pair_filter(*steps[i].condition, columns, eval));
          }
          return make_multi_join(spec, std::move(filters));
        });
  }
  Result<Stream<ColumnRow>> operator()(const TemporalJoinNode& node) const {
    TemporalJoinSpec spec;
    spec.left_time = node.left_time;
    spec.right_time = node.right_time;
    spec.right_ttl_ms = ttl_ms(1);
    return join("TemporalJoin", node, std::move(spec), make_temporal_join);
  }
  Result<Stream<ColumnRow>> operator()(const LookupJoinNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                               builder.tables_.connector(node.table->options.at("connector")));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableLookup> lookup,
                               connector->lookup({*node.table, builder.tables_}));
    TIDEWHEEL_ASSIGN_OR_RETURN(LookupJoinSpec spec, lookup_spec(node, *lookup));
    std::vector<size_t> columns = node.columns;
    if (spec.caching.kind == LookupCaching::Kind::kFull) {
      for (const size_t key : node.table_keys) {
        const auto it = std::find(columns.begin(), columns.end(), key);
        spec.stored_keys.push_back(static_cast<int32_t>(it - columns.begin()));
        if (it == columns.end()) { columns.push_back(key); }
      }
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      const TableColumn& column = node.table->columns[columns[i]];
      spec.stored.add(column.name, column.type);
      if (i < node.columns.size()) { spec.table.add(column.name, column.type); }
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(spec.make_reader, lookup->reader(node.table_keys, columns));
    std::vector<LogicalType> types = spec.input.types;
    types.insert(types.end(), spec.table.types.begin(), spec.table.types.end());
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, input());
    return builder.add(
        plan, {.name = "LookupJoin", .uid = builder.uid_of(plan, "lookup")}, {std::move(rows)},
        [spec = std::move(spec), types = std::move(types), condition = node.condition,
         eval = builder.options_.eval]() -> Result<std::unique_ptr<Operator>> {
          std::unique_ptr<PairFilter> filter;
          if (condition.has_value()) {
            TIDEWHEEL_ASSIGN_OR_RETURN(filter, make_pair_filter(*condition, types, eval));
          }
          return make_lookup_join(spec, std::move(filter));
        });
  }
  // What the settings, the table and the hint say.
  Result<LookupJoinSpec> lookup_spec(const LookupJoinNode& node, const TableLookup& lookup) const {
    const LookupHintNode& hint = node.hint;
    LookupJoinSpec spec;
    spec.pads = node.kind == JoinKind::kLeft;
    spec.input = plan.input().type;
    spec.input_keys = node.input_keys;
    spec.caching = lookup.caching();
    spec.failures_max = lookup.retries_max();
    const auto refuse = [&](const char* why) {
      return invalid_argument(ErrorId::kSqlOption, "the hint LOOKUP can't be followed: {}: {}", why,
                              node.table->path);
    };
    const bool has_hint = hint.is_async >= 0 || hint.is_ordered >= 0 || hint.capacity >= 0 ||
                          hint.timeout_ms >= 0 || hint.retries_misses;
    if (spec.caching.kind == LookupCaching::Kind::kFull && has_hint) {
      return refuse("the whole table is in memory ('lookup.cache' = 'FULL')");
    }
    spec.is_async = hint.is_async > 0;
    if (spec.is_async && !lookup.is_concurrent()) {
      return refuse("the table takes one call at a time, so that 'async' has to be 'false'");
    }
    if (!spec.is_async && (hint.is_ordered >= 0 || hint.capacity >= 0 || hint.timeout_ms >= 0)) {
      return refuse("'output-mode', 'capacity' and 'timeout' go with 'async' = 'true'");
    }
    const BuildOptions& settings = builder.options_;
    spec.is_ordered = hint.is_ordered >= 0 ? hint.is_ordered > 0 : settings.lookup_is_ordered;
    // Changes of a row may not overtake each other.
    spec.is_ordered = spec.is_ordered || plan.input().updates;
    spec.capacity = hint.capacity >= 0 ? hint.capacity : settings.lookup_capacity;
    spec.timeout_ms = hint.timeout_ms >= 0 ? hint.timeout_ms : settings.lookup_timeout_ms;
    if (hint.retries_misses) {
      spec.attempts_max = static_cast<int32_t>(std::min<int64_t>(hint.attempts_max, INT32_MAX));
      spec.retry_delay_ms = hint.retry_delay_ms;
    }
    return spec;
  }
  // What all joins have in common; `make(spec, filter)`.
  template <class Node, class Spec>
  Result<Stream<ColumnRow>> join(
      const char* name, const Node& node, Spec spec,
      Result<std::unique_ptr<Operator>> (*make)(Spec, std::unique_ptr<PairFilter>)) const {
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
                        reads = builder.read_.at(builder.keys_.number(plan)),
                        eval = builder.options_.eval]() -> Result<std::unique_ptr<Operator>> {
                         std::unique_ptr<PairFilter> filter;
                         if (condition.has_value()) {
                           TIDEWHEEL_ASSIGN_OR_RETURN(filter,
                                                      make_pair_filter(*condition, columns, eval));
                         }
                         Spec one = spec;
                         if constexpr (std::is_same_v<Spec, StreamJoinSpec>) {
                           one.is_read = *reads;
                         }
                         return make(std::move(one), std::move(filter));
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
    spec.function = static_cast<TopNFunction>(node.function);
    spec.window_end = node.window_end;
    spec.newest = node.newest;
    spec.input_retracts = plan.input().updates;
    spec.emits_before = plan.emits_before;
    spec.ttl_ms = ttl_ms();
    return builder.add_linked(
        plan,
        {.name = "TopN",
         .uid = builder.uid_of(plan, "top"),
         .stateful = true,
         .single = node.partition_by.empty()},
        {builder.by_keys(std::move(rows), plan.input().type, node.partition_by)},
        linked(std::move(spec), make_top_n));
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
  Result<Stream<ColumnRow>> operator()(const SortNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> rows, input());
    SortSpec spec;
    spec.input = plan.input().type;
    for (const SortKeyNode& key : node.order_by) {
      spec.order_by.push_back({key.column, key.descending, key.nulls_first});
    }
    return builder.add_linked(
        plan,
        {.name = node.by_time ? "TemporalSort" : "Sort",
         .uid = builder.uid_of(plan, "sort"),
         .stateful = true,
         .single = true},
        {rows.global()}, linked(std::move(spec), node.by_time ? make_time_sort : make_full_sort));
  }
};

Result<Stream<ColumnRow>> JobBuilder::build_node(const Plan& plan) {
  return std::visit(NodeBuilder{*this, plan}, plan.node);
}

Result<Stream<ColumnRow>> JobBuilder::build(const Plan& plan) {
  return build_for(plan, ReadColumns(plan.type.size(), true));
}

Result<Stream<ColumnRow>> JobBuilder::build_for(const Plan& plan, const ReadColumns& reads) {
  // Nothing is computed twice: equal parts have equal numbers.
  const int32_t number = keys_.number(plan);
  std::shared_ptr<ReadColumns>& read = read_[number];
  if (read == nullptr) { read = std::make_shared<ReadColumns>(plan.type.size(), false); }
  for (size_t c = 0; c < reads.size(); ++c) { (*read)[c] = (*read)[c] || reads[c]; }
  if (const auto it = built_.find(number); it != built_.end()) { return it->second; }
  TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, build_node(plan));
  built_.emplace(number, rows);
  if (plan.side.has_value() && !std::holds_alternative<ScanNode>(plan.node)) {
    TIDEWHEEL_RETURN_IF_ERROR(write_late(plan, rows));
  }
  return rows;
}

namespace {

// Whether rows may come too late for a node.
struct HasLateRows {
  const Plan& plan;
  bool is_event_time(int32_t column) const {
    return plan.input().type.types[static_cast<size_t>(column)].time == TimeAttribute::kEvent;
  }
  bool operator()(const WindowAggregateNode& node) const {
    return node.is_attached || is_event_time(node.time);
  }
  bool operator()(const OverNode& node) const {
    return node.mode == OverNode::Mode::kByTime && is_event_time(node.order_by[0].column);
  }
  bool operator()(const MatchNode& node) const { return is_event_time(node.order_by[0].column); }
  bool operator()(const SortNode& node) const { return node.by_time; }
  bool operator()(const TopNNode& node) const { return node.window_end >= 0; }
  template <class Node>
  bool operator()(const Node&) const {
    return false;
  }
};

}  // namespace

Status JobBuilder::write_late(const Plan& plan, const Stream<ColumnRow>& rows) {
  if (!std::visit(HasLateRows{plan}, plan.node)) {
    return invalid_argument(ErrorId::kSqlQuery,
                            "no row comes too late for {}, and the hint LATE_TABLE has no meaning",
                            node_text(plan, false));
  }
  StreamEnds ends = rows.side(kLateRows).ends();
  for (StreamEnd& end : ends) { end.row_codec = make_column_codec(plan.input().type); }
  return write_side(*plan.side, "LateRows", plan.inputs[0], std::nullopt,
                    Stream<ColumnRow>(rows.graph(), std::move(ends)));
}

Status JobBuilder::write_side(const SideTableNode& side, const std::string& name, PlanRef given,
                              std::optional<Bound> condition, Stream<ColumnRow> rows) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSink> sink, sink_of(*side.table));
  Plan plan;
  size_t next = 0;
  for (const TableColumn& column : side.table->columns) {
    if (!column.is_virtual) { plan.type.add(column.name, side.values[next++].type); }
  }
  plan.node = CalcNode{condition, side.values};
  const std::vector<LogicalType> types = given->type.types;
  plan.inputs.push_back(std::move(given));
  Stream<ColumnRow> chosen =
      add(plan, {.name = name, .uid = uid_of(plan, "side")}, {std::move(rows)},
          [condition = std::move(condition), outputs = side.values, types, eval = options_.eval] {
            return make_calc_operator(condition, outputs, types, eval);
          });
  return write(plan, std::move(chosen), *side.table, *sink);
}

Stream<ColumnRow> JobBuilder::without_nulls(const Plan& plan, const TableDefinition& table,
                                            Stream<ColumnRow> rows) {
  NotNullSpec spec;
  spec.table = table.path;
  spec.drops = options_.drops_null_rows;
  size_t index = 0;
  for (const TableColumn& column : table.columns) {
    if (column.is_virtual) { continue; }
    if (!column.type.nullable && plan.type.types[index].nullable) {
      spec.columns.push_back(static_cast<int32_t>(index));
      spec.names.push_back(column.name);
    }
    ++index;
  }
  if (spec.columns.empty()) { return rows; }
  Plan checked;
  checked.node = CalcNode{std::nullopt, all_columns(plan)};
  checked.type = plan.type;
  checked.updates = plan.updates;
  checked.inputs.push_back(std::make_shared<Plan>(plan));
  return add(checked, {.name = "ConstraintEnforcer", .uid = uid_of(checked, "not-null")},
             {std::move(rows)}, [spec = std::move(spec)]() -> Result<std::unique_ptr<Operator>> {
               return make_not_null_operator(spec);
             });
}

// Changes of a row must reach the same subtask of the sink, one behind the other.
Stream<ColumnRow> JobBuilder::spread_for_sink(const Plan& plan, const TableDefinition& table,
                                              Stream<ColumnRow> rows) {
  std::vector<int32_t> keys;
  std::vector<int32_t> all;
  for (const TableColumn& column : table.columns) {
    if (column.is_virtual) { continue; }
    const auto index = static_cast<int32_t>(all.size());
    all.push_back(index);
    const std::vector<std::string>& key = table.primary_key;
    if (std::find(key.begin(), key.end(), column.name) != key.end()) { keys.push_back(index); }
  }
  const KeyedShuffle shuffle = options_.keyed_shuffle;
  // The sink's subtasks are others than those before it.
  const bool is_apart = plan.updates && table.options.count("sink.parallelism") > 0;
  const bool is_spread = keys.empty() ? is_apart
                                      : shuffle == KeyedShuffle::kForce ||
                                            (is_apart && shuffle == KeyedShuffle::kAuto);
  if (!is_spread) { return rows; }
  return by_keys(std::move(rows), plan.type, keys.empty() ? all : keys);
}

void JobBuilder::note_aggregates(const Plan& plan) {
  if (options_.epochs.interval_ms == 0) { return; }
  const int32_t number = keys_.number(plan);
  if (!noted_.insert(number).second) { return; }
  if (std::holds_alternative<AggregateNode>(plan.node)) { by_epoch_.insert(number); }
  for (const PlanRef& input : plan.inputs) { note_aggregates(*input); }
}

// An aggregate that folds its own changes (GroupAggregateSpec::by_epoch), below nothing but a
// choice of columns that keeps all its results: then no row is updated to what it was. Or several
// of them as one table, whose changes are those of each.
bool JobBuilder::is_folded(const Plan& plan) {
  if (std::holds_alternative<UnionNode>(plan.node)) {
    const int32_t number = keys_.number(plan);
    if (const auto it = folded_.find(number); it != folded_.end()) { return it->second; }
    return folded_[number] =
               std::all_of(plan.inputs.begin(), plan.inputs.end(),
                           [this](const PlanRef& input) { return is_folded(*input); });
  }
  if (plan.unique_keys.empty() || options_.drops_null_rows) { return false; }
  const Plan* below = &plan;
  if (const auto* calc = std::get_if<CalcNode>(&plan.node)) {
    below = &plan.input();
    if (calc->condition.has_value()) { return false; }
    std::vector<bool> given(below->type.size(), false);
    for (const Bound& output : calc->outputs) {
      if (output.kind != Bound::Kind::kColumn) { return false; }
      given[static_cast<size_t>(output.column)] = true;
    }
    const auto* aggregate = std::get_if<AggregateNode>(&below->node);
    if (aggregate == nullptr ||
        std::find(given.begin() + static_cast<ptrdiff_t>(aggregate->keys.size()), given.end(),
                  false) != given.end()) {
      return false;
    }
  }
  const auto* aggregate = std::get_if<AggregateNode>(&below->node);
  if (aggregate == nullptr || aggregate->keys.empty() || below->input().updates) { return false; }
  const int64_t kept_ms = below->input().kept_ms;
  if ((kept_ms >= 0 ? kept_ms : options_.state_ttl_ms) != 0 ||
      env_.config().get(options::kStateBackend) != "hashmap") {
    return false;
  }
  const Result<std::vector<AggregateCall>> calls = NodeBuilder::calls(aggregate->calls);
  return calls.ok() && can_have_two_phases(*calls);
}

namespace {

// Rows of one table, each made into at most one: what there is at any moment is right for a prefix
// of every split, so that nothing needs to be held.
bool is_right_at_once(const Plan& plan) {
  if (plan.updates) { return false; }
  if (std::holds_alternative<ScanNode>(plan.node)) { return true; }
  const bool passes_rows = std::holds_alternative<CalcNode>(plan.node) ||
                           std::holds_alternative<WatermarkNode>(plan.node);
  return passes_rows && is_right_at_once(plan.input());
}

}  // namespace

Stream<ColumnRow> JobBuilder::by_epochs(const Plan& plan, Stream<ColumnRow> rows, bool single) {
  if (options_.epochs.interval_ms == 0) { return rows; }
  env_.config().set(options::kEpochInterval, options_.epochs.interval_ms);
  if (is_folded(plan) || (!single && is_right_at_once(plan))) { return rows; }
  EpochFoldSpec spec;
  spec.input = plan.type;
  spec.updates = plan.updates;
  spec.has_key = !plan.unique_keys.empty();
  if (spec.has_key) { spec.keys = plan.unique_keys[0]; }
  spec.buffer_bytes = options_.epochs.buffer_bytes;
  Plan folded;
  folded.node = CalcNode{std::nullopt, all_columns(plan)};
  folded.type = plan.type;
  folded.updates = plan.updates;
  folded.inputs.push_back(std::make_shared<Plan>(plan));
  return add(folded, {.name = "EpochFold", .uid = uid_of(folded, "epoch"), .single = single},
             {single ? rows.global() : std::move(rows)},
             [spec = std::move(spec)]() -> Result<std::unique_ptr<Operator>> {
               return make_epoch_fold(spec);
             });
}

Result<std::unique_ptr<TableSink>> JobBuilder::sink_of(const TableDefinition& table) const {
  const auto option = table.options.find("connector");
  if (option == table.options.end()) {
    return invalid_argument(ErrorId::kSqlOption,
                            "the table has no option 'connector', so that nobody can write it: {}",
                            table.path);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                             tables_.connector(option->second));
  return connector->sink({table, tables_});
}

Status JobBuilder::insert(const Plan& plan, const TableDefinition& table) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSink> sink, sink_of(table));
  if (plan.updates && sink->changelog() == ChangelogKinds::kAppend) {
    const Plan* const updating = first_updating(plan);
    return invalid_argument(
        ErrorId::kSqlQuery,
        "Table sink '{}' doesn't support consuming update changes which is produced by node {}",
        table.path, updating == nullptr ? "" : node_text(*updating, false));
  }
  note_aggregates(plan);
  TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, build(plan));
  return write(plan, std::move(rows), table, *sink);
}

Status JobBuilder::write(const Plan& plan, Stream<ColumnRow> rows, const TableDefinition& table,
                         TableSink& sink) {
  rows = spread_for_sink(plan, table, without_nulls(plan, table, std::move(rows)));
  rows = by_epochs(plan, std::move(rows), false);
  return sink.add_to(env_, std::move(rows), "Sink: " + table.path,
                     uid_of(plan, "sink") + "-" +
                         fmt::format("{:08x}", static_cast<uint32_t>(hash_bytes(
                                                   table.path.data(), table.path.size()))));
}

}  // namespace tidewheel::sql
