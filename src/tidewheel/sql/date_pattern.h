// Java's patterns for dates and times: "yyyy-MM-dd HH:mm:ss.SSS", "EEE, d MMM yyyy". As
// DateTimeFormatter has them, or, where Flink does, as the older and more lenient SimpleDateFormat.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {

// A point in time without a zone.
struct LocalTime {
  int64_t ms = 0;  // since the epoch
  int32_t ns = 0;  // within the millisecond
};

class DatePattern {
 public:
  // Errors: kSqlValue with the letter that means nothing.
  static Result<DatePattern> compile(std::string_view pattern);

  // The text, valid until the next call. `offset_ms`: of the zone that `time` is in, for the
  // letters that show it.
  std::string_view format(const LocalTime& time, int64_t offset_ms = 0);
  // Whether that is what `format` gave last.
  bool is_formatted(const LocalTime& time, int64_t offset_ms = 0) const {
    return time.ms >= formatted_begin_ms_ && time.ms < formatted_end_ms_ &&
           offset_ms == formatted_offset_ms_;
  }

  // Fields that the pattern lacks are those of 1970-01-01T00:00:00. `lenient`: numbers may have
  // fewer digits or be out of range (month 13 is the next January), and anything may follow.
  // `offset_ms` is set when the text names a zone.
  std::optional<LocalTime> parse(std::string_view text, bool lenient,
                                 std::optional<int64_t>* offset_ms = nullptr) const;
  const std::string& text() const { return text_; }

 private:
  struct Part {
    char letter = 0;  // 0: the literal in `text`
    int32_t count = 0;
    std::string text;
    bool digits_follow = false;  // another number comes at once
  };
  struct Fields;

  void put(std::string& out, const Part& part, const LocalTime& time, int64_t offset_ms) const;
  static bool take(const Part& part, std::string_view& text, bool lenient, Fields& fields);

  std::string text_;
  std::vector<Part> parts_;
  // What the smallest unit of the pattern lasts; 0: less than a second. Rows of a stream are near
  // each other in time, so most have the text of the row before.
  int64_t unit_ms_ = 86'400'000;
  int64_t formatted_begin_ms_ = 0;  // the unit; empty: none, or the next text is another one
  int64_t formatted_end_ms_ = 0;
  int64_t formatted_offset_ms_ = 0;
  std::string formatted_;
  int64_t day_ = INT64_MIN;
  CivilTime civil_;
};

int32_t day_of_week(int64_t days);  // Monday 1 to Sunday 7
int32_t day_of_year(int64_t days);
// ISO 8601: weeks begin on Monday, week 1 has the year's first Thursday.
int32_t iso_week(int64_t days);
int64_t iso_year(int64_t days);

}  // namespace tidewheel::sql
