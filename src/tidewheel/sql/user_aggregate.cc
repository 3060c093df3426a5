#include "tidewheel/sql/user_aggregate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/value_sink.h"
#include "tidewheel/types/serde.h"
#include "tidewheel/types/stored.h"

namespace tidewheel::sql {
namespace {

// Of an accumulator that is no plain memory: what the function has written last, nothing at first.
using StoredState = Stored<Text>;
static_assert(sizeof(StoredState) % 8 == 0);

// What a function's calls come back to, and why one fails.
struct Engine {
  std::byte* const* cells = nullptr;
  size_t offset = 0;
  TextHeap* heap = nullptr;
  std::string failure = {};

  StoredState& stored(uint32_t row) const {
    return *reinterpret_cast<StoredState*>(cells[row] + offset);
  }
  static const char* load(void* engine, uint32_t row, size_t* bytes) {
    const Text& text = static_cast<Engine*>(engine)->stored(row).value;
    *bytes = text.size();
    return text.data();
  }
  static void store(void* engine, uint32_t row, const char* bytes, size_t size) {
    auto* const self = static_cast<Engine*>(engine);
    self->stored(row).store(Text(bytes, size), *self->heap);
  }
  static void fail(void* engine, const char* text, size_t bytes) {
    static_cast<Engine*>(engine)->failure.assign(text, bytes);
  }
};

class UserAccumulator final : public Accumulator {
 public:
  explicit UserAccumulator(const AggregateCall& call)
      : Accumulator(call.user->calls().state_bytes > 0 ? call.user->calls().state_bytes
                                                       : sizeof(StoredState)),
        function_(call.user),
        in_place_(function_->calls().state_bytes > 0),
        columns_(call.arguments) {}

  void describe(Schema& row) const override {
    // The accumulator's type is part of the name: another one can't be read.
    row.names.push_back(fmt::format("state {}", function_->calls().state_type));
    row.children.push_back(schema_of<Text>());
  }
  void init(std::byte* cell) const override {
    if (!in_place_) {
      new (cell + offset()) StoredState();
      return;
    }
    call_state(function_->calls().init, state_frame(cell));
  }
  void release(std::byte* cell, TextHeap& heap) const override {
    if (!in_place_) { stored(cell).release(heap); }
  }

  void add(const AccumulatorInput& input) override {
    abi::AggregateFrame frame = frame_of(input);
    accumulate(frame, input.heap);
  }
  void fold(const AccumulatorInput& input, Column& column, Arena& arena) override {
    abi::AggregateFrame frame = frame_of(input);
    frame.wanted = abi::kResultsAround;
    frame.result_stride = 2;
    accumulate_into(frame, input.heap, column, arena);
  }
  void fold_after(const AccumulatorInput& input, Column& column, Arena& arena) override {
    abi::AggregateFrame frame = frame_of(input);
    frame.wanted = abi::kResultsAfter;
    accumulate_into(frame, input.heap, column, arena);
  }
  void results(std::span<std::byte* const> cells, Column& column, uint32_t at, uint32_t stride,
               Arena& arena) override {
    abi::AggregateFrame frame;
    frame.adds = false;
    frame.rows = static_cast<uint32_t>(cells.size());
    frame.cells = cells.data();
    frame.wanted = abi::kResultsAfter;
    frame.result_at = at;
    frame.result_stride = stride;
    accumulate_into(frame, nullptr, column, arena);
  }
  void merge(std::byte* cell, const std::byte* from, TextHeap& heap) const override {
    abi::StateFrame frame = state_frame(cell);
    if (in_place_) {
      frame.other = reinterpret_cast<const char*>(from + offset());
      return call_state(function_->calls().merge, frame);
    }
    const Text& other = reinterpret_cast<const StoredState*>(from + offset())->value;
    if (other.empty()) { return; }
    StoredState& to = stored(cell);
    if (to.value.empty()) { return to.store(other, heap); }
    frame.state = const_cast<char*>(to.value.data());
    frame.state_bytes = to.value.size();
    frame.other = other.data();
    frame.other_bytes = other.size();
    std::string merged;
    call_state(function_->calls().merge, frame, &merged);
    to.store(Text(merged), heap);
  }
  void encode(const std::byte* cell, Writer& out) const override {
    if (!in_place_) {
      out.text(reinterpret_cast<const StoredState*>(cell + offset())->value.view());
      return;
    }
    std::string bytes;
    call_state(function_->calls().encode, state_frame(const_cast<std::byte*>(cell)), &bytes);
    out.text(bytes);
  }
  void decode(Reader& in, std::byte* cell, TextHeap& heap) const override {
    const std::string_view bytes = in.bytes_view();
    if (!in_place_) { return stored(cell).store(Text(bytes), heap); }
    abi::StateFrame frame = state_frame(cell);
    frame.other = bytes.data();
    frame.other_bytes = bytes.size();
    call_state(function_->calls().decode, frame);
  }

