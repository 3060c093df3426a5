#include "tidewheel/sql/join_order.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include "tidewheel/sql/plan_estimate.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

using Leaves = uint64_t;  // a set of inputs, by their numbers

constexpr size_t kLeavesMax = 64;
constexpr size_t kAllOrdersMax = 8;  // above, pairs are joined greedily: 3^n steps for n inputs
constexpr double kClearlyBetter = 0.9;
constexpr double kEqualPart = 0.15;  // of pairs that a further equality keeps
constexpr double kOtherPart = 0.3;   // another condition

const JoinNode* ordered_join(const Plan& plan) {
  const auto* join = std::get_if<JoinNode>(&plan.node);
  const bool is = join != nullptr && join->kind == JoinKind::kInner && join->left_time < 0 &&
                  join->left_window_end < 0;
  return is ? join : nullptr;
}

// A projection of columns above an inner join.
const CalcNode* picks_of_join(const Plan& plan) {
  const auto* calc = std::get_if<CalcNode>(&plan.node);
  const bool is = calc != nullptr && ordered_join(plan.input()) != nullptr &&
                  std::all_of(calc->outputs.begin(), calc->outputs.end(), [](const Bound& output) {
                    return output.kind == Bound::Kind::kColumn;
                  });
  return is ? calc : nullptr;
}

// Rows of a table before conditions: how many values its keys may have.
const Plan& without_filters(const Plan& plan) {
  return std::holds_alternative<CalcNode>(plan.node) ? without_filters(plan.input()) : plan;
}

// Inner joins that stand one above the other: their inputs, whose columns are numbered through, and
// their conditions.
class JoinGroup {
 public:
  JoinGroup(const PlanRef& plan, const TableRegistry& tables, FileSystem& files,
            const FunctionRegistry& functions)
      : plan_(plan), functions_(functions) {
    written_ = flatten(plan, outputs_);
    if (leaves_.size() > kLeavesMax) { return; }
    for (const Bound& condition : conditions_) { add_leaves_of(condition); }
    PlanEstimates estimates(tables, files);
    for (Leaf& leaf : leaves_) {
      leaf.rows = estimates.of(*leaf.plan).rows;
      leaf.base_rows = std::max(leaf.rows, estimates.of(without_filters(*leaf.plan)).rows);
      is_known_ = is_known_ && leaf.rows >= 0;
    }
  }

  // Has f make each input.
  template <class F>
  void for_each_leaf(F f) {
    for (Leaf& leaf : leaves_) { leaf.plan = f(leaf.plan); }
  }
  bool can_be_ordered() const {
    return leaves_.size() > 2 && leaves_.size() <= kLeavesMax && is_known_;
  }
  // Null: as it is written.
  PlanRef ordered() {
    int32_t best = leaves_.size() <= kAllOrdersMax ? best_of_all() : -1;
    if (best < 0) { best = greedy(); }
    if (trees_[static_cast<size_t>(best)].cost >= kClearlyBetter * cost_as_written(written_)) {
      return nullptr;
    }
    return make(best);
  }
  // The joins as they are written, of inputs that have been made anew.
  PlanRef as_written() { return make(written_); }

 private:
  struct Leaf {
    PlanRef plan;
    int32_t first = 0;  // the number of its first column
    double rows = -1;
    double base_rows = -1;
  };
  // A leaf, or a join of two trees.
  struct Tree {
    Leaves leaves = 0;
    int32_t left = -1;  // trees; of a leaf -1
    int32_t right = -1;
    double rows = 0;
    double cost = 0;  // rows that joins read, keep and give
  };

