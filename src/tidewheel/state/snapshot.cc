#include "tidewheel/state/snapshot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/state/byte_cursor.h"
#include "tidewheel/state/layered_entries.h"
#include "tidewheel/state/unit_set.h"

namespace tidewheel {
namespace {

bool is_by_group(StateKind kind) { return kind == StateKind::kKeyed || kind == StateKind::kTimers; }

// One key group of one layer.
struct Step {
  uint32_t layer = 0;        // in the chain
  uint32_t group_index = 0;  // in the layer's index
  bool opens_group = false;  // the group's newest layer
  bool is_last = false;      // the group's oldest: nobody asks any more what it speaks of
};

// The layers that one subtask has written of a state, and what a reader takes of them.
struct Chain {
  std::vector<SnapshotSegmentRef> layers;  // the oldest, which is whole, first
  std::vector<std::shared_ptr<const SegmentIndex>> indexes;
  std::vector<Step> steps;
  uint64_t skip = 0;  // entries passed over at its begin: of lists
  uint64_t take = 0;  // entries given, at most
};

Status read_indexes(Chain& chain) {
  for (const SnapshotSegmentRef& layer : chain.layers) {
    Result<std::shared_ptr<const SegmentIndex>> index = layer->bytes->index();
    if (!index.ok()) {
      return std::move(index).status().with_context("operator {}, state {} of subtask {}, in {}",
                                                    layer->operator_uid, layer->meta.name,
                                                    layer->subtask, layer->bytes->place());
    }
    chain.indexes.push_back(std::move(index).value());
  }
  return ok_status();
}

// For each owned group the layers from the newest to the first that is whole.
void plan_steps(Chain& chain, KeyGroupRange owned) {
  struct Part {
    int32_t group;
    uint32_t layer;
    uint32_t index;
    bool whole;
  };
  std::vector<Part> parts;
  for (size_t layer = 0; layer < chain.layers.size(); ++layer) {
    const std::vector<SegmentGroup>& groups = chain.indexes[layer]->groups;
    const bool all = chain.layers[layer]->content == StateContent::kAll;
    if (all) { parts.clear(); }
    for (size_t i = 0; i < groups.size(); ++i) {
      if (!owned.contains(groups[i].group)) { continue; }
      parts.push_back({groups[i].group, static_cast<uint32_t>(layer), static_cast<uint32_t>(i),
                       all || groups[i].whole});
    }
  }
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.group != b.group ? a.group < b.group : a.layer > b.layer;
  });
  for (size_t i = 0; i < parts.size();) {
    size_t end = i;
    while (end < parts.size() && parts[end].group == parts[i].group) { ++end; }
    const size_t begin = i;
    for (bool covered = false; i < end && !covered; ++i) {
      covered = parts[i].whole || i + 1 == end;
      chain.steps.push_back({parts[i].layer, parts[i].index, i == begin, covered});
      chain.take += chain.indexes[parts[i].layer]->groups[parts[i].index].entries;
    }
    i = end;
  }
}

// The entries of chains, one chain behind the other.
class SegmentEntries final : public LayeredEntries {
 public:
  explicit SegmentEntries(std::vector<Chain> chains) : chains_(std::move(chains)) {
    for (const Chain& chain : chains_) { count_ += chain.take; }
  }

  uint64_t count() const override { return count_; }
  void set_count(uint64_t count) { count_ = count; }

  Result<bool> next(StateEntry& entry) override {
    for (;;) {
      if (given_ < kept_) {
        entry = bunch_[given_++].entry;
        return true;
      }
      if (left_ == 0) [[unlikely]] {
        TIDEWHEEL_ASSIGN_OR_RETURN(const bool found, next_step());
        if (!found) { return false; }
        continue;
      }
      if (at_ == end_) [[unlikely]] { TIDEWHEEL_RETURN_IF_ERROR(read_block(block_ + 1)); }
      if (!plain_) {
        TIDEWHEEL_RETURN_IF_ERROR(take_bunch());
        continue;
      }
      if (!decode(entry)) [[unlikely]] { return damaged("an entry is cut"); }
      --left_;
      return true;
    }
  }

