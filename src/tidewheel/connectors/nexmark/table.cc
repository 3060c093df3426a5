#include "tidewheel/connectors/nexmark/table.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/connectors/nexmark/columns.h"
#include "tidewheel/connectors/nexmark/options.h"

namespace tidewheel::nexmark {
namespace {

constexpr std::string_view kKindNames[] = {"person", "auction", "bid"};

std::span<const std::string_view> fields_of(Kind kind) {
  switch (kind) {
    case Kind::kPerson: return kPersonFields;
    case Kind::kAuction: return kAuctionFields;
    case Kind::kBid: return kBidFields;
  }
  return {};
}

// Names are compared without case and underscores: dateTime is date_time.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c != '_') { plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
  }
  return plain;
}

std::string joined_names(std::span<const std::string_view> names) {
  std::string all;
  for (const std::string_view name : names) {
    if (!all.empty()) { all += ", "; }
    all += name;
  }
  return all;
}

bool is_time(std::string_view field) { return field == "date_time" || field == "expires"; }
bool is_number(std::string_view field) {
  constexpr std::string_view kNumbers[] = {"id",      "auction", "bidder",   "price",
                                           "reserve", "seller",  "category", "initial_bid"};
  return std::find(std::begin(kNumbers), std::end(kNumbers), field) != std::end(kNumbers);
}

Status wrong_type(const std::string& column, const LogicalType& type, std::string_view wanted) {
  return invalid_argument(ErrorId::kSqlType,
                          "column '{}' of a nexmark table must be {}, and it is {}", column, wanted,
                          type.to_string());
}

// Which field of `kind` is meant.
Result<uint32_t> find_field(Kind kind, const std::string& name, const LogicalType& type) {
  const auto fields = fields_of(kind);
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (plain_name(fields[i]) != plain_name(name)) { continue; }
    if (is_time(fields[i])) {
      if (!type.is_timestamp() || type.precision != 3) {
        return wrong_type(name, type, "TIMESTAMP(3) or TIMESTAMP_LTZ(3)");
      }
    } else if (is_number(fields[i])) {
      if (type.kind != TypeKind::kBigint) { return wrong_type(name, type, "BIGINT"); }
    } else if (type.kind != TypeKind::kVarchar) {
      return wrong_type(name, type, "STRING");
    }
    return i;
  }
  return invalid_argument(ErrorId::kSqlName, "a nexmark {} has no column '{}'; it has {}",
                          kKindNames[static_cast<size_t>(kind)], name, joined_names(fields));
}

Result<EventColumn> event_column(const TableColumn& column, std::optional<Kind> only) {
  EventColumn made{.type = column.type};
  if (only.has_value()) {
    made.kind = *only;
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t field, find_field(*only, column.name, column.type));
    made.fields = {field};
    return made;
  }
  const std::string name = plain_name(column.name);
  if (name == "eventtype") {
    if (column.type.kind != TypeKind::kInt) { return wrong_type(column.name, column.type, "INT"); }
    made.is_event_type = true;
    return made;
  }
  const auto found = std::find(std::begin(kKindNames), std::end(kKindNames), name);
  if (found == std::end(kKindNames)) {
    return invalid_argument(ErrorId::kSqlName,
                            "a nexmark table has no column '{}'; it has event_type, person, "
                            "auction and bid, or, with 'nexmark.kind', the columns of that kind",
                            column.name);
  }
  if (column.type.kind != TypeKind::kRow || !column.type.nullable) {
    return wrong_type(column.name, column.type, "a ROW<..> that may be NULL");
  }
  made.kind = static_cast<Kind>(found - std::begin(kKindNames));
  made.is_row = true;
  for (size_t i = 0; i < column.type.children.size(); ++i) {
    const std::string& field_name = column.type.names[i];
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t field,
                               find_field(made.kind, field_name, column.type.children[i]));
    made.fields.push_back(field);
  }
  return made;
}

class NexmarkTable final : public TableSource {
 public:
  NexmarkTable(const Options& options, EventLayout layout)
      : options_(options), declared_(std::move(layout)), layout_(declared_) {}

