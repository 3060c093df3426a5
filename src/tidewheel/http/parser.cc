#include "tidewheel/http/parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace tidewheel {
namespace {

namespace beast = boost::beast;
using beast::http::error;

// What both kinds of messages keep.
struct ParsedMessage {
  HttpParserLimits limits;
  std::string method;
  std::string target;
  int32_t status = 0;
  int32_t version = 11;
  HttpHeaders headers;
  std::string body;
  int64_t body_bytes = 0;
  bool too_many_fields = false;
};

template <bool kIsRequest>
class MessageParser final : public beast::http::basic_parser<kIsRequest> {
 public:
  explicit MessageParser(ParsedMessage& message) : message_(message) {
    this->header_limit(static_cast<uint32_t>(message.limits.head_bytes_max));
    // The server and the client count for themselves, since it depends on the request.
    this->body_limit(boost::none);
  }

 private:
  using Text = beast::string_view;
  using ErrorCode = beast::error_code;

  static std::string text_of(Text text) { return {text.data(), text.size()}; }

  void on_request_impl(beast::http::verb, Text method, Text target, int version,
                       ErrorCode&) override {
    message_.method = text_of(method);
    message_.target = text_of(target);
    message_.version = version;
  }
  void on_response_impl(int code, Text, int version, ErrorCode&) override {
    message_.status = code;
    message_.version = version;
  }
  void on_field_impl(beast::http::field field, Text name, Text value, ErrorCode& failure) override {
    HttpHeaders& headers = message_.headers;
    if (headers.fields().size() >= message_.limits.fields_max) {
      message_.too_many_fields = true;
      failure = error::header_limit;
      return;
    }
    const bool is_coding = field == beast::http::field::transfer_encoding;
    const bool is_length = field == beast::http::field::content_length;
    if (is_coding &&
        (headers.has(text_of(name)) || !equal_without_case(text_of(value), "chunked"))) {
      failure = error::bad_transfer_encoding;
      return;
    }
    if ((is_coding && headers.has("Content-Length")) ||
        (is_length && (headers.has("Transfer-Encoding") || headers.has("Content-Length")))) {
      failure = error::multiple_content_length;
      return;
    }
    headers.add(text_of(name), text_of(value));
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(Text body, ErrorCode&) override {
    message_.body.append(body.data(), body.size());
    message_.body_bytes += static_cast<int64_t>(body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, ErrorCode&) override {
    message_.body.append(body.data(), body.size());
    message_.body_bytes += static_cast<int64_t>(body.size());
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  ParsedMessage& message_;
};

Status status_of(const beast::error_code& failure, const ParsedMessage& message) {
  if (failure == error::header_limit) {
    if (message.too_many_fields) {
      return resource_exhausted(ErrorId::kHttpLimit, "an HTTP head has more than {} fields",
                                message.limits.fields_max);
    }
    return resource_exhausted(ErrorId::kHttpLimit, "an HTTP head is longer than {} bytes",
                              message.limits.head_bytes_max);
  }
  return invalid_argument(ErrorId::kHttpMessage, "not an HTTP message: {}", failure.message());
}

}  // namespace

// Beast's two parsers have no common base that could be called.
struct HttpParser::Impl {
  explicit Impl(const HttpParserLimits& limits) { message.limits = limits; }

  template <class F>
  auto with(F&& function) const {
    return request.has_value() ? function(*request) : function(*response);
  }
  template <class F>
  auto with(F&& function) {
    return request.has_value() ? function(*request) : function(*response);
  }

  ParsedMessage message;
  std::optional<MessageParser<true>> request;
  std::optional<MessageParser<false>> response;
};

HttpParser::HttpParser(HttpMessageKind kind, const HttpParserLimits& limits)
    : impl_(std::make_unique<Impl>(limits)) {
  if (kind == HttpMessageKind::kRequest) {
    impl_->request.emplace(impl_->message);
  } else {
    impl_->response.emplace(impl_->message);
  }
}
HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;
HttpParser& HttpParser::operator=(HttpParser&&) noexcept = default;

void HttpParser::expect_no_body() {
  impl_->with([](auto& parser) { parser.skip(true); });
}

Result<size_t> HttpParser::put(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && !done()) {
    const bool had_head = head_done();
    beast::error_code failure;
    const size_t now = impl_->with([&](auto& parser) {
      return parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used),
                        failure);
    });
    used += now;
    if (failure == error::need_more) { break; }
    if (failure) { return status_of(failure, impl_->message); }
    if (now == 0 || (!had_head && head_done())) { break; }
  }
  return used;
}

Status HttpParser::put_end() {
  beast::error_code failure;
  impl_->with([&](auto& parser) {
    if (!parser.is_done()) { parser.put_eof(failure); }
  });
  return failure ? status_of(failure, impl_->message) : ok_status();
}

bool HttpParser::has_begun() const {
  return impl_->with([](const auto& parser) { return parser.got_some(); });
}
bool HttpParser::head_done() const {
  return impl_->with([](const auto& parser) { return parser.is_header_done(); });
}
bool HttpParser::done() const {
  return impl_->with([](const auto& parser) { return parser.is_done(); });
}
int32_t HttpParser::version() const { return impl_->message.version; }
bool HttpParser::keep_alive() const {
  return impl_->with([](const auto& parser) { return parser.keep_alive(); });
}
const std::string& HttpParser::method() const { return impl_->message.method; }
const std::string& HttpParser::target() const { return impl_->message.target; }
int32_t HttpParser::status() const { return impl_->message.status; }
HttpHeaders& HttpParser::headers() { return impl_->message.headers; }
std::optional<uint64_t> HttpParser::content_length() const {
  if (!head_done()) { return std::nullopt; }  // the parser must not be asked before
  const auto length = impl_->with([](const auto& parser) { return parser.content_length(); });
  return length.has_value() ? std::optional<uint64_t>(*length) : std::nullopt;
}
bool HttpParser::has_body() const {
  return impl_->with([](const auto& parser) { return parser.chunked(); }) ||
         content_length().value_or(0) > 0;
}
std::string HttpParser::take_body() { return std::exchange(impl_->message.body, {}); }
int64_t HttpParser::body_bytes() const { return impl_->message.body_bytes; }

}  // namespace tidewheel
