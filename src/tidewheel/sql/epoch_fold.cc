#include "tidewheel/sql/epoch_fold.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "epoch fold";

// What both kinds share: event time waits with the rows, and all is given at the end.
class EpochFold : public OutputOperator<ColumnRow> {
 public:
  Progress on_watermark(int64_t time_ms) final {
    return keep(Element::watermark(time_ms), Element::Kind::kWatermark, Element::Kind::kWatermark);
  }
  Progress on_idle(bool idle) final {
    return keep(Element::control(idle ? Element::Kind::kIdle : Element::Kind::kActive),
                Element::Kind::kIdle, Element::Kind::kActive);
  }
  Progress on_epoch(int64_t) final { return give(); }
  Progress on_end_of_input(int32_t) final { return give(); }
  void begin_snapshot(const SnapshotStart&) final {
    TIDEWHEEL_CHECK(!has_rows() && controls_.empty(), "a barrier ends an epoch");
  }

 protected:
  explicit EpochFold(EpochFoldSpec spec) : spec_(std::move(spec)) {}

  virtual bool has_rows() const = 0;
  virtual Progress give_rows() = 0;

  Progress give() {
    if (give_rows() == Progress::kBlocked) { return Progress::kBlocked; }
    for (; next_control_ < controls_.size(); ++next_control_) {
      if (!output().ready()) { return Progress::kBlocked; }
      static_cast<void>(output().send(controls_[next_control_]));
    }
    controls_.clear();
    next_control_ = 0;
    return Progress::kDone;
  }

  const EpochFoldSpec spec_;

 private:
  Progress keep(const Element& element, Element::Kind a, Element::Kind b) {
    if (!controls_.empty() && (controls_.back().kind == a || controls_.back().kind == b)) {
      controls_.back() = element;
    } else {
      controls_.push_back(element);
    }
    return Progress::kDone;
  }

  std::vector<Element> controls_;  // watermarks and idleness, the last of each run
  size_t next_control_ = 0;
};

// ---- Rows that are only added

class AppendFold final : public EpochFold {
 public:
  explicit AppendFold(EpochFoldSpec spec) : EpochFold(std::move(spec)) {}

  // When too much is held, what was held goes on: others may wait for the memory of its batches.
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (cursor < rows.end) {
      held_.push_back(rows);
      held_.back().begin = std::exchange(cursor, rows.end);
      const Batch* const before = held_.size() < 2 ? nullptr : held_[held_.size() - 2].batch.get();
      if (rows.batch.get() != before) { held_bytes_ += rows.batch->memory_bytes(); }
    }
    const bool is_much = held_bytes_ > std::min(spec_.buffer_bytes, kHeldBytesMax);
    return is_much || next_ > 0 ? give_rows() : Progress::kDone;
  }

 private:
  // More would fall out of the processor's caches, and no batch would be used again.
  static constexpr int64_t kHeldBytesMax = 1 << 20;

  bool has_rows() const override { return !held_.empty(); }
  Progress give_rows() override {
    while (next_ < held_.size()) {
      if (!output().ready()) { return Progress::kBlocked; }
      const Element rows = std::exchange(held_[next_++], {});
      static_cast<void>(output().forward(rows));
    }
    held_.clear();
    next_ = 0;
    held_bytes_ = 0;
    return Progress::kDone;
  }

  std::vector<Element> held_;  // [next_, end) are to be given
  size_t next_ = 0;
  int64_t held_bytes_ = 0;
};

// ---- Rows that come and go

