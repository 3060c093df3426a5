// What joins that go by event time have in common: window joins, interval joins and temporal joins.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sql/join_input.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/pair_columns.h"
#include "tidewheel/sql/row_output.h"

namespace tidewheel::sql {

// The columns that such a join gives.
template <class Spec>
RowType timed_join_output(const Spec& spec) {
  StreamJoinSpec sides;
  sides.kind = spec.kind;
  sides.left = spec.left;
  sides.right = spec.right;
  return stream_join_output(sides);
}

// `Spec` has kind, left, right, left_keys and right_keys.
template <class K, class Spec>
class TimedJoin : public TimedKeyedOperator<K> {
  using Base = TimedKeyedOperator<K>;

 public:
  Progress on_watermark(int64_t time_ms) final {
    return this->advance(time_ms, [&] { return advance_some(); });
  }

 protected:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kNoRow = RowOutput::kNoRow;

  TimedJoin(const char* name, Spec spec, std::unique_ptr<PairFilter> filter,
            const std::vector<LogicalType>& output)
      : Base(name),
        spec_(std::move(spec)),
        pairs_(spec_.left.types, spec_.right.types, std::move(filter)),
        inputs_{JoinInput(spec_.left, spec_.left_keys), JoinInput(spec_.right, spec_.right_keys)},
        out_(spec_.left.types, spec_.right.types, output, !gives_left_only(spec_.kind)) {
    this->set_layout(join_layout(spec_.left, spec_.right, inputs_[0]));
  }

  // Does some of what the watermark asks for; false when there is nothing left.
  virtual bool advance_some() = 0;

  bool pads_side(size_t side) const { return pads(spec_.kind, side == 0); }

  const Spec spec_;
  PairColumns pairs_;
  JoinInput inputs_[2];
  RowOutput out_;
  JoinChunk<K> chunk_;
};

}  // namespace tidewheel::sql
