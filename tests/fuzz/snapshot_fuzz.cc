// Fuzzes the readers of snapshots: hostile segments are refused, and hostile entries behind right
// checksums give errors or state, never more.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/clock.h"
#include "tidewheel/state/handles.h"
#include "tidewheel/state/keyed_store.h"
#include "tidewheel/state/snapshot.h"

namespace {

using namespace tidewheel;

class StoppedClock final : public Clock {
 public:
  int64_t now_ns() const override { return 0; }
  int64_t wall_ms() const override { return 1'000; }
};

struct Function {
  Value<Text> value{"value"};
  List<Text> list{"list", {.ttl = Duration(500)}};
  Map<Text, int32_t> map{"map"};
  EventTimer timer{"timer"};
};
constexpr int32_t kMaxParallelism = 4;

void read_all(SnapshotReader& reader) {
  for (const StateMeta& meta : reader.states()) {
    auto entries = reader.read(meta.name);
    if (!entries.ok()) { continue; }
    StateEntry entry;
    for (;;) {
      const Result<bool> more = (*entries)->next(entry);
      if (!more.ok() || !*more) { break; }
    }
  }
}

// The bytes as the image of a segment whose index has the right checksum, wherever it begins; as
// one layer, and as changes on top of itself.
void fuzz_segment(std::string_view bytes) {
  if (bytes.empty()) { return; }
  const auto split = static_cast<unsigned char>(bytes[0]);
  bytes.remove_prefix(1);
  SegmentImage image;
  image.bytes = bytes;
  image.index_offset = std::min<uint64_t>(split, bytes.size());
  const std::string_view index = bytes.substr(image.index_offset);
  image.index_checksum = hash_bytes(index.data(), index.size());
  Result<SegmentIndex> decoded = decode_index(index, image.index_offset);
  if (!decoded.ok()) { return; }
  TIDEWHEEL_CHECK(decode_index(encode_index(*decoded), image.index_offset).value() == *decoded);
  // The checksums of blocks are made right too.
  for (SegmentBlock& block : decoded->blocks) {
    block.checksum = hash_bytes(image.bytes.data() + block.offset, block.stored_bytes);
  }
  image.bytes.resize(image.index_offset);
  const std::string mended = encode_index(*decoded);
  image.index_checksum = hash_bytes(mended.data(), mended.size());
  image.bytes += mended;
  auto opened = open_image(std::move(image), "fuzz");
  TIDEWHEEL_CHECK(opened.ok());
  SnapshotSegment segment;
  segment.operator_uid = "fuzz";
  segment.meta.name = "state";
  segment.max_parallelism = kMaxParallelism;
  segment.groups = {0, kMaxParallelismLimit - 1};
  segment.bytes = *opened;
  for (const SegmentGroup& group : decoded->groups) { segment.entries += group.entries; }
  for (const StateKind kind : {StateKind::kKeyed, StateKind::kSplitList, StateKind::kUnionList}) {
    segment.meta.kind = kind;
    segment.content = StateContent::kAll;
    MemorySnapshot snapshot;
    snapshot.add({std::make_shared<SnapshotSegment>(segment)});
    if (kind == StateKind::kKeyed) {
      segment.content = StateContent::kChanges;
      snapshot.add({std::make_shared<SnapshotSegment>(segment)});
    }
    const auto reader = snapshot.reader({"fuzz", 0, 2, kMaxParallelism});
    if (reader.ok()) { read_all(**reader); }
  }
}

// The first byte chooses the state, the second the group and how many entries are claimed; the rest
// are the entries.
void fuzz_entries(std::string_view bytes) {
  if (bytes.size() < 2) { return; }
  const auto choice = static_cast<unsigned char>(bytes[0]);
  const auto claim = static_cast<unsigned char>(bytes[1]);
  bytes.remove_prefix(2);

  StoppedClock clock;
  KeyedStore<std::string> store({0, kMaxParallelism - 1}, kMaxParallelism, nullptr, clock);
  OperatorState operator_state(nullptr);
  BindingScope scope(&store, &operator_state);
  const Function prototype;
  const Function function(prototype);
  TIDEWHEEL_CHECK(scope.status().ok());

  const auto segment = std::make_shared<SnapshotSegment>();
  segment->operator_uid = "fuzz";
  segment->meta = store.cells()[choice % store.cells().size()]->meta();
  segment->meta.key_schema = encoded_schema<std::string>();
  segment->max_parallelism = kMaxParallelism;
  segment->entries = claim / 4U;
  segment->size_bytes = bytes.size();
  segment->groups = {0, kMaxParallelism - 1};
  SegmentGroup group;
  group.group = claim % kMaxParallelism;
  group.entries = segment->entries;
  auto opened = open_image(make_image({group}, std::span(&bytes, 1), BlockCodec::kNone), "fuzz");
  if (!opened.ok()) { return; }  // more entries than there can be
  segment->bytes = *opened;
  MemorySnapshot snapshot;
  snapshot.add({segment});
  const auto reader = snapshot.reader({"fuzz", 0, 1, kMaxParallelism});
  TIDEWHEEL_CHECK(reader.ok());
  if (!store.read(**reader).ok()) { return; }
  // What was read can be written, and read again.
  SegmentWriter writer({"fuzz", 0, 1, kMaxParallelism});
  while (!store.write(writer)) {}
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  fuzz_segment(bytes);
  fuzz_entries(bytes);
  return 0;
}