// A table of the epoch's keys; each has the rows that have come or gone under it, with how often.
// Of an update in several steps only the first and the last row stay: one that is taken back leaves
// its place to the next. Without a key, a row is its own.
class ChangeFold final : public EpochFold {
 public:
  explicit ChangeFold(EpochFoldSpec spec)
      : EpochFold(std::move(spec)),
        rows_(spec_.input.types, RowBytes::Form::kCanonical),
        keys_(key_types(spec_), RowBytes::Form::kCanonical),
        out_(spec_.input.types, spec_.input.types, false),
        bytes_(Arena::create()),
        scratch_(Arena::create()) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      const uint32_t end = std::min(rows.end, cursor + kChunk);
      take(in, cursor, end);
      cursor = end;
    }
    charge();
    return Progress::kDone;
  }
  void close(bool finished) override {
    context().memory().release(std::exchange(charged_bytes_, 0));
    EpochFold::close(finished);
  }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kNone = UINT32_MAX;

  // A row and its net count. What has a count of 0 is room for another row of the key.
  struct Entry {
    char* bytes;
    uint32_t size;
    uint32_t room;
    int64_t count;
    uint32_t next;  // of the key
  };
  struct Key {
    uint64_t hash;
    Text bytes;
    uint32_t first;  // entry
  };

  static std::vector<LogicalType> key_types(const EpochFoldSpec& spec) {
    std::vector<LogicalType> types;
    for (const int32_t key : spec.keys) {
      types.push_back(spec.input.types[static_cast<size_t>(key)]);
    }
    return types;
  }

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const uint32_t count = end - begin;
    scratch_.get()->reset();
    numbers_.resize(count);
    std::iota(numbers_.begin(), numbers_.end(), begin);
    encoded_.resize(count);
    rows_.encode(in.views(), numbers_, *scratch_, encoded_.data());
    std::span<const Text> keys = encoded_;
    if (spec_.has_key) {
      pick_columns(in, spec_.keys, key_columns_);
      encoded_keys_.resize(count);
      keys_.encode(key_columns_, numbers_, *scratch_, encoded_keys_.data());
      keys = encoded_keys_;
    }
    while ((found_.size() + count) * 2 > slots_.size()) { grow(); }
    hashes_.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      hashes_[i] = hash_bytes(keys[i].data(), keys[i].size());
    }
    fetch_ahead();
    for (uint32_t i = 0; i < count; ++i) {
      add(find_key(keys[i].view(), hashes_[i]), encoded_[i].view(),
          is_retraction(in.kind(begin + i)) ? -1 : 1);
    }
  }

  // Has at hand what keys are found by, step by step: a large epoch lies in no near cache. What is
  // found here may be another key's, or change until it is used.
  void fetch_ahead() {
    const size_t mask = slots_.size() - 1;
    for (const uint64_t hash : hashes_) { __builtin_prefetch(&slots_[hash & mask]); }
    likely_.clear();
    for (const uint64_t hash : hashes_) {
      const uint32_t key = slots_[hash & mask];
      if (key == kNone) { continue; }
      __builtin_prefetch(&found_[key]);
      likely_.push_back(key);
    }
    for (const uint32_t key : likely_) {
      __builtin_prefetch(found_[key].bytes.data());
      if (found_[key].first != kNone) { __builtin_prefetch(&entries_[found_[key].first]); }
    }
    for (const uint32_t key : likely_) {
      if (found_[key].first != kNone) { __builtin_prefetch(entries_[found_[key].first].bytes); }
    }
  }

  // There is room for another key.
  uint32_t find_key(std::string_view key, uint64_t hash) {
    const size_t mask = slots_.size() - 1;
    size_t at = hash & mask;
    for (; slots_[at] != kNone; at = (at + 1) & mask) {
      const Key& found = found_[slots_[at]];
      if (found.hash == hash && found.bytes.view() == key) { return slots_[at]; }
    }
    slots_[at] = static_cast<uint32_t>(found_.size());
    found_.push_back({hash, bytes_->copy(key), kNone});
    return slots_[at];
  }
  void grow() {
    slots_.assign(std::max<size_t>(1024, slots_.size() * 2), kNone);
    const size_t mask = slots_.size() - 1;
    for (uint32_t i = 0; i < found_.size(); ++i) {
      size_t at = found_[i].hash & mask;
      while (slots_[at] != kNone) { at = (at + 1) & mask; }
      slots_[at] = i;
    }
  }

  void add(uint32_t key, std::string_view row, int64_t change) {
    Entry* free = nullptr;
    uint32_t* link = &found_[key].first;
    while (*link != kNone) {
      Entry& entry = entries_[*link];
      if (entry.count == 0) {
        if (free == nullptr && entry.room >= row.size()) { free = &entry; }
      } else if (std::string_view(entry.bytes, entry.size) == row) {
        entry.count += change;
        return;
      }
      link = &entry.next;
    }
    const auto size = static_cast<uint32_t>(row.size());
    if (free == nullptr) {
      *link = static_cast<uint32_t>(entries_.size());
      free = &entries_.emplace_back(Entry{bytes_->allocate(size), size, size, 0, kNone});
    }
    std::memcpy(free->bytes, row.data(), size);
    free->size = size;
    free->count = change;
  }

  void charge() {
    const int64_t held =
        bytes_->used_bytes() +
        static_cast<int64_t>(entries_.size() * sizeof(Entry) + found_.size() * sizeof(Key) +
                             slots_.size() * sizeof(uint32_t));
    if (held > spec_.buffer_bytes) {
      throw_user_failure(
          context(), kName,
          resource_exhausted(ErrorId::kMemoryLimit,
                             "an epoch has changed {} rows, which takes more than {} bytes; SET a "
                             "shorter 'table.exec.epoch.interval' or a larger "
                             "'table.exec.epoch.buffer-size'",
                             entries_.size(), spec_.buffer_bytes),
          "");
    }
    const int64_t more = held - charged_bytes_;
    charged_bytes_ = held;
    more > 0 ? context().memory().reserve(more) : context().memory().release(-more);
  }

  bool has_rows() const override { return !found_.empty(); }

  Progress give_rows() override {
    if (found_.empty()) { return Progress::kDone; }
    for (; next_key_ < found_.size();) {
      if (!output().ready()) { return Progress::kBlocked; }
      out_.begin(true);
      while (next_key_ < found_.size() && out_.size() < kChunk) { give_key(found_[next_key_++]); }
      if (out_.size() == 0) { continue; }
      out_.share_bytes(bytes_);
      out_.emit(output(), nullptr);
    }
    forget();
    return Progress::kDone;
  }

  // Rows that went, and rows that came instead.
  void give_key(const Key& key) {
    gone_.clear();
    come_.clear();
    for (uint32_t at = key.first; at != kNone; at = entries_[at].next) {
      const Entry& entry = entries_[at];
      const Text row(entry.bytes, entry.size);
      for (int64_t i = entry.count; i < 0; ++i) { gone_.push_back(row); }
      for (int64_t i = entry.count; i > 0; --i) { come_.push_back(row); }
    }
    const size_t updates = std::min(gone_.size(), come_.size());
    for (size_t i = 0; i < gone_.size(); ++i) {
      out_.add(RowOutput::kNoRow, gone_[i], {},
               i < updates ? RowKind::kUpdateBefore : RowKind::kDelete);
      if (i < updates) { out_.add(RowOutput::kNoRow, come_[i], {}, RowKind::kUpdateAfter); }
    }
    for (size_t i = updates; i < come_.size(); ++i) {
      out_.add(RowOutput::kNoRow, come_[i], {}, RowKind::kInsert);
    }
  }

  // Readers of what was given may still need the bytes.
  void forget() {
    next_key_ = 0;
    found_.clear();
    entries_.clear();
    std::fill(slots_.begin(), slots_.end(), kNone);
    bytes_.recycle();
    if (!bytes_) { bytes_ = Arena::create(); }
    context().memory().release(std::exchange(charged_bytes_, 0));
  }

  RowBytes rows_;
  RowBytes keys_;
  RowOutput out_;
  ArenaRef bytes_;
  ArenaRef scratch_;
  std::vector<uint32_t> slots_;  // a power of two, at most half full; indexes of found_
  std::vector<Key> found_;  // in the order in which they came; [next_key_, end) are to be given
  std::vector<Entry> entries_;
  size_t next_key_ = 0;
  int64_t charged_bytes_ = 0;

  std::vector<uint32_t> numbers_;  // scratch
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> likely_;
  std::vector<Text> encoded_;
  std::vector<Text> encoded_keys_;
  std::vector<ColumnView> key_columns_;
  std::vector<Text> gone_;
  std::vector<Text> come_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_epoch_fold(EpochFoldSpec spec) {
  if (!spec.updates) { return std::make_unique<AppendFold>(std::move(spec)); }
  return std::make_unique<ChangeFold>(std::move(spec));
}

}  // namespace tidewheel::sql
