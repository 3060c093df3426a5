// Writes structs as CSV.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/formats/csv/options.h"
#include "tidewheel/formats/csv/reader.h"

namespace tidewheel::csv {

namespace detail {
// Appends `text`, in quotes where it would else be read as something else.
void append_text(std::string& out, std::string_view text, const Options& options,
                 bool is_optional = false);
void append_null(std::string& out, const Options& options);
void append_timestamp(std::string& out, int64_t ms, const ValueContext& context, bool is_utc);
void append_column_name(std::string& out, std::string_view field, const Options& options);
}  // namespace detail

// Appends rows of T to a buffer. Points in time are ISO 8601 ("2013-01-31T05:00:00.000Z"), or as
// `time_format` says; an empty optional is the first null literal. One thread.
template <class T>
class Writer {
 public:
  using input = T;

  // Errors: kConnectorOption.
  static Result<Writer> open(Options options) {
    detail::check_row<T>();
    TIDEWHEEL_RETURN_IF_ERROR(check(options));
    return Writer(std::move(options));
  }
  // The header line, when the options ask for one.
  void append_header(std::string& out) const {
    if (!options_.header) { return; }
    bool first = true;
    for (const std::string_view name : refl::field_names<T>()) {
      if (!first) { out += options_.delimiter; }
      first = false;
      detail::append_column_name(out, name, options_);
    }
    out += '\n';
  }
  void append_row(std::string& out, const T& row) const {
    bool first = true;
    refl::for_each_field(row, [&](const auto& value) {
      if (!first) { out += options_.delimiter; }
      first = false;
      append(out, value);
    });
    out += '\n';
  }

 private:
  explicit Writer(Options options) : options_(std::move(options)) {
    if (!options_.time_format.empty()) { pattern_ = TimePattern::compile(options_.time_format); }
  }

  template <class F>
  void append(std::string& out, const F& value, bool is_optional = false) const {
    if constexpr (kinds::kOptional<F>) {
      if (value) {
        append(out, *value, true);
      } else {
        detail::append_null(out, options_);
      }
    } else if constexpr (print_detail::kIsString<F>) {
      detail::append_text(out, value, options_, is_optional);
    } else if constexpr (std::is_same_v<F, Bytes>) {
      detail::append_text(out, value.view(), options_, is_optional);
    } else if constexpr (std::is_same_v<F, Timestamp> || std::is_same_v<F, LocalTimestamp>) {
      const detail::ValueContext context{pattern_ ? &*pattern_ : nullptr};
      detail::append_timestamp(out, value.ms(), context, std::is_same_v<F, Timestamp>);
    } else if constexpr (std::is_enum_v<F> || std::is_same_v<F, char>) {
      detail::append_text(out, printed(value), options_);
    } else {
      print_to(out, value);
    }
  }

  Options options_;
  std::optional<TimePattern> pattern_;
};

// A format for sinks: makes a writer.
template <class T>
class Lines {
 public:
  using input = T;
  explicit Lines(Options options) : options_(std::move(options)) {}
  Result<Writer<T>> open() const { return Writer<T>::open(options_); }

 private:
  Options options_;
};
template <class T>
Lines<T> lines_of(Options options = {}) {
  return Lines<T>(std::move(options));
}

}  // namespace tidewheel::csv