  // Appends what the columns of `plan` are, by number. Returns the tree.
  int32_t flatten(const PlanRef& plan, std::vector<int32_t>& columns) {
    const auto add_conditions = [&](std::vector<Bound> all, const std::vector<int32_t>& to) {
      for (Bound& one : all) {
        for_each_column(
            one, [&](Bound& column) { column.column = to[static_cast<size_t>(column.column)]; });
        conditions_.push_back(std::move(one));
      }
    };
    const bool is_own = plan == plan_ || !plan->is_shared;
    if (is_own && ordered_join(*plan) != nullptr) {
      std::vector<int32_t> own;
      const int32_t left = flatten(plan->inputs[0], own);
      const int32_t right = flatten(plan->inputs[1], own);
      add_conditions(join_conditions(*plan, functions_), own);
      columns.insert(columns.end(), own.begin(), own.end());
      const Leaves both =
          trees_[static_cast<size_t>(left)].leaves | trees_[static_cast<size_t>(right)].leaves;
      trees_.push_back({both, left, right, 0, 0});
      return static_cast<int32_t>(trees_.size()) - 1;
    }
    if (const CalcNode* const calc = is_own ? picks_of_join(*plan) : nullptr) {
      std::vector<int32_t> below;
      const int32_t tree = flatten(plan->inputs[0], below);
      if (calc->condition.has_value()) {
        add_conditions(split_conjunction(*calc->condition), below);
      }
      for (const Bound& output : calc->outputs) {
        columns.push_back(below[static_cast<size_t>(output.column)]);
      }
      return tree;
    }
    for (size_t i = 0; i < plan->type.size(); ++i) {
      columns.push_back(column_count_ + static_cast<int32_t>(i));
    }
    const size_t number = leaves_.size();
    leaves_.push_back({plan, column_count_});
    column_count_ += static_cast<int32_t>(plan->type.size());
    trees_.push_back({number < kLeavesMax ? Leaves{1} << number : 0, -1, -1, 0, 0});
    return static_cast<int32_t>(trees_.size()) - 1;
  }
  size_t leaf_of(int32_t column) const {
    size_t leaf = leaves_.size() - 1;
    while (leaves_[leaf].first > column) { --leaf; }
    return leaf;
  }
  Leaves leaves_of(const Bound& expression) const {
    Leaves all = 0;
    for_each_column(expression,
                    [&](const Bound& column) { all |= Leaves{1} << leaf_of(column.column); });
    return all;
  }

  void add_leaves_of(const Bound& condition) {
    condition_leaves_.push_back(leaves_of(condition));
    if (condition.kind != Bound::Kind::kCall || condition.function->name() != "=" ||
        condition.arguments.size() != 2) {
      return;
    }
    const Leaves a = leaves_of(condition.arguments[0]);
    const Leaves b = leaves_of(condition.arguments[1]);
    if (a != 0 && b != 0 && (a & b) == 0) { key_sides_.emplace_back(a, b); }
  }

  // ---- How many rows.

  bool is_key_pair(size_t condition) const {
    const Bound& one = conditions_[condition];
    return one.kind == Bound::Kind::kCall && one.function->name() == "=" &&
           one.arguments.size() == 2 && one.arguments[0].kind == Bound::Kind::kColumn &&
           one.arguments[1].kind == Bound::Kind::kColumn &&
           std::popcount(condition_leaves_[condition]) == 2;
  }
  bool is_unique(size_t leaf, const std::vector<int32_t>& columns) const {
    const auto& keys = leaves_[leaf].plan->unique_keys;
    return std::any_of(keys.begin(), keys.end(), [&](const std::vector<int32_t>& key) {
      return std::all_of(key.begin(), key.end(), [&](int32_t column) {
        return std::find(columns.begin(), columns.end(), column + leaves_[leaf].first) !=
               columns.end();
      });
    });
  }
  // The part of all pairs of rows of two trees that their join gives: by how many values keys have.
  // The smaller of two tables is taken to have each once, where none says that its are unique.
  double part_of_pairs(Leaves left, Leaves right) const {
    double part = 1;
    std::vector<Leaves> pairs;  // of leaves whose equalities have been looked at
    for (size_t i = 0; i < conditions_.size(); ++i) {
      const Leaves own = condition_leaves_[i];
      if ((own & ~(left | right)) != 0 || (own & left) == 0 || (own & right) == 0) { continue; }
      if (!is_key_pair(i)) {
        part *= kOtherPart;
      } else if (std::find(pairs.begin(), pairs.end(), own) == pairs.end()) {
        pairs.push_back(own);
        part *= part_of_keys(own);
      }
    }
    return part;
  }
  // Of all equalities between two leaves.
  double part_of_keys(Leaves own) const {
    std::vector<int32_t> columns;
    int32_t count = 0;
    for (size_t i = 0; i < conditions_.size(); ++i) {
      if (condition_leaves_[i] != own || !is_key_pair(i)) { continue; }
      ++count;
      for (const Bound& side : conditions_[i].arguments) { columns.push_back(side.column); }
    }
    const auto a = static_cast<size_t>(std::countr_zero(own));
    const auto b = static_cast<size_t>(std::bit_width(own) - 1);
    const double a_rows = std::max(1.0, leaves_[a].base_rows);
    const double b_rows = std::max(1.0, leaves_[b].base_rows);
    const bool a_unique = is_unique(a, columns);
    const bool b_unique = is_unique(b, columns);
    if (a_unique && b_unique) { return 1 / std::max(a_rows, b_rows); }
    if (a_unique) { return 1 / a_rows; }
    if (b_unique) { return 1 / b_rows; }
    return std::pow(kEqualPart, count - 1) / std::min(a_rows, b_rows);
  }
  // Whether a join of both has a key: an equality with one side in each.
  bool are_connected(Leaves left, Leaves right) const {
    const auto is_in = [](Leaves part, Leaves whole) { return (part & ~whole) == 0; };
    return std::any_of(key_sides_.begin(), key_sides_.end(), [&](const auto& sides) {
      return (is_in(sides.first, left) && is_in(sides.second, right)) ||
             (is_in(sides.first, right) && is_in(sides.second, left));
    });
  }
  Tree joined(int32_t left, int32_t right) const {
    const Tree& a = trees_[static_cast<size_t>(left)];
    const Tree& b = trees_[static_cast<size_t>(right)];
    const double rows = std::max(1.0, a.rows * b.rows * part_of_pairs(a.leaves, b.leaves));
    const double pairs = are_connected(a.leaves, b.leaves) ? 0 : a.rows * b.rows;
    return {a.leaves | b.leaves, left, right, rows,
            a.cost + b.cost + a.rows + b.rows + pairs + rows};
  }

