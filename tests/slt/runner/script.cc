#include "tests/slt/runner/script.h"

#include <utility>

namespace tidewheel::slt {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    end = end == std::string_view::npos ? text.size() : end;
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Parts that two spaces or more separate.
std::vector<std::string> split_wide(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    begin = text.find_first_not_of(' ', begin);
    if (begin == std::string_view::npos) { break; }
    size_t end = text.find("  ", begin);
    end = end == std::string_view::npos ? text.size() : end;
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return parts;
}

bool take_word(std::string_view& line, std::string_view word) {
  if (!line.starts_with(word)) { return false; }
  if (line.size() > word.size() && line[word.size()] != ' ') { return false; }
  line.remove_prefix(word.size());
  while (!line.empty() && line[0] == ' ') { line.remove_prefix(1); }
  return true;
}

class Parser {
 public:
  Parser(std::string_view text, std::string name)
      : lines_(lines_of(text)), name_(std::move(name)) {}

  Result<std::vector<Record>> parse() {
    std::vector<Record> records;
    while (at_ < lines_.size()) {
      if (lines_[at_].empty() || lines_[at_][0] == '#') {
        ++at_;
        continue;
      }
      Record record;
      record.line = static_cast<int>(at_) + 1;
      TIDEWHEEL_RETURN_IF_ERROR(parse_head(record));
      parse_body(record);
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  Status parse_head(Record& record) {
    std::string_view line = lines_[at_++];
    if (take_word(line, "statement")) {
      if (line == "ok") { return ok_status(); }
      if (take_word(line, "error")) {
        record.kind = Record::Kind::kError;
        record.error = line;
        return ok_status();
      }
    } else if (take_word(line, "query")) {
      record.kind = line == "changelog" ? Record::Kind::kChangelog
                    : line == "ordered" ? Record::Kind::kOrdered
                                        : Record::Kind::kTable;
      if (line.empty() || record.kind != Record::Kind::kTable) { return ok_status(); }
    }
    return invalid_argument(ErrorId::kUsage,
                            "{}:{}: a record begins with `statement ok`, `statement error TEXT`, "
                            "`query`, `query ordered` or `query changelog`",
                            name_, record.line);
  }

  void parse_body(Record& record) {
    bool in_rows = false;
    for (; at_ < lines_.size() && !lines_[at_].empty(); ++at_) {
      std::string_view line = lines_[at_];
      if (in_rows) {
        record.expected.emplace_back(line);
      } else if (line == "----") {
        in_rows = true;
      } else if (take_word(line, "feed")) {
        add_feeds(record, Feed::Kind::kRow, line);
      } else if (take_word(line, "retract")) {
        add_feeds(record, Feed::Kind::kRetraction, line);
      } else if (take_word(line, "watermark")) {
        add_feeds(record, Feed::Kind::kWatermark, line);
      } else {
        record.sql += std::string(line) + "\n";
      }
    }
  }
  static void add_feeds(Record& record, Feed::Kind kind, std::string_view line) {
    const size_t space = line.find(' ');
    const std::string table(line.substr(0, space));
    if (space == std::string_view::npos) { return; }
    for (std::string& part : split_wide(line.substr(space))) {
      record.feeds.push_back({kind, table, std::move(part)});
    }
  }

  const std::vector<std::string> lines_;
  const std::string name_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<Record>> parse_script(std::string_view text, const std::string& name) {
  return Parser(text, name).parse();
}

}  // namespace tidewheel::slt
