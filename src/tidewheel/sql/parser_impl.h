// The parser of parser.h. For its .cc files only.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser.h"

namespace tidewheel::sql {

// How tightly operators bind.
enum class Precedence : uint8_t {
  kLowest,
  kOr,
  kAnd,
  kNot,
  kIs,
  kComparison,
  kBetween,  // and IN, LIKE, SIMILAR TO, OVERLAPS
  kSum,
  kProduct,  // and ||
  kSign,
  kPostfix,
};

// The next tighter one.
inline Precedence above(Precedence precedence) {
  return static_cast<Precedence>(static_cast<uint8_t>(precedence) + 1);
}

// One text. What is expected is given as it is written: words in capitals, symbols.
class Parser {
 public:
  using Words = std::initializer_list<std::string_view>;

  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<Statement> statement();
  Result<Expression> expression();
  Result<DataType> data_type();

  bool at_end() const { return peek().kind == TokenKind::kEnd; }
  bool accept(std::string_view what);
  Status expect_end();

 private:
  // Counts a level of nesting while it lives.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) { ++parser_.nesting_; }
    ~Nested() { --parser_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Parser& parser_;
  };

  // ---- Tokens (parser.cc)

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() { return tokens_[std::min(at_++, tokens_.size() - 1)]; }
  bool at(std::string_view what, size_t ahead = 0) const;
  bool at_all(Words words, size_t ahead = 0) const;
  bool at_string(size_t ahead = 0) const { return peek(ahead).kind == TokenKind::kString; }
  bool at_name(size_t ahead = 0) const;
  bool accept_all(Words words);
  // The first of `words` that is there.
  std::optional<std::string_view> accept_one(Words words);
  Status expect(std::string_view what);
  Status expect_all(Words words);
  Span span_since(Span first) const;

  Status error(Span span, std::string message) const;
  Status unsupported(Span span, std::string_view what) const;
  // "expected A, B or C, found 'd'", and what a misspelt word may have been.
  Status unexpected(Words expected) const;
  Status unexpected(std::string_view expected) const;
  Status check_nesting() const;
  Status check_height(int32_t height) const;

  Result<Identifier> identifier(std::string_view what);
  Result<Name> name(std::string_view what);
  Result<std::vector<Identifier>> identifiers_in_parentheses(std::string_view what);
  Result<std::string> string(std::string_view what);
  Result<int64_t> integer(std::string_view what);
  // item, item, ...
  template <class Item>
  Status list(Item item) {
    do { TIDEWHEEL_RETURN_IF_ERROR(item()); } while (accept(","));
    return {};
  }
  Result<Option> option();
  Result<std::vector<Option>> options_in_parentheses();

  // ---- Expressions (parse_expression.cc)

  Result<Expression> binary(Precedence least);
  Result<Expression> prefix();
  Result<Expression> primary();
  Result<Expression> primary_node();
  Result<bool> infix(Precedence least, Expression& left, int32_t& height);
  Result<bool> logical(Precedence least, Expression& left, int32_t& height);
  Result<bool> comparison(Precedence least, Expression& left, int32_t& height);
  Result<bool> arithmetic(Precedence least, Expression& left, int32_t& height);
  Result<bool> is_test(Precedence least, Expression& left, int32_t& height);
  Result<bool> predicate(Precedence least, Expression& left, int32_t& height);
  Result<Expression> between(Expression left, bool negated);
  Result<Expression> in(Expression left, bool negated);
  Result<Expression> like(Expression left, bool negated, bool similar);
  Result<Expression> right_of(Precedence precedence, int32_t& height);
  Result<bool> binary_node(Binary::Op op, Precedence precedence, Expression& left, int32_t& height);

  std::optional<Literal> literal();
  Result<Expression> in_parentheses();
  Result<Expression> case_node();
  Result<Expression> cast_node();
  Result<Expression> interval_node();
  Result<IntervalLiteral> interval_literal();
  Result<IntervalUnits> interval_units();
  Result<TimeUnit> time_unit();
  Result<Expression> bracket_constructor();
  Result<Expression> name_or_call();
  Result<Expression> postfix(Expression operand);
  Result<Expressions> expressions();
  Result<std::optional<Expression>> optional_expression(std::string_view keyword);

  // ---- Calls (parse_call.cc)

  bool at_special_call() const;
  Result<Expression> special_call();
  Result<Expression> extract_call(Span begin);
  Result<Expression> timestamp_call(Span begin, SpecialCall::Kind kind);
  Result<Expression> position_call(Span begin);
  Result<Expression> trim_call(Span begin);
  Result<Expression> overlay_call(Span begin);
  // CEIL, FLOOR and SUBSTRING, which may be called as any function is.
  Result<Expression> call_with_word(const Token& word);
  Result<Expression> descriptor_call(Span begin);
  Result<Expression> call(Name function, std::optional<Expression> first);
  Status call_suffixes(FunctionCall& call);
  Result<Expression> argument();
  Result<Expression> table_argument();
  Result<WindowSpec> window_spec();
  Result<Frame> frame();
  Result<FrameBound> frame_bound();
  Result<std::vector<SortKey>> sort_keys();
  Result<SortKey> sort_key();
  Result<Expression> json_call(JsonCall::Kind kind);
  Status json_members(JsonCall& call);
  Status json_clauses(JsonCall& call);
  Result<JsonCall::Handler> json_handler();

