// The operators that need no state: map, filter, flat_map. Rows are written straight into the
// output's batch, in loops into which the user's function is inlined.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/row_out.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/runtime_context.h"

namespace tidewheel {

// A function of the user's with what it needs around it: opening and closing.
template <class To, class F>
class FunctionOperator : public OutputOperator<To> {
 public:
  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<To>::open(context));
    runtime_.bind(context);
    return open_function(function_, runtime_);
  }
  void close(bool finished) override {
    close_function(function_);
    Operator::close(finished);
  }

 protected:
  FunctionOperator(F function, std::shared_ptr<const NodeLinks> links)
      : OutputOperator<To>(std::move(links)), function_(std::move(function)) {}

  F function_;
  RuntimeContext runtime_;
};

// One row for each. `f(row)`, or `f(row, arena)` to make Text that lives as long as the result.
template <class In, class To, class F>
class MapOperator final : public FunctionOperator<To, F> {
 public:
  MapOperator(F function, std::shared_ptr<const NodeLinks> links)
      : FunctionOperator<To, F>(std::move(function), std::move(links)) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& in = RowBatch<In>::of(*rows.batch);
    while (cursor < rows.end) {
      if (!this->output().ready()) { return Progress::kBlocked; }
      RowBatch<To>& out = this->output().current();
      const uint32_t count = std::min(rows.end - cursor, this->output().room());
      if constexpr (has_text_v<To>) { out.share_arenas(*rows.batch); }
      write(in, cursor, count, out);
      cursor += count;
      this->output().commit();
    }
    return Progress::kDone;
  }

 private:
  void write(const RowBatch<In>& in, uint32_t begin, uint32_t count, RowBatch<To>& out) {
    out.ensure_room(count);
    const uint32_t size = out.size();
    const In* from = in.rows() + begin;
    To* to = out.rows() + size;
    std::copy_n(in.timestamps() + begin, count, out.timestamps() + size);
    uint32_t i = 0;
    try {
      for (; i < count; ++i) {
        if constexpr (std::is_invocable_v<F&, const In&, Arena&>) {
          new (to + i) To(std::invoke(this->function_, from[i], out.arena()));
        } else {
          new (to + i) To(std::invoke(this->function_, from[i]));
        }
      }
    } catch (...) {
      out.set_size(size + i);
      rethrow_user_failure(this->context(), "map", describe_record(from[i]));
    }
    out.set_size(size + count);
  }
};

// The rows for which the function answers true.
template <class T, class F>
class FilterOperator final : public FunctionOperator<T, F> {
 public:
  FilterOperator(F function, std::shared_ptr<const NodeLinks> links)
      : FunctionOperator<T, F>(std::move(function), std::move(links)) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& in = RowBatch<T>::of(*rows.batch);
    while (cursor < rows.end) {
      if (!this->output().ready()) { return Progress::kBlocked; }
      RowBatch<T>& out = this->output().current();
      const uint32_t before = out.size();
      const uint32_t count = std::min(rows.end - cursor, this->output().room());
      write(in, cursor, count, out);
      if constexpr (has_text_v<T>) {
        if (out.size() > before) { keep_text(*rows.batch, out, before, count); }
      }
      cursor += count;
      this->output().commit();
    }
    return Progress::kDone;
  }

 private:
  void write(const RowBatch<T>& in, uint32_t begin, uint32_t count, RowBatch<T>& out) {
    out.ensure_room(count);
    const T* from = in.rows() + begin;
    const int64_t* times = in.timestamps() + begin;
    uint32_t size = out.size();
    T* to = out.rows();
    int64_t* to_times = out.timestamps();
    uint32_t i = 0;
    try {
      for (; i < count; ++i) {
        if (std::invoke(this->function_, from[i])) {
          new (to + size) T(from[i]);
          to_times[size] = times[i];
          ++size;
        }
      }
    } catch (...) {
      out.set_size(size);
      rethrow_user_failure(this->context(), "filter", describe_record(from[i]));
    }
    out.set_size(size);
  }
  // When few rows of a batch are kept, their bytes are copied: else a full output batch would keep
  // the arenas of hundreds of input batches.
  void keep_text(const Batch& in, RowBatch<T>& out, uint32_t before, uint32_t count) {
    if ((out.size() - before) * 8 >= count) {
      out.share_arenas(in);
      return;
    }
    for (uint32_t i = before; i < out.size(); ++i) {
      relocate_texts_into(out.rows()[i], out.arena());
    }
  }
};

// Any number of rows for each: `f(row, tw::Out<To>&)`.
template <class In, class To, class F>
class FlatMapOperator final : public FunctionOperator<To, F> {
 public:
  FlatMapOperator(F function, std::shared_ptr<const NodeLinks> links)
      : FunctionOperator<To, F>(std::move(function), std::move(links)),
        out_(this->output(), this->sides()) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& in = RowBatch<In>::of(*rows.batch);
    const int64_t* times = in.timestamps();
    out_.begin_batch(rows.batch.get());
    try {
      for (; cursor < rows.end; ++cursor) {
        if (!this->ready()) { return Progress::kBlocked; }
        out_.set_timestamp(times[cursor]);
        std::invoke(this->function_, in.row(cursor), out_);
      }
    } catch (...) {
      rethrow_user_failure(this->context(), "flat_map", describe_record(in.row(cursor)));
    }
    return Progress::kDone;
  }

 private:
  Out<To> out_;
};

}  // namespace tidewheel