  Result<size_t> next_of_layers(std::span<StateEntry> entries) override {
    for (;;) {
      if (left_ == 0) {
        TIDEWHEEL_ASSIGN_OR_RETURN(const bool found, next_step());
        if (!found) { return size_t{0}; }
        continue;
      }
      if (at_ == end_) { TIDEWHEEL_RETURN_IF_ERROR(read_block(block_ + 1)); }
      size_t size = 0;
      for (; size < entries.size() && left_ > 0 && at_ != end_; --left_) {
        if (!decode(entries[size])) [[unlikely]] { return damaged("an entry is cut"); }
        // Nothing but erased units is noted here.
        size += units_.empty() || !is_noted(entries[size]) ? 1 : 0;
      }
      if (size > 0) { return size; }
    }
  }

 private:
  struct Decoded {
    StateEntry entry;
    uint64_t hash = 0;  // of its unit
  };
  static constexpr size_t kBunch = 32;

  // One layer of the current chain, and the block of it that is at hand.
  struct Layer {
    std::unique_ptr<SegmentBlocks> blocks;
    size_t number = SIZE_MAX;
    std::string_view bytes;
  };

  const SnapshotSegment& segment() const { return *chain().layers[step().layer]; }
  const Chain& chain() const { return chains_[chain_]; }
  const Step& step() const { return chain().steps[step_]; }
  const SegmentIndex& index() const { return *chain().indexes[step().layer]; }

  Status located(Status status) const {
    return std::move(status).with_context(
        "operator {}, state {}, key group {} of subtask {}, in {}", segment().operator_uid,
        segment().meta.name, group_, segment().subtask, segment().bytes->place());
  }
  Status damaged(std::string_view reason) const {
    return located(data_loss(ErrorId::kSnapshotChecksum, "the snapshot is damaged: {}", reason));
  }

  Result<bool> next_step() {
    if (started_) {
      units_.settle();
      ++step_;
    }
    started_ = true;
    while (chain_ < chains_.size() && step_ == chain().steps.size()) {
      ++chain_;
      step_ = 0;
      layers_.clear();
    }
    if (chain_ == chains_.size()) {
      started_ = false;  // asked again it finds the end again
      return false;
    }
    TIDEWHEEL_RETURN_IF_ERROR(begin_step());
    return true;
  }

  Status begin_step() {
    layers_.resize(chain().layers.size());
    const SegmentGroup& group = index().groups[step().group_index];
    group_ = group.group;
    has_namespaces_ = segment().meta.unit_has_namespace;
    if (step().opens_group && (!units_.empty() || !plain_)) { units_.clear(); }
    plain_ = step().opens_group && step().is_last;
    collects_ = !step().is_last;
    left_ = 0;
    at_ = end_ = nullptr;
    if (group.erased == 0 && group.entries == 0) { return ok_status(); }
    TIDEWHEEL_RETURN_IF_ERROR(read_block(group.block));
    if (group.offset > layer().bytes.size()) { return damaged("a group begins behind its block"); }
    at_ += group.offset;
    for (uint64_t i = 0; i < group.erased; ++i) {
      if (at_ == end_) { TIDEWHEEL_RETURN_IF_ERROR(read_block(block_ + 1)); }
      StateEntry unit;
      if (!decode_unit(unit)) { return damaged("an erased unit is cut"); }
      if (collects_) { note(unit); }
    }
    left_ = group.entries;
    if (!is_by_group(segment().meta.kind)) { return pass_over(); }
    return ok_status();
  }

  // Of lists: some entries are another subtask's.
  Status pass_over() {
    StateEntry passed;
    const Chain& list = chain();
    if (list.skip > left_ || list.take > left_ - list.skip) { return damaged("items are missing"); }
    for (uint64_t i = 0; i < list.skip; ++i) {
      if (at_ == end_) { TIDEWHEEL_RETURN_IF_ERROR(read_block(block_ + 1)); }
      if (!decode(passed)) { return damaged("an entry is cut"); }
    }
    left_ = list.take;
    return ok_status();
  }

