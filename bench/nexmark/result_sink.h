// Sinks of the Nexmark benchmark. The light one is for timing: it consumes every field and builds
// no row. The others make the canonical text line of a row (fields joined by '|') and add up the
// XXH3 hashes of the lines, so that the sum does not depend on their order.
#pragma once
#include <xxhash.h>

#include <array>
#include <atomic>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tidewheel/base/status.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/reflect.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel::bench {

// What the sinks of one run found, all subtasks together.
struct RunTotals {
  std::atomic<uint64_t> rows{0};     // rows of the result; of an updating query, of the final table
  std::atomic<uint64_t> changes{0};  // rows that reached the sink
  std::atomic<uint64_t> hash{0};     // sum of the hashes of the lines
};

// Appends a field as the benchmark's reference implementations print it.
inline void append_field(std::string& line, int64_t value) {
  char digits[24];
  line.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}
inline void append_field(std::string& line, const Text& text) { line += std::string_view(text); }
inline void append_field(std::string& line, const std::string& text) { line += text; }
inline void append_field(std::string& line, Timestamp time) { line += to_string(time); }
inline void append_field(std::string& line, Date date) { line += to_string(date); }
template <int kPrecision, int kScale>
void append_field(std::string& line, const Decimal<kPrecision, kScale>& value) {
  line += value.to_string();
}

template <class T>
void make_line(const T& row, std::string& line) {
  line.clear();
  refl::for_each_field(row, [&](const auto& field) {
    append_field(line, field);
    line += '|';
  });
  line.pop_back();
}

inline uint64_t field_bits(int64_t value) { return static_cast<uint64_t>(value); }
inline uint64_t field_bits(const Text& text) {
  return reinterpret_cast<uintptr_t>(text.data()) + text.size();
}
inline uint64_t field_bits(const std::string& text) {
  return reinterpret_cast<uintptr_t>(text.data()) + text.size();
}
inline uint64_t field_bits(Timestamp time) { return static_cast<uint64_t>(time.ms()); }
inline uint64_t field_bits(Date date) { return static_cast<uint64_t>(date.days()); }
template <int kPrecision, int kScale>
uint64_t field_bits(const Decimal<kPrecision, kScale>& value) {
  return static_cast<uint64_t>(value.unscaled());
}

template <class T>
class LightSink {
 public:
  using input = T;
  explicit LightSink(std::shared_ptr<RunTotals> totals) : totals_(std::move(totals)) {}

  Status write_rows(std::span<const T> rows, std::span<const int64_t>) {
    uint64_t sum = 0;
    for (const T& row : rows) {
      refl::for_each_field(row, [&](const auto& field) { sum += field_bits(field); });
    }
    sum_ += sum;
    rows_ += rows.size();
    return ok_status();
  }
  Status close(bool) {
    totals_->changes += rows_;
    totals_->rows += rows_;
    totals_->hash += sum_;
    return ok_status();
  }

 private:
  std::shared_ptr<RunTotals> totals_;
  uint64_t sum_ = 0;
  uint64_t rows_ = 0;
};

// Hash of an append-only result.
template <class T>
class HashSink {
 public:
  using input = T;
  explicit HashSink(std::shared_ptr<RunTotals> totals) : totals_(std::move(totals)) {}

  void write(const T& row) {
    make_line(row, line_);
    hash_ += XXH3_64bits(line_.data(), line_.size());
    ++rows_;
  }
  Status close(bool) {
    totals_->changes += rows_;
    totals_->rows += rows_;
    totals_->hash += hash_;
    return ok_status();
  }

 private:
  std::shared_ptr<RunTotals> totals_;
  std::string line_;
  uint64_t hash_ = 0;
  uint64_t rows_ = 0;
};

// Hash of the final table of an updating result; the fields kKey... are its primary key.
template <class T, size_t... kKey>
class TableSink {
 public:
  using input = T;
  explicit TableSink(std::shared_ptr<RunTotals> totals) : totals_(std::move(totals)) {}

  void write(const T& row) {
    make_line(row, line_);
    key_.clear();
    size_t index = 0;
    refl::for_each_field(row, [&](const auto& field) {
      if (((index == kKey) || ...)) {
        append_field(key_, field);
        key_ += '|';
      }
      ++index;
    });
    table_[key_] = XXH3_64bits(line_.data(), line_.size());
    ++changes_;
  }
  Status close(bool) {
    uint64_t hash = 0;
    for (const auto& [key, line_hash] : table_) { hash += line_hash; }
    totals_->changes += changes_;
    totals_->rows += table_.size();
    totals_->hash += hash;
    return ok_status();
  }

 private:
  std::shared_ptr<RunTotals> totals_;
  std::unordered_map<std::string, uint64_t> table_;
  std::string line_, key_;
  uint64_t changes_ = 0;
};

}  // namespace tidewheel::bench
