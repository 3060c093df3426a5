// One value a key, changed by every row and emitted each time: running, reduce, sum, min, max.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/state/keyed_store.h"
#include "tidewheel/state/table_snapshot.h"

namespace tidewheel {

// `Fold` has
//   static constexpr const char* kName;                 for messages
//   void first(Acc& acc, const T& row) const;           the key's first row; acc is Acc{}
//   void next(Acc& acc, const T& row) const;
//   To result(const K& key, const Acc& acc) const;
template <class T, class K, class Select, class Acc, class To, class Fold>
class KeyedFoldOperator final : public OutputOperator<To> {
 public:
  KeyedFoldOperator(Select select, Fold fold, std::shared_ptr<const NodeLinks> links)
      : OutputOperator<To>(std::move(links)), select_(std::move(select)), fold_(std::move(fold)) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<To>::open(context));
    TIDEWHEEL_ASSIGN_OR_RETURN(StateBackend* const backend, context.state_backend());
    if (backend != nullptr) { return open_stored(context); }
    table_.emplace(context.key_groups(), context.max_parallelism(), &context.memory(), Fold::kName);
    saver_.emplace("fold", *table_, this->keeps_changes());
    if (reader_ == nullptr) { return {}; }
    TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(*reader_));
    TIDEWHEEL_RETURN_IF_ERROR(restored_.read(*reader_));
    return restored_.load(*table_);
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& in = RowBatch<T>::of(*rows.batch);
    if (store_.has_value()) { return take_stored(in, cursor, rows.end); }
    while (cursor < rows.end) {
      if (!this->output().ready()) { return Progress::kBlocked; }
      const uint32_t count = std::min({rows.end - cursor, this->output().room(), kChunk});
      take(in, cursor, count);
      cursor += count;
      this->output().commit();
    }
    if (const Status& status = table_->status(); !status.ok()) {
      throw_user_failure(this->context(), Fold::kName, status, "");
    }
    return Progress::kDone;
  }

  void begin_snapshot(const SnapshotStart& start) override {
    if (store_.has_value()) { return store_->begin_snapshot(start); }
    saver_->begin(start);
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (store_.has_value()) {
      try {
        return store_->write(writer) ? Progress::kDone : this->snapshot_blocked(*store_, writer);
      } catch (...) { rethrow_user_failure(this->context(), Fold::kName, ""); }
    }
    return saver_->write(writer) ? Progress::kDone : this->snapshot_blocked(writer);
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override {
    store_.has_value() ? store_->abort_snapshot() : saver_->abort();
  }
  Status restore(SnapshotReader& reader) override {
    reader_ = &reader;
    return {};
  }

 private:
  static constexpr uint32_t kChunk = 64;  // keys whose slots are fetched ahead

  void take(const RowBatch<T>& in, uint32_t begin, uint32_t count) {
    std::array<KeyHash, kChunk> hashes;
    const T* rows = in.rows() + begin;
    uint32_t i = 0;
    try {
      for (; i < count; ++i) {
        hashes[i] = key_hash<K>(std::invoke(select_, rows[i]), this->context().max_parallelism());
        table_->prefetch(hashes[i]);
      }
      RowBatch<To>& out = this->output().current();
      for (i = 0; i < count; ++i) {
        bool inserted = false;
        const K& key = std::invoke(select_, rows[i]);
        Acc& acc = table_->upsert(key, hashes[i], inserted);
        if (inserted) {
          fold_.first(acc, rows[i]);
        } else {
          fold_.next(acc, rows[i]);
        }
        table_->settle(acc);
        To& slot = out.append(fold_.result(key, acc), in.timestamps()[begin + i]);
        if constexpr (has_text_v<To>) { relocate_texts_into(slot, out.arena()); }
      }
    } catch (...) { rethrow_user_failure(this->context(), Fold::kName, describe_record(rows[i])); }
  }

  // ---- In front of a backend.

  Status open_stored(OperatorContext& context) {
    store_.emplace(context.key_groups(), context.max_parallelism(), &context.memory(),
                   context.clock(), Fold::kName);
    TIDEWHEEL_ASSIGN_OR_RETURN(cell_, store_->template declare<TableCell<Acc>>("fold", {}));
    return this->open_store(*store_, reader_);
  }
  Progress take_stored(const RowBatch<T>& in, uint32_t& cursor, uint32_t end) {
    const T* const rows = in.rows();
    bool taken = true;
    try {
      if (!this->output().ready()) { return Progress::kBlocked; }
      KeyedBatch batch(*store_, cursor, end,
                       [&](uint32_t i) -> decltype(auto) { return std::invoke(select_, rows[i]); });
      for (; cursor < end; ++cursor) {
        if (!this->output().ready()) {
          taken = false;
          break;
        }
        batch.select(cursor);
        std::byte* const row = store_->ensure_row();
        const bool is_new = !KeyedState::has(row, cell_->bit());
        Stored<Acc>& acc = cell_->open(row);
        if (is_new) {
          fold_.first(acc.value, rows[cursor]);
        } else {
          fold_.next(acc.value, rows[cursor]);
        }
        acc.settle(store_->heap());
        RowBatch<To>& out = this->output().current();
        To& slot =
            out.append(fold_.result(store_->current_key(), acc.value), in.timestamps()[cursor]);
        if constexpr (has_text_v<To>) { relocate_texts_into(slot, out.arena()); }
        this->output().commit();
      }
    } catch (...) {
      rethrow_user_failure(this->context(), Fold::kName,
                           cursor < end ? describe_record(rows[cursor]) : "");
    }
    if (const Status status = store_->status(); !status.ok()) {
      throw_user_failure(this->context(), Fold::kName, status, "");
    }
    return taken ? Progress::kDone : Progress::kBlocked;
  }

  const Select select_;
  const Fold fold_;
  SnapshotReader* reader_ = nullptr;  // until `open`
  std::optional<KeyedStore<K>> store_;
  TableCell<Acc>* cell_ = nullptr;
  std::optional<KeyedTable<K, Acc>> table_;
  std::optional<TableSnapshot<K, Acc>> saver_;
  TableLoader<K, Acc> restored_{"fold"};
};

