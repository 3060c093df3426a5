#include "tidewheel/base/status.h"

#include <cstdio>
#include <cstdlib>

#include "tidewheel/base/check.h"

namespace tidewheel {

std::string_view status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kInvalidArgument: return "invalid argument";
    case StatusCode::kNotFound: return "not found";
    case StatusCode::kAlreadyExists: return "already exists";
    case StatusCode::kFailedPrecondition: return "failed precondition";
    case StatusCode::kDataLoss: return "data loss";
    case StatusCode::kUnavailable: return "unavailable";
    case StatusCode::kResourceExhausted: return "resource exhausted";
    case StatusCode::kDeadlineExceeded: return "deadline exceeded";
    case StatusCode::kCancelled: return "cancelled";
    case StatusCode::kUnimplemented: return "unimplemented";
    case StatusCode::kUserError: return "user error";
    case StatusCode::kInternal: return "internal";
  }
  return "unknown";
}

std::string_view error_name(ErrorId id) {
  switch (id) {
#define TIDEWHEEL_ERROR(number, name, meaning) \
  case ErrorId::name:                          \
    return #name;
#include "tidewheel/base/error_ids.inc"
#undef TIDEWHEEL_ERROR
  }
  return "unknown";
}

std::string_view error_meaning(ErrorId id) {
  switch (id) {
#define TIDEWHEEL_ERROR(number, name, meaning) \
  case ErrorId::name:                          \
    return meaning;
#include "tidewheel/base/error_ids.inc"
#undef TIDEWHEEL_ERROR
  }
  return "unknown";
}

Status::Status(StatusCode code, ErrorId id, std::string message)
    : error_(new Error{code, id, std::move(message)}) {
  TIDEWHEEL_CHECK(code != StatusCode::kOk, "a failure needs a code");
}

Status::Status(const Status& other)
    : error_(other.error_ == nullptr ? nullptr : std::make_unique<Error>(*other.error_)) {}

Status& Status::operator=(const Status& other) {
  if (this != &other) {
    error_ = other.error_ == nullptr ? nullptr : std::make_unique<Error>(*other.error_);
  }
  return *this;
}

ErrorId Status::id() const {
  TIDEWHEEL_CHECK(error_ != nullptr, "an OK status has no error id");
  return error_->id;
}

const std::string& Status::message() const {
  static const std::string kNone;
  return error_ == nullptr ? kNone : error_->message;
}

std::string Status::to_string() const {
  if (error_ == nullptr) { return "ok"; }
  return fmt::format("error[TW{}]: {}", static_cast<int>(error_->id), error_->message);
}

void Status::prepend(std::string context) {
  context += ": ";
  error_->message.insert(0, context);
}

namespace status_detail {

void die_without_value(const Status& status) {
  check_failed("Result::value", 0, "a result's value was taken, but it is a failure",
               status.to_string());
}

void die_of_ok_result() {
  check_failed("Result", 0, "a Result was made from an OK status, so it has no value", "");
}

}  // namespace status_detail
}  // namespace tidewheel
