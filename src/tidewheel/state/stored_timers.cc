#include "tidewheel/state/stored_timers.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel {

namespace {

constexpr size_t kGroupCost = 64;      // of a range that is erased, in slots looked at
constexpr int64_t kHeldOverhead = 80;  // of a key that is held back

}  // namespace

// Not affected by changes of what is before its place.
class StoredTimers::Merge {
 public:
  // `cursor` may be null.
  Merge(const StoredTimers& timers, int32_t group, StoreCursor* cursor)
      : end_(store_group_begin(group + 1)), held_end_(timers.held_.end()), cursor_(cursor) {
    const Group& from = timers.groups_[static_cast<size_t>(group - timers.first_)];
    held_ = timers.held_.lower_bound(from.bound);
    if (cursor_ != nullptr) { cursor_->seek(std::max(from.bound, from.void_until)); }
    settle();
  }
  bool valid() const { return held_is_here_ || stored_is_here_; }
  std::string_view key() const { return held_is_here_ ? held_->first : cursor_->key(); }
  void next() {
    step();
    settle();
  }
  Status status() const { return cursor_ == nullptr ? Status() : cursor_->status(); }

 private:
  void step() {
    if (stored_is_here_) { cursor_->next(); }
    if (held_is_here_) { ++held_; }
  }
  // Passes over what was erased, and looks who has the first key.
  void settle() {
    for (;;) {
      const bool has_held = held_ != held_end_ && held_->first < end_;
      const bool has_stored = cursor_ != nullptr && cursor_->valid() && cursor_->key() < end_;
      held_is_here_ = has_held && (!has_stored || held_->first <= cursor_->key());
      stored_is_here_ = has_stored && (!has_held || cursor_->key() <= held_->first);
      if (!held_is_here_ || held_->second) { return; }
      step();
    }
  }

  const std::string end_;
  std::map<std::string, bool, std::less<>>::const_iterator held_;
  const std::map<std::string, bool, std::less<>>::const_iterator held_end_;
  StoreCursor* const cursor_;
  bool held_is_here_ = false;
  bool stored_is_here_ = false;
};

StoredTimers::StoredTimers(StateBackend& backend, StoreState state, MemoryPool* memory,
                           std::string_view name)
    : backend_(backend),
      state_(std::move(state)),
      first_(backend.key_groups().first),
      memory_(memory, name) {}

void StoredTimers::make_groups() {
  if (!groups_.empty()) { return; }
  groups_.resize(static_cast<size_t>(std::max(backend_.key_groups().count(), 0)));
  memory_.reserve(static_cast<int64_t>(groups_.size() * sizeof(Group)));
}

void StoredTimers::note(Status status) {
  if (!status.ok() && status_.ok()) { status_ = std::move(status); }
}

// ---- Writing

Status StoredTimers::open_state() {
  if (has_store_) { return {}; }
  TIDEWHEEL_ASSIGN_OR_RETURN(store_, backend_.open_state(state_));
  has_store_ = true;
  if (!backend_.is_restored(store_)) { return {}; }
  // Nobody has asked for what a snapshot had here.
  const KeyGroupRange groups = backend_.key_groups();
  return backend_.erase_range(store_, store_group_begin(groups.first),
                              store_group_begin(groups.last + 1));
}

Status StoredTimers::commit() {
  if (is_written_) {
    for (Group& group : groups_) { group.written_from = INT64_MAX; }
    is_written_ = false;
  }
  return backend_.uncommitted_bytes() == 0 ? Status() : backend_.commit();
}

void StoredTimers::note_written(std::string_view key) {
  StoredTimer timer;
  TIDEWHEEL_CHECK(split_timer_key(key, false, timer), "a key of a timer");
  int64_t& from = at(timer.group).written_from;
  from = std::min({from, timer.time, INT64_MAX - 1});
  is_written_ = true;
  if (backend_.uncommitted_bytes() >= backend_.write_batch_bytes()) { note(commit()); }
}

