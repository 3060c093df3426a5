#include "tidewheel/formats/csv/reader.h"

#include <algorithm>
#include <array>

namespace tidewheel::csv {

namespace {

Status bad_option(std::string_view option, std::string_view why) {
  return invalid_argument(ErrorId::kConnectorOption, "csv option {} {}", option, why);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) { text += ", "; }
    text += name;
  }
  return text;
}

}  // namespace

Status check(const Options& options) {
  const auto ends_lines = [](char c) { return c == '\n' || c == '\r' || c == '\0'; };
  if (ends_lines(options.delimiter)) {
    return bad_option("delimiter", "can't be a line end or a zero byte");
  }
  if (options.quote == '\n' || options.quote == '\r' || options.quote == options.delimiter) {
    return bad_option("quote", "can't be a line end or the delimiter");
  }
  if (ends_lines(options.escape)
          ? options.escape != '\0'
          : options.escape == options.delimiter || options.escape == options.quote) {
    return bad_option("escape", "can't be a line end, the delimiter or the quote");
  }
  if (options.record_bytes_max < 1 || options.record_bytes_max > INT32_MAX) {
    return bad_option("record_bytes_max", "must be 1 byte to 2 GB");
  }
  if (!options.time_format.empty() && !TimePattern::compile(options.time_format)) {
    return bad_option("time_format", "knows yyyy, MM, dd, HH, mm, ss, SSS, XXX and text in '...'");
  }
  return {};
}

namespace detail {

bool parse_bool(std::string_view text, bool& value) {
  value = text == "true" || text == "1" || text == "TRUE" || text == "True";
  return value || text == "false" || text == "0" || text == "FALSE" || text == "False";
}

bool parse_timestamp_ms(std::string_view text, const ValueContext& context, int64_t& ms) {
  if (context.time_pattern != nullptr) { return assign(ms, context.time_pattern->parse(text)); }
  const auto parsed = parse_timestamp(text);
  if (parsed) { ms = parsed->ms(); }
  return parsed.has_value();
}

bool parse_local_ms(std::string_view text, const ValueContext& context, int64_t& ms) {
  if (context.time_pattern != nullptr) { return assign(ms, context.time_pattern->parse(text)); }
  const auto parsed = parse_local_timestamp(text);
  if (parsed) { ms = parsed->ms(); }
  return parsed.has_value();
}

bool parse_short_double(std::string_view text, double& value) {
  static constexpr std::array<double, 16> kPowers{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = !text.empty() && text[0] == '-';
  const char* at = text.data() + (negative ? 1 : 0);
  const char* const end = text.data() + text.size();
  if (at == end || end - at > 16 || *at == '.' || end[-1] == '.') { return false; }
  int64_t digits = 0;
  const char* point = nullptr;
  for (; at != end; ++at) {
    const auto digit = static_cast<unsigned>(*at - '0');
    if (digit <= 9) {
      digits = digits * 10 + digit;
    } else if (*at == '.' && point == nullptr) {
      point = at;
    } else {
      return false;
    }
  }
  if (digits >= 1'000'000'000'000'000) { return false; }
  const size_t fraction_digits = point == nullptr ? 0 : static_cast<size_t>(end - point - 1);
  const double magnitude = static_cast<double>(digits) / kPowers[fraction_digits];
  value = negative ? -magnitude : magnitude;
  return true;
}

std::string_view describe_number(size_t bytes, bool is_signed) {
  switch (bytes) {
    case 1: return is_signed ? "int8 (-128 to 127)" : "uint8 (0 to 255)";
    case 2: return is_signed ? "int16 (-32768 to 32767)" : "uint16 (0 to 65535)";
    case 4: return is_signed ? "int32" : "uint32";
    default: return is_signed ? "int64" : "uint64";
  }
}

ReaderBase::ReaderBase(Options options, std::string place, std::vector<FieldInfo> fields)
    : options_(std::move(options)),
      place_(std::move(place)),
      fields_(std::move(fields)),
      tokenizer_(options_.delimiter, options_.quote, static_cast<size_t>(options_.record_bytes_max),
                 options_.escape) {}

Status ReaderBase::open() {
  TIDEWHEEL_RETURN_IF_ERROR(check(options_));
  null_bytes_max_ = 0;
  for (const std::string& literal : options_.null_literals) {
    null_bytes_max_ = std::max(null_bytes_max_, literal.size());
  }
  if (!options_.time_format.empty()) {
    pattern_ = std::make_unique<TimePattern>(*TimePattern::compile(options_.time_format));
    context_.time_pattern = pattern_.get();
  }
  needs_header_ = options_.header;
  if (needs_header_) { return {}; }
  columns_ = options_.columns;
  if (columns_.empty()) {
    for (const FieldInfo& field : fields_) { columns_.emplace_back(field.name); }
    // By position: names of columns that were given for fields play no part.
    options_.column_of_field.clear();
  }
  return map_columns();
}

Status ReaderBase::map_columns() {
  column_of_.clear();
  for (const FieldInfo& field : fields_) {
    std::string_view name = field.name;
    for (const auto& [one, column] : options_.column_of_field) {
      if (one == field.name) { name = column; }
    }
    const auto found = std::find(columns_.begin(), columns_.end(), name);
    if (found == columns_.end()) {
      return invalid_argument(ErrorId::kConnectorOption,
                              "{}: there is no column {}; the columns are {}", place_, name,
                              joined(columns_));
    }
    if (std::find(found + 1, columns_.end(), name) != columns_.end()) {
      return invalid_argument(ErrorId::kConnectorOption, "{}: there are two columns {}", place_,
                              name);
    }
    column_of_.push_back(static_cast<uint32_t>(found - columns_.begin()));
  }
  return {};
}

bool ReaderBase::is_null(std::string_view text) const {
  // Most values are longer than any of the literals.
  if (text.size() > null_bytes_max_) { return false; }
  for (const std::string& literal : options_.null_literals) {
    // Most short values differ in their first byte.
    if (text.size() == literal.size() && (text.empty() || text[0] == literal[0]) &&
        text == literal) {
      return true;
    }
  }
  return false;
}

std::string_view ReaderBase::trimmed(std::string_view text) const {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) { text.remove_prefix(1); }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) { text.remove_suffix(1); }
  return text;
}

std::string_view ReaderBase::unescape(std::string_view text, bool quoted) {
  scratch_.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == options_.escape && options_.escape != '\0' && i + 1 < text.size()) {
      ++i;
      scratch_ += text[i];
      continue;
    }
    scratch_ += text[i];
    if (quoted && text[i] == options_.quote) { ++i; }
  }
  return scratch_;
}

