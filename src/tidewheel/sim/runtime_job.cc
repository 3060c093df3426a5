// Random jobs made of the runtime's own operators, and what they must give.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "tidewheel/base/options.h"
#include "tidewheel/dataflow/graph.h"
#include "tidewheel/dataflow/row_partitioner.h"
#include "tidewheel/sim/random_job.h"
#include "tidewheel/sim/runtime_operators.h"
#include "tidewheel/sim/script.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sim {
namespace {

constexpr size_t kRowsMax = 4000;

struct KeyHashOfRow {
  uint32_t operator()(const Row& row) const { return hash32(row.key); }
};

// A stream of the job, and what it must hold.
struct Flow {
  int32_t node = -1;
  Rows rows;
  int32_t parallelism = 1;
  bool timed = true;    // rows come before the watermark of their time
  bool ordered = true;  // rows of one origin and key keep their order
};

class RuntimeJob final : public RandomJob {
 public:
  explicit RuntimeJob(JobDraw draw) : draw_(std::move(draw)), random_(draw_.random) {}

  Result<std::unique_ptr<JobHandle>> start() override {
    const uint64_t sources = 1 + random_.below(3);
    for (uint64_t i = 0; i < sources; ++i) { add_source(); }
    const uint64_t steps = random_.below(9);
    for (uint64_t i = 0; i < steps; ++i) { add_step(); }
    if (draw_.ending == Ending::kThrow) { add_thrower(); }
    for (Flow& flow : flows_) { add_sink(flow); }
    return LocalJobRunner(draw_.world).start(std::move(graph_), draw_.config);
  }

  std::string check(bool complete) override {
    for (const std::string& failure : findings_->failures) { return failure; }
    for (const Sink& sink : sinks_) {
      if (sink.seen->closes != sink.seen->opens) {
        return fmt::format("{}: {} of {} opened subtasks were closed", sink.name, sink.seen->closes,
                           sink.seen->opens);
      }
      if (!complete) { continue; }
      if (sink.seen->ends != sink.seen->parallelism) {
        return fmt::format("{}: {} of {} subtasks saw the end", sink.name, sink.seen->ends,
                           sink.seen->parallelism);
      }
      std::string difference = check_rows(sink);
      if (!difference.empty()) { return sink.name + ": " + difference; }
    }
    return {};
  }

 private:
  struct Sink {
    std::string name;
    Flow flow;
    std::shared_ptr<SinkRows> seen;
  };

  static std::string check_rows(const Sink& sink) {
    Rows seen;
    for (const Rows& rows : sink.seen->by_subtask) {
      seen.insert(seen.end(), rows.begin(), rows.end());
      if (!sink.flow.ordered) { continue; }
      std::map<std::pair<int64_t, int64_t>, int64_t> last;
      for (const TimedRow& row : rows) {
        auto [at, is_new] = last.try_emplace({row.row.origin, row.row.key}, row.row.number);
        if (!is_new && row.row.number < at->second) { return "out of order: " + describe_row(row); }
        at->second = row.row.number;
      }
    }
    return compare_rows(sink.flow.rows, std::move(seen), true);
  }

  // ---- Graph

  GraphNode& add_node(const char* name, int32_t parallelism) {
    GraphNode node;
    node.id = static_cast<int32_t>(graph_.nodes.size());
    node.name = fmt::format("{}-{}", name, node.id);
    node.parallelism = parallelism;
    if (random_.chance(0.15)) { node.chaining = ChainingStrategy::kNever; }
    if (random_.chance(0.15)) { node.chaining = ChainingStrategy::kHead; }
    if (random_.chance(0.1)) { node.slot_sharing_group = random_.chance(0.5) ? "a" : "b"; }
    if (random_.chance(0.2)) { node.buffer_timeout_ms = static_cast<int64_t>(random_.below(20)); }
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back();
  }
  template <class Op, class... Args>
  GraphNode& add_operator(const char* name, int32_t parallelism, Args... args) {
    GraphNode& node = add_node(name, parallelism);
    node.make = [args...]() -> Result<std::unique_ptr<Operator>> {
      return std::unique_ptr<Operator>(std::make_unique<Op>(args...));
    };
    return node;
  }
  int32_t draw_parallelism() { return 1 + static_cast<int32_t>(random_.below(4)); }

