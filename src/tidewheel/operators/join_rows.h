// Rows kept for a join: by key, in the order of their arrival, forgotten all at once.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/operators/join_state.h"
#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/record.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// The rows of one side in one slice of time: a log of rows, chained by key. Nothing is freed row by
// row.
template <class K, class T>
class RowChains {
 public:
  struct Link {
    T row;
    int64_t time;
    uint32_t next;  // number of the key's next row; 0: none
  };
  // Rows are numbered from 1, in the order of their arrival.
  struct Chain {
    uint32_t first = 0;
    uint32_t last = 0;
  };
  using Table = KeyedTable<K, Chain>;

  RowChains(KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory)
      : table_(groups, max_parallelism, memory, "rows of a join"),
        memory_(memory, "rows of a join") {}

  void prefetch(KeyHash hash) const { table_.prefetch(hash); }
  void add(const K& key, KeyHash hash, const T& row, int64_t time) {
    links_.push_back({row, time, 0});
    if constexpr (has_text_v<T>) {
      if (!arena_) { arena_ = Arena::create(); }
      relocate_texts_into(links_.back().row, *arena_);
    }
    const auto number = static_cast<uint32_t>(links_.size());
    Chain& chain = table_.upsert(key, hash);
    if (chain.last == 0) {
      chain.first = number;
    } else {
      links_[chain.last - 1].next = number;
    }
    chain.last = number;
  }
  // A row of a snapshot, where it had this number. In any order, until `end_restore`.
  void add_restored(const K& key, KeyHash hash, const T& row, int64_t time, uint32_t number) {
    add(key, hash, row, time);
    restored_numbers_.push_back(number);
  }
  // Brings chains into the order of the numbers that their rows had: layers of a snapshot come from
  // the newest to the oldest.
  void end_restore() {
    const auto number_of = [this](uint32_t link) { return restored_numbers_[link - 1]; };
    std::vector<uint32_t> links;
    table_.for_each([&](const K&, Chain& chain) {
      links.clear();
      for (uint32_t link = chain.first; link != 0; link = links_[link - 1].next) {
        links.push_back(link);
      }
      const auto before = [&](uint32_t a, uint32_t b) { return number_of(a) < number_of(b); };
      if (std::is_sorted(links.begin(), links.end(), before)) { return; }
      std::stable_sort(links.begin(), links.end(), before);
      chain = {links.front(), links.back()};
      for (size_t i = 0; i < links.size(); ++i) {
        links_[links[i] - 1].next = i + 1 < links.size() ? links[i + 1] : 0;
      }
    });
    restored_numbers_ = std::vector<uint32_t>();
  }
  const Chain* find(const K& key, KeyHash hash) const { return table_.find(key, hash); }
  // Calls f(row, time) for the rows of a chain, oldest first.
  template <class F>
  void for_each(const Chain& chain, F f) const {
    for (uint32_t number = chain.first; number != 0;) {
      const Link& link = links_[number - 1];
      number = link.next;
      f(link.row, link.time);
    }
  }
  void clear() {
    table_.clear();
    links_.clear();
    barrier_ = 0;
    if (arena_) { arena_.recycle(); }
  }
  bool empty() const { return links_.empty(); }
  Table& table() { return table_; }

  // ---- Snapshots, in the background: the rows that a key has at the barrier are given to `state`
  // in its turn, or before another row is added; of a snapshot of changes, those since the barrier
  // before. Each row is a unit of its own: its slot is `slot`, or its time. Nothing is erased: rows
  // go with all that are here, and whoever drops them notes that (DroppedUnits).
  void begin_snapshot(JoinState<K, T>& state, ChangePlan& plan, std::optional<int64_t> slot) {
    saver_.chains = this;
    saver_.state = &state;
    saver_.plan = &plan;
    saver_.slot = slot;
    // What has come since it was tracked first is all of it, if it was not tracked before.
    const bool is_new = !table_.keeps_changes();
    saver_.from = is_new ? 0 : barrier_;
    barrier_ = static_cast<uint32_t>(links_.size());
    table_.begin_snapshot(saver_, is_new ? StateContent::kAll : plan.content(),
                          plan.keeps_changes());
  }
  template <class Ready>
  bool write_group(int32_t group, size_t& budget, Ready ready) {
    return table_.write_group(group, budget, ready);
  }
  void end_snapshot() { table_.end_snapshot(); }
  bool is_writing() const { return table_.is_writing(); }
  // Call once a batch: the account follows.
  const Status& settle_memory() {
    memory_.set(static_cast<int64_t>(links_.capacity() * sizeof(Link)) +
                (arena_ ? arena_->memory_bytes() : 0));
    const Status& status = table_.status();
    return status.ok() ? memory_.check() : status;
  }

