// Dates and times from texts and to them, and from seconds since the epoch. Texts that are no time
// give NULL.
#include <memory>
#include <utility>

#include "tidewheel/sql/date_pattern.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/time_text.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

constexpr std::string_view kDefaultPattern = "yyyy-MM-dd HH:mm:ss";

// The pattern of the row before, which is mostly that of all rows.
class CompiledPattern {
 public:
  // Null when it is none: `error` says why.
  DatePattern* get(std::string_view text) {
    if (!made_ || text != text_) {
      text_ = text;
      made_ = true;
      auto compiled = DatePattern::compile(text);
      is_good_ = compiled.ok();
      if (is_good_) {
        pattern_ = std::move(*compiled);
      } else {
        error_ = compiled.status().message();
      }
    }
    return is_good_ ? &pattern_ : nullptr;
  }
  const std::string& error() const { return error_; }

 private:
  std::string text_;
  bool made_ = false;
  bool is_good_ = false;
  DatePattern pattern_;
  std::string error_;
};

// The same for names of zones.
class NamedZone {
 public:
  TimeZone* get(std::string_view name) {
    if (!made_ || name != name_) {
      name_ = name;
      made_ = true;
      auto found = TimeZone::find(name);
      is_good_ = found.ok();
      if (is_good_) { zone_ = std::move(*found); }
    }
    return is_good_ ? &zone_ : nullptr;
  }

 private:
  std::string name_;
  bool made_ = false;
  bool is_good_ = false;
  TimeZone zone_;
};

Status check_pattern(const KernelSetup& setup, size_t index) {
  const Datum* const literal = setup.literals[index];
  if (literal == nullptr || literal->is_null()) { return {}; }
  return DatePattern::compile(literal->text()).status();
}

// A function of a row, with the pattern in argument `index` looked at before.
template <class F>
MadeKernel with_pattern(const KernelSetup& setup, size_t index, F f) {
  TIDEWHEEL_RETURN_IF_ERROR(check_pattern(setup, index));
  return row_kernel(std::move(f));
}

LocalTime local_time(int64_t value, int32_t precision) {
  const int64_t per_ms = units_of(precision) / 1000;
  if (per_ms == 1) { return {value, 0}; }
  const int64_t ms = floor_div(value, per_ms);
  return {ms, static_cast<int32_t>((value - ms * per_ms) * (1'000'000 / per_ms))};
}

// ---- DATE_FORMAT

class Formatter {
 public:
  void put(Out<Text>& out, std::string_view pattern, const LocalTime& time, int64_t offset_ms = 0) {
    DatePattern* const compiled = pattern_.get(pattern);
    if (compiled == nullptr) { return out.fail(pattern_.error()); }
    out.set_copy(compiled->format(time, offset_ms));
  }

 private:
  CompiledPattern pattern_;
};

// Of times as T. Rows of one batch that have the same text have the same bytes in memory.
// `to_local(value, time)` sets the time as it is shown and gives the offset of its zone.
template <class T, class F>
class FormatKernel final : public Kernel {
 public:
  explicit FormatKernel(F to_local) : to_local_(std::move(to_local)) {}
  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    const ColumnView& times = call.arguments[0];
    const ColumnView& patterns = call.arguments[1];
    DatePattern* compiled = nullptr;
    Text pattern;
    Text text;
    T last{};
    bool has_text = false;
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      const Text& asked = patterns.at<Text>(row);
      if (compiled == nullptr || asked.data() != pattern.data() || asked.size() != pattern.size()) {
        pattern = asked;
        has_text = false;
        compiled = pattern_.get(asked.view());
        if (compiled == nullptr) {
          return invalid_argument(ErrorId::kSqlValue, "{}", pattern_.error());
        }
      }
      // Many rows have the very time of the row before.
      const T value = times.at<T>(row);
      if (!has_text || value != last) {
        LocalTime time;
        const int64_t offset_ms = to_local_(value, time);
        if (!has_text || !compiled->is_formatted(time, offset_ms)) {
          text = call.arena->copy(compiled->format(time, offset_ms));
          has_text = true;
        }
        last = value;
      }
      out[row] = text;
    }
    return {};
  }

 private:
  F to_local_;
  CompiledPattern pattern_;
};
template <class T, class F>
MadeKernel formatting(const KernelSetup& setup, F to_local) {
  TIDEWHEEL_RETURN_IF_ERROR(check_pattern(setup, 1));
  return std::unique_ptr<Kernel>(std::make_unique<FormatKernel<T, F>>(std::move(to_local)));
}

