#include "tidewheel/api/table.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel {
namespace {

template <class T>
std::optional<T> parse_number(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) { return std::nullopt; }
  return value;
}

std::string lowered(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') { c = static_cast<char>(c - 'A' + 'a'); }
  }
  return text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) { out += ", "; }
    out += name;
  }
  return out;
}

// " (did you mean 'x'?)", or nothing.
std::string hint_for(std::string_view name, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  const std::string nearest = nearest_text(name, views);
  return nearest.empty() ? "" : " (did you mean '" + nearest + "'?)";
}

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) { keys.push_back(key); }
  return keys;
}

// Sorted, each once.
std::vector<std::string> with_names(std::vector<std::string> names, std::vector<std::string> more) {
  names.insert(names.end(), more.begin(), more.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Status no_such(const char* what, const std::string& name, const std::vector<std::string>& names,
               TableExtensions* extensions) {
  const std::string troubles = extensions == nullptr ? "" : extensions->troubles();
  return not_found(ErrorId::kSqlOption, "there is no {} '{}'{}; available are: {}{}{}", what, name,
                   hint_for(name, names), joined(names), troubles.empty() ? "" : "\n", troubles);
}

Status cannot(std::string_view connector, const char* what, const TableContext& context) {
  return invalid_argument(ErrorId::kSqlOption, "the connector '{}' can't {} a table: {}", connector,
                          what, context.table.path);
}

}  // namespace

TableOptions::TableOptions(const TableDefinition& table, std::vector<TableOption> known)
    : path_(table.path), options_(table.options), known_(std::move(known)) {
  known_.push_back({"connector", true, "", "which connector serves the table"});
}

void TableOptions::add_known(const std::vector<TableOption>& known) {
  known_.insert(known_.end(), known.begin(), known.end());
}

const std::string* TableOptions::find(const std::string& key) {
  const auto it = options_.find(key);
  return it == options_.end() ? nullptr : &it->second;
}

void TableOptions::fail(const std::string& key, const std::string& why) {
  if (!failure_.ok()) { return; }
  const std::string* const value = find(key);
  failure_ = invalid_argument(ErrorId::kSqlOption, "option '{}' {}: {} (table {})", key, why,
                              value == nullptr ? "it is missing" : "'" + *value + "'", path_);
}

std::string TableOptions::text(const std::string& key, std::string fallback) {
  const std::string* const value = find(key);
  return value == nullptr ? std::move(fallback) : *value;
}

int64_t TableOptions::number(const std::string& key, int64_t fallback, int64_t least,
                             int64_t most) {
  const std::string* const value = find(key);
  if (value == nullptr) { return fallback; }
  const auto number = parse_number<int64_t>(*value);
  if (!number.has_value() || *number < least || *number > most) {
    std::string range = "must be a whole number";
    if (least != INT64_MIN) { range += ", at least " + std::to_string(least); }
    if (most != INT64_MAX) { range += ", at most " + std::to_string(most); }
    fail(key, range);
    return fallback;
  }
  return *number;
}

double TableOptions::real(const std::string& key, double fallback) {
  const std::string* const value = find(key);
  if (value == nullptr) { return fallback; }
  const auto number = parse_number<double>(*value);
  if (!number.has_value()) { fail(key, "must be a number"); }
  return number.value_or(fallback);
}

bool TableOptions::flag(const std::string& key, bool fallback) {
  const std::string* const value = find(key);
  if (value == nullptr) { return fallback; }
  const std::string text = lowered(*value);
  if (text != "true" && text != "false") { fail(key, "must be true or false"); }
  return text == "true";
}

Duration TableOptions::duration(const std::string& key, Duration fallback) {
  const std::string* const value = find(key);
  if (value == nullptr) { return fallback; }
  const Result<int64_t> ms = parse_duration_ms(*value);
  if (!ms.ok()) {
    fail(key, "must be a duration like '5 s', '100 ms' or '1 min'");
    return fallback;
  }
  return Duration(*ms);
}

int64_t TableOptions::bytes(const std::string& key, int64_t fallback) {
  const std::string* const value = find(key);
  if (value == nullptr) { return fallback; }
  const Result<int64_t> bytes = parse_memory_bytes(*value);
  if (!bytes.ok()) {
    fail(key, "must be a size like '128 MB' or '64 kb'");
    return fallback;
  }
  return *bytes;
}

size_t TableOptions::choice(const std::string& key, const std::vector<std::string>& choices,
                            size_t fallback) {
  const std::string* const value = find(key);
  if (value == nullptr) { return fallback; }
  const std::string text = lowered(*value);
  for (size_t i = 0; i < choices.size(); ++i) {
    if (lowered(choices[i]) == text) { return i; }
  }
  fail(key, "must be one of " + joined(choices));
  return fallback;
}

std::map<std::string, std::string> TableOptions::with_prefix(const std::string& prefix) {
  std::map<std::string, std::string> found;
  for (const auto& [key, value] : options_) {
    if (key.starts_with(prefix)) {
      found[key.substr(prefix.size())] = value;
      known_.push_back({key});
    }
  }
  return found;
}

Status TableOptions::finish() const {
  if (!failure_.ok()) { return failure_; }
  std::vector<std::string> names;
  for (const TableOption& option : known_) { names.push_back(option.key); }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const auto& [key, value] : options_) {
    if (std::binary_search(names.begin(), names.end(), key)) { continue; }
    return invalid_argument(ErrorId::kSqlOption,
                            "option '{}' is not known{}; the options of this table are: {} "
                            "(table {})",
                            key, hint_for(key, names), joined(names), path_);
  }
  for (const TableOption& option : known_) {
    if (!option.required || has(option.key)) { continue; }
    return invalid_argument(ErrorId::kSqlOption,
                            "option '{}' is missing; the options of this table are: {} (table {})",
                            option.key, joined(names), path_);
  }
  return ok_status();
}

