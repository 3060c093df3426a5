// Kernels from functions of single values, which the compiler inlines into the loops. For the files
// that define functions.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tidewheel/sql/kernel.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// ---- value_kernel: f(a, b, ...) -> R, for all rows, those of NULL arguments too. `f` can't fail.
// R and the arguments' types are the C++ types of their physical forms (types/column.h).

template <class R, class F, class... A>
class ValueKernel final : public Kernel {
 public:
  explicit ValueKernel(F f) : f_(std::move(f)) {}

  Status run(const KernelCall& call) override {
    run_on(call, std::index_sequence_for<A...>());
    return {};
  }

 private:
  template <size_t... kIndex>
  void run_on(const KernelCall& call, std::index_sequence<kIndex...>) {
    R* const __restrict out = call.result->template values<R>();
    const uint32_t rows = call.rows;
    const std::tuple<const A*...> in{call.arguments[kIndex].template as<A>()...};
    if constexpr (sizeof...(A) == 1) {
      const auto* const a = std::get<0>(in);
      for (uint32_t i = 0; i < rows; ++i) { out[i] = f_(a[i]); }
    } else if constexpr (sizeof...(A) == 2) {
      const auto* const a = std::get<0>(in);
      const auto* const b = std::get<1>(in);
      if (call.arguments[1].is_constant) {
        const auto constant = *b;
        if (call.arguments[0].is_constant) { return static_cast<void>(out[0] = f_(*a, constant)); }
        for (uint32_t i = 0; i < rows; ++i) { out[i] = f_(a[i], constant); }
      } else if (call.arguments[0].is_constant) {
        const auto constant = *a;
        for (uint32_t i = 0; i < rows; ++i) { out[i] = f_(constant, b[i]); }
      } else {
        for (uint32_t i = 0; i < rows; ++i) { out[i] = f_(a[i], b[i]); }
      }
    } else {
      const size_t strides[] = {size_t{!call.arguments[kIndex].is_constant}...};
      for (uint32_t i = 0; i < rows; ++i) {
        out[i] = f_(std::get<kIndex>(in)[i * strides[kIndex]]...);
      }
    }
  }

  F f_;
};

template <class R, class... A, class F>
std::unique_ptr<Kernel> value_kernel(F f) {
  return std::make_unique<ValueKernel<R, F, A...>>(std::move(f));
}

// ---- row_kernel: f(Out<R>& out, a, b, ...) for each row whose value is asked for. `out` is set,
// made NULL, or failed. An argument `const T*` is null for NULL: for functions that are not strict.

// Elements [begin, end) of an array, a map or a multiset.
struct ListArgument {
  const ColumnView* children = nullptr;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
};

template <class R>
class Out {
 public:
  Out(const KernelCall& call, R* values) : call_(call), values_(values) {}
  void set(R value) { values_[row] = value; }
  void set_null() { call_.result->set_null(row); }
  void fail(std::string message) {
    status_ = invalid_argument(ErrorId::kSqlValue, "{}", std::move(message));
  }
  // A new string.
  void set_copy(std::string_view text) { values_[row] = arena().copy(text); }
  Arena& arena() { return *call_.arena; }
  const KernelCall& call() const { return call_; }
  Status& status() { return status_; }

  uint32_t row = 0;

 private:
  const KernelCall& call_;
  R* values_;
  Status status_;
};

namespace kernel_detail {

template <class T>
struct ArgumentReader {
  explicit ArgumentReader(const ColumnView& view)
      : values(view.as<T>()), stride(view.is_constant ? 0 : 1) {}
  const T& at(uint32_t row) const { return values[row * stride]; }
  const T* values;
  size_t stride;
};
template <class T>
struct ArgumentReader<const T*> {
  explicit ArgumentReader(const ColumnView& column) : view(column) {}
  const T* at(uint32_t row) const { return view.is_null(row) ? nullptr : &view.at<T>(row); }
  ColumnView view;
};
template <>
struct ArgumentReader<ListArgument> {
  explicit ArgumentReader(const ColumnView& column) : view(column) {}
  ListArgument at(uint32_t row) const {
    const uint32_t i = view.is_constant ? 0 : row;
    return {view.children, view.offsets[i], view.offsets[i + 1]};
  }
  ColumnView view;
};

template <class M>
struct RowFunction;
template <class F, class R, class... A>
struct RowFunction<void (F::*)(Out<R>&, A...)> {
  using Result = R;
  using Arguments = std::tuple<A...>;
};
template <class F, class R, class... A>
struct RowFunction<void (F::*)(Out<R>&, A...) const> {
  using Result = R;
  using Arguments = std::tuple<A...>;
};

}  // namespace kernel_detail

template <class F>
class RowKernel final : public Kernel {
  using Traits = kernel_detail::RowFunction<decltype(&F::operator())>;
  using R = typename Traits::Result;
  using Arguments = typename Traits::Arguments;
  static constexpr size_t kCount = std::tuple_size_v<Arguments>;

 public:
  explicit RowKernel(F f) : f_(std::move(f)) {}

  Status run(const KernelCall& call) override {
    return run_on(call, std::make_index_sequence<kCount>());
  }

 private:
  template <size_t... kIndex>
  Status run_on(const KernelCall& call, std::index_sequence<kIndex...>) {
    R* const values = call.result->template values<R>();
    Out<R> out(call, values);
    const std::tuple<kernel_detail::ArgumentReader<
        std::remove_cv_t<std::remove_reference_t<std::tuple_element_t<kIndex, Arguments>>>>...>
        in{kernel_detail::ArgumentReader<
            std::remove_cv_t<std::remove_reference_t<std::tuple_element_t<kIndex, Arguments>>>>(
            call.arguments[kIndex])...};
    const uint32_t rows = call.rows;  // results that are written could be the call's
    const uint8_t* const active = call.active;
    const Text* const ahead = fetched(call);
    for (uint32_t row = 0; row < rows; ++row) {
      if (ahead != nullptr && rows - row > kAhead) { fetch(ahead[row + kAhead]); }
      if (active != nullptr && active[row] == 0) {
        values[row] = R{};
        continue;
      }
      out.row = row;
      f_(out, std::get<kIndex>(in).at(row)...);
      if (!out.status().ok()) [[unlikely]] { return std::move(out.status()); }
    }
    return {};
  }

  // Strings lie where a source or a state has put them, seldom in a near cache: those that are
  // fetched ahead, or null.
  static const Text* fetched(const KernelCall& call) {
    if constexpr (kCount > 0) {
      using First = std::remove_cv_t<std::remove_reference_t<std::tuple_element_t<0, Arguments>>>;
      if constexpr (std::is_same_v<First, Text>) {
        return call.arguments[0].is_constant ? nullptr : call.arguments[0].as<Text>();
      }
    }
    return nullptr;
  }
  static void fetch(const Text& text) {
    constexpr size_t kLine = 64;
    __builtin_prefetch(text.data());
    if (text.size() > kLine / 2) { __builtin_prefetch(text.data() + text.size() - 1); }
    asm volatile("" : : "r"(text.data()));  // GCC drops calls of what only prefetches
  }

  static constexpr uint32_t kAhead = 12;
  F f_;
};

template <class F>
std::unique_ptr<Kernel> row_kernel(F f) {
  return std::make_unique<RowKernel<F>>(std::move(f));
}

}  // namespace tidewheel::sql
