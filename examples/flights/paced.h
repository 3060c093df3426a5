// A source that reads no faster than at a given rate: how one source is made of another.
#pragma once
#include <cstdint>

#include <tidewheel/tidewheel.h>

namespace flights {
namespace tw = tidewheel;

// All that is not redefined here (splits, positions, errors) is S's own.
template <class S>
struct Paced : S {
  using output = typename S::output;
  using Split = typename S::Split;

  // `rate` in rows a second; 0: as fast as it goes.
  Paced(S source, double rate) : S(std::move(source)), rate_(rate) {}

  tw::Status open(tw::SourceContext& context) {
    clock_ = &context.clock();
    begun_ms_ = clock_->wall_ms();
    return S::open(context);
  }
  tw::ReadResult read(Split& split, tw::SourceOut<output>& out) {
    if (rate_ <= 0) { return S::read(split, out); }
    // The batch that was read last is paid for before the next one is.
    const int64_t due_ms =
        begun_ms_ + static_cast<int64_t>(static_cast<double>(rows_) * 1e3 / rate_);
    if (clock_->wall_ms() < due_ms) { return tw::ReadResult::wait_until(due_ms); }
    const uint32_t room = out.room();
    tw::ReadResult result = S::read(split, out);
    rows_ += room - out.room();
    return result;
  }

 private:
  double rate_;
  tw::Clock* clock_ = nullptr;
  int64_t begun_ms_ = 0;
  int64_t rows_ = 0;
};

}  // namespace flights