MadeKernel format_kernel(const KernelSetup& setup) {
  const LogicalType& type = setup.arguments[0];
  const int32_t precision = type.precision;
  if (type.is_character()) {
    return with_pattern(setup, 1,
                        [f = Formatter()](Out<Text>& out, Text text, Text pattern) mutable {
                          const auto value = parse_timestamp_text(text.view(), 9);
                          if (!value) { return out.set_null(); }
                          f.put(out, pattern.view(), local_time(*value, 9));
                        });
  }
  if (type.kind == TypeKind::kDate) {
    return formatting<int32_t>(setup, [](int32_t days, LocalTime& time) {
      time.ms = days * kMsPerDay;
      return int64_t{0};
    });
  }
  if (type.kind == TypeKind::kTimestamp) {
    return formatting<int64_t>(setup, [precision](int64_t value, LocalTime& time) {
      time = local_time(value, precision);
      return int64_t{0};
    });
  }
  return formatting<int64_t>(
      setup, [precision, zone = setup.options.zone](int64_t value, LocalTime& time) mutable {
        time = local_time(value, precision);
        const int64_t offset_ms = zone.offset_ms(time.ms);
        time.ms = saturating_add(time.ms, offset_ms);
        return offset_ms;
      });
}

// ---- From texts

MadeKernel to_timestamp_kernel(const KernelSetup& setup) {
  if (setup.arguments.size() == 1) {
    return row_kernel([](Out<int64_t>& out, Text text) {
      const auto value = parse_timestamp_text(text.view(), 3);
      value ? out.set(*value) : out.set_null();
    });
  }
  return with_pattern(
      setup, 1, [pattern = CompiledPattern()](Out<int64_t>& out, Text text, Text format) mutable {
        const DatePattern* const compiled = pattern.get(format.view());
        if (compiled == nullptr) { return out.fail(pattern.error()); }
        const auto time = compiled->parse(text.view(), false);
        time ? out.set(time->ms) : out.set_null();
      });
}

MadeKernel to_date_kernel(const KernelSetup& setup) {
  if (setup.arguments.size() == 1) {
    return row_kernel([](Out<int32_t>& out, Text text) {
      const auto days = parse_date_text(text.view());
      days ? out.set(*days) : out.set_null();
    });
  }
  return with_pattern(
      setup, 1, [pattern = CompiledPattern()](Out<int32_t>& out, Text text, Text format) mutable {
        const DatePattern* const compiled = pattern.get(format.view());
        if (compiled == nullptr) { return out.fail(pattern.error()); }
        const auto time = compiled->parse(text.view(), true);
        time ? out.set(static_cast<int32_t>(floor_div(time->ms, kMsPerDay))) : out.set_null();
      });
}

// TO_TIMESTAMP_LTZ(number, 0: of seconds, 3: of milliseconds), or of a text as TO_TIMESTAMP.
MadeKernel instant_from_number_kernel(const KernelSetup& setup) {
  const bool has_precision = setup.arguments.size() == 2;
  const auto put = [](Out<int64_t>& out, int64_t value, int32_t precision) {
    if (precision != 0 && precision != 3) {
      return out.fail("numbers are of seconds (0) or milliseconds (3), not " +
                      std::to_string(precision));
    }
    int64_t ms = value;
    if (precision == 0 && __builtin_mul_overflow(value, int64_t{1000}, &ms)) {
      return out.set_null();
    }
    out.set(ms);
  };
  if (!has_precision) {
    return row_kernel([put](Out<int64_t>& out, int64_t value) { put(out, value, 3); });
  }
  return row_kernel(
      [put](Out<int64_t>& out, int64_t value, int32_t precision) { put(out, value, precision); });
}

MadeKernel instant_from_real_kernel(const KernelSetup&) {
  return row_kernel([](Out<int64_t>& out, double value, int32_t precision) {
    const double ms = precision == 0 ? value * 1000 : value;
    if (!(ms > -0x1p63 && ms < 0x1p63)) { return out.set_null(); }
    out.set(static_cast<int64_t>(ms));
  });
}

MadeKernel instant_from_text_kernel(const KernelSetup& setup) {
  const size_t count = setup.arguments.size();
  if (count == 1) {
    return row_kernel([zone = setup.options.zone](Out<int64_t>& out, Text text) mutable {
      const auto local = parse_timestamp_text(text.view(), 3);
      local ? out.set(utc_of_local_ms(zone, *local)) : out.set_null();
    });
  }
  const auto parse = [](Out<int64_t>& out, CompiledPattern& pattern, Text text, Text format,
                        TimeZone& zone) {
    const DatePattern* const compiled = pattern.get(format.view());
    if (compiled == nullptr) { return out.fail(pattern.error()); }
    std::optional<int64_t> offset_ms;
    const auto time = compiled->parse(text.view(), false, &offset_ms);
    if (!time) { return out.set_null(); }
    out.set(offset_ms ? time->ms - *offset_ms : utc_of_local_ms(zone, time->ms));
  };
  if (count == 2) {
    return with_pattern(setup, 1,
                        [parse, pattern = CompiledPattern(), zone = setup.options.zone](
                            Out<int64_t>& out, Text text, Text format) mutable {
                          parse(out, pattern, text, format, zone);
                        });
  }
  return with_pattern(setup, 1,
                      [parse, pattern = CompiledPattern(), named = NamedZone()](
                          Out<int64_t>& out, Text text, Text format, Text name) mutable {
                        TimeZone* const zone = named.get(name.view());
                        if (zone == nullptr) {
                          return out.fail("there is no time zone '" + name.str() + "'");
                        }
                        parse(out, pattern, text, format, *zone);
                      });
}