  Layer& layer() { return layers_[step().layer]; }

  Status read_block(size_t number) {
    Layer& own = layer();
    if (own.blocks == nullptr) {
      auto blocks = segment().bytes->open(chain().indexes[step().layer]);
      if (!blocks.ok()) { return located(std::move(blocks).status()); }
      own.blocks = std::move(blocks).value();
    }
    if (own.number != number) {
      if (number >= index().blocks.size()) { return damaged("a block is missing"); }
      auto bytes = own.blocks->read(number);
      if (!bytes.ok()) { return located(std::move(bytes).status()); }
      if (bytes->empty()) { return damaged("a block is empty"); }
      own.number = number;
      own.bytes = *bytes;
    }
    block_ = number;
    at_ = own.bytes.data();
    end_ = at_ + own.bytes.size();
    return ok_status();
  }

  std::string_view taken(uint64_t size) {
    const std::string_view bytes(at_, size);
    at_ += size;
    return bytes;
  }
  bool decode(StateEntry& entry) {
    uint64_t key = 0;
    uint64_t name_space = 0;
    uint64_t value = 0;
    uint32_t sizes = 0;
    const auto room = static_cast<uint64_t>(end_ - at_);
    if (room >= 4 && (std::memcpy(&sizes, at_, 4), (sizes & 0x808080) == 0)) [[likely]] {
      key = sizes & 0x7f;
      name_space = (sizes >> 8) & 0x7f;
      value = (sizes >> 16) & 0x7f;
      at_ += 3;
    } else {
      ByteCursor cursor(std::string_view(at_, room));
      if (!cursor.number(key) || !cursor.number(name_space) || !cursor.number(value)) {
        return false;
      }
      at_ = end_ - cursor.rest().size();
    }
    const auto rest = static_cast<uint64_t>(end_ - at_);
    if (key > rest || name_space > rest - key || value > rest - key - name_space) { return false; }
    entry.group = group_;
    entry.key = taken(key);
    entry.name_space = taken(name_space);
    entry.value = taken(value);
    return true;
  }
  bool decode_unit(StateEntry& unit) {
    ByteCursor cursor(std::string_view(at_, static_cast<size_t>(end_ - at_)));
    uint64_t key = 0;
    uint64_t name_space = 0;
    if (!cursor.number(key) || !cursor.number(name_space) || !cursor.raw(key, unit.key) ||
        !cursor.raw(name_space, unit.name_space)) {
      return false;
    }
    at_ = end_ - cursor.rest().size();
    return true;
  }

  std::string_view name_space_of(const StateEntry& entry) const {
    return has_namespaces_ ? entry.name_space : std::string_view();
  }
  bool is_noted(const StateEntry& entry) const {
    const std::string_view name_space = name_space_of(entry);
    return units_.contains(entry.key, name_space, UnitSet::hash_of(entry.key, name_space));
  }
  void note(const StateEntry& entry) {
    const std::string_view name_space = name_space_of(entry);
    units_.note(entry.key, name_space, UnitSet::hash_of(entry.key, name_space));
  }
  // Some entries of one block. Those whose units newer layers have not spoken of are kept, and it
  // is noted that this one has. The set of units may be large: what each needs of it is on its way
  // while others are decoded.
  Status take_bunch() {
    size_t size = 0;
    for (; size < kBunch && left_ > 0 && at_ != end_; ++size, --left_) {
      Decoded& one = bunch_[size];
      if (!decode(one.entry)) { return damaged("an entry is cut"); }
      one.hash = UnitSet::hash_of(one.entry.key, name_space_of(one.entry));
      units_.fetch_slot(one.hash);
    }
    for (size_t i = 0; i < size; ++i) { units_.fetch_unit(bunch_[i].hash); }
    given_ = kept_ = 0;
    for (size_t i = 0; i < size; ++i) {
      const Decoded one = bunch_[i];
      const std::string_view name_space = name_space_of(one.entry);
      if (units_.contains(one.entry.key, name_space, one.hash)) { continue; }
      if (collects_) { units_.note(one.entry.key, name_space, one.hash); }
      bunch_[kept_++] = one;
    }
    return ok_status();
  }