  // ---- Orders.

  void set_leaf_rows() {
    for (Tree& tree : trees_) {
      if (tree.left >= 0) { continue; }
      tree.rows = leaves_[static_cast<size_t>(std::countr_zero(tree.leaves))].rows;
    }
  }
  double cost_as_written(int32_t number) {
    set_leaf_rows();
    return costed(number).cost;
  }
  Tree costed(int32_t number) {
    Tree& tree = trees_[static_cast<size_t>(number)];
    if (tree.left < 0) { return tree; }
    costed(tree.left);
    costed(tree.right);
    return tree = joined(tree.left, tree.right);
  }
  std::vector<int32_t> leaf_trees() {
    set_leaf_rows();
    std::vector<int32_t> all(leaves_.size(), -1);
    for (size_t i = 0; i < trees_.size(); ++i) {
      if (trees_[i].left >= 0) { continue; }
      all[static_cast<size_t>(std::countr_zero(trees_[i].leaves))] = static_cast<int32_t>(i);
    }
    return all;
  }
  // For each set of inputs that keys connect its cheapest tree, from small sets to large ones; -1:
  // keys do not connect all. A join without keys has one subtask, and looks at all pairs.
  int32_t best_of_all() {
    const std::vector<int32_t> singles = leaf_trees();
    const Leaves end = Leaves{1} << leaves_.size();
    std::vector<int32_t> best(end, -1);
    for (size_t i = 0; i < singles.size(); ++i) { best[Leaves{1} << i] = singles[i]; }
    for (Leaves set = 1; set < end; ++set) {
      if (std::has_single_bit(set)) { continue; }
      std::optional<Tree> cheapest;
      for (Leaves part = (set - 1) & set; part > 0; part = (part - 1) & set) {
        const Leaves rest = set ^ part;
        if (part < rest) { continue; }  // the other way round it is the same
        if (best[part] < 0 || best[rest] < 0 || !are_connected(part, rest)) { continue; }
        const Tree tree = joined(best[rest], best[part]);
        if (!cheapest.has_value() || tree.cost < cheapest->cost) { cheapest = tree; }
      }
      if (!cheapest.has_value()) { continue; }
      best[set] = static_cast<int32_t>(trees_.size());
      trees_.push_back(*cheapest);
    }
    return best[end - 1];
  }
  // Always the two that give the fewest rows together.
  int32_t greedy() {
    std::vector<int32_t> left = leaf_trees();
    while (left.size() > 1) {
      size_t first = 0;
      size_t second = 1;
      Tree cheapest;
      bool is_connected = false;
      for (size_t i = 0; i < left.size(); ++i) {
        for (size_t j = i + 1; j < left.size(); ++j) {
          const Tree tree = joined(left[i], left[j]);
          const bool connects = are_connected(trees_[static_cast<size_t>(left[i])].leaves,
                                              trees_[static_cast<size_t>(left[j])].leaves);
          if (is_connected && !connects) { continue; }
          const bool is_better =
              cheapest.left < 0 || (connects && !is_connected) || tree.rows < cheapest.rows;
          if (!is_better) { continue; }
          cheapest = tree;
          first = i;
          second = j;
          is_connected = is_connected || connects;
        }
      }
      trees_.push_back(cheapest);
      left[first] = static_cast<int32_t>(trees_.size()) - 1;
      left.erase(left.begin() + static_cast<ptrdiff_t>(second));
    }
    return left[0];
  }

  // ---- The plan of a tree.

