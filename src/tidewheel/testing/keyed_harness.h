// Runs a keyed process function by hand:
//
//   test::Keyed harness{Inactivity{.quiet = 20min}, &Click::user};
//   harness.push({"ann", "/"}, 10min).watermark(30min);
//   EXPECT_EQ(harness.output(), (std::vector{Alert{"ann", "no click for a while", 30min}}));
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/operators/process.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel::test {

// P: the process struct; T: its rows; K: their key, a member.
template <class P, class T, class K>
class Keyed {
 public:
  using Output = typename P::output;

  Keyed(P function, K T::*key, tidewheel::testing::HarnessOptions options = {})
      : function_(std::move(function)), key_(key), options_(std::move(options)) {
    harness_ = make();
  }

  Keyed& push(const T& row, Timestamp at) {
    harness_->push(row, at.ms());
    return *this;
  }
  Keyed& push(const T& row) {
    harness_->push(row, kNoTimestamp);
    return *this;
  }
  Keyed& watermark(Timestamp at) {
    harness_->watermark(at.ms());
    return *this;
  }
  // Moves the clock that processing timers and TTL go by.
  Keyed& processing_time(Timestamp at) {
    harness_->advance_to_wall_ms(at.ms());
    return *this;
  }
  Keyed& end_of_input() {
    harness_->end_of_input();
    return *this;
  }
  // What was emitted since the last call.
  std::vector<Output> output() { return harness_->template take<Output>(); }
  // Goes on in a new instance, with the state that this one had.
  Keyed& snapshot_restore() {
    const tidewheel::testing::HarnessSnapshot state = harness_->snapshot();
    harness_ = make();
    const Status status = harness_->open_restored(state);
    TIDEWHEEL_CHECK(status.ok(), "restore: {}", status.to_string());
    return *this;
  }

 private:
  using Inputs = ProcessInputs<K, T, K T::*, NoRow, NoKey>;
  std::unique_ptr<tidewheel::testing::OperatorHarness> make() const {
    using Op = ProcessOperator<ProcessKind::kOneInput, Inputs, P>;
    return std::make_unique<tidewheel::testing::OperatorHarness>(
        std::make_unique<Op>(function_, Inputs{key_, {}}, nullptr), options_);
  }

  P function_;
  K T::*key_;
  tidewheel::testing::HarnessOptions options_;
  std::unique_ptr<tidewheel::testing::OperatorHarness> harness_;
};
template <class P, class T, class K>
Keyed(P, K T::*) -> Keyed<P, T, K>;
template <class P, class T, class K>
Keyed(P, K T::*, tidewheel::testing::HarnessOptions) -> Keyed<P, T, K>;

}  // namespace tidewheel::test
