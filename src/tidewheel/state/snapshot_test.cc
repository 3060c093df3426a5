#include "tidewheel/state/snapshot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tidewheel {
namespace {

constexpr int32_t kMaxParallelism = 16;

SnapshotPlace place(int32_t subtask, int32_t parallelism) {
  return {"counts", subtask, parallelism, kMaxParallelism};
}

std::vector<std::string> values_of(SnapshotReader& reader, std::string_view state) {
  auto entries = reader.read(state);
  EXPECT_TRUE(entries.ok()) << entries.status().to_string();
  std::vector<std::string> values;
  StateEntry entry;
  const uint64_t count = (*entries)->count();
  for (;;) {
    auto more = (*entries)->next(entry);
    EXPECT_TRUE(more.ok()) << more.status().to_string();
    if (!more.ok() || !*more) { break; }
    values.push_back(std::string(entry.key) + "/" + std::string(entry.name_space) + "/" +
                     std::string(entry.value));
  }
  EXPECT_EQ(values.size(), count);
  return values;
}

// Entries in every group, `per_group` each, written at `parallelism`, through bytes and back.
MemorySnapshot keyed_snapshot(int32_t parallelism, int32_t per_group, size_t value_bytes) {
  MemorySnapshot snapshot;
  for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
    SegmentWriter writer(place(subtask, parallelism));
    writer.begin_state({"n", StateKind::kKeyed, "value", "k", "", "v"});
    const KeyGroupRange range = key_groups_of(subtask, parallelism, kMaxParallelism);
    for (int32_t group = range.first; group <= range.last; ++group) {
      for (int32_t i = 0; i < per_group; ++i) {
        const std::string key = std::to_string(group) + "." + std::to_string(i);
        const std::string value(value_bytes, 'v');
        writer.add({group, key, "w", value});
      }
    }
    std::vector<SnapshotSegmentRef> decoded;
    for (const SnapshotSegmentRef& segment : writer.finish()) {
      auto back = decode_segment(encode_segment(*segment));
      EXPECT_TRUE(back.ok()) << back.status().to_string();
      decoded.push_back(*back);
    }
    snapshot.add(std::move(decoded));
  }
  return snapshot;
}

TEST(Snapshot, keyed_state_is_read_at_any_parallelism) {
  for (const size_t value_bytes : {size_t{3}, size_t{9'000}}) {
    const MemorySnapshot snapshot = keyed_snapshot(3, 40, value_bytes);
    for (const int32_t parallelism : {1, 2, 3, 5, 16}) {
      size_t total = 0;
      for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
        auto reader = snapshot.reader(place(subtask, parallelism));
        ASSERT_TRUE(reader.ok());
        const KeyGroupRange range = key_groups_of(subtask, parallelism, kMaxParallelism);
        const std::vector<std::string> values = values_of(**reader, "n");
        EXPECT_EQ(values.size(), static_cast<size_t>(range.count()) * 40);
        ASSERT_FALSE(values.empty());
        EXPECT_TRUE(values.front().starts_with(std::to_string(range.first) + ".0/w/v"));
        EXPECT_TRUE(values.back().starts_with(std::to_string(range.last) + ".39/w/v"));
        total += values.size();
      }
      EXPECT_EQ(total, 640U);
    }
  }
}

MemorySnapshot list_snapshot(StateKind kind, const std::vector<int32_t>& items_by_subtask) {
  MemorySnapshot snapshot;
  int32_t item = 0;
  for (size_t subtask = 0; subtask < items_by_subtask.size(); ++subtask) {
    SegmentWriter writer(
        place(static_cast<int32_t>(subtask), static_cast<int32_t>(items_by_subtask.size())));
    writer.begin_state({"l", kind, "list", "", "", "v"});
    for (int32_t i = 0; i < items_by_subtask[subtask]; ++i) {
      writer.add({0, "", "", std::to_string(item++)});
    }
    snapshot.add(writer.finish());
  }
  return snapshot;
}

TEST(Snapshot, a_split_list_is_dealt_out_in_shares) {
  const MemorySnapshot snapshot = list_snapshot(StateKind::kSplitList, {4, 0, 7});
  std::vector<std::string> all;
  for (int32_t subtask = 0; subtask < 4; ++subtask) {
    auto reader = snapshot.reader(place(subtask, 4));
    const std::vector<std::string> share = values_of(**reader, "l");
    EXPECT_EQ(share.size(), subtask < 3 ? 3U : 2U);
    all.insert(all.end(), share.begin(), share.end());
  }
  ASSERT_EQ(all.size(), 11U);
  for (size_t i = 0; i < all.size(); ++i) { EXPECT_EQ(all[i], "//" + std::to_string(i)); }
  // At the same parallelism each keeps its own.
  for (int32_t subtask = 0; subtask < 3; ++subtask) {
    auto reader = snapshot.reader(place(subtask, 3));
    EXPECT_EQ(values_of(**reader, "l").size(),
              (std::vector<size_t>{4, 0, 7})[static_cast<size_t>(subtask)]);
  }
}

TEST(Snapshot, union_lists_go_to_all_and_broadcast_state_once_to_each) {
  const MemorySnapshot united = list_snapshot(StateKind::kUnionList, {2, 3});
  const MemorySnapshot broadcast = list_snapshot(StateKind::kBroadcast, {3, 3});
  for (int32_t subtask = 0; subtask < 5; ++subtask) {
    EXPECT_EQ(values_of(**united.reader(place(subtask, 5)), "l").size(), 5U);
    EXPECT_EQ(values_of(**broadcast.reader(place(subtask, 5)), "l").size(), 3U);
  }
}

TEST(Snapshot, an_unknown_operator_and_state_are_empty) {
  const MemorySnapshot snapshot;
  auto reader = snapshot.reader(place(0, 1));
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE((*reader)->states().empty());
  EXPECT_EQ((*reader)->find("n"), nullptr);
  EXPECT_TRUE(values_of(**reader, "n").empty());
}

TEST(Snapshot, damage_is_found) {
  SegmentWriter writer(place(0, 1));
  writer.begin_state({"n", StateKind::kKeyed, "value", "", "", ""});
  for (int32_t group = 0; group < 4; ++group) { writer.add({group, "key", "", "value"}); }
  const std::string bytes = encode_segment(*writer.finish().front());
  ASSERT_TRUE(decode_segment(bytes).ok());
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(decode_segment(damaged).ok()) << at;
    EXPECT_FALSE(decode_segment(bytes.substr(0, at)).ok()) << at;
  }
  EXPECT_EQ(decode_segment("nothing").status().id(), ErrorId::kSnapshotFormat);
}

TEST(Snapshot, another_max_parallelism_is_refused) {
  const MemorySnapshot snapshot = keyed_snapshot(1, 1, 1);
  EXPECT_EQ(snapshot.reader({"counts", 0, 1, 32}).status().id(), ErrorId::kSnapshotFormat);
}

TEST(Snapshot, a_writer_refuses_beyond_its_grant) {
  SegmentWriter writer(place(0, 1));
  writer.begin_state({"n", StateKind::kKeyed, "value", "", "", ""});
  EXPECT_TRUE(writer.ready());
  writer.grant(10);
  writer.add({0, "12345678", "", "12345678"});
  EXPECT_FALSE(writer.ready());
  writer.grant(10);
  EXPECT_TRUE(writer.ready());
}

}  // namespace
}  // namespace tidewheel
