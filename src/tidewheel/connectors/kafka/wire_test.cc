// The requests and responses of the small client as bytes, and the client beside a broker that
// answers by a script.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/connectors/kafka/sink_options.h"
#include "tidewheel/connectors/kafka/transactions.h"
#include "tidewheel/connectors/kafka/wire_client.h"
#include "tidewheel/connectors/kafka/wire_protocol.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/sim/tls_identity.h"

namespace tidewheel::kafka {
namespace {

using wire::ErrorCode;

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) { text += fmt::format("{:02x}", static_cast<unsigned char>(c)); }
  return text;
}
std::string bytes_of(std::string_view hex_text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex_text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex_text.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// ---- Bytes, as the protocol's definition has them

TEST(KafkaWire, requests_are_the_protocols_bytes) {
  EXPECT_EQ(hex(wire::frame(wire::end_transaction("tx", {5, 2}, true), 7, "c")),
            "0000001a"              // size
            "001a0001000000070001"  // EndTxn, version 1, correlation 7, client id
            "63"
            "00027478"
            "0000000000000005"
            "0002"
            "01");
  // A flexible version: tags end the header and the body, sizes are one more.
  EXPECT_EQ(hex(wire::frame(wire::describe_transaction("tx"), 1, "")),
            "00000010"
            "0041000000000001"
            "0000"
            "00"
            "02"
            "037478"
            "00");
  EXPECT_EQ(hex(wire::fetch_offset({"g", "t", 3, 0}).body),
            "026702027402000000030001"
            "00");
  EXPECT_EQ(hex(wire::commit_offset_in_transaction("tx", {1, 0}, {"g", "t", 0, 9}).body),
            "00027478"
            "000167"
            "0000000000000001"
            "0000"
            "00000001"
            "000174"
            "00000001"
            "00000000"
            "0000000000000009"
            "ffffffff"
            "ffff");
}

// What a reader made of the bytes, for comparing.
using ReadText = std::function<Result<std::string>(std::string_view)>;
struct ResponseCase {
  const char* name;
  const char* body;  // hexadecimal
  const char* text;
  ReadText read;
};

int number(ErrorCode code) { return static_cast<int>(code); }

std::vector<ResponseCase> cases_of_producers() {
  return {{"ApiVersions",
           "0000"
           "00000002"
           "0041"
           "0000"
           "0000"
           "001a"
           "0000"
           "0005",
           "0: 65 26",
           [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto all, wire::read_api_versions(body));
             std::string text = fmt::format("{}:", number(all.error));
             for (const auto& range : all.ranges) { text += fmt::format(" {}", range.api); }
             return text;
           }},
          {"Metadata",
           "00000001"
           "00000007"
           "000468"
           "6f7374"
           "00002384"
           "ffff",
           "host:9092",
           [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto all, wire::read_brokers(body));
             return all.addresses.at(0).to_string();
           }},
          {"FindCoordinator",
           "00000000"
           "0000"
           "ffff"
           "00000001"
           "000161"
           "00002384",
           "0 a:9092",
           [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto found, wire::read_coordinator(body));
             return fmt::format("{} {}", number(found.error), found.address.to_string());
           }},
          {"InitProducerId",
           "00000000"
           "0033"
           "0000000000000102"
           "0003",
           "51 258 3",
           [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto one, wire::read_init_producer_id(body));
             return fmt::format("{} {} {}", number(one.error), one.producer.id, one.producer.epoch);
           }},
          {"EndTxn",
           "00000000"
           "002f",
           "47", [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto one, wire::read_add_offsets(body));
             return fmt::format("{}", number(one.error));
           }}};
}

std::vector<ResponseCase> cases_of_offsets() {
  return {{"OffsetCommit",
           "00000000"
           "00000001"
           "000174"
           "00000002"
           "00000000"
           "0000"
           "00000001"
           "0010",
           "16",
           [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto one, wire::read_offset_commit(body));
             return fmt::format("{}", number(one.error));
           }},
          {"OffsetFetch",
           "00000000"
           "02"
           "0274"
           "02"
           "00000000"
           "0000000000000009"
           "ffffffff"
           "01"
           "0058"
           "00"
           "00"
           "0000"
           "00",
           "88 9", [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto one, wire::read_fetched_offset(body));
             return fmt::format("{} {}", number(one.error), one.offset);
           }}};
}

