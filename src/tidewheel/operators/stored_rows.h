// The rows of one side of a join in front of a state backend: the newest, and those that are asked
// for, are in memory.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/operators/join_state.h"
#include "tidewheel/operators/join_store.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

// Memory is in parts: a bucket has up to kPartsMax, each with the rows of some key groups as a log,
// chained by key. Rows go to the backend when their part is evicted, or at a barrier; then a chain
// is a copy of what the backend has, or what comes behind that:
//   complete    the chain has all rows of the key in the bucket, from the first on
//   incomplete  the rows before `unsaved` are in the backend too; what is before them is there only
// A key without a chain has rows in the backend at most, and none while the part is not partial.
template <class K, class T>
class StoredRows final : public StoredSide {
 public:
  using WasDropped = std::function<bool(int32_t group, int64_t bucket)>;

  StoredRows(JoinStore& store, JoinBuckets buckets, KeyGroupRange groups, int32_t max_parallelism,
             MemoryPool* memory)
      : store_(store),
        of_slot_(buckets),
        groups_(groups),
        max_parallelism_(max_parallelism),
        pool_(memory),
        groups_in_part_((groups.count() + kPartsMax - 1) / kPartsMax),
        memory_(memory, "rows of a join") {}

  // `form` is that of the state in snapshots of entries, `stored_form` that in the backend.
  Status open(const std::string& name, const std::string& form, const std::string& stored_form) {
    meta_.saved = join_state_meta<K, T>(name, form);
    meta_.by_time = of_slot_.quantum_ms > 0;
    meta_.stored.meta = meta_.saved;
    meta_.stored.meta.form = stored_form;
    meta_.stored.meta.unit_has_namespace = false;
    meta_.stored.has_namespace = true;
    TIDEWHEEL_ASSIGN_OR_RETURN(id_, store_.add_side(*this, meta_));
    TIDEWHEEL_ASSIGN_OR_RETURN(keys_, make_decoder<K>(meta_.saved, meta_.saved.key_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, make_decoder<T>(meta_.saved, meta_.saved.value_schema));
    return {};
  }
  // What a snapshot has (stored_rows_restore.h). `was_dropped` says whether a bucket was gone.
  Status restore(SnapshotReader* reader, const WasDropped& was_dropped);

  int64_t bucket_of(int64_t slot) const { return of_slot_.of(slot); }

  // ---- Rows.

  void add(int64_t number, const K& key, KeyHash hash, const T& row, int64_t time) {
    Part& part = part_of(bucket_at(number), hash.group);
    touch(part);
    bool inserted = false;
    Chain& chain = part.table.upsert(key, hash, inserted);
    if (inserted) { chain.complete = !part.is_partial; }
    const uint32_t link = part.add(row, time);
    if (chain.last == 0) {
      chain.first = link;
    } else {
      part.links[chain.last - 1].next = link;
    }
    chain.last = link;
    if (chain.unsaved == 0) { chain.unsaved = link; }
  }
  // Notes that the rows of a key in the buckets from `first` to `last` are asked for next.
  void want(int64_t first, int64_t last, const K& key, KeyHash hash) {
    for (auto it = first_from(first); it != buckets_.end() && (*it)->number <= last; ++it) {
      Part& part = part_of(**it, hash.group);
      touch(part);
      if (!part.is_partial) {
        part.table.prefetch(hash);
        continue;
      }
      const Chain* const found = std::as_const(part.table).find(key, hash);
      if (found != nullptr && (found->complete || found->wanted)) { continue; }
      part.table.upsert(key, hash).wanted = true;
      Miss miss{&part, key, hash, miss_keys_.size(), 0};
      append_key(miss_keys_, hash.group, (*it)->number, key);
      miss.key_size = miss_keys_.size() - miss.key_begin;
      misses_.push_back(std::move(miss));
    }
  }
  // Reads what is asked for and not in memory.
  Status load();
  // Calls f(row, time) for the rows of a key in these buckets, oldest first. All are in memory.
  template <class F>
  void for_each(int64_t first, int64_t last, const K& key, KeyHash hash, F f) const {
    for (auto it = first_from(first); it != buckets_.end() && (*it)->number <= last; ++it) {
      const Part& part = part_of(**it, hash.group);
      const Chain* const chain = part.table.find(key, hash);
      TIDEWHEEL_DCHECK(chain == nullptr ? !part.is_partial : chain->complete);
      if (chain == nullptr) { continue; }
      for (uint32_t link = chain->first; link != 0; link = part.links[link - 1].next) {
        f(part.links[link - 1].row, part.links[link - 1].time);
      }
    }
  }
  // Whether there are rows in these buckets, of any key.
  bool has_rows(int64_t first, int64_t last) const {
    const auto it = first_from(first);
    return it != buckets_.end() && (*it)->number <= last;
  }
  // Drops the buckets before `number`.
  void drop_before(int64_t number) {
    size_t gone = 0;
    while (gone < buckets_.size() && buckets_[gone]->number < number) {
      drop(std::move(buckets_[gone++]));
    }
    buckets_.erase(buckets_.begin(), buckets_.begin() + static_cast<std::ptrdiff_t>(gone));
  }
  // Call once a batch: first this, then the store's `settle`, which makes room, and then `charge`.
  Status measure() {
    ++tick_;
    Status status;
    for (Part* const part : touched_) {
      part->is_touched = false;
      account(*part);
      if (status.ok()) { status = part->table.status(); }
    }
    touched_.clear();
    return status;
  }
  Status charge() {
    memory_.set(log_bytes_);
    return memory_.check();
  }

  // ---- Walks over all keys of a group in some buckets (stored_window_scan.h).

  // Puts the stored form of the keys that are in memory, and the keys, into `out`.
  template <class Out>
  void collect_keys(int32_t group, int64_t first, int64_t last, Out& out) {
    for (auto it = first_from(first); it != buckets_.end() && (*it)->number <= last; ++it) {
      part_of(**it, group).table.for_each_in(group, [&](const K& key, Chain&) {
        out.emplace_back(std::string(key_bytes_.encode(key)), key);
      });
    }
  }
  // The buckets of which some rows of a group are in the backend only.
  std::vector<int64_t> partial_buckets(int32_t group, int64_t first, int64_t last) const {
    std::vector<int64_t> numbers;
    for (auto it = first_from(first); it != buckets_.end() && (*it)->number <= last; ++it) {
      if (part_of(**it, group).is_partial) { numbers.push_back((*it)->number); }
    }
    return numbers;
  }
  // Appends the rows of a key in a bucket: `stored` is what the backend has. Rows that had to be
  // decoded are put into `decoded`; their Text points into `stored`.
  Status rows_of(int64_t number, const K& key, KeyHash hash, std::string_view stored,
                 std::deque<T>& decoded, std::vector<const T*>& out) const {
    const auto it = first_from(number);
    if (it == buckets_.end() || (*it)->number != number) { return {}; }
    const Part& part = part_of(**it, hash.group);
    const Chain* const chain = part.table.find(key, hash);
    const bool complete = chain != nullptr && chain->complete;
    while (!complete && !stored.empty()) {
      int64_t time = 0;
      TIDEWHEEL_RETURN_IF_ERROR(decode(stored, time, decoded.emplace_back()));
      out.push_back(&decoded.back());
    }
    if (chain == nullptr) { return {}; }
    for (uint32_t link = complete ? chain->first : chain->unsaved; link != 0;
         link = part.links[link - 1].next) {
      out.push_back(&part.links[link - 1].row);
    }
    return {};
  }
  std::vector<int64_t> buckets(int64_t first, int64_t last) const {
    std::vector<int64_t> numbers;
    for (auto it = first_from(first); it != buckets_.end() && (*it)->number <= last; ++it) {
      numbers.push_back((*it)->number);
    }
    return numbers;
  }
  Status decode_key(std::string_view bytes, K& key) const { return keys_->decode(bytes, key); }
  StoreId id() const { return id_; }

  // ---- The side.

  int64_t memory_bytes() const override { return log_bytes_ + table_bytes_; }
  Cold find_coldest() override {
    coldest_ = nullptr;
    for (const auto& bucket : buckets_) {
      for (const auto& part : bucket->parts) {
        if (part->bytes() == 0) { continue; }
        if (coldest_ == nullptr || part->used_at < coldest_->used_at ||
            (part->used_at == coldest_->used_at && part->bytes() > coldest_->bytes())) {
          coldest_ = part.get();
        }
      }
    }
    return coldest_ == nullptr ? Cold{} : Cold{coldest_->used_at, coldest_->bytes()};
  }
  void evict_coldest() override {
    Part& part = *coldest_;
    part.table.for_each([&](const K& key, Chain& chain) {
      if (chain.unsaved != 0) { save(part, part.table.hash_of(key).group, key, chain); }
    });
    part.forget();
    part.is_partial = part.has_stored;
    account(part);
    memory_.set(std::min(memory_.bytes(), log_bytes_));
  }

  void begin_flush() override {
    end_flush();
    for (const auto& bucket : buckets_) {
      for (const auto& part : bucket->parts) {
        if (part->table.empty()) { continue; }
        part->table.begin_snapshot(*part, StateContent::kAll, false);
        flushing_.push_back(part.get());
      }
    }
  }
  bool flush(size_t& budget) override {
    for (; flushing_at_ < flushing_.size(); ++flushing_at_, flushing_group_ = -1) {
      Part& part = *flushing_[flushing_at_];
      const KeyGroupRange groups = part.table.key_groups();
      flushing_group_ = std::max(flushing_group_, groups.first);
      for (; flushing_group_ <= groups.last; ++flushing_group_) {
        if (!part.table.write_group(flushing_group_, budget, [] { return true; })) { return false; }
      }
    }
    return true;
  }
  void end_flush() override {
    for (Part* const part : flushing_) { part->table.end_snapshot(); }
    flushing_.clear();
    flushing_at_ = 0;
    flushing_group_ = -1;
    for (auto& bucket : held_) { drop(std::move(bucket)); }
    held_.clear();
  }
  Status erase_dropped() override {
    if (dropped_.empty()) { return {}; }
    TIDEWHEEL_RETURN_IF_ERROR(store_.commit());
    for (const Dropped& dropped : dropped_) {
      for (int32_t group = dropped.groups.first; group <= dropped.groups.last; ++group) {
        TIDEWHEEL_RETURN_IF_ERROR(erase_bucket(group, dropped.bucket));
      }
    }
    dropped_.clear();
    return {};
  }

 private:
  static constexpr int32_t kPartsMax = 16;

  struct Link {
    T row;
    int64_t time;
    uint32_t next;  // number of the key's next row, from 1; 0: none
  };
  struct Chain {
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t unsaved = 0;  // the first that the backend does not have; 0: it has all
    bool complete = false;
    bool wanted = false;  // it is one of misses_
  };
  struct Part final : public TableTracker<K, Chain> {
    Part(StoredRows& of, int64_t bucket, KeyGroupRange groups)
        : owner(of),
          number(bucket),
          table(groups, of.max_parallelism_, of.pool_, "rows of a join") {}
    uint32_t add(const T& row, int64_t time) {
      links.push_back({row, time, 0});
      if constexpr (has_text_v<T>) {
        if (!arena) { arena = Arena::create(); }
        relocate_texts_into(links.back().row, *arena);
      }
      return static_cast<uint32_t>(links.size());
    }
    int64_t log_bytes() const {
      return static_cast<int64_t>(links.capacity() * sizeof(Link)) +
             (arena ? arena->memory_bytes() : 0);
    }
    int64_t bytes() const { return accounted_log + accounted_table; }
    void forget() {
      table.release();
      links = std::vector<Link>();
      arena.reset();
    }
    // What is touched first after a barrier, or has its turn in the flush.
    void entry(int32_t group, const K& key, Chain& chain) override {
      if (chain.unsaved == 0) { return; }
      owner.save(*this, group, key, chain);
      owner.store_.commit_some();
    }
    void erased(int32_t, const K&) override {}
    void cleared() override {}
    bool is_whole(int32_t) const override { return true; }

    StoredRows& owner;
    const int64_t number;  // of its bucket
    KeyedTable<K, Chain> table;
    std::vector<Link> links;
    ArenaRef arena;
    bool has_stored = false;  // the backend has rows
    bool is_partial = false;  // some of them are not in memory
    bool is_touched = false;
    uint64_t used_at = 0;
    int64_t accounted_log = 0;
    int64_t accounted_table = 0;
  };
  struct Bucket {
    int64_t number = 0;
    std::vector<std::unique_ptr<Part>> parts;  // by their groups
  };
  using Buckets = std::vector<std::unique_ptr<Bucket>>;
  struct Miss {
    Part* part = nullptr;
    K key{};  // its Text is the caller's
    KeyHash hash;
    size_t key_begin = 0;  // in miss_keys_
    size_t key_size = 0;
  };
  struct Dropped {
    KeyGroupRange groups;
    int64_t bucket = 0;
  };
  class GroupLoader;

  template <class V>
  static Result<std::unique_ptr<StateDecoder<V>>> make_decoder(const StateMeta& meta,
                                                               std::string_view schema) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<V>::make(meta, schema));
    return std::make_unique<StateDecoder<V>>(std::move(decoder));
  }
  Status damaged() const {
    return data_loss(ErrorId::kStateBackend, "stored rows of state {} are damaged",
                     meta_.saved.name);
  }
  // Takes a row off `stored`.
  Status decode(std::string_view& stored, int64_t& time, T& row) const {
    std::string_view bytes;
    if (!next_stored_row(stored, time, bytes)) { return damaged(); }
    return rows_->decode(bytes, row);
  }

  // ---- Buckets and their parts.

  typename Buckets::const_iterator first_from(int64_t number) const {
    return std::lower_bound(
        buckets_.begin(), buckets_.end(), number,
        [](const std::unique_ptr<Bucket>& bucket, int64_t of) { return bucket->number < of; });
  }
  Bucket& bucket_at(int64_t number) {
    if (!buckets_.empty() && buckets_.back()->number == number) { return *buckets_.back(); }
    const auto place = first_from(number);
    if (place != buckets_.end() && (*place)->number == number) { return **place; }
    auto bucket = std::make_unique<Bucket>();
    bucket->number = number;
    const int32_t parts = (groups_.count() + groups_in_part_ - 1) / groups_in_part_;
    for (int32_t i = 0; i < parts; ++i) {
      const int32_t first = groups_.first + i * groups_in_part_;
      const KeyGroupRange groups{first, std::min(first + groups_in_part_ - 1, groups_.last)};
      bucket->parts.push_back(std::make_unique<Part>(*this, number, groups));
    }
    return **buckets_.insert(place, std::move(bucket));
  }
  Part& part_of(const Bucket& bucket, int32_t group) const {
    return *bucket.parts[static_cast<size_t>((group - groups_.first) / groups_in_part_)];
  }
  // The backend has rows that came from a snapshot.
  void note_stored(int64_t bucket, int32_t group) {
    Part& part = part_of(bucket_at(bucket), group);
    part.has_stored = part.is_partial = true;
  }
  void touch(Part& part) {
    part.used_at = tick_;
    if (part.is_touched) { return; }
    part.is_touched = true;
    touched_.push_back(&part);
  }
  void account(Part& part) {
    const int64_t log = part.log_bytes();
    const int64_t table = part.table.memory_bytes();
    log_bytes_ += log - part.accounted_log;
    table_bytes_ += table - part.accounted_table;
    part.accounted_log = log;
    part.accounted_table = table;
  }
  void drop(std::unique_ptr<Bucket> bucket) {
    const bool is_flushing = std::any_of(bucket->parts.begin(), bucket->parts.end(),
                                         [](const auto& part) { return part->table.is_writing(); });
    if (is_flushing) {
      held_.push_back(std::move(bucket));
      return;
    }
    for (const auto& part : bucket->parts) {
      if (part->has_stored) { dropped_.push_back({part->table.key_groups(), bucket->number}); }
      if (part->is_touched) { std::erase(touched_, part.get()); }
      log_bytes_ -= part->accounted_log;
      table_bytes_ -= part->accounted_table;
    }
  }
  Status erase_bucket(int32_t group, int64_t bucket) {
    std::string prefix;
    append_bucket_prefix(prefix, group, bucket);
    return store_.backend().erase_range(id_, prefix, end_of_prefix(prefix));
  }

  // ---- Writing.

  void append_key(std::string& out, int32_t group, int64_t bucket, const K& key) {
    append_bucket_prefix(out, group, bucket);
    out += key_bytes_.encode(key);
  }
  void save(Part& part, int32_t group, const K& key, Chain& chain) {
    stored_key_.clear();
    append_key(stored_key_, group, part.number, key);
    stored_rows_.clear();
    for (uint32_t link = chain.complete ? chain.first : chain.unsaved; link != 0;) {
      const Link& row = part.links[link - 1];
      append_stored_row(stored_rows_, row.time, row_bytes_.encode(row.row));
      link = row.next;
    }
    if (chain.complete) {
      store_.put(id_, stored_key_, stored_rows_);
    } else {
      store_.append(id_, stored_key_, stored_rows_);
    }
    chain.unsaved = 0;
    part.has_stored = true;
  }
  Status complete(const Miss& miss, std::string_view stored);

  Status adopt(const WasDropped& was_dropped);
  Status split_stored(StateEntry& entry, int64_t& bucket, std::string_view& rows) const;

  JoinStore& store_;
  const JoinBuckets of_slot_;
  const KeyGroupRange groups_;
  const int32_t max_parallelism_;
  MemoryPool* const pool_;
  const int32_t groups_in_part_;
  StoredSideMeta meta_;
  StoreId id_ = 0;
  std::unique_ptr<StateDecoder<K>> keys_;
  std::unique_ptr<StateDecoder<T>> rows_;
  Buckets buckets_;  // by number
  uint64_t tick_ = 1;

  StateMemory memory_;  // of logs; tables have their own accounts
  int64_t log_bytes_ = 0;
  int64_t table_bytes_ = 0;
  std::vector<Part*> touched_;  // of buckets_: since memory was settled
  Part* coldest_ = nullptr;     // of the last call of find_coldest

  std::vector<Miss> misses_;
  std::string miss_keys_;
  std::vector<std::string_view> miss_views_;
  StateBackend::Values miss_values_;

  StateBytes key_bytes_;
  StateBytes row_bytes_;
  std::string stored_key_;
  std::string stored_rows_;

  // Where `flush` goes on.
  std::vector<Part*> flushing_;  // all that there were at the barrier; of buckets_ or held_
  size_t flushing_at_ = 0;
  int32_t flushing_group_ = -1;
  Buckets held_;                  // dropped, and not written yet
  std::vector<Dropped> dropped_;  // to be erased in the backend
};