  // Takes one of the flows to go on with; sometimes it stays, so that two operators read it.
  Flow take_flow() {
    const size_t index = static_cast<size_t>(random_.below(flows_.size()));
    Flow flow = flows_[index];
    if (!random_.chance(0.2)) { flows_.erase(flows_.begin() + static_cast<std::ptrdiff_t>(index)); }
    return flow;
  }

  // Connects `flow` with a node, by an edge of the kind, and says what the flow is behind it.
  void connect(Flow& flow, const GraphNode& to, EdgeKind kind, int32_t to_input = 0) {
    GraphEdge edge;
    edge.from = flow.node;
    edge.to = to.id;
    edge.to_input = to_input;
    edge.kind = kind;
    edge.kind_chosen = kind != EdgeKind::kForward;
    if (kind == EdgeKind::kHash) {
      edge.make_partitioner = [] { return std::make_unique<HashPartitioner<Row, KeyHashOfRow>>(); };
    } else if (kind == EdgeKind::kCustom) {
      const auto choose = [](const Row& row, int32_t channels) {
        return static_cast<int32_t>(static_cast<uint64_t>(row.number + row.origin) %
                                    static_cast<uint64_t>(channels));
      };
      edge.make_partitioner = [choose] {
        return std::make_unique<CustomPartitioner<Row, decltype(choose)>>(choose);
      };
    }
    const bool becomes_rebalance = kind == EdgeKind::kForward && flow.parallelism != to.parallelism;
    // By key the order of a key's rows is kept; to one subtask the order of each sender's.
    const bool keeps_order = (kind == EdgeKind::kForward && !becomes_rebalance) ||
                             kind == EdgeKind::kHash || kind == EdgeKind::kGlobal;
    flow.ordered = flow.ordered && keeps_order;
    if (kind == EdgeKind::kBroadcast) {
      Rows rows;
      for (int32_t i = 0; i < to.parallelism; ++i) {
        rows.insert(rows.end(), flow.rows.begin(), flow.rows.end());
      }
      flow.rows = std::move(rows);
    }
    note(fmt::format("edge {} -> {} input {}: {}", flow.node, to.id, to_input, name_of(kind)));
    graph_.edges.push_back(std::move(edge));
  }
  static const char* name_of(EdgeKind kind) {
    switch (kind) {
      case EdgeKind::kForward: return "forward";
      case EdgeKind::kHash: return "hash";
      case EdgeKind::kRebalance: return "rebalance";
      case EdgeKind::kRescale: return "rescale";
      case EdgeKind::kShuffle: return "shuffle";
      case EdgeKind::kBroadcast: return "broadcast";
      case EdgeKind::kGlobal: return "global";
      case EdgeKind::kCustom: return "custom";
    }
    return "?";
  }
  EdgeKind draw_edge(const Flow& flow) {
    static constexpr EdgeKind kKinds[] = {
        EdgeKind::kForward, EdgeKind::kForward, EdgeKind::kForward,   EdgeKind::kHash,
        EdgeKind::kHash,    EdgeKind::kRescale, EdgeKind::kRebalance, EdgeKind::kShuffle,
        EdgeKind::kGlobal,  EdgeKind::kCustom,  EdgeKind::kBroadcast};
    const EdgeKind kind = one_of(random_, kKinds);
    if (kind == EdgeKind::kBroadcast && flow.rows.size() * 4 > kRowsMax) {
      return EdgeKind::kRebalance;
    }
    return kind;
  }
  void finish(Flow flow, const GraphNode& node, const std::string& what) {
    note(fmt::format("{} x {}: {}", node.name, node.parallelism, what));
    flow.node = node.id;
    flow.parallelism = node.parallelism;
    flows_.push_back(std::move(flow));
  }

  // ---- Operators