std::vector<ResponseCase> cases_of_transactions() {
  return {{"DescribeTransactions",
           "00000000"
           "02"
           "0000"
           "037478"
           "084f6e676f696e67"
           "0000ea60"
           "000000000000000c"
           "0000000000000005"
           "0002"
           "02"
           "0274"
           "02"
           "00000001"
           "00"
           "00"
           "00",
           "0 Ongoing 5 2",
           [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto one, wire::read_described_transaction(body));
             return fmt::format("{} {} {} {}", number(one.error), one.state, one.producer.id,
                                one.producer.epoch);
           }},
          {"ListTransactions",
           "00000000"
           "0000"
           "01"
           "03"
           "0261"
           "0000000000000001"
           "0278"
           "00"
           "0262"
           "0000000000000002"
           "01"
           "00"
           "00",
           "0 a b",
           [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto all, wire::read_listed_transactions(body));
             std::string text = fmt::format("{}", number(all.error));
             for (const std::string& one : all.ids) { text += ' ' + one; }
             return text;
           }},
          {"SaslAuthenticate",
           "003a"
           "00026e6f"
           "00000000",
           "58 no", [](std::string_view body) -> Result<std::string> {
             TIDEWHEEL_ASSIGN_OR_RETURN(const auto one, wire::read_sasl_answer(body));
             return fmt::format("{} {}", number(one.error), one.message);
           }}};
}

TEST(KafkaWire, responses_are_read_and_refused_when_they_end_anywhere) {
  std::vector<ResponseCase> cases;
  for (const auto& some : {cases_of_producers(), cases_of_offsets(), cases_of_transactions()}) {
    cases.insert(cases.end(), some.begin(), some.end());
  }
  for (const ResponseCase& one : cases) {
    const std::string body = bytes_of(one.body);
    const Result<std::string> text = one.read(body);
    ASSERT_TRUE(text.ok()) << one.name << ": " << text.status().to_string();
    EXPECT_EQ(*text, one.text) << one.name;
    for (size_t size = 0; size < body.size(); ++size) {
      EXPECT_EQ(one.read(body.substr(0, size)).status().id(), ErrorId::kNetworkLost)
          << one.name << ", " << size << " bytes";
    }
  }
}

TEST(KafkaWire, a_response_to_another_request_is_refused) {
  const wire::Request request = wire::end_transaction("tx", {5, 2}, true);
  EXPECT_EQ(*wire::open_response(request, 7,
                                 bytes_of("00000007"
                                          "aabb")),
            bytes_of("aabb"));
  EXPECT_EQ(wire::open_response(request, 8,
                                bytes_of("00000007"
                                         "aabb"))
                .status()
                .id(),
            ErrorId::kNetworkLost);
  // Tagged fields of the header are passed over.
  EXPECT_EQ(*wire::open_response(wire::list_transactions(), 1,
                                 bytes_of("00000001"
                                          "01"
                                          "05"
                                          "02"
                                          "ffff"
                                          "aa")),
            bytes_of("aa"));
}