// Both sides of a join, and their store.
template <class K, class L, class R>
struct StoredSides {
  // `wake` and `memory` are the operator's.
  StoredSides(StateBackend& backend, std::function<void()> wake, JoinBuckets buckets,
              int32_t max_parallelism, MemoryPool* memory)
      : store(backend, std::move(wake)),
        left(store, buckets, backend.key_groups(), max_parallelism, memory),
        right(store, buckets, backend.key_groups(), max_parallelism, memory) {}

  // The forms are those of StoredRows::open. `original` may be null.
  Status open(const std::string& form, const std::string& stored_form, SnapshotReader* original,
              const typename StoredRows<K, L>::WasDropped& was_left_dropped,
              const typename StoredRows<K, R>::WasDropped& was_right_dropped) {
    TIDEWHEEL_ASSIGN_OR_RETURN(SnapshotReader* const reader, store.restore(original));
    TIDEWHEEL_RETURN_IF_ERROR(left.open("left", form, stored_form));
    TIDEWHEEL_RETURN_IF_ERROR(right.open("right", form, stored_form));
    TIDEWHEEL_RETURN_IF_ERROR(left.restore(reader, was_left_dropped));
    TIDEWHEEL_RETURN_IF_ERROR(right.restore(reader, was_right_dropped));
    store.end_restore();
    return {};
  }
  template <bool kLeft>
  auto& side() {
    if constexpr (kLeft) {
      return left;
    } else {
      return right;
    }
  }
  // Call once a batch.
  Status settle() {
    TIDEWHEEL_RETURN_IF_ERROR(left.measure());
    TIDEWHEEL_RETURN_IF_ERROR(right.measure());
    TIDEWHEEL_RETURN_IF_ERROR(store.settle());
    TIDEWHEEL_RETURN_IF_ERROR(left.charge());
    return right.charge();
  }