  PlanRef make(int32_t tree) {
    is_done_.assign(conditions_.size(), false);
    std::vector<int32_t> columns;
    PlanRef made = make(tree, columns, true);
    std::vector<Bound> outputs;
    for (const int32_t column : outputs_) {
      const auto at =
          static_cast<size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin());
      outputs.push_back(Bound::of_column(static_cast<int32_t>(at), made->type.types[at]));
    }
    Plan given = *make_calc(made, std::nullopt, std::move(outputs), plan_->type.names);
    given.kept_ms = plan_->kept_ms;
    given.is_shared = plan_->is_shared;
    return std::make_shared<const Plan>(std::move(given));
  }
  // `columns`, empty: takes the numbers of the columns that it has. `is_root`: conditions without
  // columns are its own.
  PlanRef make(int32_t number, std::vector<int32_t>& columns, bool is_root) {
    const Tree tree = trees_[static_cast<size_t>(number)];
    if (tree.left < 0) {
      const Leaf& leaf = leaves_[static_cast<size_t>(std::countr_zero(tree.leaves))];
      for (size_t i = 0; i < leaf.plan->type.size(); ++i) {
        columns.push_back(leaf.first + static_cast<int32_t>(i));
      }
      return leaf.plan;
    }
    std::vector<int32_t> right_columns;
    PlanRef left = make(tree.left, columns, false);
    PlanRef right = make(tree.right, right_columns, false);
    columns.insert(columns.end(), right_columns.begin(), right_columns.end());
    std::vector<Bound> own;
    for (size_t i = 0; i < conditions_.size(); ++i) {
      const Leaves needs = condition_leaves_[i];
      if (is_done_[i] || (needs & ~tree.leaves) != 0 || (needs == 0 && !is_root)) { continue; }
      is_done_[i] = true;
      Bound condition = conditions_[i];
      for_each_column(condition, [&](Bound& column) {
        const auto at = std::find(columns.begin(), columns.end(), column.column) - columns.begin();
        column.column = static_cast<int32_t>(at);
      });
      own.push_back(std::move(condition));
    }
    return make_join(std::move(left), std::move(right), JoinKind::kInner, std::move(own),
                     functions_);
  }

  const PlanRef plan_;
  const FunctionRegistry& functions_;
  std::vector<Leaf> leaves_;
  int32_t column_count_ = 0;
  std::vector<Bound> conditions_;
  std::vector<Leaves> condition_leaves_;
  std::vector<std::pair<Leaves, Leaves>> key_sides_;  // of equalities
  std::vector<int32_t> outputs_;                      // what the columns of the plan are
  std::vector<Tree> trees_;
  int32_t written_ = -1;
  bool is_known_ = true;
  std::vector<bool> is_done_;  // conditions that stand in the plan
};

class JoinOrdering {
 public:
  JoinOrdering(const TableRegistry& tables, FileSystem& files, const FunctionRegistry& functions)
      : tables_(tables), files_(files), functions_(functions) {}

  PlanRef of(const PlanRef& plan) {
    if (const auto it = made_.find(plan.get()); it != made_.end()) { return it->second; }
    PlanRef made = ordered(plan);
    made_.emplace(plan.get(), made);
    return made;
  }

 private:
  PlanRef ordered(const PlanRef& plan) {
    // Parts of what does not end may end all the same.
    if (plan->is_bounded && (ordered_join(*plan) != nullptr || picks_of_join(*plan) != nullptr)) {
      JoinGroup group(plan, tables_, files_, functions_);
      if (group.can_be_ordered()) {
        bool is_changed = false;
        group.for_each_leaf([&](const PlanRef& leaf) {
          PlanRef made = of(leaf);
          is_changed = is_changed || made != leaf;
          return made;
        });
        if (PlanRef made = group.ordered()) { return made; }
        return is_changed ? group.as_written() : plan;
      }
    }
    Plan made = *plan;
    bool is_changed = false;
    for (PlanRef& input : made.inputs) {
      PlanRef changed = of(input);
      is_changed = is_changed || changed != input;
      input = std::move(changed);
    }
    return is_changed ? std::make_shared<const Plan>(std::move(made)) : plan;
  }

  const TableRegistry& tables_;
  FileSystem& files_;
  const FunctionRegistry& functions_;
  std::unordered_map<const Plan*, PlanRef> made_;
};

}  // namespace

PlanRef with_join_order(const PlanRef& plan, const TableRegistry& tables, FileSystem& files,
                        const FunctionRegistry& functions) {
  return JoinOrdering(tables, files, functions).of(plan);
}

}  // namespace tidewheel::sql