  std::vector<Chain> chains_;
  uint64_t count_ = 0;
  size_t chain_ = 0;
  size_t step_ = 0;
  bool started_ = false;
  std::vector<Layer> layers_;
  // The current step.
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  uint64_t left_ = 0;  // entries
  int32_t group_ = 0;
  bool plain_ = true;  // the group has one layer only
  bool collects_ = false;
  bool has_namespaces_ = false;
  size_t block_ = 0;
  UnitSet units_;
  std::array<Decoded, kBunch> bunch_;
  size_t kept_ = 0;   // of the bunch
  size_t given_ = 0;  // of these
};

// Which of `total` items a subtask gets: [first, first + count). The subtasks that get one more
// start at `start`, which moves on from state to state so that the first subtasks are not always
// loaded most.
std::pair<uint64_t, uint64_t> share_of(uint64_t total, uint64_t subtask, uint64_t parallelism,
                                       uint64_t start) {
  const uint64_t base = total / parallelism;
  const uint64_t remainder = total % parallelism;
  const uint64_t turn = (subtask + parallelism - start) % parallelism;  // order of dealing
  const uint64_t first = turn * base + std::min(turn, remainder);
  return {first, base + (turn < remainder ? 1 : 0)};
}

Chain list_chain(const SnapshotSegmentRef& segment, uint64_t skip, uint64_t take) {
  Chain chain;
  chain.layers.push_back(segment);
  chain.skip = skip;
  chain.take = take;
  return chain;
}

// `segments` in the order of their subtasks.
std::vector<Chain> split_chains(const std::vector<SnapshotSegmentRef>& segments,
                                const SnapshotPlace& place, uint64_t start) {
  std::vector<Chain> chains;
  if (!segments.empty() && segments.front()->parallelism == place.parallelism) {
    for (const SnapshotSegmentRef& segment : segments) {
      if (segment->subtask == place.subtask) {
        chains.push_back(list_chain(segment, 0, segment->entries));
      }
    }
    return chains;
  }
  uint64_t total = 0;
  for (const SnapshotSegmentRef& segment : segments) { total += segment->entries; }
  auto [first, count] = share_of(total, static_cast<uint64_t>(place.subtask),
                                 static_cast<uint64_t>(place.parallelism), start);
  for (const SnapshotSegmentRef& segment : segments) {
    const uint64_t skip = std::min(first, segment->entries);
    const uint64_t take = std::min(count, segment->entries - skip);
    if (take > 0) { chains.push_back(list_chain(segment, skip, take)); }
    first -= skip;
    count -= take;
  }
  return chains;
}

bool overlap(KeyGroupRange a, KeyGroupRange b) { return a.first <= b.last && b.first <= a.last; }

// The layers of each subtask, of those that have groups in `owned`.
Result<std::vector<Chain>> keyed_chains(const std::vector<SnapshotSegmentRef>& segments,
                                        KeyGroupRange owned) {
  std::vector<Chain> chains;
  for (size_t i = 0; i < segments.size();) {
    Chain chain;
    bool wanted = false;
    const int32_t subtask = segments[i]->subtask;
    for (; i < segments.size() && segments[i]->subtask == subtask; ++i) {
      chain.layers.push_back(segments[i]);
      wanted = wanted || overlap(segments[i]->groups, owned);
    }
    if (!wanted) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(read_indexes(chain));
    plan_steps(chain, owned);
    chains.push_back(std::move(chain));
  }
  return chains;
}

// From so many entries on it matters that layers have the same ones again.
constexpr uint64_t kCountedFrom = 1 << 16;
constexpr int32_t kGroupsSampled = 4;

// Entries of which there are so many at least: those of each group's largest layer.
uint64_t entries_at_least(const std::vector<Chain>& chains) {
  uint64_t sum = 0;
  for (const Chain& chain : chains) {
    uint64_t most = 0;
    for (size_t i = 0; i < chain.steps.size(); ++i) {
      const Step& step = chain.steps[i];
      if (step.opens_group) { sum += std::exchange(most, 0); }
      most = std::max(most, chain.indexes[step.layer]->groups[step.group_index].entries);
    }
    sum += most;
  }
  return sum;
}

