#include "tidewheel/formats/csv/writer.h"

#include <algorithm>
#include <array>

#include "tidewheel/types/byte_blocks.h"

namespace tidewheel::csv::detail {

namespace {

bool needs_quotes(std::string_view text, const Options& options, bool is_optional) {
  if (options.quote_all) { return true; }
  for (const std::string& literal : options.null_literals) {
    // An empty string that must be there is written bare: it can't be read as anything else.
    if (text == literal && (is_optional || !text.empty())) { return true; }
  }
  if (text.empty()) { return false; }
  if (text.front() == ' ' || text.back() == ' ' || text.front() == '\t' || text.back() == '\t' ||
      text.starts_with("\xef\xbb\xbf") || (options.comments && text.front() == '#')) {
    return true;
  }
  return any_block(text, [&options](ByteBlock block) {
    return block.equal(options.delimiter) | block.equal(options.quote) | block.equal('\n') |
           block.equal('\r') | block.equal(options.escape != '\0' ? options.escape : options.quote);
  });
}

}  // namespace

void append_text(std::string& out, std::string_view text, const Options& options,
                 bool is_optional) {
  if (options.quote == '\0' || !needs_quotes(text, options, is_optional)) {
    out += text;
    return;
  }
  out += options.quote;
  for (const char c : text) {
    if (c == options.quote || (c == options.escape && c != '\0')) {
      out += options.escape != '\0' ? options.escape : c;
    }
    out += c;
  }
  out += options.quote;
}

void append_null(std::string& out, const Options& options) {
  if (!options.null_literals.empty()) { out += options.null_literals.front(); }
}

void append_timestamp(std::string& out, int64_t ms, const ValueContext& context, bool is_utc) {
  if (context.time_pattern != nullptr) {
    out += context.time_pattern->format(ms);
    return;
  }
  std::array<char, kTimeTextBytesMax> buffer;
  char* const end = write_timestamp(buffer.data(), ms);
  *std::find(buffer.data(), end, ' ') = 'T';
  out.append(buffer.data(), end);
  if (is_utc) { out += 'Z'; }
}

void append_column_name(std::string& out, std::string_view field, const Options& options) {
  for (const auto& [one, column] : options.column_of_field) {
    if (one == field) { return append_text(out, column, options); }
  }
  append_text(out, field, options);
}

}  // namespace tidewheel::csv::detail
