// How queries are written.
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/printer.h"

namespace tidewheel::sql {

namespace {

// Of a body: 2 what binds most tightly.
int tightness(const Query& query) {
  if (!query.is_plain()) { return -1; }
  const auto* const set = std::get_if<SetOperation>(&query.body);
  if (set == nullptr) { return 2; }
  return set->kind == SetOperation::Kind::kIntersect ? 1 : 0;
}

}  // namespace

std::string to_sql(const Query& query) {
  Printer printer;
  printer.print(query);
  return printer.take();
}

void Printer::print(const Query& query) {
  if (!query.with.empty()) {
    text("WITH ");
    list(query.with, [this](const CommonTable& each) {
      name(each.name);
      if (!each.columns.empty()) {
        text(" ");
        names(each.columns);
      }
      text(" AS ");
      in_parentheses(*each.query);
    });
    text(" ");
  }
  std::visit([this](const auto& body) { node(body); }, query.body);
  if (!query.order_by.empty()) {
    text(" ORDER BY ");
    sort_keys(query.order_by);
  }
  if (query.limit.has_value()) {
    text(" LIMIT ");
    print(*query.limit);
  }
  if (query.offset.has_value()) {
    text(" OFFSET ");
    print(*query.offset);
  }
}

void Printer::node(const Values& values) {
  text("VALUES ");
  list(values.rows);
}

void Printer::node(const SetOperation& set) {
  constexpr std::string_view kKinds[] = {" UNION ", " INTERSECT ", " EXCEPT "};
  const int own = set.kind == SetOperation::Kind::kIntersect ? 1 : 0;
  if (tightness(*set.left) < own) {
    in_parentheses(*set.left);
  } else {
    print(*set.left);
  }
  text(kKinds[static_cast<size_t>(set.kind)]);
  if (set.all) { text("ALL "); }
  if (tightness(*set.right) <= own) {
    in_parentheses(*set.right);
  } else {
    print(*set.right);
  }
}

void Printer::node(const TableQuery& table) {
  text("TABLE ");
  name(table.table);
}

void Printer::node(const NestedQuery& nested) { in_parentheses(*nested.query); }

// ---- SELECT

void Printer::node(const Select& select) {
  text("SELECT ");
  hints(select.hints);
  if (!select.hints.empty()) { text(" "); }
  if (select.distinct) { text("DISTINCT "); }
  list(select.items, [this](const SelectItem& each) {
    print(each.value);
    if (each.alias.has_value()) {
      text(" AS ");
      name(*each.alias);
    }
  });
  if (select.from.has_value()) {
    text(" FROM ");
    table(*select.from);
  }
  select_tail(select);
}

void Printer::select_tail(const Select& select) {
  if (select.where.has_value()) {
    text(" WHERE ");
    print(*select.where);
  }
  if (select.group_by.has_value()) {
    text(" GROUP BY ");
    list(*select.group_by, [this](const Expression& each) { grouping_element(each); });
  }
  if (select.having.has_value()) {
    text(" HAVING ");
    print(*select.having);
  }
  if (select.windows.empty()) { return; }
  text(" WINDOW ");
  list(select.windows, [this](const NamedWindow& each) {
    name(each.name);
    text(" AS ");
    window(each.window);
  });
}

void Printer::hints(const std::vector<Hint>& hints) {
  if (hints.empty()) { return; }
  text("/*+ ");
  list(hints, [this](const Hint& each) {
    name(each.name);
    if (!each.options.empty()) { options(each.options); }
    if (!each.words.empty()) { names(each.words); }
  });
  text(" */");
}

// ---- Tables

void Printer::table(const TableReference& table) {
  std::visit([this](const auto& each) { node(each); }, table.node);
  if (!table.alias.has_value()) { return; }
  text(" AS ");
  name(table.alias->name);
  if (!table.alias->columns.empty()) {
    text(" ");
    names(table.alias->columns);
  }
}

void Printer::table_in_join(const TableReference& part, bool parentheses) {
  if (parentheses) { text("("); }
  table(part);
  if (parentheses) { text(")"); }
}

void Printer::node(const NamedTable& table) {
  if (table.is_file) {
    string(table.name.parts.front().name);
  } else {
    name(table.name);
  }
  if (!table.hints.empty()) {
    text(" ");
    hints(table.hints);
  }
  if (table.as_of.has_value()) {
    text(" FOR SYSTEM_TIME AS OF ");
    print(*table.as_of, Precedence::kSum);
  }
}

void Printer::node(const DerivedTable& table) {
  if (table.lateral) { text("LATERAL "); }
  in_parentheses(*table.query);
}

void Printer::node(const FunctionTable& table) {
  text(table.lateral ? "LATERAL TABLE(" : "TABLE(");
  print(table.call);
  text(")");
}

void Printer::node(const UnnestTable& table) {
  text("UNNEST(");
  list(table.values);
  text(table.with_ordinality ? ") WITH ORDINALITY" : ")");
}

void Printer::node(const Join& join) {
  constexpr std::string_view kKinds[] = {" JOIN ",      " LEFT JOIN ",  " RIGHT JOIN ",
                                         " FULL JOIN ", " CROSS JOIN ", ", "};
  const bool is_comma = join.kind == Join::Kind::kComma;
  const auto* const left = std::get_if<Join>(&join.left->node);
  const auto* const right = std::get_if<Join>(&join.right->node);
  // A comma binds least.
  const auto joins_by_comma = [](const Join* side) {
    return side != nullptr && side->kind == Join::Kind::kComma;
  };
  table_in_join(*join.left, !is_comma && joins_by_comma(left));
  if (join.natural) { text(" NATURAL"); }
  text(kKinds[static_cast<size_t>(join.kind)]);
  table_in_join(*join.right, is_comma ? joins_by_comma(right) : right != nullptr);
  if (join.on.has_value()) {
    text(" ON ");
    print(*join.on);
  }
  if (!join.using_columns.empty()) {
    text(" USING ");
    names(join.using_columns);
  }
}

// ---- MATCH_RECOGNIZE

void Printer::node(const MatchRecognize& match) {
  const bool is_simple = !std::holds_alternative<Join>(match.input->node) &&
                         !std::holds_alternative<MatchRecognize>(match.input->node);
  table_in_join(*match.input, !is_simple);
  text(" MATCH_RECOGNIZE (");
  if (!match.partition_by.empty()) {
    text("PARTITION BY ");
    list(match.partition_by);
    text(" ");
  }
  if (!match.order_by.empty()) {
    text("ORDER BY ");
    sort_keys(match.order_by);
    text(" ");
  }
  if (!match.measures.empty()) {
    text("MEASURES ");
    list(match.measures, [this](const MatchRecognize::Measure& each) {
      print(each.value);
      text(" AS ");
      name(each.name);
    });
    text(" ");
  }
  if (match.all_rows.has_value()) {
    text(*match.all_rows ? "ALL ROWS PER MATCH " : "ONE ROW PER MATCH ");
  }
  match_skip(match);
  text("PATTERN (");
  pattern(match.pattern);
  text(")");
  if (match.within.has_value()) {
    text(" WITHIN ");
    node(*match.within);
  }
  text(" DEFINE ");
  list(match.definitions, [this](const MatchRecognize::Definition& each) {
    name(each.variable);
    text(" AS ");
    print(each.condition);
  });
  text(")");
}

void Printer::match_skip(const MatchRecognize& match) {
  switch (match.skip) {
    case MatchRecognize::Skip::kUnsaid: return;
    case MatchRecognize::Skip::kPastLastRow: return text("AFTER MATCH SKIP PAST LAST ROW ");
    case MatchRecognize::Skip::kToNextRow: return text("AFTER MATCH SKIP TO NEXT ROW ");
    case MatchRecognize::Skip::kToFirst: text("AFTER MATCH SKIP TO FIRST "); break;
    case MatchRecognize::Skip::kToLast: text("AFTER MATCH SKIP TO LAST "); break;
  }
  name(*match.skip_to);
  text(" ");
}

void Printer::pattern(const RowPattern& whole) {
  using Kind = RowPattern::Kind;
  const bool is_group = whole.kind == Kind::kSequence || whole.kind == Kind::kOneOf;
  const bool parentheses = is_group && whole.quantifier.has_value();
  if (parentheses) { text("("); }
  switch (whole.kind) {
    case Kind::kVariable: name_unlike(whole.variable, {"PERMUTE"}); break;
    case Kind::kPermute: text("PERMUTE("); break;
    case Kind::kExclude: text("{- "); break;
    default: break;
  }
  for (size_t i = 0; i < whole.parts.size(); ++i) {
    const RowPattern& part = whole.parts[i];
    if (i > 0) {
      text(whole.kind == Kind::kOneOf ? " | " : whole.kind == Kind::kPermute ? ", " : " ");
    }
    const bool is_inner_group = !part.quantifier.has_value() &&
                                (part.kind == Kind::kOneOf ||
                                 (part.kind == Kind::kSequence && whole.kind == Kind::kSequence));
    if (is_inner_group && is_group) { text("("); }
    pattern(part);
    if (is_inner_group && is_group) { text(")"); }
  }
  if (whole.kind == Kind::kPermute) { text(")"); }
  if (whole.kind == Kind::kExclude) { text(" -}"); }
  if (parentheses) { text(")"); }
  if (whole.quantifier.has_value()) { quantifier(*whole.quantifier); }
}

void Printer::quantifier(const RowPattern::Quantifier& quantifier) {
  text("{");
  number(quantifier.least);
  if (quantifier.most != quantifier.least) {
    text(",");
    if (quantifier.most.has_value()) { number(*quantifier.most); }
  }
  text(quantifier.reluctant ? "}?" : "}");
}

}  // namespace tidewheel::sql