void StoredTimers::put(std::string_view key) {
  resume_if_cut();
  ++count_;
  if (mode_ != Mode::kFree) { return hold(key, true); }
  if (const Status opened = open_state(); !opened.ok()) { return note(opened); }
  backend_.put(store_, key, {});
  note_written(key);
}

void StoredTimers::erase(std::string_view key) {
  resume_if_cut();
  count_ -= count_ > 0 ? 1 : 0;
  if (mode_ != Mode::kFree) { return hold(key, false); }
  if (!has_store_) { return; }
  backend_.erase(store_, key);
  note_written(key);
}

void StoredTimers::hold(std::string_view key, bool is_put) {
  const auto found = held_.find(key);
  if (found != held_.end()) {
    found->second = is_put;
    return;
  }
  held_.emplace(key, is_put);
  const int64_t bytes = static_cast<int64_t>(key.size()) + kHeldOverhead;
  held_bytes_ += bytes;
  memory_.reserve(bytes);
  if (waits_for_files_ && held_bytes_ > held_max_bytes_) {
    backend_.wait_for_cut();
    resume();
  }
}

void StoredTimers::move_down(int32_t group, int64_t time, std::string_view key) {
  resume_if_cut();
  make_groups();
  Group& to = at(group);
  make_timer_begin(begin_, group, time);
  if (!to.is_open || begin_ < to.bound) {
    if (mode_ == Mode::kFree && begin_ < to.void_until) { purge(group); }
    set_bound(to, begin_);
    next_time_ = open_count_ == 1 ? time : std::min(next_time_, time);
  }
  put(key);
}

void StoredTimers::set_bound(Group& group, std::string_view key) {
  StoredTimer timer;
  TIDEWHEEL_CHECK(split_timer_key(key, false, timer), "a bound is a key");
  group.bound.assign(key);
  group.time = timer.time;
  if (group.is_open) { return; }
  group.is_open = true;
  ++open_count_;
}

void StoredTimers::purge(int32_t group) {
  Group& of = at(group);
  of.to_purge = false;
  if (of.void_until.empty()) { return; }
  if (has_store_) { note(backend_.erase_range(store_, of.void_from, of.void_until)); }
  of.void_from.clear();
  of.void_until.clear();
}

void StoredTimers::purge_all() {
  for (size_t i = 0; i < groups_.size(); ++i) { purge(first_ + static_cast<int32_t>(i)); }
  void_count_ = 0;
}

// ---- Reading

bool StoredTimers::contains(std::string_view key) {
  if (const auto found = held_.find(key); found != held_.end()) { return found->second; }
  if (!has_store_) { return false; }
  StoredTimer timer;
  TIDEWHEEL_CHECK(split_timer_key(key, false, timer), "a key of a timer");
  if (key < at(timer.group).void_until) { return false; }
  const std::string_view keys[] = {key};
  StateBackend::Values values;
  Status status = commit();
  if (status.ok()) { status = backend_.find_many(store_, keys, values); }
  note(status);
  return status.ok() && values[0].has_value();
}

Status StoredTimers::read_on(int64_t until, size_t room, const Take& take) {
  resume_if_cut();
  // What was void at the barrier goes before the cut; what is read from now on stays for it.
  if (mode_ == Mode::kFlush) { purge_marked(SIZE_MAX); }
  TIDEWHEEL_RETURN_IF_ERROR(status_);
  // Writes are committed in large batches, so only when they are about to be read.
  if (earliest().written_from <= next_time_) { note(commit()); }
  TIDEWHEEL_RETURN_IF_ERROR(status_);
  std::unique_ptr<StoreCursor> cursor;
  if (has_store_) { cursor = backend_.scan(store_); }
  note(read_groups(until, room, cursor.get(), take));
  find_next_time();
  cursor.reset();
  if (mode_ == Mode::kFree && void_count_ >= kPurgeEntries) { purge_all(); }
  return status_;
}

