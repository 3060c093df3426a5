// NOT, and the tests that look at NULL. AND, OR and CASE are the evaluator's own.
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/vector_ops.h"

namespace tidewheel::sql {
namespace {

// IS [NOT] NULL: of any type.
class NullTest final : public Kernel {
 public:
  explicit NullTest(bool is_null) : is_null_(is_null) {}
  Status run(const KernelCall& call) override {
    auto* const out = call.result->values<uint8_t>();
    const ColumnView& view = call.arguments[0];
    const uint8_t flip = is_null_ ? 1 : 0;
    if (view.validity == nullptr) {
      std::fill(out, out + call.rows, static_cast<uint8_t>(1 ^ flip));
    } else {
      for (uint32_t i = 0; i < call.rows; ++i) {
        out[i] = static_cast<uint8_t>(bit_at(view.validity, i) ? 1 : 0) ^ flip;
      }
    }
    return {};
  }

 private:
  bool is_null_;
};

// IS [NOT] TRUE, IS [NOT] FALSE.
class TruthTest final : public Kernel {
 public:
  TruthTest(bool truth, bool negated) : truth_(truth), negated_(negated) {}
  Status run(const KernelCall& call) override {
    auto* const out = call.result->values<uint8_t>();
    const ColumnView& view = call.arguments[0];
    const auto* const values = view.as<uint8_t>();
    for (uint32_t i = 0; i < call.rows; ++i) {
      const bool is = !view.is_null(i) && (values[i] != 0) == truth_;
      out[i] = is != negated_ ? 1 : 0;
    }
    return {};
  }

 private:
  bool truth_;
  bool negated_;
};

template <class K, class... A>
KernelMaker always(A... arguments) {
  return [=](const KernelSetup&) -> Result<std::unique_ptr<Kernel>> {
    return std::unique_ptr<Kernel>(std::make_unique<K>(arguments...));
  };
}

}  // namespace

void add_logic(FunctionTable& table) {
  table.define("NOT", kStrict, {"boolean -> boolean"},
               {by_value<uint8_t, uint8_t>([](uint8_t truth) -> uint8_t { return truth ^ 1; })});
  table.define("IS NULL", kNullAware, {"any -> boolean!"}, {always<NullTest>(true)});
  table.define("IS NOT NULL", kNullAware, {"any -> boolean!"}, {always<NullTest>(false)});
  table.define("IS UNKNOWN", kNullAware, {"boolean -> boolean!"}, {always<NullTest>(true)});
  table.define("IS NOT UNKNOWN", kNullAware, {"boolean -> boolean!"}, {always<NullTest>(false)});
  table.define("IS TRUE", kNullAware, {"boolean -> boolean!"}, {always<TruthTest>(true, false)});
  table.define("IS NOT TRUE", kNullAware, {"boolean -> boolean!"}, {always<TruthTest>(true, true)});
  table.define("IS FALSE", kNullAware, {"boolean -> boolean!"}, {always<TruthTest>(false, false)});
  table.define("IS NOT FALSE", kNullAware, {"boolean -> boolean!"},
               {always<TruthTest>(false, true)});
}

}  // namespace tidewheel::sql
