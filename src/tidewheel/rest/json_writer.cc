#include "tidewheel/rest/json_writer.h"

#include <fmt/format.h>

#include <cmath>

#include "tidewheel/base/json_text.h"

namespace tidewheel {

void JsonBuilder::separate() {
  if (needs_comma_) { out_ += ','; }
  needs_comma_ = true;
}

JsonBuilder& JsonBuilder::begin_object() {
  separate();
  out_ += '{';
  needs_comma_ = false;
  return *this;
}
JsonBuilder& JsonBuilder::end_object() {
  out_ += '}';
  needs_comma_ = true;
  return *this;
}
JsonBuilder& JsonBuilder::begin_array() {
  separate();
  out_ += '[';
  needs_comma_ = false;
  return *this;
}
JsonBuilder& JsonBuilder::end_array() {
  out_ += ']';
  needs_comma_ = true;
  return *this;
}

JsonBuilder& JsonBuilder::key(std::string_view key) {
  separate();
  append_json_text(out_, key);
  out_ += ':';
  needs_comma_ = false;
  return *this;
}

JsonBuilder& JsonBuilder::value(std::string_view text) {
  separate();
  append_json_text(out_, text);
  return *this;
}

JsonBuilder& JsonBuilder::value(double number) {
  if (std::isnan(number)) { return value("NaN"); }
  if (std::isinf(number)) { return value(number > 0 ? "Infinity" : "-Infinity"); }
  std::string text = fmt::format("{}", number);
  // So that readers that tell integers from other numbers see one of the latter.
  if (text.find_first_of(".e") == std::string::npos) { text += ".0"; }
  return raw(text);
}

JsonBuilder& JsonBuilder::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace tidewheel
