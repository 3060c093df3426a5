// Fuzzes the readers of responses of Kafka's protocol, of what brokers answer to SASL SCRAM, and of
// output that is kept in checkpoints.
// The first byte says which reader has the rest.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/connectors/kafka/kept_output.h"
#include "tidewheel/connectors/kafka/sasl.h"
#include "tidewheel/connectors/kafka/wire_protocol.h"

namespace {

using namespace tidewheel;
using namespace tidewheel::kafka;

void use_kept(std::string_view bytes) {
  std::size_t size = 0;
  ignore(for_each_message(bytes,
                          [&](const OutgoingMessage& message) -> Status {
                            size += message.key.value_or("").size();
                            size += message.value.value_or("").size();
                            for (const Header& header : message.headers) {
                              size += header.name.size() + header.value.value_or("").size();
                            }
                            return ok_status();
                          }),
         "only a crash is wrong");
}

// The first line is the broker's first answer, the rest its second.
void use_scram(std::string_view text) {
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string_view first = text.substr(0, line);
  // As many rounds as a broker asks for are as much work.
  constexpr std::size_t kDigitsMax = 2;
  for (std::size_t at = first.find("i="); at != first.npos; at = first.find("i=", at + 1)) {
    const std::size_t end = std::min(first.find_first_not_of("0123456789", at + 2), first.size());
    if (end - at - 2 > kDigitsMax) { return; }
  }
  Scram scram(ScramHash::kSha256, "user", "pencil", "abc");
  const Result<std::string> second = scram.finish(first);
  if (second.ok()) {
    TIDEWHEEL_CHECK(second->starts_with("c=biws,r=abc"), "{}", *second);
    ignore(scram.check(text.substr(std::min(line + 1, text.size()))), "only a crash is wrong");
  } else {
    TIDEWHEEL_CHECK(second.status().id() == ErrorId::kKafkaAccess, "another error: {}",
                    second.status().to_string());
  }
}

template <class T>
void drop(const Result<T>& result) {
  ignore(result, "only a crash is wrong");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 14) {
    case 0: drop(wire::read_api_versions(bytes)); break;
    case 1: drop(wire::read_brokers(bytes)); break;
    case 2: drop(wire::read_coordinator(bytes)); break;
    case 3: drop(wire::read_init_producer_id(bytes)); break;
    case 4: drop(wire::read_add_offsets(bytes)); break;
    case 5: drop(wire::read_offset_commit(bytes)); break;
    case 6: drop(wire::read_fetched_offset(bytes)); break;
    case 7: drop(wire::read_described_transaction(bytes)); break;
    case 8: drop(wire::read_listed_transactions(bytes)); break;
    case 9: drop(wire::read_sasl_handshake(bytes)); break;
    case 10: drop(wire::read_sasl_answer(bytes)); break;
    case 11: drop(wire::open_response(wire::list_transactions(), 1, bytes)); break;
    case 12: use_kept(bytes); break;
    default: use_scram(bytes); break;
  }
  return 0;
}