 private:
  StoredState& stored(std::byte* cell) const {
    return *reinterpret_cast<StoredState*>(cell + offset());
  }
  // With the accumulator in it when that is plain memory.
  abi::StateFrame state_frame(std::byte* cell) const {
    abi::StateFrame frame;
    if (in_place_) { frame.state = reinterpret_cast<char*>(cell + offset()); }
    return frame;
  }
  // `given`: where bytes go that the call gives.
  void call_state(int32_t (*call)(const void*, abi::StateFrame*), abi::StateFrame frame,
                  std::string* given = nullptr) const {
    struct Answer {
      std::string* given;
      std::string failure;
    };
    Answer answer{given, {}};
    frame.engine = &answer;
    frame.store = [](void* engine, const char* bytes, size_t size) {
      static_cast<Answer*>(engine)->given->assign(bytes, size);
    };
    frame.fail = [](void* engine, const char* text, size_t size) {
      static_cast<Answer*>(engine)->failure.assign(text, size);
    };
    check(call(function_->function(), &frame), answer.failure);
  }

  abi::AggregateFrame frame_of(const AccumulatorInput& input) {
    views_.clear();
    for (const int32_t column : columns_) {
      views_.push_back(input.batch->view(static_cast<size_t>(column)));
    }
    abi::AggregateFrame frame;
    frame.rows = static_cast<uint32_t>(input.rows.size());
    frame.cells = input.cells;
    frame.is_ascending = input.is_ascending;
    frame.row_numbers = input.rows.data();
    frame.weights = input.weights;
    frame.resets = input.resets;
    frame.arguments = views_.data();
    return frame;
  }
  void accumulate_into(abi::AggregateFrame& frame, TextHeap* heap, Column& column, Arena& arena) {
    const uint32_t per_row = frame.wanted == abi::kResultsAround ? 2 : frame.result_stride;
    column.ensure(frame.result_at + frame.rows * per_row);
    ColumnSink sink(column, arena);
    abi::ValueSink values = sink.make();
    frame.results = &values;
    accumulate(frame, heap);
    sink.finish(values);
  }
  void accumulate(abi::AggregateFrame& frame, TextHeap* heap) const {
    Engine engine{frame.cells, offset(), heap};
    frame.offset = offset();
    frame.load = &Engine::load;
    frame.store = &Engine::store;
    frame.fail = &Engine::fail;
    frame.engine = &engine;
    check(function_->calls().accumulate(function_->function(), &frame), engine.failure);
  }
  // The operator makes it the job's failure.
  void check(int32_t answer, const std::string& failure) const {
    if (answer == abi::kOk) [[likely]] { return; }
    throw std::runtime_error(
        fmt::format("the aggregate function {} has failed: {}", function_->name(), failure));
  }

  const UserAggregateRef function_;
  const bool in_place_;
  const std::vector<int32_t> columns_;
  std::vector<ColumnView> views_;
};

}  // namespace

std::string UserAggregate::no_retract_text() const {
  return fmt::format(
      "the aggregate {} can't take rows back, which it has to here; that needs `.retract` where it "
      "is written",
      name_);
}

Result<UserAggregateRef> UserAggregates::resolve(std::span<const Argument> arguments) const {
  UserAggregateRef possible;
  for (const UserAggregateRef& one : overloads_) {
    if (one->arguments().size() != arguments.size()) { continue; }
    bool fits = true;
    bool is_exact = true;
    for (size_t i = 0; i < arguments.size(); ++i) {
      fits = fits && can_cast_implicitly(arguments[i].type, one->arguments()[i]);
      is_exact = is_exact && arguments[i].type.same_type(one->arguments()[i]);
    }
    if (fits && is_exact) { return one; }
    if (fits && possible == nullptr) { possible = one; }
  }
  if (possible != nullptr) { return possible; }
  std::string usage;
  for (const UserAggregateRef& one : overloads_) {
    std::string types;
    for (const LogicalType& type : one->arguments()) {
      types += (types.empty() ? "" : ", ") + type.as_nullable().to_string();
    }
    usage += fmt::format("{}{}({})", usage.empty() ? "" : " or ", name_, types);
  }
  return wrong_arguments(name_, arguments, usage);
}

bool takes_nulls(const AggregateCall& call) {
  return call.function == AggregateFunction::kArrayAgg ||
         (call.user != nullptr && call.user->takes_nulls());
}

std::unique_ptr<Accumulator> make_user_accumulator(const AggregateCall& call) {
  return std::make_unique<UserAccumulator>(call);
}

}  // namespace tidewheel::sql
