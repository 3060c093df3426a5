// The printer of print.h. For its .cc files only.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser_impl.h"
#include "tidewheel/sql/statement.h"

namespace tidewheel::sql {

class Printer {
 public:
  enum class Layout : uint8_t { kOneLine, kLines };
  explicit Printer(Layout layout = Layout::kOneLine) : layout_(layout) {}

  std::string take() { return std::move(out_); }

  void print(const Statement& statement);
  void print(const Query& query);
  // In parentheses when it binds less tightly than `least`.
  void print(const Expression& expression, Precedence least = Precedence::kLowest);
  void print(const DataType& type);

 private:
  void text(std::string_view text) { out_ += text; }
  // Each with its own words around it, nothing when there is none.
  template <class T, class Each>
  void list(const std::vector<T>& all, Each each) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (i > 0) { text(", "); }
      each(all[i]);
    }
  }
  // What begins an element of a table's definition, and what ends the last one.
  void element_break(bool is_first) {
    if (!is_first) { text(layout_ == Layout::kLines ? "," : ", "); }
    if (layout_ == Layout::kLines) { text("\n  "); }
  }
  void elements_end() {
    if (layout_ == Layout::kLines) { text("\n"); }
  }
  void list(const Expressions& all) {
    list(all, [this](const Expression& each) { print(each); });
  }
  void name(const Identifier& name) { text(quoted_name(name.name)); }
  void name(const Name& name);
  // In back-ticks also when it is one of `words`, which would be read as keywords there.
  void name_unlike(const Identifier& name, std::initializer_list<std::string_view> words);
  void name_unlike(const Name& name, std::initializer_list<std::string_view> words);
  void in_back_ticks(const Identifier& name) { text(sql::in_back_ticks(name.name)); }
  void names(const std::vector<Identifier>& names);  // (a, b)
  void string(std::string_view text) { out_ += quoted_string(text); }
  void number(int64_t number) { out_ += std::to_string(number); }
  void options(const std::vector<Option>& options);
  void units(const IntervalUnits& units);
  void type_size(const DataType& type);
  // In parentheses unless it is a literal or a name: where a word behind an expression could be
  // taken for a part of it.
  void wrapped(const Expression& expression);
  void in_parentheses(const Query& query);

  // print_expression.cc
  void node(const Literal& node);
  void node(const IntervalLiteral& node);
  void node(const ColumnName& node);
  void node(const Star& node);
  void node(const Unary& node);
  void node(const Binary& node);
  void node(const Logical& node);
  void node(const Is& node);
  void node(const Between& node);
  void node(const Like& node);
  void node(const In& node);
  void node(const Quantified& node);
  void node(const Subquery& node);
  void node(const Case& node);
  void node(const Cast& node);
  void node(const FunctionCall& node);
  void node(const SpecialCall& node);
  void node(const JsonCall& node);
  void node(const Constructor& node);
  void node(const Subscript& node);
  void node(const FieldAccess& node);
  void node(const TableArgument& node);
  void node(const Descriptor& node);
  void node(const GroupingSets& node);
  void trim(const SpecialCall& node);
  void call_suffixes(const FunctionCall& node);
  void json_clauses(const JsonCall& node);
  void json_handler(const JsonCall::Handler& handler, std::string_view event);
  void sort_keys(const std::vector<SortKey>& keys);
  void window(const WindowSpec& window);
  void frame_bound(const FrameBound& bound);
  void grouping_element(const Expression& element);

  // print_query.cc
  void node(const Select& node);
  void node(const Values& node);
  void node(const SetOperation& node);
  void node(const TableQuery& node);
  void node(const NestedQuery& node);
  void select_tail(const Select& node);
  void hints(const std::vector<Hint>& hints);
  void table(const TableReference& table);
  void table_in_join(const TableReference& table, bool parentheses);
  void node(const NamedTable& node);
  void node(const DerivedTable& node);
  void node(const FunctionTable& node);
  void node(const UnnestTable& node);
  void node(const Join& node);
  void node(const MatchRecognize& node);
  void match_skip(const MatchRecognize& node);
  void pattern(const RowPattern& pattern);
  void quantifier(const RowPattern::Quantifier& quantifier);

  // print_statement.cc
  void node(const Query& node) { print(node); }
  void node(const CreateTable& node);
  void node(const CreateView& node);
  void node(const CreateCatalog& node);
  void node(const CreateDatabase& node);
  void node(const CreateFunction& node);
  void node(const Drop& node);
  void node(const Alter& node);
  void node(const Insert& node);
  void node(const StatementSet& node);
  void node(const Explain& node);
  void node(const Use& node);
  void node(const Show& node);
  void node(const Describe& node);
  void node(const Set& node);
  void node(const Reset& node);
  void node(const DescribeJob& node);
  void node(const StopJob& node);
  void node(const CompilePlan& node);
  void node(const ExecutePlan& node);
  void node(const ModuleStatement& node);
  void node(const LibraryStatement& node);
  void node(const ClientStatement& node);
  void action(const RenameTo& action);
  void action(const SetOptions& action);
  void action(const ResetOptions& action);
  void action(const AlterSchema& action);
  void action(const DropColumns& action);
  void action(const DropPart& action);
  void action(const RenameColumn& action);
  void action(const ReplaceQuery& action);
  void action(const AlterRefresh& action);
  void comment(const std::optional<std::string>& comment);
  void column(const Column& column);
  void watermark(const WatermarkDefinition& watermark);
  void primary_key(const PrimaryKey& key);
  void table_elements(const CreateTable& node);
  void table_tail(const CreateTable& node);
  void table_options(const std::vector<Option>& all);
  void like(const LikeTable& like);
  void materialization(const Materialization& made);

  const Layout layout_;
  std::string out_;
};

}  // namespace tidewheel::sql