// The earliest group first; then those that would come before it is asked again.
Status StoredTimers::read_groups(int64_t until, size_t room, StoreCursor* cursor,
                                 const Take& take) {
  const size_t share = std::max<size_t>(room / std::max<size_t>(open_count_, 1), 1);
  const auto group_of = [this](const Group& group) {
    return first_ + static_cast<int32_t>(&group - groups_.data());
  };
  const Group& first = earliest();
  TIDEWHEEL_RETURN_IF_ERROR(read_group(group_of(first), cursor, share, take));
  if (first.is_open) { until = std::min(until, first.time); }
  size_t left = room - std::min(room, share);
  for (const Group& group : groups_) {
    if (left < share) { break; }
    if (!group.is_open || group.time > until || &group == &first) { continue; }
    if (group.written_from <= group.time) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(read_group(group_of(group), cursor, share, take));
    left -= share;
  }
  return {};
}

Status StoredTimers::read_group(int32_t group, StoreCursor* cursor, size_t count,
                                const Take& take) {
  Group& from = at(group);
  Merge merge(*this, group, cursor);
  bool reaches_written = false;
  for (; merge.valid(); --count, merge.next()) {
    StoredTimer timer;
    if (!split_timer_key(merge.key(), state_.has_namespace, timer)) {
      return data_loss(ErrorId::kStateBackend, "a stored key of state {} is damaged",
                       state_.meta.name);
    }
    // Timers at the end of time are not "written" when nothing is.
    reaches_written = from.written_from != INT64_MAX && timer.time >= from.written_from;
    if (count == 0 || reaches_written) { break; }
    TIDEWHEEL_RETURN_IF_ERROR(take(timer));
    count_ -= count_ > 0 ? 1 : 0;
    ++void_count_;
  }
  TIDEWHEEL_RETURN_IF_ERROR(merge.status());
  reaches_written = reaches_written || (!merge.valid() && from.written_from != INT64_MAX);
  std::string next = store_group_begin(group + 1);
  if (reaches_written) {
    make_timer_begin(next, group, from.written_from);
  } else if (merge.valid()) {
    next = merge.key();
  }
  const auto read_end = held_.lower_bound(next);
  for (auto held = held_.lower_bound(from.bound); held != read_end;) {
    const int64_t bytes = static_cast<int64_t>(held->first.size()) + kHeldOverhead;
    held_bytes_ -= bytes;
    memory_.release(bytes);
    held = held_.erase(held);
  }
  if (cursor != nullptr) {
    if (from.void_until.empty()) { from.void_from = from.bound; }
    if (from.void_until < next) { from.void_until = next; }
  }
  if (merge.valid() || reaches_written) {
    set_bound(from, next);
  } else {
    from.is_open = false;
    --open_count_;
  }
  return {};
}

Status StoredTimers::for_each(const Take& take) {
  resume_if_cut();
  std::unique_ptr<StoreCursor> cursor;
  if (has_store_) {
    TIDEWHEEL_RETURN_IF_ERROR(commit());
    cursor = backend_.scan(store_);
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (!groups_[i].is_open) { continue; }
    Merge merge(*this, first_ + static_cast<int32_t>(i), cursor.get());
    for (; merge.valid(); merge.next()) {
      StoredTimer timer;
      if (!split_timer_key(merge.key(), state_.has_namespace, timer)) {
        return data_loss(ErrorId::kStateBackend, "a stored key of state {} is damaged",
                         state_.meta.name);
      }
      TIDEWHEEL_RETURN_IF_ERROR(take(timer));
    }
    TIDEWHEEL_RETURN_IF_ERROR(merge.status());
  }
  return {};
}

const StoredTimers::Group& StoredTimers::earliest() const {
  const auto found = std::find_if(groups_.begin(), groups_.end(), [this](const Group& group) {
    return group.is_open && group.time == next_time_;
  });
  TIDEWHEEL_CHECK(found != groups_.end(), "no group has the earliest time");
  return *found;
}