DecodedRow DecodedRow::all(RowType message) {
  DecodedRow row{std::move(message), {}};
  for (size_t i = 0; i < row.message.size(); ++i) { row.wanted.push_back({i, i}); }
  return row;
}

Status RowEncoder::encode_block(const ColumnBatch& rows, std::span<const uint32_t> indexes,
                                std::string& stream) {
  for (const uint32_t row : indexes) {
    TIDEWHEEL_RETURN_IF_ERROR(encode(rows, row, stream));
    stream += '\n';
  }
  return {};
}

RowDecoder::Next RowDecoder::read(std::string_view bytes, bool ended, size_t& taken,
                                  ColumnBatch& rows, uint32_t rows_max) {
  taken = 0;
  while (rows.size() < rows_max) {
    const std::string_view rest = bytes.substr(taken);
    const size_t newline = rest.find('\n');
    if (newline == std::string_view::npos && (!ended || rest.empty())) {
      return ended ? Next::kEnd : Next::kNeedsBytes;
    }
    std::string_view line = rest.substr(0, newline);
    taken += newline == std::string_view::npos ? rest.size() : newline + 1;
    if (line.ends_with('\r')) { line.remove_suffix(1); }
    const Result<bool> appended = decode(Text(line), rows);
    if (!appended.ok()) {
      status_ = appended.status().with_context("{}, line {}", place_, line_);
      return Next::kFailed;
    }
    ++line_;
  }
  return Next::kFull;
}

Result<std::unique_ptr<TableSource>> TableConnector::source(const TableContext& context) const {
  return cannot(name(), "read", context);
}
Result<std::unique_ptr<TableSink>> TableConnector::sink(const TableContext& context) const {
  return cannot(name(), "write", context);
}
Status RowLookup::find(std::span<const ColumnView>, uint32_t, LookedUpRows&) {
  return unimplemented(ErrorId::kSqlUnsupported, "rows can't be looked up one by one");
}
Status RowLookup::load(RowBatch<ColumnRow>&) {
  return unimplemented(ErrorId::kSqlUnsupported, "the table can't be read as a whole");
}

namespace {

constexpr const char* kCacheNames[] = {"NONE", "PARTIAL", "FULL"};

bool has_kind(const std::vector<LookupCaching::Kind>& kinds, LookupCaching::Kind kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}
std::vector<std::string> cache_names(const std::vector<LookupCaching::Kind>& kinds) {
  std::vector<std::string> names;
  for (const LookupCaching::Kind kind : kinds) {
    names.emplace_back(kCacheNames[static_cast<size_t>(kind)]);
  }
  return names;
}

}  // namespace

std::vector<TableOption> lookup_options(const std::vector<LookupCaching::Kind>& kinds) {
  const std::vector<std::string> names = cache_names(kinds);
  std::vector<TableOption> options{
      {"lookup.cache", false, names[0], "what lookup joins keep: " + joined(names)}};
  if (has_kind(kinds, LookupCaching::Kind::kPartial)) {
    options.push_back({"lookup.partial-cache.max-rows", false, "", "the least used rows go first"});
    options.push_back({"lookup.partial-cache.expire-after-write", false, "", "since it was read"});
    options.push_back({"lookup.partial-cache.expire-after-access", false, "", "since it was used"});
    options.push_back(
        {"lookup.partial-cache.cache-missing-key", false, "true", "keep that a key has no rows"});
  }
  if (has_kind(kinds, LookupCaching::Kind::kFull)) {
    options.push_back({"lookup.full-cache.reload-strategy", false, "PERIODIC",
                       "when the table is read again: PERIODIC"});
    options.push_back({"lookup.full-cache.periodic-reload.interval", false, "",
                       "how long after it was read; without it: never"});
  }
  return options;
}

