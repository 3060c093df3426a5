#include "tidewheel/state/snapshot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"

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

// The segment, having been through bytes.
SnapshotSegmentRef stored(const SnapshotSegmentRef& segment, BlockCodec codec) {
  auto image = make_image(*segment, codec);
  EXPECT_TRUE(image.ok()) << image.status().to_string();
  auto bytes = open_image(std::move(image).value(), "a test");
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  auto back = std::make_shared<SnapshotSegment>(*segment);
  back->bytes = *bytes;
  return back;
}

// Entries in every group, `per_group` each, written at `parallelism`, through bytes and back.
MemorySnapshot keyed_snapshot(int32_t parallelism, int32_t per_group, size_t value_bytes,
                              BlockCodec codec = BlockCodec::kNone) {
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
    std::vector<SnapshotSegmentRef> segments = writer.finish();
    for (SnapshotSegmentRef& segment : segments) { segment = stored(segment, codec); }
    snapshot.add(std::move(segments));
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

TEST(Snapshot, every_codec_gives_back_what_was_written) {
  for (const BlockCodec codec :
       {BlockCodec::kNone, BlockCodec::kSnappy, BlockCodec::kLz4, BlockCodec::kZstd}) {
    const MemorySnapshot snapshot = keyed_snapshot(1, 100, 1000, codec);
    const SnapshotSegmentRef segment = snapshot.segments_of("counts").front();
    const auto index = segment->bytes->index().value();
    EXPECT_EQ(index->blocks.size(), (segment->size_bytes + 65535) / 65536);
    for (const SegmentBlock& block : index->blocks) {
      EXPECT_EQ(block.codec, codec);
      EXPECT_EQ(block.stored_bytes < block.raw_bytes / 10, codec != BlockCodec::kNone);
    }
    const std::vector<std::string> values = values_of(**snapshot.reader(place(0, 1)), "n");
    ASSERT_EQ(values.size(), 1600U);
    EXPECT_EQ(values[1599], "15.99/w/" + std::string(1000, 'v'));
  }
}

TEST(Snapshot, what_does_not_get_smaller_is_not_compressed) {
  std::string out = "before";
  const SegmentBlock block = store_block("abc", BlockCodec::kZstd, 100, out);
  EXPECT_EQ(out, "beforeabc");
  EXPECT_EQ(block.codec, BlockCodec::kNone);
  EXPECT_EQ(block.offset, 106U);
}

TEST(Snapshot, damage_is_found) {
  SegmentWriter writer(place(0, 1));
  writer.begin_state({"n", StateKind::kKeyed, "value", "", "", ""});
  for (int32_t group = 0; group < 4; ++group) {
    writer.add({group, "key", "", std::string(100, 'x')});
  }
  const SnapshotSegmentRef segment = writer.finish().front();
  for (const BlockCodec codec : {BlockCodec::kNone, BlockCodec::kLz4}) {
    const SegmentImage image = make_image(*segment, codec).value();
    for (size_t at = 0; at < image.bytes.size(); ++at) {
      SegmentImage damaged = image;
      damaged.bytes[at] = static_cast<char>(damaged.bytes[at] ^ 0x10);
      auto bytes = open_image(damaged, "the place");
      if (at >= image.index_offset) {
        EXPECT_EQ(bytes.status().id(), ErrorId::kSnapshotChecksum) << at;
        continue;
      }
      auto broken = std::make_shared<SnapshotSegment>(*segment);
      broken->bytes = bytes.value();
      MemorySnapshot snapshot;
      snapshot.add({broken});
      auto reader = snapshot.reader(place(0, 1)).value();
      auto entries = reader->read("n").value();
      StateEntry entry;
      const Status status = entries->next(entry).status();
      EXPECT_EQ(status.id(), ErrorId::kSnapshotChecksum) << at;
      EXPECT_NE(status.message().find("operator counts, state n, key group 0"), std::string::npos)
          << status.message();
      EXPECT_NE(status.message().find("the place"), std::string::npos);
    }
    SegmentImage cut = image;
    cut.bytes.resize(image.index_offset - 1);
    EXPECT_FALSE(open_image(cut, "").ok());
  }
}

TEST(Snapshot, a_newer_format_is_named) {
  SegmentWriter writer(place(0, 1));
  writer.begin_state({"n", StateKind::kKeyed, "value", "", "", ""});
  SegmentIndex index;
  std::string bytes = encode_index(index);
  bytes[0] = 2;
  const Status status = decode_index(bytes, 0).status();
  EXPECT_EQ(status.id(), ErrorId::kSnapshotFormat);
  EXPECT_NE(status.message().find("version 2"), std::string::npos);
}

// ---- layers ----

constexpr StateMeta keyed(bool unit_has_namespace = false) {
  return {"n", StateKind::kKeyed, "map", "", "", "", unit_has_namespace};
}

TEST(SnapshotLayers, changes_replace_units_and_erase_them) {
  MemorySnapshot snapshot;
  SegmentWriter base(place(0, 1));
  base.begin_state(keyed());
  for (const char* key : {"a", "b", "c", "d"}) {
    base.add({3, key, "x", "old"});
    base.add({3, key, "y", "old"});
  }
  base.add({5, "e", "", "old"});
  base.add({7, "f", "", "old"});
  snapshot.add(base.finish());
  SegmentWriter first(place(0, 1));
  first.begin_changes(keyed());
  first.erase(3, "b", "");
  first.erase(3, "c", "");
  first.add({3, "a", "z", "first"});
  first.whole_group(5);
  first.add({6, "g", "", "first"});
  snapshot.add(first.finish());
  SegmentWriter second(place(0, 1));
  second.begin_changes(keyed());
  second.add({3, "c", "x", "second"});
  snapshot.add(second.finish());

  auto reader = snapshot.reader(place(0, 1)).value();
  ASSERT_EQ(reader->states().size(), 1U);
  auto entries = reader->read("n").value();
  std::vector<std::string> found;
  StateEntry entry;
  while (entries->next(entry).value()) {
    found.push_back(std::to_string(entry.group) + std::string(entry.key) +
                    std::string(entry.name_space) + "=" + std::string(entry.value));
  }
  EXPECT_EQ(found, (std::vector<std::string>{"3cx=second", "3az=first", "3dx=old", "3dy=old",
                                             "6g=first", "7f=old"}));
  EXPECT_GE(entries->count(), found.size());
  EXPECT_FALSE(entries->next(entry).value());
}

// Tables are made for so many entries before they are read.
TEST(SnapshotLayers, are_counted_by_what_is_left_of_them) {
  constexpr int kKeysPerGroup = 5000;
  MemorySnapshot snapshot;
  for (int layer = 0; layer < 5; ++layer) {
    SegmentWriter writer(place(0, 1));
    if (layer == 0) {
      writer.begin_state(keyed());
    } else {
      writer.begin_changes(keyed());
    }
    for (int32_t group = 0; group < kMaxParallelism; ++group) {
      for (int key = 0; key < kKeysPerGroup; ++key) {
        writer.add({group, std::to_string(key), "", "value"});
      }
    }
    snapshot.add(writer.finish());
  }
  const auto entries = snapshot.reader(place(0, 1)).value()->read("n").value();
  constexpr uint64_t kThere = uint64_t{kKeysPerGroup} * kMaxParallelism;
  EXPECT_GE(entries->count(), kThere);
  EXPECT_LE(entries->count(), kThere * 11 / 10);
}

TEST(SnapshotLayers, a_unit_may_be_a_key_and_namespace) {
  MemorySnapshot snapshot;
  SegmentWriter base(place(0, 1));
  base.begin_state(keyed(true));
  base.add({0, "k", "1", "old"});
  base.add({0, "k", "2", "old"});
  base.add({0, "k", "3", "old"});
  snapshot.add(base.finish());
  SegmentWriter changes(place(0, 1));
  changes.begin_changes(keyed(true));
  changes.erase(0, "k", "2");
  changes.add({0, "k", "3", "new"});
  snapshot.add(changes.finish());
  std::vector<std::string> found;
  auto entries = snapshot.reader(place(0, 1)).value()->read("n").value();
  StateEntry entry;
  while (entries->next(entry).value()) {
    found.push_back(std::string(entry.name_space) + std::string(entry.value));
  }
  EXPECT_EQ(found, (std::vector<std::string>{"3new", "1old"}));
}

using Unit = std::map<std::string, std::string>;                // namespace -> value
using Groups = std::map<int32_t, std::map<std::string, Unit>>;  // group -> key -> unit

// Draws layers, and what a map of maps would hold after them.
struct RandomLayers {
  explicit RandomLayers(uint64_t seed) : random(seed) {
    writers = 1 + static_cast<int32_t>(random.below(3));
    keys = 1 + random.below(2000);
    const size_t layers = 1 + random.below(5);
    for (size_t layer = 0; layer < layers; ++layer) {
      for (int32_t subtask = 0; subtask < writers; ++subtask) { add_layer(layer, subtask); }
    }
    std::erase_if(model, [](const auto& group) { return group.second.empty(); });
  }

  void add_layer(size_t layer, int32_t subtask) {
    SegmentWriter writer(place(subtask, writers));
    if (layer == 0) {
      writer.begin_state(keyed());
    } else {
      writer.begin_changes(keyed());
    }
    const KeyGroupRange range = key_groups_of(subtask, writers, kMaxParallelism);
    for (int32_t group = range.first; group <= range.last; ++group) {
      if (!random.chance(0.25)) { add_group(layer, group, writer); }
    }
    std::vector<SnapshotSegmentRef> segments = writer.finish();
    for (SnapshotSegmentRef& segment : segments) {
      segment = stored(segment, static_cast<BlockCodec>(random.below(4)));
    }
    snapshot.add(std::move(segments));
  }

  void add_group(size_t layer, int32_t group, SegmentWriter& writer) {
    auto& now = model[group];
    if (layer > 0 && random.chance(0.25)) {
      writer.whole_group(group);
      now.clear();
    }
    std::map<std::string, bool> touched;  // key -> erased
    for (uint64_t i = random.below(1 + keys / 4); i > 0; --i) {
      touched[std::to_string(random.below(keys)) + "." + std::to_string(group)] =
          layer > 0 && random.chance(0.33);
    }
    for (const auto& [key, erased] : touched) {
      if (!erased) { continue; }
      writer.erase(group, key, "");
      now.erase(key);
    }
    for (const auto& [key, erased] : touched) {
      if (erased) { continue; }
      now[key].clear();
      for (uint64_t i = 1 + random.below(3); i > 0; --i) {
        const std::string name_space = std::to_string(i);
        const std::string value(random.below(300), static_cast<char>('a' + layer));
        now[key][name_space] = value;
        writer.add({group, key, name_space, value});
      }
    }
  }

  Random random;
  int32_t writers = 1;
  uint64_t keys = 1;
  MemorySnapshot snapshot;
  Groups model;
};

// The same as a map of maps, whatever layers there are and however many subtasks read them.
TEST(SnapshotLayers, random_layers_read_as_a_map_would) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    RandomLayers layers(seed);
    const int32_t readers = 1 + static_cast<int32_t>(layers.random.below(4));
    Groups found;
    int32_t group_before = -1;
    for (int32_t subtask = 0; subtask < readers; ++subtask) {
      auto entries = layers.snapshot.reader(place(subtask, readers)).value()->read("n").value();
      uint64_t count = 0;
      StateEntry entry;
      while (entries->next(entry).value()) {
        ++count;
        EXPECT_GE(entry.group, group_before);
        group_before = entry.group;
        Unit& unit = found[entry.group][std::string(entry.key)];
        EXPECT_TRUE(unit.emplace(entry.name_space, entry.value).second);
      }
      EXPECT_LE(count, entries->count());
    }
    EXPECT_EQ(found, layers.model) << seed;
  }
}

TEST(SnapshotLayers, changes_need_a_base) {
  SegmentWriter writer(place(0, 1));
  writer.begin_changes(keyed());
  writer.add({0, "k", "", ""});
  MemorySnapshot snapshot;
  snapshot.add(writer.finish());
  EXPECT_EQ(snapshot.reader(place(0, 1)).status().id(), ErrorId::kSnapshotFormat);
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
