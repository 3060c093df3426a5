// The calls with OVER of one SELECT: found in its expressions, bound, and put below its items as
// nodes of their own, one for each partition and order.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/plan.h"
#include "tidewheel/sql/query.h"

namespace tidewheel::sql {

class OverBinder {
 public:
  // `select` has the WINDOW clause.
  OverBinder(std::string_view text, const Select& select) : text_(text), select_(select) {}

  // Binds all calls with OVER in an expression; `inner` binds what they are made of, to columns of
  // the plan that `apply` is given. Errors: kSqlQuery, kSqlType, kSqlUnsupported at their place.
  Status take_all(const Expression& expression, ExpressionBinder& inner);
  // The same, and then looks whether the whole can be bound.
  Status take_all_and_bind(const Expression& expression, ExpressionBinder& binder) {
    TIDEWHEEL_RETURN_IF_ERROR(take_all(expression, binder));
    return binder.bind(expression).status();
  }
  // What becomes of rows that come too late; over the columns of the plan that `apply` is given.
  void set_late(std::optional<SideTableNode> late) { late_ = std::move(late); }
  bool is_empty() const { return calls_.empty(); }
  // Adds their results behind the columns of the plan.
  Result<PlanRef> apply(PlanRef plan);
  // The result of a call; of what is none, nothing. Before `apply` a column with the right type
  // that does not exist yet.
  std::optional<Bound> column_of(const Expression& expression) const;

 private:
  struct Sort {
    Bound value;
    bool descending = false;
    bool nulls_first = true;
    friend bool operator==(const Sort&, const Sort&) = default;
  };
  struct Window {
    std::vector<Bound> partition_by;
    std::vector<Sort> order_by;
    const Frame* frame = nullptr;
    Span span;
  };
  struct Call {
    const FunctionCall* call = nullptr;
    Span span;
    size_t group = 0;  // of one partition and order
    OverCallNode node;
    std::vector<Bound> arguments;
    std::optional<Bound> filter;
    int32_t column = -1;
  };
  struct Group {
    std::vector<Bound> partition_by;
    std::vector<Sort> order_by;
  };

  Status take(const Expression& expression, ExpressionBinder& inner);
  Result<Window> window_of(const WindowSpec& spec, Span span, ExpressionBinder& inner);
  Status inherit(const WindowSpec& spec, ExpressionBinder& inner, Window& window);
  Result<OverFrameNode> frame_of(const Window& window, ExpressionBinder& inner);
  Result<int64_t> distance_of(const FrameBound& bound, bool by_rows, const Window& window,
                              ExpressionBinder& inner);
  Status bind_function(const std::string& name, const FunctionCall& call, const Window& window,
                       ExpressionBinder& inner, Call& bound);
  Status bind_rank(const std::string& name, const FunctionCall& call, const Window& window,
                   ExpressionBinder& inner, Call& bound);
  Status bind_shift(const std::string& name, const FunctionCall& call, const Window& window,
                    ExpressionBinder& inner, Call& bound);
  Status bind_aggregate(const std::string& name, const FunctionCall& call, const Window& window,
                        ExpressionBinder& inner, Call& bound);
  Status bind_user(const UserAggregates& functions, const FunctionCall& call, const Window& window,
                   ExpressionBinder& inner, Call& bound);
  Result<int64_t> whole_number(const Expression& expression, const char* what,
                               ExpressionBinder& inner) const;
  PlanRef add_group(PlanRef plan, size_t group);

  Status error(Span span, ErrorId id, std::string message) const {
    return error_at(text_, span, id, std::move(message));
  }

  const std::string_view text_;
  const Select& select_;
  std::vector<Call> calls_;
  std::vector<Group> groups_;
  std::optional<SideTableNode> late_;
};

}  // namespace tidewheel::sql
