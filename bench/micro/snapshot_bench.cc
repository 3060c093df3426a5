// Snapshots: encoding and decoding of entries, merging of layers, and the way over a file.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

constexpr int32_t kGroups = 128;
const SnapshotPlace kPlace{"op", 0, 1, kGroups};

std::string_view as_bytes(const uint64_t& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

// Every `step`th of `entries` keys, in the order of groups.
void write_entries(SnapshotWriter& writer, uint64_t entries, uint64_t step) {
  for (int32_t group = 0; group < kGroups; ++group) {
    for (uint64_t i = static_cast<uint64_t>(group); i < entries; i += kGroups * step) {
      const uint64_t key = i * 0x9e3779b97f4a7c15ULL;
      writer.add({group, as_bytes(key), {}, as_bytes(i)});
    }
  }
}

std::vector<SnapshotSegmentRef> layer(uint64_t entries, uint64_t step, bool changes) {
  SegmentWriter writer(kPlace);
  const StateMeta meta{"n", StateKind::kKeyed, "value", "", "", "", false};
  if (changes) {
    writer.begin_changes(meta);
  } else {
    writer.begin_state(meta);
  }
  write_entries(writer, entries, step);
  return writer.finish();
}

uint64_t read_entries(SnapshotReader& reader) {
  auto entries = reader.read("n").value();
  StateEntry entry;
  uint64_t sum = 0;
  for (;;) {
    const Result<bool> more = entries->next(entry);
    if (!more.ok() || !*more) { break; }
    uint64_t value = 0;
    std::memcpy(&value, entry.value.data(), sizeof value);
    sum += value;
  }
  return sum;
}

void BM_SnapshotEncode(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  for (auto _ : state) { benchmark::DoNotOptimize(layer(entries, 1, false)); }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SnapshotEncode)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

// One layer, then as many layers of changes as the second number says, each to 5 % of the keys.
void BM_SnapshotDecode(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  MemorySnapshot snapshot;
  snapshot.add(layer(entries, 1, false));
  for (int64_t i = 0; i < state.range(1); ++i) { snapshot.add(layer(entries, 20, true)); }
  for (auto _ : state) { benchmark::DoNotOptimize(read_entries(*snapshot.reader(kPlace).value())); }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SnapshotDecode)
    ->Args({1'000'000, 0})
    ->Args({1'000'000, 1})
    ->Args({1'000'000, 5})
    ->Unit(benchmark::kMillisecond);

BlockCodec codec_of(int64_t number) { return static_cast<BlockCodec>(number); }

// A whole checkpoint on the real file system, and its reading; the argument is the codec.
class Stored {
 public:
  explicit Stored(BlockCodec codec) : world_(make_real_world({.refuse_at_random = false})) {
    CheckpointStoreOptions options;
    options.directory = "/tmp/tidewheel_snapshot_bench";
    options.job_id = "0123456789abcdef0123456789abcdef";
    options.compression = codec;
    ignore(world_->files().remove_all(options.directory), "it may not exist");
    store_ = CheckpointStore::open(*world_, options).value();
  }
  ~Stored() { ignore(world_->files().remove_all("/tmp/tidewheel_snapshot_bench"), "left behind"); }

  CompletedSnapshot write(uint64_t entries) {
    CheckpointPlan plan;
    plan.id = ++number_;
    plan.directory = store_->prepare(plan.id).value();
    const auto writer = store_->write(plan, 0, 0);
    const auto event = world_->executor().make_event();
    writer->grant(UINT64_MAX / 2, nullptr);
    SnapshotWriter& out = writer->writer(kPlace);
    out.begin_state({"n", StateKind::kKeyed, "value", "", "", "", false});
    write_entries(out, entries, 1);
    Manifest manifest;
    ManifestOperator& op = manifest.operators.emplace_back();
    op.uid = "op";
    op.max_parallelism = kGroups;
    OperatorSnapshot& subtask = op.subtasks.emplace_back();
    subtask.uid = "op";
    subtask.max_parallelism = kGroups;
    writer->finish([&](auto result) {
      subtask.segments = std::move(result).value().front();
      event->set();
    });
    event->wait();
    CompletedSnapshot snapshot = store_->complete(plan, std::move(manifest)).value();
    if (number_ > 1) { ignore(store_->drop(number_ - 1), "left behind"); }
    return snapshot;
  }
  World& world() { return *world_; }

 private:
  std::unique_ptr<World> world_;
  std::unique_ptr<CheckpointStore> store_;
  int64_t number_ = 0;
};

void BM_SnapshotToDisk(benchmark::State& state) {
  Stored stored(codec_of(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(stored.write(static_cast<uint64_t>(state.range(0))));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void BM_SnapshotFromDisk(benchmark::State& state) {
  Stored stored(codec_of(state.range(1)));
  const CompletedSnapshot snapshot = stored.write(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    const auto source = open_snapshot(stored.world(), snapshot).value();
    benchmark::DoNotOptimize(read_entries(*source->reader(kPlace).value()));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void with_codecs(benchmark::internal::Benchmark* bench) {
  for (int64_t codec = 0; codec < 4; ++codec) { bench->Args({10'000'000, codec}); }
  bench->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(BM_SnapshotToDisk)->Apply(with_codecs);
BENCHMARK(BM_SnapshotFromDisk)->Apply(with_codecs);

}  // namespace
}  // namespace tidewheel
