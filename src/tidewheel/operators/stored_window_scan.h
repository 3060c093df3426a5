// Goes through all keys that the two sides of a join have in the buckets of a window, in memory and
// in the backend.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/operators/join_store.h"
#include "tidewheel/operators/stored_rows.h"

namespace tidewheel {

// Group by group, in the order of the keys' bytes: what is in the backend is read from end to end,
// and of a group no more than its keys in memory are held. Nothing may be added to the sides, nor
// dropped, between the first call of `run` and the one that answers true; what a snapshot writes
// meanwhile is seen.
template <class K, class L, class R>
class StoredWindowScan {
 public:
  StoredWindowScan(JoinStore& store, StoredRows<K, L>& left, StoredRows<K, R>& right,
                   KeyGroupRange groups, int32_t max_parallelism)
      : store_(store),
        left_{left, {}, {}, {}},
        right_{right, {}, {}, {}},
        groups_(groups),
        max_parallelism_(max_parallelism) {}

  // Of the buckets from `first` to `last`. Calls call(key, rows of the left, rows of the right) for
  // each key that has any, as vectors of pointers, oldest bucket first. False: ready() has said no,
  // then call it again with the same arguments. Errors: kStateBackend.
  template <class Ready, class Call>
  Result<bool> run(int64_t first, int64_t last, Ready ready, Call call) {
    if (!is_running_) {
      is_running_ = true;
      begin_group(groups_.first, first, last);
    }
    std::unique_ptr<StoreView> view;
    for (;;) {
      TIDEWHEEL_RETURN_IF_ERROR(open_cursors(view, first, last));
      for (;;) {
        if (!ready()) {
          close_cursors();
          return false;
        }
        TIDEWHEEL_ASSIGN_OR_RETURN(const bool found, next_key(first, last));
        if (!found) { break; }
        if (left_.rows.empty() && right_.rows.empty()) { continue; }
        call(key_, left_.rows, right_.rows);
      }
      close_cursors();
      if (group_ == groups_.last) { break; }
      begin_group(group_ + 1, first, last);
    }
    keys_.clear();
    is_running_ = false;
    return true;
  }

 private:
  struct Stored {
    int64_t bucket = 0;
    std::unique_ptr<StoreCursor> cursor;
    std::string prefix;
    bool at_key = false;  // it stands at the key at work
    // The key that it stands at; false behind the last one of its group and bucket.
    bool peek(std::string_view& key) const {
      if (!cursor->valid() || !cursor->key().starts_with(prefix)) { return false; }
      key = cursor->key().substr(prefix.size());
      return true;
    }
  };
  template <class T>
  struct Side {
    StoredRows<K, T>& stored;
    std::vector<Stored> cursors;
    std::deque<T> decoded;  // of the key at work
    std::vector<const T*> rows;
  };

  void begin_group(int32_t group, int64_t first, int64_t last) {
    group_ = group;
    keys_.clear();
    at_ = 0;
    has_last_ = false;
    left_.stored.collect_keys(group, first, last, keys_);
    right_.stored.collect_keys(group, first, last, keys_);
    std::sort(keys_.begin(), keys_.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    keys_.erase(std::unique(keys_.begin(), keys_.end(),
                            [](const auto& a, const auto& b) { return a.first == b.first; }),
                keys_.end());
  }
  Status open_cursors(std::unique_ptr<StoreView>& view, int64_t first, int64_t last) {
    TIDEWHEEL_RETURN_IF_ERROR(open_side(left_, view, first, last));
    return open_side(right_, view, first, last);
  }
  // Behind the last key that was given.
  template <class T>
  Status open_side(Side<T>& side, std::unique_ptr<StoreView>& view, int64_t first, int64_t last) {
    for (const int64_t bucket : side.stored.partial_buckets(group_, first, last)) {
      if (view == nullptr) { TIDEWHEEL_ASSIGN_OR_RETURN(view, store_.view()); }
      Stored& made = side.cursors.emplace_back();
      made.bucket = bucket;
      made.cursor = view->scan(side.stored.id());
      append_bucket_prefix(made.prefix, group_, bucket);
      made.cursor->seek(has_last_ ? made.prefix + last_key_ : made.prefix);
      std::string_view key;
      if (has_last_ && made.peek(key) && key == last_key_) { made.cursor->next(); }
    }
    return {};
  }
  // Before the view goes.
  void close_cursors() {
    left_.cursors.clear();
    right_.cursors.clear();
  }

  // Has the next key of the group, and its rows, at hand; false at the end.
  Result<bool> next_key(int64_t first, int64_t last) {
    TIDEWHEEL_RETURN_IF_ERROR(pass_key(left_));
    TIDEWHEEL_RETURN_IF_ERROR(pass_key(right_));
    bool found = at_ < keys_.size();
    std::string_view least = found ? std::string_view(keys_[at_].first) : std::string_view();
    find_least(left_, found, least);
    find_least(right_, found, least);
    if (!found) { return false; }
    last_key_ = least;
    has_last_ = true;
    if (at_ < keys_.size() && keys_[at_].first == last_key_) {
      key_ = keys_[at_++].second;
    } else {
      key_ = K{};
      TIDEWHEEL_RETURN_IF_ERROR(left_.stored.decode_key(last_key_, key_));
    }
    const KeyHash hash = key_hash(key_, max_parallelism_);
    TIDEWHEEL_RETURN_IF_ERROR(gather(left_, hash, first, last));
    TIDEWHEEL_RETURN_IF_ERROR(gather(right_, hash, first, last));
    return true;
  }
  template <class T>
  static Status pass_key(Side<T>& side) {
    for (Stored& stored : side.cursors) {
      if (std::exchange(stored.at_key, false)) { stored.cursor->next(); }
      TIDEWHEEL_RETURN_IF_ERROR(stored.cursor->status());
    }
    return {};
  }
  template <class T>
  static void find_least(const Side<T>& side, bool& found, std::string_view& least) {
    for (const Stored& stored : side.cursors) {
      std::string_view key;
      if (!stored.peek(key) || (found && key >= least)) { continue; }
      found = true;
      least = key;
    }
  }
  template <class T>
  Status gather(Side<T>& side, KeyHash hash, int64_t first, int64_t last) {
    side.decoded.clear();
    side.rows.clear();
    size_t next = 0;
    for (const int64_t bucket : side.stored.buckets(first, last)) {
      std::string_view rows;
      if (next < side.cursors.size() && side.cursors[next].bucket == bucket) {
        Stored& stored = side.cursors[next++];
        std::string_view key;
        stored.at_key = stored.peek(key) && key == last_key_;
        if (stored.at_key) { rows = stored.cursor->value(); }
      }
      TIDEWHEEL_RETURN_IF_ERROR(
          side.stored.rows_of(bucket, key_, hash, rows, side.decoded, side.rows));
    }
    return {};
  }

  JoinStore& store_;
  Side<L> left_;
  Side<R> right_;
  const KeyGroupRange groups_;
  const int32_t max_parallelism_;

  // Where `run` goes on.
  bool is_running_ = false;
  int32_t group_ = 0;
  std::vector<std::pair<std::string, K>> keys_;  // of the group, in memory, by their bytes
  size_t at_ = 0;                                // in keys_
  bool has_last_ = false;
  std::string last_key_;  // the key that was given last
  K key_{};               // the same; its Text is in last_key_ or in a table
};

}  // namespace tidewheel