// About how many entries there are. What layers have together may be several times as many, and a
// table made for those would be as much too large; so some groups are read, and all others taken to
// be like them: keys are dealt to groups by their hash.
Result<uint64_t> estimate_entries(const std::vector<SnapshotSegmentRef>& segments,
                                  KeyGroupRange owned, const std::vector<Chain>& chains) {
  uint64_t most = 0;
  for (const Chain& chain : chains) { most += chain.take; }
  const uint64_t least = entries_at_least(chains);
  if (most < kCountedFrom || least == most || owned.count() < 4 * kGroupsSampled) { return most; }
  uint64_t found = 0;
  for (int32_t i = 0; i < kGroupsSampled; ++i) {
    const int32_t group = owned.first + (2 * i + 1) * owned.count() / (2 * kGroupsSampled);
    TIDEWHEEL_ASSIGN_OR_RETURN(auto sample, keyed_chains(segments, {group, group}));
    SegmentEntries entries(std::move(sample));
    StateEntry entry;
    for (;; ++found) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries.next(entry));
      if (!more) { break; }
    }
  }
  // By chance the sample may have fewer than its share: three deviations more.
  const auto sampled = static_cast<double>(found);
  const double estimate = (sampled + 3 * std::sqrt(sampled)) * owned.count() / kGroupsSampled;
  return std::clamp(static_cast<uint64_t>(estimate), least, most);
}

}  // namespace

const StateMeta* SnapshotReader::find(std::string_view state) const {
  for (const StateMeta& meta : states()) {
    if (meta.name == state) { return &meta; }
  }
  return nullptr;
}

std::vector<NativeState> SnapshotReader::native(std::string_view) const { return {}; }

SegmentReader::SegmentReader(SnapshotPlace place, std::vector<SnapshotSegmentRef> segments)
    : place_(std::move(place)), segments_(std::move(segments)) {}

Result<std::unique_ptr<SegmentReader>> SegmentReader::open(
    SnapshotPlace place, std::vector<SnapshotSegmentRef> segments) {
  std::stable_sort(segments.begin(), segments.end(),
                   [](const SnapshotSegmentRef& a, const SnapshotSegmentRef& b) {
                     return std::pair(std::string_view(a->meta.name), a->subtask) <
                            std::pair(std::string_view(b->meta.name), b->subtask);
                   });
  std::unique_ptr<SegmentReader> reader(new SegmentReader(std::move(place), std::move(segments)));
  for (const SnapshotSegmentRef& segment : reader->segments_) {
    if (is_by_group(segment->meta.kind) &&
        segment->max_parallelism != reader->place_.max_parallelism) {
      return failed_precondition(
          ErrorId::kSnapshotFormat,
          "max parallelism can't change while state is kept: operator {} has {}, its snapshot {}",
          reader->place_.operator_uid, reader->place_.max_parallelism, segment->max_parallelism);
    }
    if (reader->states_.empty() || reader->states_.back().name != segment->meta.name) {
      reader->states_.push_back(segment->meta);
    } else if (!(reader->states_.back() == segment->meta)) {
      return data_loss(ErrorId::kStateName,
                       "the subtasks of operator {} have written different states by the name {}",
                       reader->place_.operator_uid, segment->meta.name);
    }
  }
  TIDEWHEEL_RETURN_IF_ERROR(reader->check_layers());
  return reader;
}

// A layer of changes lies on another layer; only state by key group has such.
Status SegmentReader::check_layers() const {
  const SnapshotSegment* before = nullptr;
  for (const SnapshotSegmentRef& segment : segments_) {
    const bool on_another = before != nullptr && before->meta.name == segment->meta.name &&
                            before->subtask == segment->subtask;
    const bool changes = segment->content == StateContent::kChanges;
    const bool by_group = is_by_group(segment->meta.kind);
    if ((changes && (!on_another || !by_group)) || (!changes && on_another)) {
      return data_loss(
          ErrorId::kSnapshotFormat,
          "the layers of a state do not fit each other: operator {}, state {}, "
          "subtask {}: {}",
          place_.operator_uid, segment->meta.name, segment->subtask,
          changes ? "changes without what they are changes to" : "it was written whole twice");
    }
    before = segment.get();
  }
  return ok_status();
}