Next ReaderBase::malformed(std::string_view record, std::string column, std::string reason) {
  ++malformed_count_;
  if (options_.on_malformed == OnMalformed::kFail || needs_header_) {
    const std::string at = column.empty() ? "" : ", column " + column;
    status_ = invalid_argument(ErrorId::kRecordMalformed, "{}, line {}{}: {}", place_, record_line_,
                               at, reason);
    return Next::kFailed;
  }
  reject_.place = place_;
  reject_.line = record_line_;
  reject_.column = std::move(column);
  reject_.reason = std::move(reason);
  reject_.record = record.substr(0, kRejectBytesMax);
  return Next::kReject;
}

Next ReaderBase::fail_value(size_t field, std::string_view record, std::string_view value,
                            const std::string& expected) {
  constexpr size_t kShownMax = 200;
  const std::string& column = columns_[column_of_[field]];
  std::string shown(value.substr(0, kShownMax));
  if (value.size() > kShownMax) { shown += "..."; }
  const bool null = !fields_[field].is_optional && is_null(value);
  return malformed(record, column,
                   fmt::format("\"{}\" is no {}{}", shown, expected,
                               null ? "; make the field std::optional if it may be missing" : ""));
}

// Cuts the next record out of `bytes`, whatever it holds.
Next ReaderBase::tokenize(std::string_view bytes, bool ended, size_t& taken,
                          std::string_view& record) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  taken = 0;
  if (at_start_) {
    if (bytes.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(bytes) && !ended) {
      return Next::kNeedsBytes;
    }
    if (bytes.starts_with(kByteOrderMark)) { taken = kByteOrderMark.size(); }
    at_start_ = false;
  }
  bool needs_bytes = false;
  taken += skip_comment(bytes.substr(taken), ended, needs_bytes);
  if (needs_bytes) { return Next::kNeedsBytes; }
  const std::string_view rest = bytes.substr(taken);
  const Tokenizer::Next next = tokenizer_.next(rest, ended);
  switch (next) {
    case Tokenizer::Next::kNeedsBytes:
      if (tokenizer_.dropped() > 0) { line_ += tokenizer_.lines(); }
      taken += tokenizer_.dropped();
      return Next::kNeedsBytes;
    case Tokenizer::Next::kEnd: return Next::kEnd;
    case Tokenizer::Next::kRecord:
    case Tokenizer::Next::kMalformed: break;
  }
  record = rest.substr(0, tokenizer_.size());
  taken += tokenizer_.size();
  record_line_ = line_;
  line_ += tokenizer_.lines();
  if (next == Tokenizer::Next::kRecord) { return Next::kRow; }
  std::string reason = tokenizer_.reason();
  if (record.size() > static_cast<size_t>(options_.record_bytes_max)) {
    reason += fmt::format(" ({} bytes); raise it, or look for a quote that is not closed",
                          options_.record_bytes_max);
  }
  return malformed(record, "", std::move(reason));
}