  // ---- Types (parse_type.cc)

  Result<DataType> plain_type();
  Result<bool> simple_type(DataType& type);
  Result<bool> sized_type(DataType& type);
  Status time_type(DataType& type);
  Status row_type(DataType& type);
  Status raw_type(DataType& type);
  Result<std::optional<int32_t>> optional_size();
  Status type_parameters(DataType& type, size_t count);

  // ---- Queries (parse_query.cc, parse_table.cc)

  bool at_query(size_t ahead = 0) const;
  Result<Query> query();
  Result<Query> query_in_parentheses();
  Result<Query> set_operations(bool intersect);
  Result<Query> query_term();
  Result<CommonTable> common_table();
  Status query_tail(Query& query);
  Result<Select> select();
  Result<SelectItem> select_item();
  Status select_tail(Select& select);
  Result<Expression> grouping_element();
  Result<std::vector<Hint>> hints();
  Result<Hint> hint();

  Result<TableReference> table_reference();
  Result<TableReference> table_chain();
  Result<bool> join(TableReference& left);
  Result<TableReference> table_primary();
  Result<TableReference> table_node();
  Result<TableReference> named_table();
  Result<TableReference> function_table(bool lateral);
  // A file in quotes, which comes next.
  Name file_name();
  Result<std::optional<Alias>> alias();

  Result<TableReference> match_recognize(TableReference input);
  Status match_measures(MatchRecognize& match);
  Status match_skip(MatchRecognize& match);
  Result<RowPattern> row_pattern();
  Result<RowPattern> row_sequence();
  Result<RowPattern> row_factor();
  Result<std::optional<RowPattern::Quantifier>> row_quantifier();

  // ---- Statements (parse_statement.cc, parse_table_definition.cc)

  Result<Statement> statement_node();
  Result<Statement> create();
  Result<Statement> create_view(bool temporary);
  Result<Statement> create_catalog();
  Result<Statement> create_database();
  // `alters`: ALTER FUNCTION, with the same parts.
  Result<Statement> create_function(bool temporary, bool alters);
  Result<Statement> drop();
  Result<Statement> alter();
  Status alter_action(Alter& alter);
  Status no_distribution() const;
  Status alter_drop(Alter& alter);
  Status alter_refresh(Alter& alter);
  Result<Statement> insert_statement();
  Result<Insert> insert();
  Result<Statement> statement_set();
  bool at_statement_set() const;
  Result<Statement> explain();

  // ---- The session (parse_session.cc)

  Result<Statement> use();
  Result<Statement> show();
  Status show_partitions(Show& show);
  Status show_create(Show& show);
  Status show_filters(Show& show);
  Result<Statement> describe();
  Result<Statement> set();
  Result<Statement> reset();
  Result<Statement> plan_statement();
  Result<Statement> module_statement();
  Result<Statement> use_modules();
  Result<Statement> library_statement();
  std::optional<ClientStatement> client_statement();
  Result<Statement> stop_job();
  Result<ObjectKind> object_kind();
  bool accept_if_not_exists() { return accept_all({"IF", "NOT", "EXISTS"}); }
  bool accept_if_exists() { return accept_all({"IF", "EXISTS"}); }
  Result<std::optional<std::string>> optional_comment();

  Result<Statement> create_table(CreateTable table);
  Status table_elements(CreateTable& table);
  Status table_tail(CreateTable& table);
  Result<Materialization> materialization();
  Result<Column> column(bool may_be_name);
  Result<Column> metadata_column(Identifier name, DataType type);
  Result<WatermarkDefinition> watermark();
  Result<PrimaryKey> primary_key();
  Status key_not_enforced();
  Result<Distribution> distribution();
  Result<LikeTable> like_table();
  Result<AlterSchema> alter_schema(bool modify);

  const std::string_view text_;
  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int32_t nesting_ = 0;
  int32_t links_ = 0;    // joins and set operations
  int32_t height_ = 0;   // of the expression that was parsed last
  int32_t tallest_ = 0;  // of those within the one at work
  // The word that was taken as a name without AS, if the token before is one: maybe a keyword that
  // was misspelt.
  std::optional<size_t> implicit_alias_;
};

// Functions with a syntax of their own: their names are quoted when an ordinary call has one.
bool is_special_function(std::string_view upper);
std::optional<TimeUnit> time_unit_of(std::string_view upper);
std::string_view time_unit_name(TimeUnit unit);

}  // namespace tidewheel::sql