  void add_source() {
    const std::shared_ptr<const Script> script =
        draw_script(random_, {.first_origin = next_origin_});
    next_origin_ += 10;
    const bool coordinated = random_.chance(0.3);
    GraphNode& node = add_operator<ScriptReader>("source", draw_parallelism(), script, coordinated);
    node.is_source = true;
    if (coordinated) {
      node.make_coordinator = []() -> Result<std::unique_ptr<OperatorCoordinator>> {
        return std::unique_ptr<OperatorCoordinator>(std::make_unique<GoCoordinator>());
      };
    }
    Flow flow;
    flow.rows = script->all_rows();
    finish(std::move(flow), node,
           fmt::format("{} splits, {} rows, disorder {} ms{}", script->splits.size(),
                       script->row_count(), script->disorder_ms,
                       coordinated ? ", waits for its coordinator" : ""));
  }

  void add_step() {
    switch (random_.below(10)) {
      case 0:
      case 1:
        add_function("map", [](const TimedRow& row, Rows& out) {
          out.push_back(row);
          out.back().row.value = row.row.value * 3 + 1;
        });
        break;
      case 2:
        add_function("filter", [](const TimedRow& row, Rows& out) {
          if (row.row.number % 3 != 1) { out.push_back(row); }
        });
        break;
      case 3:
        add_function("flat_map", [](const TimedRow& row, Rows& out) {
          for (int64_t i = 0; i < row.row.number % 4; ++i) {
            out.push_back(row);
            out.back().row.value += i;
          }
        });
        break;
      case 4:
      case 5: add_window(); break;
      case 6: add_join(); break;
      case 7: add_delay(); break;
      case 8: add_blocking(); break;
      default: add_union(); break;
    }
  }

  void add_function(const char* name, FunctionOperator::Function function) {
    Flow flow = take_flow();
    Rows made;
    Rows all;
    GraphNode& node = add_operator<FunctionOperator>(name, draw_parallelism(), function);
    connect(flow, node, draw_edge(flow));
    for (const TimedRow& row : flow.rows) { function(row, all); }
    flow.rows = std::move(all);
    finish(std::move(flow), node, "");
  }

  void add_thrower() {
    Flow flow = take_flow();
    const int64_t fatal = static_cast<int64_t>(random_.below(50));
    GraphNode& node = add_operator<FunctionOperator>(
        "thrower", draw_parallelism(),
        FunctionOperator::Function([fatal](const TimedRow& row, Rows& out) {
          if (row.row.number >= fatal) { throw std::runtime_error("row of doom"); }
          out.push_back(row);
        }));
    connect(flow, node, draw_edge(flow));
    finish(std::move(flow), node, "throws");
  }

