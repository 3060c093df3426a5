// Where user functions put rows: any number for one input row.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>

#include "tidewheel/dataflow/output.h"
#include "tidewheel/operators/node_links.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// The output of a function that is at work on one input row; emitted rows have its timestamp unless
// they are given another. Rows may point (tw::Text) into the input row.
template <class T>
class Out {
 public:
  Out(Output<T>& output, SideOutputs& sides) : output_(&output), sides_(&sides) {}

  template <class U = T>  // so that `out({...})` works
  void operator()(U&& row) {
    emit_at(std::forward<U>(row), timestamp_);
  }
  void emit(const T& row) { emit_at(row, timestamp_); }
  void emit(T&& row) { emit_at(std::move(row), timestamp_); }
  void emit(const T& row, Timestamp at) { emit_at(row, at.ms()); }
  void emit(T&& row, Timestamp at) { emit_at(std::move(row), at.ms()); }
  // To a side output; dropped when nobody reads it.
  template <class S>
  void side(const OutputTag<S>& tag, const S& row) {
    if (Output<S>* output = sides_->find(tag)) {
      if constexpr (has_text_v<S>) {
        if (input_ != nullptr) { output->current().share_arenas(*input_); }
      }
      output->emit(row, timestamp_);
    }
  }
  // Copies bytes so that they live as long as the row that is emitted next.
  Text intern(std::string_view bytes) { return output_->intern(bytes); }

  // For operators: the batch and the time of the row at work. `input` may be null.
  void begin_batch(const Batch* input) {
    input_ = input;
    shared_with_ = nullptr;
  }
  void set_timestamp(int64_t timestamp) { timestamp_ = timestamp; }
  int64_t timestamp() const { return timestamp_; }

  template <class U>
  void emit_at(U&& row, int64_t timestamp) {
    if constexpr (has_text_v<T>) {
      RowBatch<T>& batch = output_->current();
      // An empty batch may be a recycled one at the same address.
      if (input_ != nullptr && (shared_with_ != &batch || batch.size() == 0)) {
        batch.share_arenas(*input_);
        shared_with_ = &batch;
      }
    }
    output_->emit(std::forward<U>(row), timestamp);
  }

 private:
  Output<T>* output_;
  SideOutputs* sides_;
  const Batch* input_ = nullptr;
  const Batch* shared_with_ = nullptr;  // the output batch that keeps input_'s arenas alive
  int64_t timestamp_ = kNoTimestamp;
};

}  // namespace tidewheel
