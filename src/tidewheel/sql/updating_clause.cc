#include "tidewheel/sql/updating_clause.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

// Looks for it from the inside: a part of the query is bound by itself, with the WITH of what is
// around it, and asked whether its rows change.
class ClauseFinder {
 public:
  ClauseFinder(const BinderEnvironment& environment, std::string_view text)
      : environment_(environment), text_(text) {}

  std::optional<UpdatingClause> find(const Query& query) {
    const size_t outer = with_.size();
    for (const CommonTable& table : query.with) { with_.push_back(table); }
    std::optional<UpdatingClause> found;
    if (const auto* select = std::get_if<Select>(&query.body)) {
      found = in_select(*select, query);
    } else if (const auto* operation = std::get_if<SetOperation>(&query.body)) {
      found = in_operation(*operation);
    } else if (const auto* nested = std::get_if<NestedQuery>(&query.body)) {
      found = find(*nested->query);
    }
    if (!found.has_value() && !query.order_by.empty()) {
      found =
          UpdatingClause{keyword_before(query.order_by.front().value->span, "ORDER", query.span),
                         "the first rows in an order are others when better ones come"};
    }
    with_.erase(with_.begin() + static_cast<std::ptrdiff_t>(outer), with_.end());
    return found;
  }

 private:
  bool updates(Query query) {
    query.with.insert(query.with.begin(), with_.begin(), with_.end());
    const Result<PlanRef> plan = bind_query(environment_, text_, query);
    return plan.ok() && (*plan)->updates;
  }
  bool updates(const TableReference& from, std::optional<Expression> where = std::nullopt) {
    Select select;
    select.items.push_back({Expression{Star{}, {}}, std::nullopt});
    select.from = from;
    select.where = std::move(where);
    Query query;
    query.body = std::move(select);
    query.span = from.span;
    return updates(std::move(query));
  }

  // From the keyword in front of a place to its end.
  Span keyword_before(Span place, std::string_view keyword, Span within) const {
    for (size_t at = place.begin; at-- > within.begin;) {
      const bool same = std::equal(keyword.begin(), keyword.end(), text_.begin() + at,
                                   text_.begin() + std::min(text_.size(), at + keyword.size()),
                                   [](char a, char b) { return a == std::toupper(b); });
      if (same) { return {static_cast<uint32_t>(at), place.end}; }
    }
    return place;
  }
  // What stands between two places, without the blanks.
  Span between(Span left, Span right) const {
    Span span{left.end, right.begin};
    const auto is_blank = [&](uint32_t at) {
      return std::isspace(static_cast<unsigned char>(text_[at])) != 0 || text_[at] == '(';
    };
    while (span.begin < span.end && is_blank(span.begin)) { ++span.begin; }
    while (span.begin < span.end && is_blank(span.end - 1)) { --span.end; }
    return span;
  }

  std::optional<UpdatingClause> in_operation(const SetOperation& operation) {
    for (const Box<Query>* side : {&operation.left, &operation.right}) {
      if (updates(**side)) { return find(**side); }
    }
    return UpdatingClause{between(operation.left->span, operation.right->span),
                          "whether a row belongs to the result is known only when all rows are"};
  }

  std::optional<UpdatingClause> in_from(const TableReference& reference) {
    if (!updates(reference)) { return std::nullopt; }
    if (const auto* derived = std::get_if<DerivedTable>(&reference.node)) {
      const auto found = find(*derived->query);
      if (found.has_value()) { return found; }
    }
    if (const auto* join = std::get_if<Join>(&reference.node)) {
      for (const Box<TableReference>* side : {&join->left, &join->right}) {
        if (const auto found = in_from(**side)) { return found; }
      }
      return UpdatingClause{between(join->left->span, join->right->span),
                            "a row without a partner is taken back when one comes"};
    }
    if (const auto* named = std::get_if<NamedTable>(&reference.node)) {
      for (size_t i = with_.size(); i-- > 0;) {
        if (with_[i].name.name != named->name.parts.front().name) { continue; }
        const Query query = *with_[i].query;
        if (const auto found = find(query)) { return found; }
      }
    }
    return UpdatingClause{reference.span, "rows of this table change"};
  }

  std::optional<UpdatingClause> in_select(const Select& select, const Query& query) {
    if (select.from.has_value()) {
      if (const auto found = in_from(*select.from)) { return found; }
      if (select.where.has_value() && updates(*select.from, select.where)) {
        return UpdatingClause{keyword_before(select.where->span, "WHERE", query.span),
                              "whether a row passes is known only when all rows are"};
      }
    }
    if (select.group_by.has_value() && !select.group_by->empty()) {
      const Span keys = span_over(select.group_by->front().span, select.group_by->back().span);
      return UpdatingClause{keyword_before(keys, "GROUP", query.span),
                            "the row of a group changes with each row that comes to it"};
    }
    for (const SelectItem& item : select.items) {
      if (has_aggregate(item.value, environment_.functions)) {
        return UpdatingClause{item.value.span,
                              "an aggregate of all rows changes with each row that comes"};
      }
    }
    if (select.distinct && updates(Query{{}, select, {}, {}, {}, query.span})) {
      return UpdatingClause{{query.span.begin, select.items.front().value.span.begin},
                            "DISTINCT over rows that change"};
    }
    return std::nullopt;
  }

  const BinderEnvironment& environment_;
  const std::string_view text_;
  std::vector<CommonTable> with_;  // of the queries around
};

}  // namespace

UpdatingClause find_updating_clause(const BinderEnvironment& environment, std::string_view text,
                                    const Query& query) {
  std::optional<UpdatingClause> found = ClauseFinder(environment, text).find(query);
  if (found.has_value()) { return std::move(*found); }
  return {query.span, "later rows change it"};
}

}  // namespace tidewheel::sql