void StoredTimers::find_next_time() {
  next_time_ = INT64_MAX;
  for (const Group& group : groups_) {
    if (group.is_open) { next_time_ = std::min(next_time_, group.time); }
  }
}

// ---- Snapshots

void StoredTimers::begin_snapshot() {
  if (mode_ != Mode::kFree) { resume(); }
  mode_ = Mode::kFlush;
  flushed_ = 0;
  for (Group& group : groups_) { group.to_purge = !group.void_until.empty(); }
}

bool StoredTimers::flush(size_t& budget) {
  if (mode_ != Mode::kFlush) { return true; }
  budget = purge_marked(budget);
  if (flushed_ < groups_.size()) { return false; }
  mode_ = Mode::kHeld;
  return true;
}

// Gives what is left of the budget.
size_t StoredTimers::purge_marked(size_t budget) {
  for (; flushed_ < groups_.size(); ++flushed_) {
    if (!groups_[flushed_].to_purge) { continue; }
    if (budget == 0) { break; }
    budget -= std::min(budget, kGroupCost);
    purge(first_ + static_cast<int32_t>(flushed_));
  }
  return budget;
}

void StoredTimers::cut(const StoreView* view) {
  TIDEWHEEL_CHECK(mode_ == Mode::kHeld, "a cut comes after a flush");
  if (view == nullptr) {
    waits_for_files_ = true;
    return;
  }
  if (has_store_) { cursor_ = view->scan(store_); }
  resume();
}

Result<bool> StoredTimers::write_group(int32_t group, SnapshotWriter& writer) {
  if (cursor_ == nullptr) { return true; }
  for (; cursor_->valid(); cursor_->next()) {
    StateEntry entry;
    if (!split_stored_entry(state_, cursor_->key(), entry, scratch_)) {
      return data_loss(ErrorId::kStateBackend, "a stored key of state {} is damaged",
                       state_.meta.name);
    }
    if (entry.group > group) { return true; }
    if (!writer.ready()) { return false; }
    writer.add(entry);
  }
  TIDEWHEEL_RETURN_IF_ERROR(cursor_->status());
  return true;
}

void StoredTimers::check_cut() {
  if (backend_.is_cut()) { resume(); }
}

void StoredTimers::resume() {
  if (mode_ == Mode::kFree) { return; }
  mode_ = Mode::kFree;
  waits_for_files_ = false;
  for (size_t i = 0; i < groups_.size(); ++i) {
    // What was given back to the backend lies where something void is.
    if (groups_[i].is_open && groups_[i].bound < groups_[i].void_until) {
      purge(first_ + static_cast<int32_t>(i));
    }
  }
  const auto held = std::exchange(held_, {});
  memory_.release(held_bytes_);
  held_bytes_ = 0;
  if (held.empty()) { return; }
  if (const Status opened = open_state(); !opened.ok()) { return note(opened); }
  for (const auto& [key, is_put] : held) {
    if (is_put) {
      backend_.put(store_, key, {});
    } else {
      backend_.erase(store_, key);
    }
    note_written(key);
  }
}

Result<bool> StoredTimers::adopt() {
  TIDEWHEEL_ASSIGN_OR_RETURN(store_, backend_.open_state(state_));
  has_store_ = true;
  if (!backend_.is_restored(store_)) { return false; }
  make_groups();
  const auto cursor = backend_.scan(store_);
  for (size_t i = 0; i < groups_.size(); ++i) {
    const int32_t group = first_ + static_cast<int32_t>(i);
    cursor->seek(store_group_begin(group));
    StoredTimer timer;
    if (!cursor->valid() || !split_timer_key(cursor->key(), state_.has_namespace, timer)) {
      TIDEWHEEL_RETURN_IF_ERROR(cursor->status());
      continue;
    }
    if (timer.group == group) { set_bound(groups_[i], cursor->key()); }
  }
  find_next_time();
  return true;
}

}  // namespace tidewheel
