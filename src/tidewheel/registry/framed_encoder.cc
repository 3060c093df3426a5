#include "tidewheel/registry/framed_encoder.h"

#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel::registry {

Framing make_framing(std::string_view format, TableSettings settings, RegisteredSchema schema,
                     std::string_view record, TableOptions& options) {
  if (settings.subject.empty()) {
    options.fail(std::string(format) + ".subject", "is needed to write");
  }
  constexpr std::string_view kRecord = "{record}";
  if (const size_t at = settings.subject.find(kRecord); at != std::string::npos) {
    settings.subject.replace(at, kRecord.size(), record);
  }
  return {std::move(schema), std::move(settings.subject), settings.registers,
          std::move(settings.options)};
}

Status FramedEncoder::open(const FormatContext& context) {
  client_ = std::make_unique<Client>(framing_.registry, context);
  return {};
}

Result<bool> FramedEncoder::ready() {
  if (id_.has_value()) { return true; }
  TIDEWHEEL_CHECK(client_ != nullptr, "an encoder of framed messages that was not opened");
  const Result<int32_t> id = client_->id_of(framing_.subject, framing_.schema, framing_.registers);
  if (!id.ok() && id.status().id() == ErrorId::kFormatNotYet) { return false; }
  if (!id.ok()) { return id.status(); }
  id_ = *id;
  return true;
}

Status FramedEncoder::encode(const ColumnBatch& rows, uint32_t row, std::string& message) {
  if (!id_.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_ready, ready());
    if (!is_ready) { return unavailable(ErrorId::kFormatNotYet, "the schema is being registered"); }
  }
  const size_t size = message.size();
  append_frame(message, *id_);
  Status status = append(rows, row, message);
  if (!status.ok()) { message.resize(size); }
  return status;
}

}  // namespace tidewheel::registry
