#include "tidewheel/formats/csv/infer.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "tidewheel/formats/csv/tokenizer.h"
#include "tidewheel/formats/csv/values.h"
#include "tidewheel/types/time.h"

namespace tidewheel::csv {
namespace {

constexpr size_t kRecordsMax = 10'000;
constexpr std::array<std::string_view, 6> kNullWords = {"NA", "NULL", "null", "\\N", "N/A", "-"};

using Record = std::vector<std::pair<std::string, bool>>;  // texts, and whether they were quoted

std::string unquoted(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    plain += text[i];
    if (text[i] == '"') { ++i; }
  }
  return plain;
}

// As the reader takes names and all values but strings, when they are not in quotes.
std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) { return {}; }
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

std::vector<Record> read_records(std::string_view sample, bool whole, char delimiter) {
  Tokenizer tokenizer(delimiter, '"', sample.size());
  std::vector<Record> records;
  while (records.size() < kRecordsMax) {
    const Tokenizer::Next next = tokenizer.next(sample, whole);
    if (next == Tokenizer::Next::kEnd || next == Tokenizer::Next::kNeedsBytes) { break; }
    if (next == Tokenizer::Next::kRecord) {
      Record record;
      for (const Field& field : tokenizer.fields()) {
        const std::string_view text = field.in(sample);
        record.emplace_back(field.escaped ? unquoted(text) : std::string(text), field.quoted);
      }
      const bool blank = record.size() == 1 && record[0].first.empty();
      if (!blank) { records.push_back(std::move(record)); }
    }
    sample.remove_prefix(tokenizer.size());
  }
  return records;
}

char likely_delimiter(std::string_view sample) {
  const std::string_view line = sample.substr(0, sample.find('\n'));
  char best = ',';
  for (const char c : {';', '|', '\t'}) {
    if (std::count(line.begin(), line.end(), c) > std::count(line.begin(), line.end(), best)) {
      best = c;
    }
  }
  return best;
}

// Which types the values of a column can have.
struct Guess {
  bool boolean = true;
  bool bigint = true;
  bool real = true;
  bool date = true;
  bool timestamp = true;
  size_t values = 0;            // that are not NULL
  std::set<std::string> words;  // of kNullWords, that it has

  bool is_string() const {
    return values == 0 || !(boolean || bigint || real || date || timestamp);
  }
  void look_at(std::string_view text, bool quoted) {
    if (text.empty()) { return; }
    if (!quoted && std::find(kNullWords.begin(), kNullWords.end(), text) != kNullWords.end()) {
      words.emplace(text);
      return;
    }
    ++values;
    if (!quoted) { text = trimmed(text); }
    int64_t whole = 0;
    double number = 0;
    // "007" is a name rather than a number.
    const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    const bool padded = digits.size() > 1 && digits[0] == '0' && digits[1] != '.';
    bigint = bigint && !padded && detail::parse_number(text, whole);
    real = real && !padded && text.find_first_of("0123456789") != std::string_view::npos &&
           (detail::parse_number(text, whole) ||
            (text.find_first_of(".eE") != std::string_view::npos &&
             detail::parse_number(text, number)));
    boolean = boolean && (text == "true" || text == "false" || text == "TRUE" || text == "FALSE" ||
                          text == "True" || text == "False");
    date = date && parse_date(text).has_value();
    timestamp = timestamp && parse_timestamp(text).has_value();
  }
  LogicalType type() const {
    if (is_string()) { return LogicalType::string(); }
    if (boolean) { return LogicalType::of(TypeKind::kBoolean); }
    if (bigint) { return LogicalType::of(TypeKind::kBigint); }
    if (real) { return LogicalType::of(TypeKind::kDouble); }
    if (date) { return LogicalType::of(TypeKind::kDate); }
    return LogicalType::with(TypeKind::kTimestamp, 3);
  }
};

std::string name_of(const Record::value_type& field) {
  return field.second ? field.first : std::string(trimmed(field.first));
}

// Whether the first record has names: words, each of them another one.
bool has_names(const Record& first) {
  std::set<std::string> names;
  for (const auto& field : first) {
    Guess guess;
    guess.look_at(field.first, field.second);
    std::string name = name_of(field);
    if (name.empty() || !guess.is_string() || !names.insert(std::move(name)).second) {
      return false;
    }
  }
  return true;
}

// The word for NULL in most columns that are of another type than strings but for it.
std::string likely_null_word(const std::vector<Guess>& guesses) {
  std::string best;
  std::ptrdiff_t best_count = 0;
  for (const std::string_view word : kNullWords) {
    const auto count = std::count_if(guesses.begin(), guesses.end(), [&](const Guess& guess) {
      return !guess.is_string() && guess.words.count(std::string(word)) > 0;
    });
    if (count > best_count) {
      best = word;
      best_count = count;
    }
  }
  return best;
}

std::string shown_delimiter(char delimiter) {
  return delimiter == '\t' ? "\\t" : std::string(1, delimiter);
}

}  // namespace

Result<Inferred> infer(std::string_view sample, bool whole, char delimiter) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (sample.starts_with(kByteOrderMark)) { sample.remove_prefix(kByteOrderMark.size()); }
  if (delimiter == '\0') { delimiter = likely_delimiter(sample); }
  const std::vector<Record> records = read_records(sample, whole, delimiter);
  if (records.empty()) {
    return invalid_argument(ErrorId::kSqlOption,
                            "there is no record of CSV from which the columns could be taken");
  }
  const Record& first = records.front();
  const bool header = has_names(first);
  std::vector<Guess> guesses(first.size());
  for (size_t i = header ? 1 : 0; i < records.size(); ++i) {
    for (size_t k = 0; k < std::min(records[i].size(), guesses.size()); ++k) {
      guesses[k].look_at(records[i][k].first, records[i][k].second);
    }
  }
  const std::string null_word = likely_null_word(guesses);
  Inferred made;
  for (size_t i = 0; i < guesses.size(); ++i) {
    Guess& guess = guesses[i];
    guess.words.erase(null_word);
    const bool has_other_word = !guess.words.empty();
    made.type.add(header ? name_of(first[i]) : "c" + std::to_string(i + 1),
                  has_other_word ? LogicalType::string() : guess.type());
  }
  made.options["csv.header"] = header ? "true" : "false";
  if (delimiter != ',') { made.options["csv.field-delimiter"] = shown_delimiter(delimiter); }
  if (!null_word.empty()) { made.options["csv.null-literal"] = null_word; }
  return made;
}

}  // namespace tidewheel::csv
