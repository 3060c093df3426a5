#include "tidewheel/connectors/kafka/kept_output.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidewheel::kafka {
namespace {

struct Owned {
  std::optional<std::string> key;
  std::optional<std::string> value;
  int32_t partition = kAnyPartition;
  int64_t time = kNoMessageTime;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  friend bool operator==(const Owned&, const Owned&) = default;
};

Status read(std::string_view kept, std::vector<Owned>& all) {
  return for_each_message(kept, [&](const OutgoingMessage& message) -> Status {
    Owned one;
    if (message.key.has_value()) { one.key = std::string(*message.key); }
    if (message.value.has_value()) { one.value = std::string(*message.value); }
    one.partition = message.partition;
    one.time = message.timestamp_ms;
    for (const Header& header : message.headers) {
      one.headers.emplace_back(std::string(header.name), std::nullopt);
      if (header.value.has_value()) { one.headers.back().second = std::string(*header.value); }
    }
    all.push_back(std::move(one));
    return ok_status();
  });
}

void add(KeptOutput& output, const Owned& message) {
  std::vector<Header> headers;
  for (const auto& [name, value] : message.headers) { headers.push_back({name, value}); }
  OutgoingMessage outgoing;
  if (message.key.has_value()) { outgoing.key = *message.key; }
  if (message.value.has_value()) { outgoing.value = *message.value; }
  outgoing.partition = message.partition;
  outgoing.timestamp_ms = message.time;
  outgoing.headers = headers;
  output.add(outgoing);
}

std::vector<Owned> samples() {
  std::vector<Owned> all = {
      {"key", "value", 3, 1'700'000'000'000, {{"a", "1"}, {"b", std::nullopt}, {"", ""}}},
      {std::nullopt, "", kAnyPartition, kNoMessageTime, {}},
      {"", std::nullopt, 0, 0, {}},
      {std::string(1'000, '\0'), std::string(700'000, 'x'), -1, -1, {}}};
  // Bytes that can't be made smaller.
  std::string noise;
  uint64_t state = 1;
  for (int i = 0; i < 400'000; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    noise += static_cast<char>(state >> 56);
  }
  all.push_back({"noise", noise, 1, 5, {}});
  return all;
}

TEST(KeptOutput, gives_back_what_was_kept_in_order) {
  KeptOutput output;
  std::vector<Owned> expected;
  for (int round = 0; round < 3; ++round) {
    for (const Owned& message : samples()) {
      add(output, message);
      expected.push_back(message);
    }
  }
  EXPECT_EQ(output.message_count(), static_cast<int64_t>(expected.size()));
  const std::string kept = output.take();
  EXPECT_LT(kept.size(), 3U * 450'000);  // what repeats is compressed
  EXPECT_EQ(output.bytes(), 0);
  EXPECT_EQ(output.take(), "");
  std::vector<Owned> all;
  ASSERT_TRUE(read(kept, all).ok());
  EXPECT_EQ(all, expected);
}

TEST(KeptOutput, bytes_that_end_anywhere_or_are_changed_are_refused_or_read) {
  KeptOutput output;
  for (const Owned& message : samples()) {
    if (message.key != "noise") { add(output, message); }
  }
  const std::string kept = output.take();
  for (size_t size = 1; size < kept.size(); ++size) {
    std::vector<Owned> all;
    EXPECT_EQ(read(kept.substr(0, size), all).id(), ErrorId::kSerializedData) << size;
  }
  for (size_t i = 0; i < kept.size(); ++i) {
    std::string changed = kept;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    std::vector<Owned> all;
    ignore(read(changed, all), "it must end, and stay within the bytes");
  }
}

TEST(KeptOutput, stops_at_the_first_failure_of_its_user) {
  KeptOutput output;
  for (const Owned& message : samples()) { add(output, message); }
  int64_t calls = 0;
  const Status status = for_each_message(output.take(), [&](const OutgoingMessage&) -> Status {
    return ++calls < 2 ? ok_status() : unavailable(ErrorId::kKafkaBroker, "full");
  });
  EXPECT_EQ(status.id(), ErrorId::kKafkaBroker);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace tidewheel::kafka