TEST(KafkaWire, settings_refuse_what_the_small_client_cannot_speak) {
  const auto id = [](Properties properties) { return WireSettings::from(properties).status(); };
  const Status http = id({{"bootstrap.servers", "a:1"}, {"security.protocol", "HTTPS"}});
  EXPECT_EQ(http.id(), ErrorId::kConnectorOption);
  EXPECT_NE(http.message().find("security.protocol"), std::string::npos);
  for (const Properties& ssl : {Properties{{"ssl.ca.pem", "-----"}},
                                Properties{{"enable.ssl.certificate.verification", "false"}}}) {
    Properties properties = ssl;
    properties.insert({{"bootstrap.servers", "a:1"}, {"security.protocol", "SSL"}});
    EXPECT_EQ(id(properties).id(), ErrorId::kConnectorOption);
    EXPECT_NE(id(properties).message().find(ssl.begin()->first), std::string::npos);
  }
  const Status kerberos = id({{"bootstrap.servers", "a:1"},
                              {"security.protocol", "SASL_PLAINTEXT"},
                              {"sasl.mechanism", "GSSAPI"}});
  EXPECT_EQ(kerberos.id(), ErrorId::kConnectorOption);
  EXPECT_NE(kerberos.message().find("sasl.mechanism"), std::string::npos);
  EXPECT_EQ(id({}).id(), ErrorId::kConnectorOption);
  EXPECT_EQ(id({{"bootstrap.servers", "a:b:c"}}).id(), ErrorId::kConnectorOption);
  const auto settings = WireSettings::from({{"bootstrap.servers", "PLAINTEXT://a:1, b,[::1]:3"}});
  ASSERT_TRUE(settings.ok()) << settings.status().to_string();
  ASSERT_EQ(settings->bootstrap.size(), 3U);
  EXPECT_EQ(settings->bootstrap[1].to_string(), "b:9092");
}

// ---- A broker that answers by a script

class FakeBroker final : private Turnable {
 public:
  // The body of the answer; nothing: the connection is cut; an empty wait: no answer ever.
  struct Answer {
    enum class Kind : uint8_t { kBody, kCut, kSilence } kind = Kind::kBody;
    std::string body = {};
  };
  using Handler = std::function<Answer(wire::Api api, std::string_view body)>;

  FakeBroker(SimWorld& world, uint16_t port, Network* network = nullptr) : world_(world) {
    Network& used = network == nullptr ? world.network() : *network;
    auto listener = used.listen({"host", port}, [this] { wake(); });
    EXPECT_TRUE(listener.ok()) << listener.status().to_string();
    listener_ = std::move(*listener);
    worker_ = world.executor().start_worker("broker", *this);
  }
  ~FakeBroker() override {
    stops_ = true;
    worker_->wake();
    worker_ = nullptr;
  }

  Handler handler;
  std::vector<std::string> log;  // what was asked for

 private:
  struct Peer {
    std::unique_ptr<Connection> connection;
    std::string in;
    std::string out;
    bool cut = false;
  };
  void wake() {
    if (worker_ != nullptr) { worker_->wake(); }
  }
  Turn turn() override {
    if (stops_) { return Turn::stop(); }
    while (auto accepted = listener_->accept([this] { wake(); }).value()) {
      peers_.push_back(std::make_unique<Peer>());
      peers_.back()->connection = std::move(accepted);
    }
    for (auto& peer : peers_) {
      if (peer->connection != nullptr) { serve(*peer); }
    }
    return Turn::sleep_until(world_.clock().now_ns() + 1'000'000);
  }
  void serve(Peer& peer) {
    char bytes[4096];
    while (true) {
      const auto read = peer.connection->read(bytes);
      if (!read.ok() || read->state == Transfer::State::kEnd) {
        peer.connection = nullptr;
        return;
      }
      if (read->state == Transfer::State::kWouldBlock) { break; }
      peer.in.append(bytes, static_cast<size_t>(read->bytes));
    }
    while (take_request(peer)) {}
    while (!peer.out.empty()) {
      const auto written = peer.connection->write(peer.out);
      if (!written.ok() || written->state != Transfer::State::kMoved) { break; }
      peer.out.erase(0, static_cast<size_t>(written->bytes));
    }
    if (peer.cut) { peer.connection = nullptr; }
  }
  static uint32_t number(std::string_view bytes, size_t count) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return value;
  }
  bool take_request(Peer& peer) {
    if (peer.in.size() < 4) { return false; }
    const size_t size = number(peer.in, 4);
    if (peer.in.size() < size + 4) { return false; }
    const std::string request = peer.in.substr(4, size);
    peer.in.erase(0, size + 4);
    const auto api = static_cast<wire::Api>(number(request, 2));
    const bool is_flexible = api == wire::Api::kDescribeTransactions ||
                             api == wire::Api::kListTransactions || api == wire::Api::kOffsetFetch;
    const size_t head = 10 + number(std::string_view(request).substr(8), 2) + (is_flexible ? 1 : 0);
    log.emplace_back(wire::api_name(api));
    const Answer answer = handler(api, std::string_view(request).substr(head));
    if (answer.kind == Answer::Kind::kCut) {
      peer.cut = true;
      return false;
    }
    if (answer.kind == Answer::Kind::kSilence) { return true; }
    const std::string response =
        request.substr(4, 4) + (is_flexible ? std::string(1, '\0') : "") + answer.body;
    std::string frame;
    for (int shift = 24; shift >= 0; shift -= 8) {
      frame += static_cast<char>(response.size() >> shift);
    }
    peer.out += frame + response;
    return true;
  }

  SimWorld& world_;
  bool stops_ = false;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::unique_ptr<Worker> worker_;
};

