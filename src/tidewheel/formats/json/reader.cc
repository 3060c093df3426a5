#include "tidewheel/formats/json/reader.h"

#include <algorithm>
#include <cstring>

namespace tidewheel {

Status JsonOptions::validate() const {
  if (record_bytes_max < 1 || record_bytes_max > INT32_MAX) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "json option record_bytes_max must be 1 byte to 2 GB, not {}",
                            record_bytes_max);
  }
  if (fail_on_missing_field && allow_missing_fields) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "json options fail_on_missing_field and allow_missing_fields "
                            "exclude each other: set one of them");
  }
  return {};
}

namespace json_detail {

JsonReaderBase::JsonReaderBase(JsonOptions options, std::string place)
    : cursor_({.timestamp_format = options.timestamp_format,
               .fail_on_missing_field = options.fail_on_missing_field,
               .allow_missing_fields = options.allow_missing_fields,
               .ignore_parse_errors = options.ignore_parse_errors}),
      options_(std::move(options)),
      place_(std::move(place)) {
  if (options_.ignore_parse_errors && options_.on_malformed == JsonOnMalformed::kFail) {
    options_.on_malformed = JsonOnMalformed::kSkip;
  }
  skips_ = options_.on_malformed == JsonOnMalformed::kSkip;
}

JsonNext JsonReaderBase::malformed(const char* at, std::string path, std::string reason) {
  ++malformed_count_;
  const int64_t line = line_ - 1;  // the record was taken already
  const int64_t column = at == nullptr ? 0 : at - record_.data() + 1;
  if (options_.on_malformed == JsonOnMalformed::kFail) {
    std::string where;
    if (column > 0) { where = fmt::format(", column {}", column); }
    if (path.size() > 1) { where += ", " + path; }
    status_ = invalid_argument(ErrorId::kRecordMalformed, "{}, line {}{}: {}", place_, line, where,
                               reason);
    return JsonNext::kFailed;
  }
  reject_.place = place_;
  reject_.line = line;
  reject_.column = column;
  reject_.path = std::move(path);
  reject_.reason = std::move(reason);
  reject_.record = record_.substr(0, kJsonRejectBytesMax);
  return JsonNext::kReject;
}

JsonNext JsonReaderBase::drop_oversized(std::string_view bytes, bool ended, size_t& taken) {
  const size_t newline = bytes.find('\n');
  if (newline != std::string_view::npos) {
    taken = newline + 1;
    discarding_ = false;
    return JsonNext::kRow;
  }
  taken = bytes.size();
  return ended ? JsonNext::kEnd : JsonNext::kNeedsBytes;
}

// Makes a window of whole lines. kRow: there is one, of a line at least.
JsonNext JsonReaderBase::look_at(std::string_view bytes, bool ended, size_t& taken) {
  taken = 0;
  if (discarding_) {
    const JsonNext answer = drop_oversized(bytes, ended, taken);
    if (answer != JsonNext::kRow) { return answer; }
    bytes.remove_prefix(taken);
  }
  if (at_start_) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (bytes.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(bytes) && !ended) {
      return JsonNext::kNeedsBytes;
    }
    at_start_ = false;
    if (bytes.starts_with(kByteOrderMark)) {
      taken += kByteOrderMark.size();
      bytes.remove_prefix(kByteOrderMark.size());
    }
  }
  if (bytes.empty()) { return ended ? JsonNext::kEnd : JsonNext::kNeedsBytes; }
  size_t size = bytes.size();
  if (!one_record_ && (!ended || size > kWindowBytes || careful_bytes_ > 0)) {
    size_t newline = std::string_view::npos;
    if (careful_bytes_ == 0 && searched_ < kWindowBytes) {
      newline = bytes.substr(0, kWindowBytes).rfind('\n');
    }
    if (newline == std::string_view::npos) { newline = bytes.find('\n', searched_); }
    if (newline == std::string_view::npos && !ended) {
      searched_ = bytes.size();
      if (std::ssize(bytes) <= options_.record_bytes_max) { return JsonNext::kNeedsBytes; }
      discarding_ = true;
    }
    size = newline == std::string_view::npos ? bytes.size() : newline + 1;
  }
  searched_ = 0;
  index_window(bytes.substr(0, size));
  return JsonNext::kRow;
}