LookupCaching read_lookup_caching(TableOptions& options,
                                  const std::vector<LookupCaching::Kind>& kinds) {
  LookupCaching caching;
  caching.kind = kinds[options.choice("lookup.cache", cache_names(kinds), 0)];
  const auto check_kind = [&](const char* key, LookupCaching::Kind kind) {
    if (!options.has(key) || caching.kind == kind) { return; }
    options.fail(key, std::string("goes with 'lookup.cache' = '") +
                          kCacheNames[static_cast<size_t>(kind)] + "' only");
  };
  if (has_kind(kinds, LookupCaching::Kind::kPartial)) {
    for (const char* key :
         {"lookup.partial-cache.max-rows", "lookup.partial-cache.expire-after-write",
          "lookup.partial-cache.expire-after-access", "lookup.partial-cache.cache-missing-key"}) {
      check_kind(key, LookupCaching::Kind::kPartial);
    }
    caching.rows_max = options.number("lookup.partial-cache.max-rows", 0, 1);
    caching.expire_after_write =
        options.duration("lookup.partial-cache.expire-after-write", Duration(0));
    caching.expire_after_access =
        options.duration("lookup.partial-cache.expire-after-access", Duration(0));
    caching.keeps_misses = options.flag("lookup.partial-cache.cache-missing-key", true);
  }
  if (has_kind(kinds, LookupCaching::Kind::kFull)) {
    check_kind("lookup.full-cache.periodic-reload.interval", LookupCaching::Kind::kFull);
    static_cast<void>(options.choice("lookup.full-cache.reload-strategy", {"PERIODIC"}, 0));
    caching.reload_every =
        options.duration("lookup.full-cache.periodic-reload.interval", Duration(0));
  }
  return caching;
}

Result<std::unique_ptr<TableLookup>> TableConnector::lookup(const TableContext&) const {
  return std::unique_ptr<TableLookup>();
}

Result<std::vector<std::string>> TableConnector::partitions(FileSystem&,
                                                            const TableContext& context) const {
  return unimplemented(ErrorId::kSqlUnsupported, "the connector '{}' has no partitions (table {})",
                       name(), context.table.path);
}

void TableRegistry::add(std::unique_ptr<TableConnector> connector) {
  connectors_[std::string(connector->name())] = std::move(connector);
}
void TableRegistry::add(std::unique_ptr<TableFormat> format) {
  formats_[std::string(format->name())] = std::move(format);
}

void TableRegistry::extend(std::unique_ptr<TableExtensions> extensions) {
  extensions_ = std::move(extensions);
}

std::vector<std::string> TableRegistry::connector_names() const {
  std::vector<std::string> more;
  if (extensions_ != nullptr) { more = extensions_->connector_names(); }
  return with_names(keys_of(connectors_), std::move(more));
}
std::vector<std::string> TableRegistry::format_names() const {
  std::vector<std::string> more;
  if (extensions_ != nullptr) { more = extensions_->format_names(); }
  return with_names(keys_of(formats_), std::move(more));
}

Result<const TableConnector*> TableRegistry::connector(const std::string& name) const {
  if (extensions_ != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const found, extensions_->connector(name));
    if (found != nullptr) { return found; }
  }
  const auto it = connectors_.find(name);
  if (it != connectors_.end()) { return it->second.get(); }
  return no_such("connector", name, connector_names(), extensions_.get());
}

Result<const TableFormat*> TableRegistry::format(const std::string& name) const {
  if (extensions_ != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const found, extensions_->format(name));
    if (found != nullptr) { return found; }
  }
  const auto it = formats_.find(name);
  if (it != formats_.end()) { return it->second.get(); }
  return no_such("format", name, format_names(), extensions_.get());
}

Result<const TableFormat*> TableRegistry::format_of(TableOptions& options,
                                                    const std::string& key) const {
  options.add_known({{key, true, "", "how the bytes of a row are read and written"}});
  if (!options.has(key)) {
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    return internal_error(ErrorId::kInternal, "an option that is required is missing: {}", key);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const found, format(options.text(key)));
  options.add_known(found->options());
  return found;
}

}  // namespace tidewheel