const char kVersions[] =
    "0000"
    "00000001"
    "0041"
    "0000"
    "0000";

std::string coordinator_at(uint16_t port) {
  return bytes_of(
             "00000000"
             "0000"
             "ffff"
             "00000001") +
         std::string("\0\4host", 6) + bytes_of(fmt::format("{:08x}", port));
}

class KafkaWireClient : public ::testing::Test {
 protected:
  FakeBroker::Answer usual(wire::Api api, uint16_t coordinator) {
    if (api == wire::Api::kApiVersions) { return {.body = bytes_of(kVersions)}; }
    if (api == wire::Api::kFindCoordinator) { return {.body = coordinator_at(coordinator)}; }
    return {.body = bytes_of("00000000"
                             "0000")};
  }
  std::unique_ptr<Transactions> transactions(Properties properties = {},
                                             Duration timeout = Duration(5'000)) {
    properties.emplace("bootstrap.servers", "host:9001,host:9002");
    auto made = wire_transactions({&machine_.world.network(), &machine_.world.executor(),
                                   &machine_.world.clock(), &machine_.world.files(), 1},
                                  properties, timeout, give_up_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return std::move(*made);
  }

  SimMachine machine_{SimulationOptions{}};
  std::shared_ptr<std::atomic<bool>> give_up_ = std::make_shared<std::atomic<bool>>(false);
};

TEST_F(KafkaWireClient, follows_the_coordinator_when_it_moves) {
  FakeBroker first(machine_.world, 9001);
  FakeBroker second(machine_.world, 9002);
  int32_t asked = 0;
  first.handler = [&](wire::Api api, std::string_view) {
    if (api == wire::Api::kEndTxn) {
      return FakeBroker::Answer{.body = bytes_of("00000000"
                                                 "0010")};
    }
    return usual(api, ++asked < 4 ? 9001 : 9002);
  };
  second.handler = [&](wire::Api api, std::string_view) { return usual(api, 9002); };
  const auto done = transactions()->commit("tx", {5, 2});
  ASSERT_TRUE(done.ok()) << done.status().to_string();
  EXPECT_TRUE(*done);
  EXPECT_EQ(second.log.back(), "EndTxn");
}

TEST_F(KafkaWireClient, asks_again_when_the_connection_is_lost_or_refused) {
  FakeBroker second(machine_.world, 9002);  // 9001: nobody is there
  int32_t cuts = 2;
  second.handler = [&](wire::Api api, std::string_view) {
    if (api == wire::Api::kEndTxn && cuts-- > 0) {
      return FakeBroker::Answer{FakeBroker::Answer::Kind::kCut};
    }
    return usual(api, 9002);
  };
  const auto done = transactions()->commit("tx", {5, 2});
  ASSERT_TRUE(done.ok()) << done.status().to_string();
  EXPECT_TRUE(*done);
  EXPECT_LT(cuts, 0);
}

TEST_F(KafkaWireClient, gives_up_when_time_is_over_or_nobody_wants_it_any_more) {
  FakeBroker first(machine_.world, 9001);
  FakeBroker second(machine_.world, 9002);
  first.handler = second.handler = [&](wire::Api api, std::string_view) {
    return api == wire::Api::kEndTxn ? FakeBroker::Answer{FakeBroker::Answer::Kind::kSilence}
                                     : usual(api, 9001);
  };
  const int64_t began_ns = machine_.simulation.now_ns();
  const auto late = transactions()->commit("tx", {5, 2});
  EXPECT_EQ(late.status().id(), ErrorId::kKafkaBroker) << late.status().to_string();
  EXPECT_LT(machine_.simulation.now_ns() - began_ns, int64_t{7} * 1'000'000'000);
  give_up_->store(true);
  EXPECT_EQ(transactions()->commit("tx", {5, 2}).status().code(), StatusCode::kCancelled);
}

TEST_F(KafkaWireClient, a_topic_that_is_not_there_is_named_soon) {
  FakeBroker first(machine_.world, 9001);
  int32_t missing = 3;
  first.handler = [&](wire::Api api, std::string_view) {
    return api == wire::Api::kOffsetCommit
               ? FakeBroker::Answer{.body = bytes_of("00000000"
                                                     "00000001"
                                                     "000174"
                                                     "00000001"
                                                     "00000000") +
                                            bytes_of(--missing < 0 ? "0000" : "0003")}
               : usual(api, 9001);
  };
  const auto patient = transactions({}, Duration(120'000));
  // It has just been made.
  EXPECT_TRUE(patient->set_marker({"group", "t"}, 1).ok());
  missing = 1'000'000;
  const int64_t began_ns = machine_.simulation.now_ns();
  const Status status = patient->set_marker({"group", "t"}, 2);
  EXPECT_EQ(status.id(), ErrorId::kKafkaTopic) << status.to_string();
  EXPECT_NE(status.message().find("'t'"), std::string::npos) << status.to_string();
  EXPECT_LT(machine_.simulation.now_ns() - began_ns, int64_t{15} * 1'000'000'000);
}

TEST_F(KafkaWireClient, tells_a_transaction_that_is_over_from_a_refusal) {
  FakeBroker first(machine_.world, 9001);
  const char* code = "002f";
  first.handler = [&](wire::Api api, std::string_view) {
    return api == wire::Api::kEndTxn
               ? FakeBroker::Answer{.body = bytes_of(std::string("00000000") + code)}
               : usual(api, 9001);
  };
  for (const char* over : {"002f", "005a", "0031", "0030"}) {
    code = over;
    const auto done = transactions()->commit("tx", {5, 2});
    ASSERT_TRUE(done.ok()) << done.status().to_string();
    EXPECT_FALSE(*done) << over;
  }
  code = "0035";
  EXPECT_EQ(transactions()->commit("tx", {5, 2}).status().id(), ErrorId::kKafkaAccess);
}

TEST_F(KafkaWireClient, says_who_was_not_let_in_and_which_broker_is_too_old) {
  FakeBroker first(machine_.world, 9001);
  first.handler = [&](wire::Api api, std::string_view body) {
    if (api == wire::Api::kSaslHandshake) {
      return FakeBroker::Answer{.body = bytes_of("0000"
                                                 "00000000")};
    }
    if (api == wire::Api::kSaslAuthenticate) {
      EXPECT_EQ(body, std::string("\0\0\0\7\0ann\0pw", 11));
      return FakeBroker::Answer{.body = bytes_of("003a"
                                                 "00026e6f"
                                                 "00000000")};
    }
    return usual(api, 9001);
  };
  const Properties sasl = {{"bootstrap.servers", "host:9001"},
                           {"security.protocol", "SASL_PLAINTEXT"},
                           {"sasl.mechanism", "PLAIN"},
                           {"sasl.username", "ann"},
                           {"sasl.password", "pw"}};
  const Status refused = transactions(sasl)->fence("tx");
  EXPECT_EQ(refused.id(), ErrorId::kKafkaAccess) << refused.to_string();
  EXPECT_NE(refused.message().find("'ann'"), std::string::npos);
  first.handler = [](wire::Api, std::string_view) {
    return FakeBroker::Answer{.body = bytes_of("0000"
                                               "00000000")};
  };
  EXPECT_EQ(transactions()->fence("tx").code(), StatusCode::kUnimplemented);
}

// Certificates on both sides, as files of the simulated machine.
class KafkaWireTls : public KafkaWireClient {
 protected:
  KafkaWireTls()
      : authority_("authority"), broker_("host", &authority_), client_("sink", &authority_) {
    write("authority.pem", authority_.pem(false));
    write("broker.pem", broker_.pem(true));
    write("client.pem", client_.pem(false));
    write("client.key", client_.pem(true, "hidden"));
    write("stranger.pem", TlsIdentity("stranger").pem(false));
  }
  void write(const std::string& name, const std::string& bytes) {
    auto file = machine_.world.files().open_write("/" + name, WriteMode::kTruncate);
    ASSERT_TRUE(file.ok() && (*file)->append(bytes).ok() && (*file)->close().ok());
  }
  std::unique_ptr<Network> network_of_broker() {
    TlsOptions tls;
    tls.keystore = "/broker.pem";
    tls.truststore = "/authority.pem";
    tls.authenticates_clients = true;
    auto network = make_tls_network(machine_.world.network(), machine_.world.files(), tls);
    EXPECT_TRUE(network.ok()) << network.status().to_string();
    return std::move(*network);
  }
  Properties properties() const {
    return {{"bootstrap.servers", "host:9001"},          {"security.protocol", "SSL"},
            {"ssl.ca.location", "/authority.pem"},       {"ssl.key.password", "hidden"},
            {"ssl.certificate.location", "/client.pem"}, {"ssl.key.location", "/client.key"}};
  }

  const TlsIdentity authority_;
  const TlsIdentity broker_;
  const TlsIdentity client_;
};

TEST_F(KafkaWireTls, asks_over_tls_with_a_key_in_a_file_of_its_own) {
  const auto network = network_of_broker();
  FakeBroker broker(machine_.world, 9001, network.get());
  broker.handler = [&](wire::Api api, std::string_view) {
    if (api == wire::Api::kInitProducerId) {
      return FakeBroker::Answer{.body = bytes_of("00000000"
                                                 "0000"
                                                 "0000000000000102"
                                                 "0003")};
    }
    return usual(api, 9001);
  };
  const auto fenced = transactions(properties())->fence("tx");
  EXPECT_TRUE(fenced.ok()) << fenced.to_string();
}

TEST_F(KafkaWireTls, does_not_talk_to_a_broker_that_nobody_vouches_for) {
  const auto network = network_of_broker();
  FakeBroker broker(machine_.world, 9001, network.get());
  broker.handler = [&](wire::Api api, std::string_view) { return usual(api, 9001); };
  Properties other = properties();
  other["ssl.ca.location"] = "/stranger.pem";
  const Status status = transactions(other)->fence("tx");
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("certificate"), std::string::npos) << status.to_string();
  EXPECT_TRUE(broker.log.empty());
  other["ssl.ca.location"] = "/none.pem";
  EXPECT_NE(transactions(other)->fence("tx").message().find("/none.pem"), std::string::npos);
}

TEST_F(KafkaWireClient, does_not_believe_a_peer_that_is_no_broker) {
  FakeBroker first(machine_.world, 9001);
  first.handler = [&](wire::Api api, std::string_view) {
    return api == wire::Api::kApiVersions ? FakeBroker::Answer{.body = bytes_of("0000"
                                                                                "7fffffff"
                                                                                "0041")}
                                          : usual(api, 9001);
  };
  const Status status =
      transactions({{"bootstrap.servers", "host:9001"}}, Duration(2'000))->fence("tx");
  EXPECT_EQ(status.id(), ErrorId::kKafkaBroker) << status.to_string();
}

}  // namespace
}  // namespace tidewheel::kafka
