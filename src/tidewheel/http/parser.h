// Reads one HTTP/1.1 message from bytes that come in any portions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tidewheel/http/message.h"

namespace tidewheel {

enum class HttpMessageKind : uint8_t { kRequest, kResponse };

struct HttpParserLimits {
  size_t head_bytes_max = 32 * 1024;
  size_t fields_max = 100;
};

// Strict: what could be read in two ways is refused (a length given twice or beside chunks, codings
// other than chunked, folded fields). One message; one thread.
class HttpParser {
 public:
  HttpParser(HttpMessageKind kind, const HttpParserLimits& limits);
  ~HttpParser();
  HttpParser(HttpParser&&) noexcept;
  HttpParser& operator=(HttpParser&&) noexcept;

  // The response is to a HEAD: it has no body, whatever its head says. Before the first `put`.
  void expect_no_body();
  // Reads on; returns how many bytes were used: the others are to be given again, with more behind
  // them. Stops behind the head, and behind the message.
  // Errors: kHttpMessage, kHttpLimit.
  Result<size_t> put(std::string_view bytes);
  // The peer has ended: for responses whose body ends so. Errors: kHttpMessage.
  Status put_end();

  bool has_begun() const;
  bool head_done() const;
  bool done() const;
  // Once the head is done.
  int32_t version() const;  // 10, 11
  bool keep_alive() const;
  const std::string& method() const;
  const std::string& target() const;
  int32_t status() const;
  HttpHeaders& headers();
  // Of the body, as the head says; none: in chunks, or until the end.
  std::optional<uint64_t> content_length() const;
  bool has_body() const;
  // What of the body has come since the last call.
  std::string take_body();
  int64_t body_bytes() const;  // so far, in all

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewheel
