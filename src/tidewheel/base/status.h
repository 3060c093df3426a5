// Errors as values: Status says that something went well or what went wrong, Result<T> holds a
// value or a Status. A message's fixed text comes first, its values last; it names the place and
// what would be accepted. Rendered as `error[TW1004]: message`.
#pragma once
#include <fmt/core.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tidewheel {

// What the caller can do about it.
enum class StatusCode : uint8_t {
  kOk,
  kInvalidArgument,     // the user has to change what was asked for
  kNotFound,            // what was named does not exist
  kAlreadyExists,       // what was to be made exists
  kFailedPrecondition,  // not in this state; retrying alone does not help
  kDataLoss,            // bytes are damaged or gone
  kUnavailable,         // the world is failing; a retry may help
  kResourceExhausted,   // a limit was reached: memory, disk, quota
  kDeadlineExceeded,    // it took too long
  kCancelled,           // somebody asked for an end
  kUnimplemented,       // not supported here
  kUserError,           // user code failed or threw
  kInternal,            // a bug of the engine
};
std::string_view status_code_name(StatusCode code);

// Which error it is, in tests, logs and the guide: TW and the number.
enum class ErrorId : uint16_t {
#define TIDEWHEEL_ERROR(number, name, meaning) name = number,
#include "tidewheel/base/error_ids.inc"
#undef TIDEWHEEL_ERROR
};
std::string_view error_name(ErrorId id);     // "kUnknownOption"
std::string_view error_meaning(ErrorId id);  // the list's text

// One pointer; null when all is well, so that passing an OK on costs a register.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, ErrorId id, std::string message);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  bool ok() const { return error_ == nullptr; }
  StatusCode code() const { return error_ == nullptr ? StatusCode::kOk : error_->code; }
  // Of a failure only.
  ErrorId id() const;
  // The text without the id; empty when OK.
  const std::string& message() const;
  // "error[TW1004]: message", or "ok".
  std::string to_string() const;

  // Puts where it happened in front of the message: "reading /a/b: no such file". Does nothing to
  // OK.
  template <class... Args>
  Status with_context(fmt::format_string<Args...> format, Args&&... args) && {
    if (error_ != nullptr) { prepend(fmt::vformat(format, fmt::make_format_args(args...))); }
    return std::move(*this);
  }
  template <class... Args>
  Status with_context(fmt::format_string<Args...> format, Args&&... args) const& {
    Status copy = *this;
    if (!copy.ok()) { copy.prepend(fmt::vformat(format, fmt::make_format_args(args...))); }
    return copy;
  }

 private:
  struct Error {
    StatusCode code;
    ErrorId id;
    std::string message;
  };
  void prepend(std::string context);

  std::unique_ptr<Error> error_;
};

// A T, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit, so that `return value;` works
  Result(Status status) : status_(std::move(status)) { check_is_error(); }  // NOLINT: implicit
  template <class U>
  requires(!std::is_same_v<std::remove_cvref_t<U>, Result> &&
           !std::is_same_v<std::remove_cvref_t<U>, Status> &&
           !std::is_same_v<std::remove_cvref_t<U>, T> && std::is_convertible_v<U&&, T>)
      Result(U&& value)
      : value_(std::forward<U>(value)) {}  // NOLINT: implicit

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  // The value; a failure here is a bug and ends the process with the message.
  T& value() & {
    check_has_value();
    return *value_;
  }
  const T& value() const& {
    check_has_value();
    return *value_;
  }
  T&& value() && {
    check_has_value();
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) && { return ok() ? std::move(*value_) : std::move(other); }

  template <class... Args>
  Result with_context(fmt::format_string<Args...> format, Args&&... args) && {
    if (!ok()) { status_ = std::move(status_).with_context(format, std::forward<Args>(args)...); }
    return std::move(*this);
  }

 private:
  void check_has_value() const;
  void check_is_error() const;

  Status status_;
  std::optional<T> value_;
};

namespace status_detail {
[[noreturn]] void die_without_value(const Status& status);
[[noreturn]] void die_of_ok_result();
}  // namespace status_detail

template <class T>
void Result<T>::check_has_value() const {
  if (!value_.has_value()) [[unlikely]] { status_detail::die_without_value(status_); }
}
template <class T>
void Result<T>::check_is_error() const {
  if (status_.ok()) [[unlikely]] { status_detail::die_of_ok_result(); }
}

// Drops a status, saying why that is right.
inline void ignore(const Status&, std::string_view /*why*/) {}
template <class T>
void ignore(const Result<T>&, std::string_view /*why*/) {}

inline Status ok_status() { return {}; }

// Factories: `return not_found(ErrorId::kFileNotFound, "no such file: {}", path);`
#define TIDEWHEEL_STATUS_FACTORY(name, code)                                                   \
  template <class... Args>                                                                     \
  Status name(ErrorId id, fmt::format_string<Args...> format, Args&&... args) {                \
    return Status(StatusCode::code, id, fmt::vformat(format, fmt::make_format_args(args...))); \
  }
TIDEWHEEL_STATUS_FACTORY(invalid_argument, kInvalidArgument)
TIDEWHEEL_STATUS_FACTORY(not_found, kNotFound)
TIDEWHEEL_STATUS_FACTORY(already_exists, kAlreadyExists)
TIDEWHEEL_STATUS_FACTORY(failed_precondition, kFailedPrecondition)
TIDEWHEEL_STATUS_FACTORY(data_loss, kDataLoss)
TIDEWHEEL_STATUS_FACTORY(unavailable, kUnavailable)
TIDEWHEEL_STATUS_FACTORY(resource_exhausted, kResourceExhausted)
TIDEWHEEL_STATUS_FACTORY(deadline_exceeded, kDeadlineExceeded)
TIDEWHEEL_STATUS_FACTORY(cancelled, kCancelled)
TIDEWHEEL_STATUS_FACTORY(unimplemented, kUnimplemented)
TIDEWHEEL_STATUS_FACTORY(user_error, kUserError)
TIDEWHEEL_STATUS_FACTORY(internal_error, kInternal)
#undef TIDEWHEEL_STATUS_FACTORY

}  // namespace tidewheel

#define TIDEWHEEL_CONCAT_(a, b) a##b
#define TIDEWHEEL_CONCAT(a, b) TIDEWHEEL_CONCAT_(a, b)

// Returns from the function when the Status (or Result) is a failure.
#define TIDEWHEEL_RETURN_IF_ERROR(...) \
  TIDEWHEEL_RETURN_IF_ERROR_(TIDEWHEEL_CONCAT(tidewheel_status_, __COUNTER__), __VA_ARGS__)
#define TIDEWHEEL_RETURN_IF_ERROR_(temporary, ...)          \
  do {                                                      \
    ::tidewheel::Status temporary = (__VA_ARGS__);          \
    if (!temporary.ok()) [[unlikely]] { return temporary; } \
  } while (false)

// TIDEWHEEL_ASSIGN_OR_RETURN(const Bytes bytes, files.read_all(path));
#define TIDEWHEEL_ASSIGN_OR_RETURN(declaration, ...)                                         \
  TIDEWHEEL_ASSIGN_OR_RETURN_(TIDEWHEEL_CONCAT(tidewheel_result_, __COUNTER__), declaration, \
                              __VA_ARGS__)
#define TIDEWHEEL_ASSIGN_OR_RETURN_(temporary, declaration, ...)              \
  auto temporary = (__VA_ARGS__);                                             \
  if (!temporary.ok()) [[unlikely]] { return std::move(temporary).status(); } \
  declaration = std::move(temporary).value()
