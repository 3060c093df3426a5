#include "tidewheel/sql/table_uses.h"

#include <optional>
#include <utility>
#include <variant>

#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {

// Calls itself for all that stands within.
class TableUses::Walk {
 public:
  Walk(TableUses& uses, const Catalog& catalog) : uses_(uses), catalog_(catalog) {}

  void operator()(const Query& query) {
    const size_t outer = with_.size();
    for (const CommonTable& one : query.with) { with_.push_back(&one); }
    std::visit(*this, query.body);
    (*this)(query.order_by);
    with_.resize(outer);
  }

  // ---- Bodies of queries
  void operator()(const Select& select) {
    for (const SelectItem& item : select.items) { (*this)(item.value); }
    (*this)(select.from);
    (*this)(select.where);
    (*this)(select.group_by);
    (*this)(select.having);
    for (const NamedWindow& window : select.windows) { (*this)(window.window); }
  }
  void operator()(const Values& values) { (*this)(values.rows); }
  void operator()(const SetOperation& operation) {
    (*this)(*operation.left);
    (*this)(*operation.right);
  }
  void operator()(const TableQuery& query) { name(query.table); }
  void operator()(const NestedQuery& query) { (*this)(*query.query); }

  // ---- FROM
  void operator()(const TableReference& table) { std::visit(*this, table.node); }
  void operator()(const NamedTable& table) {
    if (!table.is_file) { name(table.name); }
  }
  void operator()(const DerivedTable& table) { (*this)(*table.query); }
  void operator()(const FunctionTable& table) { (*this)(table.call); }
  void operator()(const UnnestTable& table) { (*this)(table.values); }
  void operator()(const Join& join) {
    (*this)(*join.left);
    (*this)(*join.right);
    (*this)(join.on);
  }
  void operator()(const MatchRecognize& match) { (*this)(*match.input); }

  // ---- Expressions
  void operator()(const Expression& expression) { std::visit(*this, expression.node); }
  void operator()(const Unary& node) { (*this)(*node.operand); }
  void operator()(const Binary& node) {
    (*this)(*node.left);
    (*this)(*node.right);
  }
  void operator()(const Logical& node) { (*this)(node.operands); }
  void operator()(const Is& node) { (*this)(*node.operand); }
  void operator()(const Between& node) {
    (*this)(*node.operand);
    (*this)(*node.low);
    (*this)(*node.high);
  }
  void operator()(const Like& node) {
    (*this)(*node.operand);
    (*this)(*node.pattern);
  }
  void operator()(const In& node) {
    (*this)(*node.operand);
    (*this)(node.list);
    (*this)(node.query);
  }
  void operator()(const Quantified& node) {
    (*this)(*node.operand);
    (*this)(*node.query);
  }
  void operator()(const Subquery& node) { (*this)(*node.query); }
  void operator()(const Case& node) {
    (*this)(node.operand);
    for (const Case::Branch& branch : node.branches) {
      (*this)(*branch.when);
      (*this)(*branch.then);
    }
    (*this)(node.otherwise);
  }
  void operator()(const Cast& node) { (*this)(*node.operand); }
  void operator()(const FunctionCall& node) {
    for (const FunctionCall::Argument& argument : node.arguments) { (*this)(*argument.value); }
    (*this)(node.within_group);
    (*this)(node.filter);
    (*this)(node.over);
  }
  void operator()(const WindowSpec& window) {
    (*this)(window.partition_by);
    (*this)(window.order_by);
  }
  void operator()(const SortKey& key) { (*this)(*key.value); }
  void operator()(const SpecialCall& node) { (*this)(node.arguments); }
  void operator()(const JsonCall& node) { (*this)(node.arguments); }
  void operator()(const Constructor& node) { (*this)(node.values); }
  void operator()(const Subscript& node) {
    (*this)(*node.of);
    (*this)(*node.index);
  }
  void operator()(const FieldAccess& node) { (*this)(*node.of); }
  void operator()(const TableArgument& node) { name(node.table); }
  void operator()(const GroupingSets& node) { (*this)(node.elements); }
  void operator()(const Literal&) {}
  void operator()(const IntervalLiteral&) {}
  void operator()(const ColumnName&) {}
  void operator()(const Star&) {}
  void operator()(const Descriptor&) {}

  template <class One>
  void operator()(const std::vector<One>& list) {
    for (const One& one : list) { (*this)(one); }
  }
  template <class One>
  void operator()(const std::optional<One>& one) {
    if (one.has_value()) { (*this)(*one); }
  }
  template <class One>
  void operator()(const Box<One>& one) {
    (*this)(*one);
  }

 private:
  // As QueryBinder::named looks it up.
  void name(const Name& name) {
    for (size_t i = with_.size(); name.parts.size() == 1 && i-- > 0;) {
      const CommonTable& one = *with_[i];
      if (one.name.name != name.parts[0].name) { continue; }
      if (++uses_.commons_[&one] > 1) { return; }
      const std::vector<const CommonTable*> all = with_;
      with_.resize(i);
      look_into(*one.query);
      with_ = all;
      return;
    }
    const Result<const CatalogObject*> found = catalog_.find(name);
    if (!found.ok() || (*found)->view() == nullptr) { return; }
    if (++uses_.views_[(*found)->path] > 1) { return; }
    const std::vector<const CommonTable*> all = std::exchange(with_, {});
    look_into((*found)->view()->query);
    with_ = all;
  }
  // The binder refuses what is deeper.
  void look_into(const Query& query) {
    if (depth_ >= QueryBinder::kNamedDepthMax) { return; }
    ++depth_;
    (*this)(query);
    --depth_;
  }

  TableUses& uses_;
  const Catalog& catalog_;
  std::vector<const CommonTable*> with_;  // that can be named, the innermost last
  int32_t depth_ = 0;                     // of queries that are named
};

TableUses::TableUses(const Catalog& catalog, const Query& query) { Walk{*this, catalog}(query); }

}  // namespace tidewheel::sql