 private:
  struct Saver final : public TableTracker<K, Chain> {
    void entry(int32_t group, const K& key, Chain& chain) override {
      const uint32_t after = plan->is_whole(group) ? 0 : from;
      for (uint32_t number = chain.first; number != 0;) {
        const Link& link = chains->links_[number - 1];
        if (number > after) {
          plan->note_unit(group);
          state->give(group, key, {slot.value_or(link.time), number}, link.row);
        }
        number = link.next;
      }
    }
    void erased(int32_t, const K&) override {}
    void cleared() override {}
    bool is_whole(int32_t group) const override { return plan->is_whole(group); }
    RowChains* chains = nullptr;
    JoinState<K, T>* state = nullptr;
    ChangePlan* plan = nullptr;
    std::optional<int64_t> slot;
    uint32_t from = 0;  // of rows up to this number the snapshot before has what there was
  };

  Table table_;
  Saver saver_;
  std::vector<Link> links_;
  uint32_t barrier_ = 0;  // the last row's number at the last barrier
  std::vector<uint32_t> restored_numbers_;
  ArenaRef arena_;
  StateMemory memory_;
};

// The rows of one side of an interval join, in buckets of `quantum` milliseconds, which are dropped
// whole.
template <class K, class T>
class RowBuckets {
 public:
  RowBuckets(int64_t quantum, KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory)
      : quantum_(std::max<int64_t>(quantum, 1)),
        groups_(groups),
        max_parallelism_(max_parallelism),
        memory_(memory) {}

  void prefetch(int64_t from, int64_t to, KeyHash hash) const {
    const int64_t last = bucket_of(to);
    for (auto it = first_from(bucket_of(from)); it != buckets_.end() && (*it)->number <= last;
         ++it) {
      (*it)->chains.prefetch(hash);
    }
  }
  void add(const K& key, KeyHash hash, const T& row, int64_t time) {
    Bucket& bucket = bucket_at(bucket_of(time));
    if (touched_.empty() || touched_.back() != &bucket) { touched_.push_back(&bucket); }
    bucket.chains.add(key, hash, row, time);
  }
  void add_restored(const K& key, KeyHash hash, const T& row, const JoinPlace& place) {
    bucket_at(bucket_of(place.slot)).chains.add_restored(key, hash, row, place.slot, place.number);
  }
  void end_restore() {
    for (const auto& bucket : buckets_) { bucket->chains.end_restore(); }
  }
  // The last time that goes into the same bucket.
  int64_t last_time_with(int64_t time) const {
    return saturating_add(saturating_subtract(time, time_in_bucket(time)), quantum_ - 1);
  }
  // Calls f(row, time) for the rows of a key with from <= time <= to.
  template <class F>
  void for_each(const K& key, KeyHash hash, int64_t from, int64_t to, F f) const {
    const int64_t last = bucket_of(to);
    for (auto it = first_from(bucket_of(from)); it != buckets_.end() && (*it)->number <= last;
         ++it) {
      const auto* chain = (*it)->chains.find(key, hash);
      if (chain == nullptr) { continue; }
      (*it)->chains.for_each(*chain, [&](const T& row, int64_t time) {
        if (time >= from && time <= to) { f(row, time); }
      });
    }
  }
  // Drops the buckets all of whose times are below `time`.
  void drop_before(int64_t time) {
    const int64_t first_kept = bucket_of(time);
    std::erase_if(touched_, [&](const Bucket* bucket) { return bucket->number < first_kept; });
    size_t gone = 0;
    while (gone < buckets_.size() && buckets_[gone]->number < first_kept) {
      drop(std::move(buckets_[gone++]));
    }
    buckets_.erase(buckets_.begin(), buckets_.begin() + static_cast<std::ptrdiff_t>(gone));
  }
  // Call once a batch. Looks at those buckets only that have got rows: there may be thousands.
  Status settle_memory() {
    for (Bucket* const bucket : touched_) {
      const Status& status = bucket->chains.settle_memory();
      if (!status.ok()) { return status; }
    }
    touched_.clear();
    return {};
  }

