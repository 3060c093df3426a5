// Bytes of ZooKeeper's protocol, and of SASL DIGEST-MD5.
#include "tidewheel/zookeeper/protocol.h"

#include <gtest/gtest.h>

#include "tidewheel/zookeeper/digest_md5.h"

namespace tidewheel::zookeeper {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) { out += fmt::format("{:02x}", static_cast<unsigned char>(c)); }
  return out;
}

std::string bytes_of(std::string_view digits) {
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return out;
}

TEST(ZooKeeperProtocol, a_greeting_is_what_servers_expect) {
  EXPECT_EQ(hex(greet({.newest_zxid = 0x102, .timeout_ms = 4000, .session = 7, .password = "ab"})),
            "0000001f"          // size
            "00000000"          // version
            "0000000000000102"  // zxid
            "00000fa0"          // timeout
            "0000000000000007"  // session
            "000000026162"      // password
            "00");              // read-only
}

TEST(ZooKeeperProtocol, requests_are_what_servers_expect) {
  EXPECT_EQ(hex(frame(5, get_data("/a", true))),
            "0000000f"
            "00000005"
            "00000004"
            "000000022f61"
            "01");
  EXPECT_EQ(hex(frame(kPingXid, {Opcode::kPing})),
            "00000008"
            "fffffffe"
            "0000000b");
  EXPECT_EQ(hex(create("/a", "x", Access::kCreator, kEphemeral | kSequence).body),
            "000000022f61"
            "0000000178"
            "00000001"
            "0000001f"
            "0000000461757468"
            "00000000"
            "00000003");
  EXPECT_EQ(hex(transaction({check_exists("/g"), remove("/a")}).body),
            "0000000d"
            "00"
            "ffffffff"
            "000000022f67"
            "ffffffff"
            "00000002"
            "00"
            "ffffffff"
            "000000022f61"
            "ffffffff"
            "ffffffff"
            "01"
            "ffffffff");
}

TEST(ZooKeeperProtocol, steps_of_a_transaction_are_told_apart) {
  const auto done =
      read_transaction(bytes_of("0000000d0000000000"
                                "000000020000000000"
                                "ffffffff01ffffffff"));
  ASSERT_TRUE(done.ok()) << done.status().to_string();
  EXPECT_EQ(*done, (std::vector<ErrorCode>{ErrorCode::kOk, ErrorCode::kOk}));
  const auto failed =
      read_transaction(bytes_of("ffffffff00ffffff9bffffff9b"
                                "ffffffff00fffffffefffffffe"
                                "ffffffff01ffffffff"));
  ASSERT_TRUE(failed.ok()) << failed.status().to_string();
  EXPECT_EQ(*failed,
            (std::vector<ErrorCode>{ErrorCode::kNoNode, ErrorCode::kRuntimeInconsistency}));
}

TEST(ZooKeeperProtocol, frames_come_in_any_pieces) {
  const std::string stream = frame(1, sasl("token")) + frame(2, {Opcode::kPing});
  for (const size_t piece : {size_t{1}, size_t{3}, stream.size()}) {
    FrameReader reader(100);
    std::vector<std::string> found;
    for (size_t at = 0; at < stream.size(); at += piece) {
      reader.add(std::string_view(stream).substr(at, piece));
      while (true) {
        const auto next = reader.next();
        ASSERT_TRUE(next.ok());
        if (!next->has_value()) { break; }
        found.emplace_back(**next);
      }
    }
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(hex(found[1]), "000000020000000b");
  }
}

TEST(ZooKeeperProtocol, a_frame_that_is_too_long_is_refused_before_it_comes) {
  for (const char* const size : {"00000065", "ffffffff", "48545450"}) {
    FrameReader reader(100);
    reader.add(bytes_of(size));
    EXPECT_EQ(reader.next().status().id(), ErrorId::kNetworkLost) << size;
  }
}

TEST(ZooKeeperProtocol, an_answer_that_is_cut_short_is_no_answer) {
  const std::string stat(68, '\0');
  const std::string data = bytes_of("0000000178") + stat;
  EXPECT_TRUE(read_get_data(data).ok());
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_FALSE(read_get_data(std::string_view(data).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(read_children(bytes_of("7fffffff")).ok());
  EXPECT_FALSE(read_transaction(bytes_of("0000000d00")).ok());
  EXPECT_FALSE(read_answer("1234").ok());
  EXPECT_FALSE(read_welcome("").ok());
}

// RFC 2831, section 4.
TEST(DigestMd5, the_example_of_its_specification) {
  DigestMd5 digest({"chris", "secret", "imap/elwood.innosoft.com"}, "OA6MHXh6VqTrRk");
  const auto response = digest.respond(
      "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\","
      "algorithm=md5-sess,charset=utf-8");
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(*response,
            "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\","
            "nonce=\"OA6MG9tEQGm2hh\",nc=00000001,cnonce=\"OA6MHXh6VqTrRk\","
            "digest-uri=\"imap/elwood.innosoft.com\","
            "response=d388dad90d4bbd760a152321f2143af7,qop=auth");
  EXPECT_TRUE(digest.check("rspauth=ea40f60335c427b5527b84dbabcdfffd").ok());
  EXPECT_FALSE(digest.check("rspauth=ea40f60335c427b5527b84dbabcdfffe").ok());
  EXPECT_FALSE(digest.check("").ok());
}

TEST(DigestMd5, what_makes_no_sense_is_refused) {
  for (const char* const challenge :
       {"", "nonce", "nonce=\"open", "nonce=\"a\\", "realm=\"r\",algorithm=md5-sess",
        "nonce=\"a\",nonce=\"b\",algorithm=md5-sess", "nonce=\"a\"", "nonce=\"a\",algorithm=md5",
        "nonce=\"a\",algorithm=md5-sess,qop=\"auth-int, auth-conf\""}) {
    DigestMd5 digest({"user", "secret", "zookeeper/zk-sasl-md5"}, "nonce");
    const auto response = digest.respond(challenge);
    EXPECT_FALSE(response.ok()) << challenge;
    EXPECT_FALSE(digest.check("rspauth=").ok()) << challenge;
  }
}

TEST(DigestMd5, quotes_are_escaped_and_latin_letters_hashed_as_such) {
  const std::string challenge =
      "nonce=\"a\",algorithm=md5-sess,charset=utf-8,qop=\"auth-int,auth\"";
  DigestMd5 digest({"a\"b\\", "secret", "s/h"}, "n");
  EXPECT_NE(digest.respond(challenge).value().find("username=\"a\\\"b\\\\\""), std::string::npos);
  // With and without the charset the same hash, when the text is Latin to begin with.
  const auto proof = [](std::string password, const char* text) {
    DigestMd5 one({"u", std::move(password), "s/h"}, "n");
    const std::string response = one.respond(text).value();
    return response.substr(response.find("response="));
  };
  EXPECT_EQ(proof("caf\xc3\xa9", challenge.c_str()),
            proof("caf\xe9", "nonce=\"a\",algorithm=md5-sess"));
  EXPECT_EQ(proof("\xe2\x82\xac", challenge.c_str()),
            proof("\xe2\x82\xac", "nonce=\"a\",algorithm=md5-sess"));
}

}  // namespace
}  // namespace tidewheel::zookeeper