void JsonReaderBase::index_window(std::string_view window) {
  const bool is_careful = careful_bytes_ > 0;
  window_fault_ = nullptr;
  // Larger ones are one line; it is not looked at when it is longer than it may be.
  if (window.size() <= kWindowBytes || std::ssize(window) <= options_.record_bytes_max + 1) {
    window_fault_ = index_.build(window);
  }
  if (window_fault_ != nullptr && !is_careful && !one_record_) {
    // One of the lines is bad. Which one, and what is wrong with it, is found line by line.
    careful_bytes_ = window.size();
    const size_t newline = window.find('\n');
    if (newline != std::string_view::npos && newline + 1 < window.size()) {
      window = window.substr(0, newline + 1);
      window_fault_ = index_.build(window);
    }
  }
  careful_bytes_ -= std::min(careful_bytes_, window.size());
  window_ = window.data();
  window_size_ = window.size();
  next_ = 0;
  next_token_ = index_.begin();
  may_have_escapes_ = std::memchr(window.data(), '\\', window.size()) != nullptr;
}

// kRow: record_ is the next line, and has tokens. kEnd: it has none.
JsonNext JsonReaderBase::take_line() {
  const std::string_view rest(window_ + next_, window_size_ - next_);
  const size_t newline = one_record_ ? std::string_view::npos : rest.find('\n');
  record_ = rest.substr(0, newline);
  next_ += newline == std::string_view::npos ? rest.size() : newline + 1;
  ++line_;
  if (std::ssize(record_) > options_.record_bytes_max) {
    return malformed(nullptr, {},
                     fmt::format("the record is longer than record_bytes_max ({} bytes); raise it, "
                                 "or look for a line that does not end",
                                 options_.record_bytes_max));
  }
  if (window_fault_ != nullptr) { return malformed(nullptr, {}, window_fault_); }
  while (next_token_ != index_.end() && window_ + *next_token_ < record_.data()) { ++next_token_; }
  return next_token_ != index_.end() && *next_token_ < next_ ? JsonNext::kRow : JsonNext::kEnd;
}

JsonNext JsonReaderBase::begin_record(std::string_view bytes, bool ended, size_t& taken) {
  taken = 0;
  if (!status_.ok()) { return JsonNext::kFailed; }
  while (true) {
    const bool is_indexed = next_ < window_size_ && bytes.data() == window_ + next_ &&
                            bytes.size() >= window_size_ - next_;
    if (!is_indexed) {
      size_t took = 0;
      const JsonNext answer = look_at(bytes, ended, took);
      taken += took;
      bytes.remove_prefix(took);
      if (answer != JsonNext::kRow) {
        forget();
        return answer;
      }
    }
    const size_t before = next_;
    const JsonNext answer = take_line();
    taken += next_ - before;
    bytes.remove_prefix(next_ - before);
    if (answer == JsonNext::kEnd) { continue; }
    if (answer == JsonNext::kRow) {
      cursor_.restart(window_, next_token_, index_.end(), may_have_escapes_);
    }
    return answer;
  }
}

JsonNext JsonReaderBase::end_record(bool good) {
  const uint32_t* const at = cursor_.at();
  const bool has_ignored = cursor_.take_ignored();
  if (good && at[-1] < next_ && (at == index_.end() || *at >= next_)) [[likely]] {
    next_token_ = at;
    malformed_count_ += has_ignored ? 1 : 0;
    return JsonNext::kRow;
  }
  if (!good && cursor_.fault().at < record_.data() + record_.size()) {
    return malformed(cursor_.fault().at, cursor_.fault().path_text(), cursor_.fault().reason);
  }
  if (good && at[-1] < next_) {
    return malformed(window_ + *at, {},
                     "there is more behind the record: each line is one record of JSON");
  }
  return malformed(record_.data() + record_.size(), {},
                   "the line ends within the record: each line is one record of JSON");
}

}  // namespace json_detail

}  // namespace tidewheel
