// Sources whose rows come from the program itself: given elements, a sequence of numbers, or a
// function of the row's index.
//
//   env.from("words", tw::elements<std::string>({"to", "be"}));
//   env.from("rows", tw::collection(std::move(rows)));
//   env.from("numbers", tw::sequence(1, 1'000'000));
//   env.from("ticks", tw::generate([](int64_t i) { return Tick{i}; }, {.count = 100, .rate = 10}));
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/operators/source.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/record.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// A row with its event time.
template <class T>
struct Timed {
  T row;
  Timestamp at;
};

// ---- Elements ----

struct CollectionSplit {
  int64_t next = 0;  // index of the row to go on from
};

// The rows of a vector, in their order; so it is read by one subtask. `Element` is T or Timed<T>.
// Text that the rows point to must live as long as the job.
template <class T, class Element>
class CollectionSource {
 public:
  using output = T;
  using Split = CollectionSplit;
  static constexpr int32_t fixed_parallelism = 1;

  explicit CollectionSource(std::vector<Element> rows)
      : rows_(std::make_shared<const std::vector<Element>>(std::move(rows))) {}

  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(1); }
  ReadResult read(Split& split, SourceOut<T>& out) {
    const auto size = static_cast<int64_t>(rows_->size());
    const int64_t end = std::min(size, split.next + static_cast<int64_t>(out.room()));
    for (; split.next < end; ++split.next) {
      const Element& element = (*rows_)[static_cast<size_t>(split.next)];
      if constexpr (std::is_same_v<Element, Timed<T>>) {
        out.emit(element.row, element.at.ms());
      } else {
        out.emit(element);
      }
    }
    return split.next < size ? ReadResult::more() : ReadResult::end();
  }

 private:
  std::shared_ptr<const std::vector<Element>> rows_;  // shared by the copies of the source
};

template <class T>
CollectionSource<T, T> collection(std::vector<T> rows) {
  return CollectionSource<T, T>(std::move(rows));
}
template <class T>
CollectionSource<T, T> elements(std::initializer_list<T> rows) {
  return CollectionSource<T, T>(std::vector<T>(rows));
}
// With event times; follow with a watermark strategy.
template <class T>
CollectionSource<T, Timed<T>> timed_collection(std::vector<Timed<T>> rows) {
  return CollectionSource<T, Timed<T>>(std::move(rows));
}
template <class T>
CollectionSource<T, Timed<T>> timed_elements(std::initializer_list<Timed<T>> rows) {
  return CollectionSource<T, Timed<T>>(std::vector<Timed<T>>(rows));
}

// ---- Sequence ----

struct SequenceSplit {
  int64_t next = 0;
  int64_t last = 0;  // included
};

// The numbers from `first` to `last`, both included, in as many ranges as there are subtasks.
class SequenceSource {
 public:
  using output = int64_t;
  using Split = SequenceSplit;

  SequenceSource(int64_t first, int64_t last) : first_(first), last_(last) {}

  Result<std::vector<Split>> discover(SplitContext& context);
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }
  std::vector<Split> divide(const Split& split, int32_t parts) const {
    return ranges(split.next, split.last, parts);
  }
  ReadResult read(Split& split, SourceOut<int64_t>& out);

 private:
  static std::vector<Split> ranges(int64_t first, int64_t last, int32_t count);

  int64_t first_;
  int64_t last_;
};

inline SequenceSource sequence(int64_t first, int64_t last) { return {first, last}; }

// ---- Generator ----

struct GeneratorOptions {
  int64_t count = -1;  // rows in all; -1: no end
  double rate = 0;     // rows a second, all subtasks together, in processing time; 0: no limit
};

// The split makes the rows index, index + stride, ...
struct GeneratorSplit {
  int64_t next = 0;
  int64_t stride = 1;
};