  JoinStore store;
  StoredRows<K, L> left;
  StoredRows<K, R> right;
};

template <class K, class T>
Status StoredRows<K, T>::load() {
  if (misses_.empty()) { return {}; }
  const auto key_of = [this](const Miss& miss) {
    return std::string_view(miss_keys_).substr(miss.key_begin, miss.key_size);
  };
  std::sort(misses_.begin(), misses_.end(),
            [&](const Miss& a, const Miss& b) { return key_of(a) < key_of(b); });
  miss_views_.clear();
  for (const Miss& miss : misses_) { miss_views_.push_back(key_of(miss)); }
  Status status = store_.find_many(id_, miss_views_, miss_values_);
  for (size_t i = 0; i < misses_.size() && status.ok(); ++i) {
    status = complete(misses_[i], miss_values_[i].value_or(std::string_view()));
  }
  misses_.clear();
  miss_keys_.clear();
  return status;
}

// What the backend has comes before what it has not. Rows of the chain that it has too stay where
// they are in the log until the part is evicted.
template <class K, class T>
Status StoredRows<K, T>::complete(const Miss& miss, std::string_view stored) {
  Part& part = *miss.part;
  Chain& chain = *part.table.find(miss.key, miss.hash);
  const uint32_t unsaved = chain.unsaved;
  const uint32_t last_unsaved = unsaved == 0 ? 0 : chain.last;
  Chain made{.unsaved = unsaved, .complete = true};
  while (!stored.empty()) {
    int64_t time = 0;
    T row{};
    TIDEWHEEL_RETURN_IF_ERROR(decode(stored, time, row));
    const uint32_t link = part.add(row, time);
    if (made.last == 0) {
      made.first = link;
    } else {
      part.links[made.last - 1].next = link;
    }
    made.last = link;
  }
  if (unsaved != 0) {
    if (made.last == 0) {
      made.first = unsaved;
    } else {
      part.links[made.last - 1].next = unsaved;
    }
    made.last = last_unsaved;
  }
  chain = made;
  return {};
}

}  // namespace tidewheel

#include "tidewheel/operators/stored_rows_restore.h"