  // Snapshots have rows in the order of their buckets. Buckets that are dropped meanwhile are kept
  // until they are written.
  void begin_snapshot(JoinState<K, T>& state, ChangePlan& plan) {
    end_snapshot();
    state.start(groups_, plan);
    for (const auto& bucket : buckets_) {
      bucket->chains.begin_snapshot(state, plan, std::nullopt);
      saving_.push_back(bucket.get());
    }
  }
  bool write(SnapshotWriter& writer, JoinState<K, T>& state) {
    return state.write(writer, [this](int32_t group, size_t& budget, auto ready) {
      for (; saving_at_ < saving_.size(); ++saving_at_) {
        if (!saving_[saving_at_]->chains.write_group(group, budget, ready)) { return false; }
      }
      saving_at_ = 0;
      return true;
    });
  }
  void end_snapshot() {
    for (Bucket* const bucket : saving_) { bucket->chains.end_snapshot(); }
    saving_.clear();
    saving_at_ = 0;
    for (auto& bucket : held_) { drop(std::move(bucket)); }
    held_.clear();
  }

 private:
  struct Bucket {
    Bucket(int64_t of, KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory)
        : number(of), chains(groups, max_parallelism, memory) {}
    int64_t number;
    RowChains<K, T> chains;
  };
  using Buckets = std::vector<std::unique_ptr<Bucket>>;
  static constexpr size_t kFreeMax = 4;

  int64_t bucket_of(int64_t time) const {
    const int64_t quotient = time / quantum_;
    return time % quantum_ < 0 ? quotient - 1 : quotient;
  }
  int64_t time_in_bucket(int64_t time) const {
    const int64_t rest = time % quantum_;
    return rest < 0 ? rest + quantum_ : rest;
  }
  typename Buckets::const_iterator first_from(int64_t number) const {
    return std::lower_bound(
        buckets_.begin(), buckets_.end(), number,
        [](const std::unique_ptr<Bucket>& bucket, int64_t of) { return bucket->number < of; });
  }
  Bucket& bucket_at(int64_t number) {
    if (!buckets_.empty() && buckets_.back()->number == number) { return *buckets_.back(); }
    const auto place = first_from(number);
    if (place != buckets_.end() && (*place)->number == number) { return **place; }
    std::unique_ptr<Bucket> bucket;
    if (free_.empty()) {
      bucket = std::make_unique<Bucket>(number, groups_, max_parallelism_, memory_);
    } else {
      bucket = std::move(free_.back());
      free_.pop_back();
      bucket->number = number;
    }
    return **buckets_.insert(place, std::move(bucket));
  }
  void drop(std::unique_ptr<Bucket> bucket) {
    if (bucket->chains.is_writing()) {
      held_.push_back(std::move(bucket));
      return;
    }
    if (free_.size() >= kFreeMax) { return; }
    bucket->chains.clear();
    free_.push_back(std::move(bucket));
  }

  const int64_t quantum_;
  const KeyGroupRange groups_;
  const int32_t max_parallelism_;
  MemoryPool* const memory_;
  Buckets buckets_;  // by number
  Buckets free_;
  std::vector<Bucket*> touched_;  // of buckets_: got rows since memory was settled

  // Where `write` goes on.
  std::vector<Bucket*> saving_;  // all that there were at the barrier; of buckets_ or held_
  size_t saving_at_ = 0;
  Buckets held_;  // dropped, and not written yet
};

}  // namespace tidewheel
