// SQL functions in C++ whose value comes later; api/function_library.h registers them.
//
//   library.async_function("country", [](std::string ip, tw::AsyncResult<std::string> result) {
//     client().get("/country?ip=" + ip, [result](int status, std::string body) {
//       status == 200 ? result.complete(std::move(body)) : result.fail("status " + ..);
//     });
//   });
//
// The function is called on a thread of the engine and must not wait; the result is completed, or
// failed, on any thread, once. What fails is called again (`table.exec.async-scalar.max-attempts`).
// A result that is dropped without either has failed. Rows keep their order.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/api/function_state.h"
#include "tidewheel/api/function_values.h"

namespace tidewheel {

// The value of one call. Copies are the same result. R owns what it holds (std::string, no view).
template <class R>
class AsyncResult {
 public:
  using Value = R;
  explicit AsyncResult(const abi::AsyncCall& call) : shared_(std::make_shared<Shared>(call)) {}

  // Only the first of all calls of `complete` and `fail` counts.
  void complete(const R& value) const {
    if (shared_->is_done.exchange(true)) { return; }
    std::string bytes;
    udf::append_state(bytes, value);
    shared_->call.complete(shared_->call.engine, bytes.data(), bytes.size());
  }
  void fail(std::string_view reason) const { shared_->fail(reason); }

 private:
  struct Shared {
    explicit Shared(const abi::AsyncCall& of) : call(of) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() { fail("it has dropped its result"); }
    void fail(std::string_view reason) {
      if (is_done.exchange(true)) { return; }
      call.fail(call.engine, reason.data(), reason.size());
    }
    const abi::AsyncCall call;
    std::atomic<bool> is_done{false};
  };
  std::shared_ptr<Shared> shared_;
};

namespace udf {

template <class T>
struct AsyncResultOf {
  static constexpr bool kIs = false;
};
template <class R>
struct AsyncResultOf<AsyncResult<R>> {
  static constexpr bool kIs = true;
  using Value = R;
};

template <class F, class Parameters>
struct AsyncFunctionCall;

// The last parameter is the result.
template <class F, class... P>
struct AsyncFunctionCall<F, std::tuple<P...>> {
  static constexpr size_t kArguments = sizeof...(P) - 1;
  using Parameters = std::tuple<P...>;
  template <size_t kIndex>
  using Argument = std::remove_cvref_t<std::tuple_element_t<kIndex, Parameters>>;
  using R = typename AsyncResultOf<
      std::remove_cvref_t<std::tuple_element_t<kArguments, Parameters>>>::Value;

  static void call(const void* function, const abi::AsyncFrame* frame) {
    const AsyncResult<R> result(frame->call);
    try {
      run(*static_cast<const F*>(function), *frame, result, std::make_index_sequence<kArguments>());
    } catch (const std::exception& error) { result.fail(error.what()); } catch (...) {
      result.fail("an exception that is no std::exception");
    }
  }
  template <size_t... kIndex>
  static void run(const F& f, const abi::AsyncFrame& frame, const AsyncResult<R>& result,
                  std::index_sequence<kIndex...>) {
    f(Reader<Argument<kIndex>>(frame.arguments[kIndex]).at(frame.row)..., result);
  }
  // Of bytes that `complete` has made.
  static int32_t write(const char* bytes, size_t size, abi::ValueSink* sink, uint32_t row) {
    try {
      write_value<R>(*sink, row, state_of_bytes<R>({bytes, size}));
      return abi::kOk;
    } catch (...) { return abi::kFailed; }
  }
};

}  // namespace udf
}  // namespace tidewheel