// ---- Seconds since the epoch

MadeKernel from_unixtime_kernel(const KernelSetup& setup) {
  const auto put = [](Out<Text>& out, Formatter& f, int64_t seconds, std::string_view pattern,
                      TimeZone& zone) {
    int64_t ms = 0;
    if (__builtin_mul_overflow(seconds, int64_t{1000}, &ms)) { return out.set_null(); }
    const int64_t offset_ms = zone.offset_ms(ms);
    f.put(out, pattern, {saturating_add(ms, offset_ms), 0}, offset_ms);
  };
  if (setup.arguments.size() == 1) {
    return row_kernel(
        [put, f = Formatter(), zone = setup.options.zone](Out<Text>& out, int64_t seconds) mutable {
          put(out, f, seconds, kDefaultPattern, zone);
        });
  }
  return with_pattern(setup, 1,
                      [put, f = Formatter(), zone = setup.options.zone](
                          Out<Text>& out, int64_t seconds, Text pattern) mutable {
                        put(out, f, seconds, pattern.view(), zone);
                      });
}

// A text that is no time gives the least BIGINT, as in Flink.
MadeKernel unix_timestamp_kernel(const KernelSetup& setup) {
  const auto put = [](Out<int64_t>& out, CompiledPattern& pattern, Text text,
                      std::string_view format, TimeZone& zone) {
    const DatePattern* const compiled = pattern.get(format);
    if (compiled == nullptr) { return out.fail(pattern.error()); }
    std::optional<int64_t> offset_ms;
    const auto time = compiled->parse(text.view(), true, &offset_ms);
    if (!time) { return out.set(INT64_MIN); }
    out.set(floor_div(offset_ms ? time->ms - *offset_ms : utc_of_local_ms(zone, time->ms), 1000));
  };
  if (setup.arguments.size() == 1) {
    return row_kernel([put, pattern = CompiledPattern(), zone = setup.options.zone](
                          Out<int64_t>& out, Text text) mutable {
      put(out, pattern, text, kDefaultPattern, zone);
    });
  }
  return with_pattern(setup, 1,
                      [put, pattern = CompiledPattern(), zone = setup.options.zone](
                          Out<int64_t>& out, Text text, Text format) mutable {
                        put(out, pattern, text, format.view(), zone);
                      });
}

MadeKernel convert_zone_kernel(const KernelSetup&) {
  return row_kernel([from = NamedZone(), to = NamedZone(), f = Formatter()](
                        Out<Text>& out, Text text, Text from_name, Text to_name) mutable {
    const auto local = parse_timestamp_text(text.view(), 3);
    TimeZone* const source = from.get(from_name.view());
    TimeZone* const target = to.get(to_name.view());
    if (!local || source == nullptr || target == nullptr) { return out.set_null(); }
    const int64_t moved = local_of_utc_ms(*target, utc_of_local_ms(*source, *local));
    f.put(out, kDefaultPattern, {moved, 0});
  });
}

}  // namespace

void add_time_texts(FunctionTable& table) {
  table.define("DATE_FORMAT", kCareful,
               {"timestamp, string -> string", "ltz, string -> string", "date, string -> string",
                "string, string -> string?"},
               {format_kernel});
  table.define("TO_TIMESTAMP", kCareful, {"string, string? -> timestamp(3)?"},
               {to_timestamp_kernel});
  table.define("TO_DATE", kCareful, {"string, string? -> date?"}, {to_date_kernel});
  table.define(
      "TO_TIMESTAMP_LTZ", kCareful,
      {"bigint, int? -> ltz(3)?", "double, int -> ltz(3)?", "string, string?, string? -> ltz(3)?"},
      {instant_from_number_kernel, instant_from_real_kernel, instant_from_text_kernel});
  table.define("FROM_UNIXTIME", kCareful, {"bigint, string? -> string?"}, {from_unixtime_kernel});
  // Without arguments it is the clock.
  table.define("UNIX_TIMESTAMP", FunctionTraits{.is_deterministic = false, .is_careful = true},
               {"-> bigint!", "string, string? -> bigint"},
               {by_row([](Out<int64_t>& out) { out.set(floor_div(out.call().now_ms, 1000)); }),
                unix_timestamp_kernel});
  table.define("CONVERT_TZ", kCareful, {"string, string, string -> string?"},
               {convert_zone_kernel});
}

}  // namespace tidewheel::sql
