#include "tidewheel/formats/json/index.h"

#include <simdjson.h>

#include <algorithm>

#include "tidewheel/base/check.h"

namespace tidewheel::json_detail {

struct JsonIndex::Parser {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;
};

JsonIndex::JsonIndex() : parser_(std::make_unique<Parser>()) {}
JsonIndex::~JsonIndex() = default;
JsonIndex::JsonIndex(JsonIndex&&) noexcept = default;
JsonIndex& JsonIndex::operator=(JsonIndex&&) noexcept = default;

const char* JsonIndex::build(std::string_view text) {
  auto& stages = parser_->stages;
  const size_t capacity = stages == nullptr ? 0 : stages->capacity();
  if (text.size() > capacity || capacity == 0) {
    // Depth is the decoders' business too: this stage knows none.
    const size_t wanted = std::max(text.size() + text.size() / 2, size_t{64} * 1024);
    const simdjson::error_code error =
        stages == nullptr ? simdjson::get_active_implementation()->create_dom_parser_implementation(
                                wanted, 1, stages)
                          : stages->allocate(wanted, 1);
    TIDEWHEEL_CHECK(error == simdjson::SUCCESS, "no memory for an index of {} bytes", wanted);
  }
  const auto* const bytes = reinterpret_cast<const uint8_t*>(text.data());
  const simdjson::error_code error =
      stages->stage1(bytes, text.size(), simdjson::stage1_mode::regular);
  const size_t count = error == simdjson::EMPTY ? 0 : stages->n_structural_indexes;
  begin_ = stages->structural_indexes.get();
  end_ = begin_ + count;
  stages->structural_indexes[count] = static_cast<uint32_t>(text.size());
  stages->structural_indexes[count + 1] = static_cast<uint32_t>(text.size());
  switch (error) {
    case simdjson::SUCCESS:
    case simdjson::EMPTY: return nullptr;
    case simdjson::UTF8_ERROR: return "the record is no valid UTF-8";
    case simdjson::UNCLOSED_STRING: return "a string is not closed";
    case simdjson::UNESCAPED_CHARS:
      return "a string is not closed, or has a control character inside that is not escaped";
    default: return simdjson::error_message(error);
  }
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

}  // namespace tidewheel::json_detail
