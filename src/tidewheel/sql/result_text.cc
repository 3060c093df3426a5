#include "tidewheel/sql/result_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/json_text.h"
#include "tidewheel/base/text_width.h"
#include "tidewheel/sql/json_value.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/text_encodings.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {
namespace {

std::string joined_cells(const ResultTable::Row& row) {
  std::string all;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    all += row.nulls[i] ? "n" : fmt::format("{}:", row.cells[i].size());
    all += row.cells[i];
  }
  return all;
}

// Cut to `width` columns, and without what would break the line.
std::string shown_text(const std::string& text, size_t width) {
  const bool cut = text_width(text) > width;
  std::string out = cut ? text.substr(0, bytes_in_width(text, width - 1)) + "…" : text;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return out;
}

void append_rule(std::string& out, const std::vector<size_t>& widths, const char* left,
                 const char* middle, const char* right) {
  out += left;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (i > 0) { out += middle; }
    for (size_t n = 0; n < widths[i] + 2; ++n) { out += "─"; }
  }
  out += right;
  out += '\n';
}

void append_cells(std::string& out, const std::vector<std::string>& cells,
                  const std::vector<size_t>& widths, const std::vector<bool>& right) {
  out += "│";
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string pad(widths[i] - text_width(cells[i]), ' ');
    out += ' ';
    out += right[i] ? pad + cells[i] : cells[i] + pad;
    out += " │";
  }
  out += '\n';
}

}  // namespace

struct ResultTable::Sorter {
  SortKeyEncoder key;
};

ResultTable::ResultTable(RowType type, size_t visible, const std::vector<SortKeyNode>& order_by,
                         TimeZone zone, CellStyle style)
    : type_(std::move(type)), visible_(visible), zone_(zone), style_(style) {
  if (order_by.empty()) { return; }
  std::vector<SortColumn> columns;
  for (const SortKeyNode& key : order_by) {
    columns.push_back({key.column, key.descending, key.nulls_first});
  }
  sorter_ = std::make_unique<Sorter>(Sorter{SortKeyEncoder(type_.types, std::move(columns))});
}
ResultTable::~ResultTable() = default;

ResultTable::Row result_row(const RowType& type, const ColumnBatch& batch, uint32_t row,
                            TimeZone& zone, CellStyle style) {
  ResultTable::Row out;
  for (size_t i = 0; i < type.size(); ++i) {
    const bool is_null = batch.view(i).is_null(row);
    out.nulls.push_back(is_null);
    out.cells.emplace_back();
    if (is_null) { continue; }
    std::string& cell = out.cells.back();
    if (type.types[i].is_bytes()) {
      // What bytes may do to a terminal, nobody knows.
      cell = "x'" + to_hex(batch.view(i).at<Text>(row).view(), /*capitals=*/false) + "'";
      continue;
    }
    if (style == CellStyle::kJson && !type.types[i].children.empty()) {
      append_json_value(cell, type.types[i], batch.view(i), row);
      continue;
    }
    append_value_text(cell, type.types[i], batch.view(i), row,
                      {.style = TextStyle::kSql, .zone = &zone});
  }
  return out;
}

void ResultTable::apply(const ResultQueue::Rows& rows) {
  const ColumnBatch& batch = rows.columns();
  for (uint32_t i = rows.begin; i < rows.end; ++i) {
    Row row = result_row(type_, batch, i, zone_, style_);
    const std::string text = joined_cells(row);
    if (is_retraction(batch.kind(i))) {
      const auto it = by_text_.find(text);
      if (it == by_text_.end()) { continue; }
      entries_[it->second].alive = false;
      entries_[it->second].row = {};
      by_text_.erase(it);
      --alive_;
      continue;
    }
    if (sorter_ != nullptr) { sorter_->key.encode(batch.views().data(), i, row.sort_key); }
    by_text_.emplace(text, entries_.size());
    entries_.push_back({std::move(row), true});
    ++alive_;
  }
}

std::vector<const ResultTable::Row*> ResultTable::rows() const {
  std::vector<const Row*> all;
  for (const Entry& entry : entries_) {
    if (entry.alive) { all.push_back(&entry.row); }
  }
  if (sorter_ != nullptr) {
    std::stable_sort(all.begin(), all.end(),
                     [](const Row* a, const Row* b) { return a->sort_key < b->sort_key; });
  }
  return all;
}

bool is_shown_right(const LogicalType& type) { return type.is_numeric(); }

std::string box_text(const std::vector<std::string>& names, const std::vector<bool>& right,
                     const std::vector<std::vector<std::string>>& rows, const BoxOptions& options) {
  std::vector<std::vector<std::string>> shown;
  std::vector<size_t> widths;
  for (const std::string& name : names) { widths.push_back(text_width(name)); }
  for (const auto& row : rows) {
    auto& cells = shown.emplace_back();
    for (size_t i = 0; i < names.size(); ++i) {
      cells.push_back(shown_text(row[i], options.column_width_max));
      widths[i] = std::max(widths[i], text_width(cells.back()));
    }
  }
  std::string out;
  append_rule(out, widths, "┌", "┬", "┐");
  append_cells(out, names, widths, right);
  append_rule(out, widths, "├", "┼", "┤");
  for (const auto& cells : shown) { append_cells(out, cells, widths, right); }
  append_rule(out, widths, "└", "┴", "┘");
  return out;
}

std::string csv_line(const std::vector<std::string>& cells, const std::vector<bool>& nulls) {
  std::string out;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) { out += ','; }
    if (nulls[i]) { continue; }
    const bool quotes = cells[i].empty() || cells[i].find_first_of(",\"\r\n") != std::string::npos;
    if (!quotes) {
      out += cells[i];
      continue;
    }
    out += '"';
    for (const char c : cells[i]) {
      if (c == '"') { out += '"'; }
      out += c;
    }
    out += '"';
  }
  return out + '\n';
}

std::string json_line(const RowType& type, const std::vector<std::string>& cells,
                      const std::vector<bool>& nulls) {
  std::string out = "{";
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) { out += ','; }
    append_json_text(out, type.names[i]);
    out += ':';
    const LogicalType& column = type.types[i];
    if (nulls[i]) {
      out += "null";
    } else if (column.kind == TypeKind::kBoolean) {
      out += cells[i] == "TRUE" ? "true" : "false";
    } else if (!column.children.empty() ||
               (column.is_numeric() && cells[i].find_first_of("NI") == std::string::npos)) {
      out += cells[i];
    } else {
      append_json_text(out, cells[i]);
    }
  }
  return out + "}\n";
}

}  // namespace tidewheel::sql