// ---- The folds ----

// running(init, f): `void f(Acc&, const T&)`, or `Acc f(Acc, const T&)`.
template <class T, class K, class Acc, class F>
struct RunningFold {
  static constexpr const char* kName = "running";
  Acc init;
  F function;

  void first(Acc& acc, const T& row) const {
    acc = init;
    next(acc, row);
  }
  void next(Acc& acc, const T& row) const {
    if constexpr (std::is_void_v<std::invoke_result_t<const F&, Acc&, const T&>>) {
      std::invoke(function, acc, row);
    } else {
      acc = std::invoke(function, acc, row);
    }
  }
  std::pair<K, Acc> result(const K& key, const Acc& acc) const { return {key, acc}; }
};

// reduce(f): `T f(const T& so_far, const T& row)`.
template <class T, class K, class F>
struct ReduceFold {
  static constexpr const char* kName = "reduce";
  F function;

  void first(T& acc, const T& row) const { acc = row; }
  void next(T& acc, const T& row) const { acc = std::invoke(function, std::as_const(acc), row); }
  T result(const K&, const T& acc) const { return acc; }
};

enum class Pick : uint8_t { kSum, kMin, kMax, kMinBy, kMaxBy };

// The sum, least or greatest of a field. The other fields are those of the key's first row, but for
// min_by and max_by, which keep the whole row that has the value; of equals, the first.
template <class T, class K, class M, Pick kPick>
struct FieldFold {
  static constexpr const char* kName = kPick == Pick::kSum     ? "sum"
                                       : kPick == Pick::kMin   ? "min"
                                       : kPick == Pick::kMax   ? "max"
                                       : kPick == Pick::kMinBy ? "min_by"
                                                               : "max_by";
  M T::*member;

  void first(T& acc, const T& row) const { acc = row; }
  void next(T& acc, const T& row) const {
    if constexpr (kPick == Pick::kSum) {
      acc.*member = static_cast<M>(acc.*member + row.*member);
    } else if constexpr (kPick == Pick::kMin) {
      if (row.*member < acc.*member) { acc.*member = row.*member; }
    } else if constexpr (kPick == Pick::kMax) {
      if (acc.*member < row.*member) { acc.*member = row.*member; }
    } else if constexpr (kPick == Pick::kMinBy) {
      if (row.*member < acc.*member) { acc = row; }
    } else {
      if (acc.*member < row.*member) { acc = row; }
    }
  }
  T result(const K&, const T& acc) const { return acc; }
};

}  // namespace tidewheel
