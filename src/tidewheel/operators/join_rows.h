// Rows kept for a join: by key, in the order of their arrival, forgotten all at once.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

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
    uint32_t next;  // index + 1 of the key's next row; 0: none
  };
  struct Chain {
    uint32_t first = 0;  // index + 1
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
    if (arena_) { arena_.recycle(); }
  }
  bool empty() const { return links_.empty(); }
  Table& table() { return table_; }

  // ---- Snapshots, in the background: the rows of a key that are there at the barrier are given to
  // `state` in its turn, or before another row is added. Each comes with its time, or with `number`
  // in the place of it.
  void begin_snapshot(WindowState<K, int64_t, T>& state, std::optional<int64_t> number) {
    saver_.chains = this;
    saver_.state = &state;
    saver_.number = number;
    table_.begin_snapshot(saver_, StateContent::kAll, false);
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
      chains->for_each(chain, [&](const T& row, int64_t time) {
        state->give(group, key, number.value_or(time), row);
      });
    }
    void erased(int32_t, const K&) override {}
    void cleared() override {}
    bool is_whole(int32_t) const override { return true; }
    const RowChains* chains = nullptr;
    WindowState<K, int64_t, T>* state = nullptr;
    std::optional<int64_t> number;
  };

  Table table_;
  Saver saver_;
  std::vector<Link> links_;
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

  // Snapshots have rows as entries (key, time, row), in the order of their buckets. Buckets that
  // are dropped meanwhile are kept until they are written.
  void begin_snapshot(WindowState<K, int64_t, T>& state) {
    end_snapshot();
    state.start(groups_);
    for (const auto& bucket : buckets_) {
      bucket->chains.begin_snapshot(state, std::nullopt);
      saving_.push_back(bucket.get());
    }
  }
  bool write(SnapshotWriter& writer, WindowState<K, int64_t, T>& state) {
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