// When rows of a limited rate are due. One thread.
class RateLimit {
 public:
  // `rate` > 0 rows a second. From now on, row `first` is the first.
  RateLimit(double rate, int64_t first, int64_t now_ms)
      : rate_(rate), first_(first), start_ms_(now_ms) {}
  // Rows with an index below the answer are due.
  int64_t due(int64_t now_ms) const {
    return first_ + 1 +
           static_cast<int64_t>(static_cast<double>(now_ms - start_ms_) * rate_ / 1000);
  }
  // The wall time at which row `index` is due.
  int64_t due_at_ms(int64_t index) const;

 private:
  double rate_;
  int64_t first_;
  int64_t start_ms_;
};

// Rows made by a function of their index: `f(int64_t)`, or `f(int64_t, Arena&)` for rows with Text,
// whose bytes go into the arena.
template <class F>
class GeneratorSource {
  static constexpr bool kTakesArena = std::is_invocable_v<const F&, int64_t, Arena&>;
  static_assert(kTakesArena || std::is_invocable_v<const F&, int64_t>,
                "generate needs a const function of int64_t, or of int64_t and tidewheel::Arena&");
  template <class G, bool kArena>
  struct ResultOf {
    using type = std::invoke_result_t<const G&, int64_t>;
  };
  template <class G>
  struct ResultOf<G, true> {
    using type = std::invoke_result_t<const G&, int64_t, Arena&>;
  };

 public:
  using output = std::remove_cvref_t<typename ResultOf<F, kTakesArena>::type>;
  using Split = GeneratorSplit;
  static_assert(Record<output>,
                "generate must return a Record (a plain struct of supported fields)");

  GeneratorSource(F function, const GeneratorOptions& options)
      : function_(std::move(function)), options_(options) {}

  Result<std::vector<Split>> discover(SplitContext& context) {
    if (options_.count < -1 || !(options_.rate >= 0)) {
      return invalid_argument(
          ErrorId::kConnectorOption,
          "generate accepts a count >= 0, or -1 for no end, and a rate >= 0; not "
          "count {} and rate {}",
          options_.count, options_.rate);
    }
    std::vector<Split> splits;
    const int64_t stride = context.parallelism();
    for (int64_t i = 0; i < stride; ++i) { splits.push_back({i, stride}); }
    return splits;
  }
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }
  bool is_bounded() const { return options_.count >= 0; }
  std::vector<Split> divide(const Split& split, int32_t parts) const {
    std::vector<Split> divided;
    const int64_t stride = split.stride * parts;
    for (int32_t i = 0; i < parts; ++i) {
      divided.push_back({split.next + i * split.stride, stride});
    }
    return divided;
  }
  Status open(SourceContext& context) {
    clock_ = &context.clock();
    return ok_status();
  }

  ReadResult read(Split& split, SourceOut<output>& out) {
    const int64_t end = options_.count >= 0 ? options_.count : INT64_MAX - split.stride;
    int64_t due = end;
    if (options_.rate > 0) {
      const int64_t now_ms = clock_->wall_ms();
      // All splits of a reader are at nearly the same index, so that one start serves them all.
      if (limit_.empty()) { limit_.emplace_back(options_.rate, split.next, now_ms); }
      due = std::min(end, limit_.front().due(now_ms));
    }
    for (uint32_t room = out.room(); room > 0 && split.next < due; --room) {
      if constexpr (kTakesArena) {
        out.emit(std::invoke(std::as_const(function_), split.next, out.batch().arena()));
      } else {
        out.emit(std::invoke(std::as_const(function_), split.next));
      }
      split.next += split.stride;
    }
    if (split.next >= end) { return ReadResult::end(); }
    if (split.next < due) { return ReadResult::more(); }
    return ReadResult::wait_until(limit_.front().due_at_ms(split.next));
  }

 private:
  F function_;
  GeneratorOptions options_;
  const Clock* clock_ = nullptr;
  std::vector<RateLimit> limit_;  // none or one
};

template <class F>
GeneratorSource<F> generate(F function, const GeneratorOptions& options = {}) {
  return GeneratorSource<F>(std::move(function), options);
}

}  // namespace tidewheel
