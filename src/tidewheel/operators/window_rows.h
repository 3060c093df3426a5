// The rows that a window keeps when its function wants to see them all, and the functions that do.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/operators/evictor.h"
#include "tidewheel/operators/window_fold.h"
#include "tidewheel/types/record.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

// Rows in the order of their arrival, contiguous, with their times. Their Text is in the heap that
// the owner hands to each call, a block a row.
template <class T>
class RowList {
 public:
  void add(const T& row, int64_t time, TextHeap& heap) {
    rows_.push_back(row);
    times_.push_back(time);
    if constexpr (has_text_v<T>) { keep_text(heap); }
  }
  // Takes the rows of `from`, which is left empty; both use the same heap.
  void append(RowList& from) {
    rows_.insert(rows_.end(), std::make_move_iterator(from.rows_.begin()),
                 std::make_move_iterator(from.rows_.end()));
    times_.insert(times_.end(), from.times_.begin(), from.times_.end());
    blocks_.insert(blocks_.end(), from.blocks_.begin(), from.blocks_.end());
    from.forget();
  }
  void clear(TextHeap& heap) {
    for (const TextBlock& block : blocks_) { heap.free(block); }
    forget();
  }
  // Removes the rows that an evictor has dropped.
  void remove_dropped(const WindowRows<T>& view, TextHeap& heap) {
    size_t kept = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (view.is_dropped(i)) {
        if constexpr (has_text_v<T>) { heap.free(blocks_[i]); }
        continue;
      }
      if (kept != i) {
        rows_[kept] = std::move(rows_[i]);
        times_[kept] = times_[i];
        if constexpr (has_text_v<T>) { blocks_[kept] = blocks_[i]; }
      }
      ++kept;
    }
    rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(kept), rows_.end());
    times_.resize(kept);
    if constexpr (has_text_v<T>) { blocks_.resize(kept); }
  }

  bool empty() const { return rows_.empty(); }
  std::span<const T> rows() const { return rows_; }
  std::span<const int64_t> times() const { return times_; }
  int64_t memory_bytes() const {
    return static_cast<int64_t>(rows_.capacity() * sizeof(T) + times_.capacity() * sizeof(int64_t) +
                                blocks_.capacity() * sizeof(TextBlock));
  }

 private:
  void keep_text(TextHeap& heap) {
    T& row = rows_.back();
    const size_t bytes = text_bytes(row);
    const TextBlock block = bytes == 0 ? TextBlock() : heap.allocate(bytes);
    relocate_texts(row, bytes == 0 ? nullptr : heap.address(block));
    blocks_.push_back(block);
  }
  void forget() {
    rows_ = std::vector<T>();  // `= {}` would keep the memory
    times_ = std::vector<int64_t>();
    blocks_ = std::vector<TextBlock>();
  }

  std::vector<T> rows_;
  std::vector<int64_t> times_;
  std::vector<TextBlock> blocks_;  // of rows with Text only
};

// A function of a whole window is a struct with `using Output`, `static constexpr const char*
// kName` and
//   void finish(const K&, const TimeWindow&, std::span<const T> rows, auto& context);
template <class F>
concept WindowFoldFunction = requires {
  typename F::Accumulator;
};

// `f(key, window, rows)`, or `f(window, rows)`, gives one row for a window.
template <class K, class T, class F>
struct CollectFunction {
  static constexpr bool kTakesKey =
      std::is_invocable_v<const F&, const K&, const TimeWindow&, std::span<const T>>;
  static_assert(kTakesKey || std::is_invocable_v<const F&, const TimeWindow&, std::span<const T>>,
                "collect needs a function (const Key&, const tw::TimeWindow&, std::span<const T>), "
                "or the same without the key, giving one row");
  static auto result_type(const F& f, const K& key, const TimeWindow& window,
                          std::span<const T> rows) {
    if constexpr (kTakesKey) {
      return std::invoke(f, key, window, rows);
    } else {
      return std::invoke(f, window, rows);
    }
  }
  using Output = decltype(result_type(std::declval<const F&>(), std::declval<const K&>(),
                                      std::declval<const TimeWindow&>(), std::span<const T>()));
  static constexpr const char* kName = "collect";

  F function;
  template <class Context>
  void finish(const K& key, const TimeWindow& window, std::span<const T> rows, Context& context) {
    context.emit(result_type(function, key, window, rows));
  }
};

// A fold in a window that has to keep its rows, because an evictor may drop some of them: it folds
// them all each time that the window fires.
template <class K, class T, class Fold>
struct FoldedRows {
  using Output = typename Fold::Output;
  using WindowState = typename window_detail::WindowStateOf<Fold>::type;
  using GlobalState = typename window_detail::GlobalStateOf<Fold>::type;
  static constexpr const char* kName = Fold::kName;

  Fold fold;
  template <class Context>
  void finish(const K& key, const TimeWindow& window, std::span<const T> rows, Context& context) {
    auto value = fold.init();
    for (const T& row : rows) { fold.add(value, row); }
    fold.finish(key, window, value, context);
  }
  template <class Context>
  void clear(Context& context) {
    if constexpr (requires { fold.clear(context); }) { fold.clear(context); }
  }
};

// A process function of the user's:
//   struct Median {
//     using output = Price;
//     struct WindowState { int64_t firings = 0; };     // optional: a record kept with each window
//     struct GlobalState { int64_t windows = 0; };     // optional: a record kept for the key
//     void process(const K& key, std::span<const T> rows, auto& context);
//     void clear(auto& context);                       // optional: the window is about to go
//   };
// `context` has emit(row), side(tag, row), window(), watermark(), now(), window_state(),
// global_state().
template <class K, class T, class P>
struct ProcessFunction {
  using Output = typename P::output;
  using WindowState = typename window_detail::WindowStateOf<P>::type;
  using GlobalState = typename window_detail::GlobalStateOf<P>::type;
  static constexpr const char* kName = "process";

  P function;
  template <class Context>
  void finish(const K& key, const TimeWindow&, std::span<const T> rows, Context& context) {
    function.process(key, rows, context);
  }
  template <class Context>
  void clear(Context& context) {
    if constexpr (requires { function.clear(context); }) { function.clear(context); }
  }
};

}  // namespace tidewheel