Result<std::unique_ptr<SnapshotEntries>> SegmentReader::read(std::string_view state) {
  std::vector<SnapshotSegmentRef> own;
  uint64_t split_start = 0;
  for (const SnapshotSegmentRef& segment : segments_) {
    if (segment->meta.name == state) { own.push_back(segment); }
    if (segment->meta.name < state && segment->meta.kind == StateKind::kSplitList) {
      split_start += segment->entries;
    }
  }
  std::vector<Chain> chains;
  const StateKind kind = own.empty() ? StateKind::kKeyed : own.front()->meta.kind;
  if (is_by_group(kind)) {
    const KeyGroupRange owned =
        key_groups_of(place_.subtask, place_.parallelism, place_.max_parallelism);
    TIDEWHEEL_ASSIGN_OR_RETURN(chains, keyed_chains(own, owned));
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint64_t count, estimate_entries(own, owned, chains));
    auto entries = std::make_unique<SegmentEntries>(std::move(chains));
    entries->set_count(count);
    return std::unique_ptr<SnapshotEntries>(std::move(entries));
  }
  if (kind == StateKind::kSplitList) {
    chains = split_chains(own, place_, split_start % static_cast<uint64_t>(place_.parallelism));
  } else {
    for (const SnapshotSegmentRef& segment : own) {
      if (kind != StateKind::kBroadcast ||
          segment->subtask == place_.subtask % segment->parallelism) {
        chains.push_back(list_chain(segment, 0, segment->entries));
      }
    }
  }
  for (Chain& chain : chains) {
    TIDEWHEEL_RETURN_IF_ERROR(read_indexes(chain));
    for (size_t i = 0; i < chain.indexes[0]->groups.size(); ++i) {
      chain.steps.push_back({0, static_cast<uint32_t>(i), true, true});
    }
    if (chain.steps.size() > 1 || (chain.steps.empty() && chain.take > 0)) {
      return data_loss(ErrorId::kSnapshotFormat, "state {} has no key groups, but {} of them",
                       state, chain.steps.size());
    }
  }
  return std::unique_ptr<SnapshotEntries>(std::make_unique<SegmentEntries>(std::move(chains)));
}

std::vector<NativeState> SegmentReader::native(std::string_view state) const {
  std::vector<NativeState> found;
  const KeyGroupRange owned =
      key_groups_of(place_.subtask, place_.parallelism, place_.max_parallelism);
  for (const SnapshotSegmentRef& segment : segments_) {
    if (segment->meta.name != state || segment->files.empty()) { continue; }
    const KeyGroupRange groups =
        key_groups_of(segment->subtask, segment->parallelism, segment->max_parallelism);
    if (overlap(groups, owned)) { found.push_back({segment->subtask, groups, segment->files}); }
  }
  return found;
}

void MemorySnapshot::add(std::vector<SnapshotSegmentRef> segments) {
  for (SnapshotSegmentRef& segment : segments) {
    by_operator_[segment->operator_uid].push_back(std::move(segment));
  }
}

const std::vector<SnapshotSegmentRef>& MemorySnapshot::segments_of(
    const std::string& operator_uid) const {
  static const std::vector<SnapshotSegmentRef> none;
  const auto found = by_operator_.find(operator_uid);
  return found == by_operator_.end() ? none : found->second;
}

Result<std::unique_ptr<SnapshotReader>> MemorySnapshot::reader(const SnapshotPlace& place) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(auto reader,
                             SegmentReader::open(place, segments_of(place.operator_uid)));
  return std::unique_ptr<SnapshotReader>(std::move(reader));
}

uint64_t MemorySnapshot::size_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [uid, segments] : by_operator_) {
    for (const SnapshotSegmentRef& segment : segments) { bytes += segment->size_bytes; }
  }
  return bytes;
}

}  // namespace tidewheel
