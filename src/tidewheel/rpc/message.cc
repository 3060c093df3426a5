#include "tidewheel/rpc/message.h"

#include "tidewheel/rpc/frame.h"

namespace tidewheel::rpc {
namespace {

Status malformed(std::string_view what) {
  return data_loss(ErrorId::kRpcMessage, "the peer's {} can't be read: it is cut short", what);
}

Status check_version(uint8_t version) {
  if (version == kVersion) { return ok_status(); }
  return failed_precondition(ErrorId::kRpcMessage,
                             "the peer speaks version {} of the protocol between processes, and "
                             "this one version {}: run one release of the engine in a cluster",
                             version, kVersion);
}

// An error that this release does not know comes from a peer that is not to be talked to.
bool is_known_error(uint16_t id) {
  switch (static_cast<ErrorId>(id)) {
#define TIDEWHEEL_ERROR(number, name, meaning) case ErrorId::name:
#include "tidewheel/base/error_ids.inc"
#undef TIDEWHEEL_ERROR
    return true;
  }
  return false;
}

}  // namespace

std::string encode_hello(const Hello& hello) {
  std::string out;
  put_number(out, kMagic);
  put_number(out, kVersion);
  put_number(out, hello.session);
  put_number(out, hello.received);
  put_number(out, static_cast<uint8_t>(hello.resumes));
  put_text(out, hello.name);
  return out;
}

Result<Hello> decode_hello(std::string_view body) {
  FieldReader in(body);
  if (in.number<uint32_t>() != kMagic) {
    return data_loss(ErrorId::kRpcMessage, "the peer is no process of a cluster");
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_version(in.number<uint8_t>()));
  Hello hello;
  hello.session = in.number<uint64_t>();
  hello.received = in.number<uint64_t>();
  hello.resumes = in.number<uint8_t>() != 0;
  hello.name = in.text();
  if (!in.ok() || hello.session == 0) { return malformed("greeting"); }
  return hello;
}

std::string encode_welcome(const Welcome& welcome) {
  std::string out;
  put_number(out, kVersion);
  put_number(out, welcome.received);
  put_text(out, welcome.name);
  return out;
}

Result<Welcome> decode_welcome(std::string_view body) {
  FieldReader in(body);
  TIDEWHEEL_RETURN_IF_ERROR(check_version(in.number<uint8_t>()));
  Welcome welcome;
  welcome.received = in.number<uint64_t>();
  welcome.name = in.text();
  if (!in.ok()) { return malformed("answer to the greeting"); }
  return welcome;
}

std::string encode_message(const Message& message) {
  std::string out;
  const std::string_view body = message.status.ok() ? message.body : message.status.message();
  out.reserve(32 + message.service.size() + message.method.size() + body.size());
  put_number(out, static_cast<uint8_t>(message.kind));
  put_number(out, static_cast<uint8_t>(message.status.code()));
  put_number(out, message.status.ok() ? uint16_t{0} : static_cast<uint16_t>(message.status.id()));
  put_number(out, message.call);
  put_number(out, message.fence);
  put_text(out, message.service);
  put_text(out, message.method);
  out.append(body);
  return out;
}

Result<Message> decode_message(std::string_view bytes) {
  FieldReader in(bytes);
  Message message;
  const auto kind = in.number<uint8_t>();
  const auto code = in.number<uint8_t>();
  const auto error = in.number<uint16_t>();
  message.call = in.number<uint64_t>();
  message.fence = in.number<uint64_t>();
  message.service = in.text();
  message.method = in.text();
  const bool failed = code != 0;
  if (!in.ok() || kind < static_cast<uint8_t>(Message::Kind::kCall) ||
      kind > static_cast<uint8_t>(Message::Kind::kNotice) ||
      code > static_cast<uint8_t>(StatusCode::kInternal) || (failed && !is_known_error(error))) {
    return malformed("message");
  }
  message.kind = static_cast<Message::Kind>(kind);
  if (failed) {
    message.status =
        Status(static_cast<StatusCode>(code), static_cast<ErrorId>(error), std::string(in.rest()));
  } else {
    message.body = in.rest();
  }
  return message;
}

}  // namespace tidewheel::rpc