  void add_window() {
    Flow flow = take_flow();
    if (!flow.timed) {
      flows_.push_back(std::move(flow));
      return;
    }
    const int64_t size_ms = one_of<int64_t>(random_, {1, 100, 1000, 60'000});
    GraphNode& node =
        add_operator<TumblingOperator>("tumble", draw_parallelism(), size_ms, findings_);
    connect(flow, node, EdgeKind::kHash);
    std::map<std::pair<int64_t, int64_t>, std::pair<int64_t, int64_t>> windows;
    for (const TimedRow& row : flow.rows) {
      auto& [sum, count] = windows[{TumblingOperator::start_of(row.time_ms, size_ms), row.row.key}];
      sum += row.row.value;
      ++count;
    }
    flow.rows.clear();
    for (const auto& [where, totals] : windows) {
      flow.rows.push_back(TumblingOperator::result(where.first, size_ms, where.second, totals.first,
                                                   totals.second));
    }
    flow.ordered = false;  // numbers are counts now
    finish(std::move(flow), node, fmt::format("{} ms", size_ms));
  }

  void add_join() {
    if (flows_.size() < 2) { return; }
    Flow left = take_flow();
    if (flows_.empty()) {
      flows_.push_back(std::move(left));
      return;
    }
    Flow right = take_flow();
    const int64_t bound_ms = one_of<int64_t>(random_, {0, 10, 1000});
    std::map<int64_t, Rows> by_key;
    for (const TimedRow& row : right.rows) { by_key[row.row.key].push_back(row); }
    Rows pairs;
    for (const TimedRow& row : left.rows) {
      for (const TimedRow& other : by_key[row.row.key]) {
        if (std::abs(other.time_ms - row.time_ms) > bound_ms) { continue; }
        pairs.push_back(JoinOperator::pair(row, other));
      }
      if (pairs.size() > kRowsMax) { break; }
    }
    if (pairs.size() > kRowsMax) {
      flows_.push_back(std::move(left));
      flows_.push_back(std::move(right));
      return;
    }
    GraphNode& node = add_operator<JoinOperator>("join", draw_parallelism(), bound_ms);
    connect(left, node, EdgeKind::kHash, 0);
    connect(right, node, EdgeKind::kHash, 1);
    Flow joined;
    joined.rows = std::move(pairs);
    joined.timed = left.timed && right.timed;
    joined.ordered = false;
    finish(std::move(joined), node, fmt::format("within {} ms", bound_ms));
  }

  void add_delay() {
    Flow flow = take_flow();
    const int64_t delay_ms = one_of<int64_t>(random_, {0, 5, 500});
    GraphNode& node = add_operator<DelayOperator>("delay", draw_parallelism(), delay_ms);
    connect(flow, node, draw_edge(flow));
    flow.timed = false;
    flow.ordered = false;
    finish(std::move(flow), node, fmt::format("up to {} ms", delay_ms));
  }

  void add_blocking() {
    Flow flow = take_flow();
    GraphNode& node = add_operator<BlockingOperator>("blocking", draw_parallelism());
    connect(flow, node, draw_edge(flow));
    flow.timed = false;
    flow.ordered = false;
    finish(std::move(flow), node, "");
  }

  void add_union() {
    if (flows_.size() < 2) { return; }
    Flow first = take_flow();
    if (flows_.empty()) {
      flows_.push_back(std::move(first));
      return;
    }
    Flow second = take_flow();
    if (first.rows.size() + second.rows.size() > kRowsMax) {
      flows_.push_back(std::move(first));
      flows_.push_back(std::move(second));
      return;
    }
    GraphNode& node = add_operator<FunctionOperator>(
        "union", draw_parallelism(),
        FunctionOperator::Function([](const TimedRow& row, Rows& out) { out.push_back(row); }));
    const bool itself = first.node == second.node;
    connect(first, node, draw_edge(first));
    connect(second, node, draw_edge(second));
    first.rows.insert(first.rows.end(), second.rows.begin(), second.rows.end());
    first.timed = first.timed && second.timed;
    // Two ways of one row may overtake each other.
    first.ordered = first.ordered && second.ordered && !itself && no_common_origin(first, second);
    finish(std::move(first), node, "");
  }
  static bool no_common_origin(const Flow& first, const Flow& second) {
    for (const TimedRow& a : second.rows) {
      const size_t count = static_cast<size_t>(
          std::count_if(first.rows.begin(), first.rows.end(),
                        [&](const TimedRow& b) { return a.row.origin == b.row.origin; }));
      const size_t own = static_cast<size_t>(
          std::count_if(second.rows.begin(), second.rows.end(),
                        [&](const TimedRow& b) { return a.row.origin == b.row.origin; }));
      return count == own;  // the scripts of two sources have origins of their own
    }
    return true;
  }

  void add_sink(Flow& flow) {
    Sink sink;
    sink.seen = std::make_shared<SinkRows>();
    GraphNode& node = add_operator<SinkOperator>("sink", draw_parallelism(), sink.seen, findings_);
    node.is_sink = true;
    connect(flow, node, draw_edge(flow));
    note(fmt::format("{} x {}: {} rows", node.name, node.parallelism, flow.rows.size()));
    sink.name = node.name;
    sink.flow = flow;
    sinks_.push_back(std::move(sink));
  }

  JobDraw draw_;
  Random random_;
  LogicalGraph graph_;
  std::vector<Flow> flows_;
  std::vector<Sink> sinks_;
  std::shared_ptr<Findings> findings_ = std::make_shared<Findings>();
  int64_t next_origin_ = 0;
};

}  // namespace

std::unique_ptr<RandomJob> make_runtime_job(JobDraw draw) {
  return std::make_unique<RuntimeJob>(std::move(draw));
}

}  // namespace tidewheel::sim