// As many columns as were declared, none of which has a declared name.
bool ReaderBase::has_other_names() const {
  return columns_.size() == options_.columns.size() &&
         std::none_of(columns_.begin(), columns_.end(), [this](const std::string& name) {
           return std::find(options_.columns.begin(), options_.columns.end(), name) !=
                  options_.columns.end();
         });
}

Status ReaderBase::use_declared_columns() {
  needs_header_ = false;
  columns_ = options_.columns;
  return map_columns();
}

bool ReaderBase::is_blank() const {
  const std::vector<Field>& fields = tokenizer_.fields();
  return fields.size() == 1 && !fields[0].quoted && fields[0].begin == fields[0].end;
}

// Bytes of the lines of comments at the start.
size_t ReaderBase::skip_comment(std::string_view bytes, bool ended, bool& needs_bytes) {
  size_t skipped = 0;
  needs_bytes = false;
  while (options_.comments && !tokenizer_.in_record() && bytes.substr(skipped).starts_with('#')) {
    const size_t newline = bytes.find('\n', skipped);
    if (newline == std::string_view::npos) {
      needs_bytes = !ended;
      return ended ? bytes.size() : skipped;
    }
    skipped = newline + 1;
    ++line_;
  }
  return skipped;
}

Next ReaderBase::read_header(std::string_view bytes, bool ended, size_t& taken) {
  taken = 0;
  while (needs_header_) {
    size_t took = 0;
    std::string_view record;
    Next answer = tokenize(bytes.substr(taken), ended, took, record);
    taken += took;
    if (answer == Next::kRow) {
      if (is_blank() && options_.columns.size() != 1) { continue; }
      answer = take_header(record);
    }
    if (answer == Next::kNeedsBytes && took > 0) { continue; }
    if (answer != Next::kRow) { return answer; }
  }
  return Next::kRow;
}

Next ReaderBase::take_header(std::string_view record) {
  columns_.clear();
  for (const Field& field : tokenizer_.fields()) {
    std::string_view text = field.in(record);
    if (field.escaped) { text = unescape(text, field.quoted); }
    columns_.emplace_back(field.quoted ? text : trimmed(text));
  }
  needs_header_ = false;
  if (has_other_names()) { columns_ = options_.columns; }
  status_ = map_columns();
  return status_.ok() ? Next::kRow : Next::kFailed;
}

bool ReaderBase::has_right_count(std::string_view record, Next& answer) {
  const size_t count = tokenizer_.fields().size();
  if (count == columns_.size()) [[likely]] { return true; }
  if (count < columns_.size() ? options_.allow_missing_fields : options_.allow_extra_fields) {
    return true;
  }
  answer = malformed(
      record, "",
      fmt::format("the record has {} fields, there are {} columns", count, columns_.size()));
  return false;
}

Next ReaderBase::next_record(std::string_view bytes, bool ended, size_t& taken,
                             std::string_view& record) {
  taken = 0;
  if (!status_.ok()) { return Next::kFailed; }
  while (true) {
    size_t took = 0;
    Next answer = tokenize(bytes.substr(taken), ended, took, record);
    taken += took;
    if (answer == Next::kNeedsBytes && ended) {
      // What was left of an oversized record is gone; there may be more behind it.
      if (took == 0) { return Next::kEnd; }
      continue;
    }
    if (answer == Next::kNeedsBytes && took > 0) { continue; }
    if (answer == Next::kReject && skips()) { continue; }
    if (answer != Next::kRow) { return answer; }
    if (is_blank() && columns_.size() != 1) { continue; }
    if (needs_header_) {
      answer = take_header(record);
      if (answer == Next::kFailed) { return answer; }
      continue;
    }
    if (has_right_count(record, answer)) { return Next::kRow; }
    if (answer != Next::kReject || !skips()) { return answer; }
  }
}

}  // namespace detail

}  // namespace tidewheel::csv
