#include "tidewheel/http/message.h"

#include <gtest/gtest.h>

#include "tidewheel/http/client.h"
#include "tidewheel/http/parser.h"

namespace tidewheel {
namespace {

// Gives the parser `text` in portions of `size`; what is left over is given again.
Status feed(HttpParser& parser, std::string_view text, size_t size) {
  std::string waiting;
  for (size_t at = 0; at < text.size(); at += size) {
    waiting += text.substr(at, size);
    while (!waiting.empty() && !parser.done()) {
      const Result<size_t> used = parser.put(waiting);
      if (!used.ok()) { return used.status(); }
      if (*used == 0) { break; }
      waiting.erase(0, *used);
    }
  }
  return {};
}

ErrorId refusal_of(std::string_view text, const HttpParserLimits& limits = {}) {
  HttpParser parser(HttpMessageKind::kRequest, limits);
  const Status status = feed(parser, text, text.size());
  return status.ok() ? ErrorId::kInternal : status.id();
}

TEST(HttpParser, portions_of_any_size_give_the_same_message) {
  const std::string text =
      "POST /jobs?mode=cancel HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n7;note=1\r\n, world\r\n0\r\n\r\n";
  for (const size_t size : {size_t{1}, size_t{2}, size_t{7}, text.size()}) {
    HttpParser parser(HttpMessageKind::kRequest, {});
    ASSERT_TRUE(feed(parser, text, size).ok()) << size;
    ASSERT_TRUE(parser.done()) << size;
    EXPECT_EQ(parser.method(), "POST");
    EXPECT_EQ(parser.target(), "/jobs?mode=cancel");
    EXPECT_EQ(parser.take_body(), "hello, world");
    EXPECT_TRUE(parser.keep_alive());
  }
}

TEST(HttpParser, a_second_message_is_left_alone) {
  const std::string first = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
  HttpParser parser(HttpMessageKind::kRequest, {});
  const Result<size_t> used = parser.put(first + first);
  ASSERT_TRUE(used.ok());
  EXPECT_EQ(*used, first.size());
  EXPECT_TRUE(parser.done());
}

TEST(HttpParser, what_could_be_read_in_two_ways_is_refused) {
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n0\r\n\r\n"),
            ErrorId::kHttpMessage);
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                       "Content-Length: 3\r\n\r\n0\r\n\r\n"),
            ErrorId::kHttpMessage);
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
            ErrorId::kHttpMessage);
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            ErrorId::kHttpMessage);
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), ErrorId::kHttpMessage);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), ErrorId::kHttpMessage);
  EXPECT_EQ(refusal_of("GET  / HTTP/1.1\r\n\r\n"), ErrorId::kHttpMessage);
}

TEST(HttpParser, heads_have_limits) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(
      refusal_of(start + "X: " + std::string(5000, 'x') + "\r\n\r\n", {.head_bytes_max = 4096}),
      ErrorId::kHttpLimit);
  // Also one that never ends.
  EXPECT_EQ(refusal_of(start + "X: " + std::string(5000, 'x'), {.head_bytes_max = 4096}),
            ErrorId::kHttpLimit);
  std::string fields;
  for (int i = 0; i < 20; ++i) { fields += fmt::format("F{}: 1\r\n", i); }
  EXPECT_EQ(refusal_of(start + fields + "\r\n", {.fields_max = 10}), ErrorId::kHttpLimit);
}

TEST(HttpMessage, percents_are_decoded_strictly) {
  EXPECT_EQ(percent_decode("a%2Fb+c", false), "a/b+c");
  EXPECT_EQ(percent_decode("a%2Fb+c", true), "a/b c");
  EXPECT_EQ(percent_decode("%", false), std::nullopt);
  EXPECT_EQ(percent_decode("%2", false), std::nullopt);
  EXPECT_EQ(percent_decode("%zz", false), std::nullopt);
  EXPECT_EQ(percent_decode("%00", false), std::nullopt);
  EXPECT_EQ(percent_decode(percent_encode("x y/ä%"), false), "x y/ä%");
}

TEST(HttpMessage, queries_are_split) {
  const auto query = parse_query("get=a%2Cb&agg=max&&flag");
  ASSERT_TRUE(query.ok());
  ASSERT_EQ(query->size(), 3U);
  EXPECT_EQ((*query)[0], (std::pair<std::string, std::string>("get", "a,b")));
  EXPECT_EQ((*query)[2], (std::pair<std::string, std::string>("flag", "")));
  EXPECT_EQ(parse_query("a=%G1").status().id(), ErrorId::kHttpMessage);
}

TEST(HttpMessage, urls_are_read) {
  const auto url = HttpUrl::parse("https://me:p%40ss@[::1]:8081/a?b=1#c");
  ASSERT_TRUE(url.ok()) << url.status().to_string();
  EXPECT_TRUE(url->secure);
  EXPECT_EQ(url->address.host, "::1");
  EXPECT_EQ(url->address.port, 8081);
  EXPECT_EQ(url->target, "/a?b=1");
  EXPECT_EQ(url->user_info, "me:p@ss");
  EXPECT_EQ(url->host_field(), "[::1]:8081");
  EXPECT_EQ(HttpUrl::parse("http://host")->address.port, 80);
  EXPECT_EQ(HttpUrl::parse("http://[::1]")->host_field(), "[::1]");
  for (const char* bad : {"host:80", "ftp://a/", "http://", "http://a:99999/", "http://a:0/",
                          "http://a/b c", "http://a\r\nX: 1/"}) {
    EXPECT_EQ(HttpUrl::parse(bad).status().id(), ErrorId::kNetworkAddress) << bad;
  }
}

TEST(HttpMessage, credentials_are_encoded) {
  EXPECT_EQ(basic_authorization("Aladdin:open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(basic_authorization("a:b"), "Basic YTpi");
}

TEST(HttpMessage, fields_are_found_without_regard_to_case) {
  HttpHeaders headers{{"Connection", "keep-alive, Upgrade"}, {"X", "1"}};
  EXPECT_TRUE(headers.has_token("connection", "upgrade"));
  EXPECT_FALSE(headers.has_token("connection", "close"));
  headers.set("x", "2");
  EXPECT_EQ(headers.find("X"), "2");
  EXPECT_EQ(headers.count("x"), 1U);
}

}  // namespace
}  // namespace tidewheel