  bool is_bounded() const override { return options_.events > 0; }
  bool project(const std::vector<size_t>& columns) override {
    layout_.columns.clear();
    for (const size_t column : columns) { layout_.columns.push_back(declared_.columns[column]); }
    return true;
  }
  bool project_fields(const std::vector<ColumnPath>& paths) override {
    layout_.columns.clear();
    for (const ColumnPath& path : paths) {
      EventColumn column = declared_.columns[path.column];
      if (!path.fields.empty()) {
        const size_t field = path.fields.front();
        column.type = LogicalType(column.type.children[field]).as_nullable();
        column.fields = {column.fields[field]};
        column.is_row = false;
      }
      layout_.columns.push_back(std::move(column));
    }
    return true;
  }
  bool keep_only(size_t column, const std::vector<int64_t>& values) override {
    if (!declared_.columns[column].is_event_type) { return false; }
    for (size_t kind = 0; kind < kKinds; ++kind) {
      layout_.wanted[kind] &=
          std::find(values.begin(), values.end(), static_cast<int64_t>(kind)) != values.end();
    }
    return true;
  }
  // The kinds come in turn, so that their shares are exact.
  TableEstimate estimate(FileSystem&) const override {
    if (options_.events == 0) { return {}; }
    const int64_t shares[] = {options_.person_proportion, options_.auction_proportion,
                              options_.bid_proportion};
    int64_t wanted = 0;
    int64_t all = 0;
    for (size_t kind = 0; kind < kKinds; ++kind) {
      all += shares[kind];
      wanted += layout_.wanted[kind] ? shares[kind] : 0;
    }
    const double share = static_cast<double>(wanted) / static_cast<double>(all);
    return {.rows = static_cast<int64_t>(static_cast<double>(options_.events) * share)};
  }
  Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                   const std::string& uid) override {
    return env.add_source(name, EventColumnSource(options_, layout_)).uid(uid);
  }

 private:
  const Options options_;
  const EventLayout declared_;  // all columns of the table
  EventLayout layout_;          // what was asked for
};

class NexmarkConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "nexmark"; }
  bool can_write() const override { return false; }

  std::vector<TableOption> options() const override {
    std::vector<TableOption> all = {
        {"nexmark.kind", false, "all", "all, or the one kind whose columns the table has"},
        {"events.num", false, "0", "how many events; 0: no end"},
        {"first-event.rate", false, "10000", "events a second of event time"},
        {"next-event.rate", false, "10000", "the same as first-event.rate"},
        {"rate.limited", false, "false", "no faster than the rate in processing time"},
        {"max-emit-speed", false, "true", "false: as rate.limited"},
        {"seed", false, "42", "other events for each"},
        {"base-time", false, "1436918400000", "event time of the first event, in ms"},
        {"watermark.delay", false, "4000", "of SOURCE_WATERMARK(), in ms"},
    };
    for (const NamedDefault& option : proportion_options()) {
      all.push_back({option.name, false, std::to_string(option.value)});
    }
    return all;
  }

  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    const size_t kind = options.choice("nexmark.kind", {"person", "auction", "bid", "all"}, kKinds);
    std::vector<OptionText> texts = {{"events.num", "0"}};
    for (const TableOption& option : this->options()) {
      if (option.key == "nexmark.kind" || !options.has(option.key)) { continue; }
      texts.emplace_back(option.key, options.text(option.key));
    }
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    const Result<Options> parsed = parse_options(texts, Options{.events = 0, .rate = 10'000});
    if (!parsed.ok()) {
      return invalid_argument(ErrorId::kSqlOption, "{} (table {})", parsed.status().message(),
                              context.table.path);
    }
    EventLayout layout;
    const std::optional<Kind> only =
        kind == kKinds ? std::nullopt : std::optional(static_cast<Kind>(kind));
    if (only.has_value()) {
      layout.wanted = {};
      layout.wanted[kind] = true;
    }
    for (const TableColumn& column : context.table.columns) {
      TIDEWHEEL_ASSIGN_OR_RETURN(EventColumn made, event_column(column, only));
      layout.columns.push_back(std::move(made));
    }
    return std::make_unique<NexmarkTable>(*parsed, std::move(layout));
  }
};

}  // namespace

std::unique_ptr<TableConnector> table_connector() { return std::make_unique<NexmarkConnector>(); }

}  // namespace tidewheel::nexmark
