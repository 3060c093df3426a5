// Process functions: structs with state, timers and side outputs, over one input or two.
//
//   struct Inactivity {
//     using output = Alert;                                    // what it emits
//     tw::Value<int64_t> clicks{"clicks"};                     // state: the member is the
//     descriptor tw::EventTimer idle{"idle"}; void on_element(const Click& click, auto& ctx); void
//     on_timer(tw::EventTimer&, tw::Timestamp when, auto& ctx);    // of a named timer void
//     on_timer(tw::Timestamp when, auto& ctx);                     // of ctx.timers()
//   };
//
// Two inputs have on_left and on_right; one with broadcast rows has on_element and on_broadcast.
// All may have open(RuntimeContext&), close(), and on_end(ctx), which comes after the last row and
// timer.
//
// The struct is a prototype: each subtask makes a copy, whose handles are bound to its state.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/base/mutant.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/runtime_context.h"
#include "tidewheel/state/handles.h"
#include "tidewheel/state/keyed_store.h"
#include "tidewheel/types/lasting_text.h"

namespace tidewheel {

// The timers of the current key that have no name: any number of them, one for each time.
class KeyTimers {
 public:
  explicit KeyTimers(KeyedState& state) : state_(&state) {}
  void at(Timestamp time) { state_->add_timer(TimeDomain::kEvent, time.ms()); }
  void cancel(Timestamp time) { state_->remove_timer(TimeDomain::kEvent, time.ms()); }
  // By the clock. A time that is past fires at once.
  void proc_at(Timestamp time) { state_->add_timer(TimeDomain::kProcessing, time.ms()); }
  void cancel_proc(Timestamp time) { state_->remove_timer(TimeDomain::kProcessing, time.ms()); }

 private:
  KeyedState* state_;
};

// What the functions of a process struct are given. Text in emitted rows may point anywhere that is
// valid now: it is copied.
template <class To>
class ElementContext {
 public:
  // With the time of the row, or timer, at work.
  void emit(const To& row) { emit_at(row, timestamp_); }
  void emit(To&& row) { emit_at(std::move(row), timestamp_); }
  void emit(const To& row, Timestamp at) { emit_at(row, at.ms()); }
  void emit(To&& row, Timestamp at) { emit_at(std::move(row), at.ms()); }
  void operator()(const To& row) { emit_at(row, timestamp_); }
  void operator()(To&& row) { emit_at(std::move(row), timestamp_); }
  // To a side output; dropped when nobody reads it.
  template <class S>
  void side(const OutputTag<S>& tag, const S& row) {
    if (Output<S>* output = sides_->find(tag)) { append(*output, row, timestamp_); }
  }
  // Copies bytes so that they are valid until the next emit at least.
  Text intern(std::string_view bytes) { return output_->intern(bytes); }

  // Event time of the row at work, or of the timer; Timestamp::min() when the row has none.
  Timestamp timestamp() const { return Timestamp(timestamp_); }
  bool has_timestamp() const { return timestamp_ != kNoTimestamp; }
  // How far event time is; Timestamp::min() before the first watermark.
  Timestamp watermark() const { return Timestamp(watermark_); }
  // The wall clock.
  Timestamp now() const { return Timestamp(runtime_->wall_ms()); }
  // Which clock the timer at work goes by.
  TimeDomain time_domain() const { return domain_; }
  RuntimeContext& runtime() { return *runtime_; }
  // An accumulator of the job; takes a search, so keep it where that matters.
  Counter& counter(std::string_view name) { return runtime_->counter(name); }

  // For operators.
  void bind(Output<To>& output, SideOutputs& sides, RuntimeContext& runtime) {
    output_ = &output;
    sides_ = &sides;
    runtime_ = &runtime;
  }
  void set_timestamp(int64_t timestamp) { timestamp_ = timestamp; }
  void set_watermark(int64_t watermark) { watermark_ = watermark; }
  void set_domain(TimeDomain domain) { domain_ = domain; }
  // Notes the arenas of the rows that are worked on now.
  void see_arenas(const Batch& rows) {
    const size_t before = lasting_.arenas().size();
    for (const ArenaRef& arena : rows.shared_arenas()) { lasting_.keep(arena); }
    if (lasting_.arenas().size() != before) { shared_with_ = nullptr; }
  }
  const LastingTexts& lasting() const { return lasting_; }

 private:
  template <class U>
  void emit_at(U&& row, int64_t timestamp) {
    append(*output_, std::forward<U>(row), timestamp);
  }
  template <class S, class U>
  void append(Output<S>& output, U&& row, int64_t timestamp) {
    RowBatch<S>& batch = output.current();
    S& slot = batch.append(std::forward<U>(row), timestamp);
    if constexpr (has_text_v<S>) {
      if (lasting_.empty()) {
        relocate_texts_into(slot, batch.arena());
      } else {
        relocate_texts_into(slot, batch.arena(),
                            [this](const Text& text) { return !lasting_.holds(text); });
        // A batch of one row is a fresh one, maybe at the address of another.
        if (shared_with_ != &batch || batch.size() == 1) {
          for (const ArenaRef& arena : lasting_.arenas()) { batch.share_arena(arena); }
          shared_with_ = &batch;
        }
      }
    }
    output.commit();
  }

  Output<To>* output_ = nullptr;
  SideOutputs* sides_ = nullptr;
  RuntimeContext* runtime_ = nullptr;
  LastingTexts lasting_;                // Text that is not copied into state or results
  const Batch* shared_with_ = nullptr;  // the batch that keeps all of them alive
  int64_t timestamp_ = kNoTimestamp;
  int64_t watermark_ = kMinWatermark;
  TimeDomain domain_ = TimeDomain::kEvent;
};

// With the key at work.
template <class K, class To>
class KeyedContext : public ElementContext<To> {
 public:
  explicit KeyedContext(KeyedStore<K>& store) : store_(&store) {}
  const K& key() const { return store_->current_key(); }
  KeyTimers timers() { return KeyTimers(*store_); }

 private:
  KeyedStore<K>* store_;
};

// What on_broadcast is given: no key is at work, and broadcast state may be changed.
template <class To>
class BroadcastContext : public ElementContext<To>, public BroadcastAccess {
 public:
  BroadcastContext() = default;
};
template <class K, class To>
class KeyedBroadcastContext : public BroadcastContext<To> {
 public:
  explicit KeyedBroadcastContext(KeyedStore<K>& store) : store_(&store) {}
  // Calls f(const K&) for every key that has state, with that key's state at hand.
  template <class F>
  void for_each_key(F f) {
    store_->for_each_key(std::move(f));
  }

 private:
  KeyedStore<K>* store_;
};

// Markers for what an operator does not have.
struct NoKey {};
struct NoRow {};

enum class ProcessKind : uint8_t { kOneInput, kTwoInputs, kBroadcast };

// A: rows of input 0, keyed by SelectA; B: rows of input 1, keyed by SelectB unless they are
// broadcast.
template <class K, class A, class SelectA, class B, class SelectB>
struct ProcessInputs {
  static constexpr bool kKeyed = !std::is_same_v<K, NoKey>;
  using Key = std::conditional_t<kKeyed, K, int32_t>;
  using Left = A;
  using Right = B;
  SelectA select_left;
  SelectB select_right;
};

template <ProcessKind kKind, class Inputs, class P>
class ProcessOperator final : public OutputOperator<typename P::output> {
 public:
  using To = typename P::output;
  using K = typename Inputs::Key;
  static constexpr bool kKeyed = Inputs::kKeyed;
  using Context = std::conditional_t<kKeyed, KeyedContext<K, To>, ElementContext<To>>;
  using RuleContext =
      std::conditional_t<kKeyed, KeyedBroadcastContext<K, To>, BroadcastContext<To>>;

  ProcessOperator(const P& prototype, Inputs inputs, std::shared_ptr<const NodeLinks> links)
      : OutputOperator<To>(std::move(links)), prototype_(prototype), inputs_(std::move(inputs)) {}

  Status restore(SnapshotReader& reader) override {
    restored_ = &reader;
    return {};
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<To>::open(context));
    runtime_.bind(context);
    operator_state_.emplace(&context.memory());
    if constexpr (kKeyed) {
      store_.emplace(context.key_groups(), context.max_parallelism(), &context.memory(),
                     context.clock(), context.name());
      if (this->keeps_changes()) { store_->keep_changes(); }
      context_.emplace(*store_);
      if constexpr (kKind == ProcessKind::kBroadcast) { rule_context_.emplace(*store_); }
    } else {
      context_.emplace();
      if constexpr (kKind == ProcessKind::kBroadcast) { rule_context_.emplace(); }
    }
    context_->bind(this->output(), this->sides(), runtime_);
    if constexpr (kKeyed) { store_->heap().use_lasting(&context_->lasting()); }
    if (rule_context_.has_value()) { rule_context_->bind(this->output(), this->sides(), runtime_); }
    {
      BindingScope scope(keyed_state(), &*operator_state_);
      function_.emplace(prototype_);
      TIDEWHEEL_RETURN_IF_ERROR(scope.status());
    }
    if constexpr (kKeyed) { TIDEWHEEL_RETURN_IF_ERROR(this->open_store(*store_, restored_)); }
    if (restored_ != nullptr) {
      TIDEWHEEL_RETURN_IF_ERROR(operator_state_->read(*restored_));
      if (!TIDEWHEEL_MUTANT("timer_never_fires_at_restored_time")) { restored_ = nullptr; }
    }
    TIDEWHEEL_RETURN_IF_ERROR(open_function(*function_, runtime_));
    ask_for_timer();
    return {};
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    bool taken = false;
    if constexpr (kKind == ProcessKind::kOneInput) {
      taken = take_rows<typename Inputs::Left>(
          rows, cursor, inputs_.select_left, *context_,
          [this](const auto& row) { function_->on_element(row, *context_); });
    } else if constexpr (kKind == ProcessKind::kTwoInputs) {
      if (input == 0) {
        taken = take_rows<typename Inputs::Left>(
            rows, cursor, inputs_.select_left, *context_,
            [this](const auto& row) { function_->on_left(row, *context_); });
      } else {
        taken = take_rows<typename Inputs::Right>(
            rows, cursor, inputs_.select_right, *context_,
            [this](const auto& row) { function_->on_right(row, *context_); });
      }
    } else {
      if (input == 0) {
        taken = take_rows<typename Inputs::Left>(
            rows, cursor, inputs_.select_left, *context_,
            [this](const auto& row) { function_->on_element(row, *context_); });
      } else {
        taken = take_rules(rows, cursor);
      }
    }
    ask_for_timer();
    check_memory();
    return taken ? Progress::kDone : Progress::kBlocked;
  }

  Progress on_watermark(int64_t time_ms) override {
    set_watermark(time_ms);
    if constexpr (kKeyed) {
      if (!fire(TimeDomain::kEvent, time_ms)) { return Progress::kBlocked; }
    }
    return Operator::on_watermark(time_ms);
  }

  Progress on_processing_time(int64_t over_ms) override {
    if constexpr (kKeyed) {
      if (!fire(TimeDomain::kProcessing, over_ms)) { return Progress::kBlocked; }
    } else {
      static_cast<void>(over_ms);
    }
    return Progress::kDone;
  }

  Progress on_end_of_input(int32_t input) override {
    constexpr int32_t kInputs = kKind == ProcessKind::kOneInput ? 1 : 2;
    if (++ended_inputs_ < kInputs) { return Operator::on_end_of_input(input); }
    if constexpr (requires { function_->on_end(*context_); }) {
      if (!this->ready()) {
        --ended_inputs_;
        return Progress::kBlocked;
      }
      try {
        context_->set_timestamp(kNoTimestamp);
        function_->on_end(*context_);
      } catch (...) { rethrow_user_failure(this->context(), "on_end", ""); }
    }
    return Progress::kDone;
  }

  // Keyed state and timers are written in the background; lists and broadcast state are copied at
  // the barrier.
  void begin_snapshot(const SnapshotStart& start) override {
    if constexpr (kKeyed) { store_->begin_snapshot(start); }
    operator_state_->begin_snapshot();
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if constexpr (kKeyed) {
      try {
        if (!store_->write(writer)) { return this->snapshot_blocked(*store_, writer); }
      } catch (...) { rethrow_user_failure(this->context(), "keyed state", ""); }
    }
    return operator_state_->write(writer) ? Progress::kDone : this->snapshot_blocked(writer);
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override {
    if constexpr (kKeyed) { store_->abort_snapshot(); }
    operator_state_->abort_snapshot();
  }

  void close(bool finished) override {
    if (function_.has_value()) { close_function(*function_); }
    Operator::close(finished);
  }

 private:
  struct NoStore {};
  using Store = std::conditional_t<kKeyed, KeyedStore<K>, NoStore>;

  KeyedState* keyed_state() {
    if constexpr (kKeyed) {
      return &*store_;
    } else {
      return nullptr;
    }
  }
  void set_watermark(int64_t time_ms) {
    context_->set_watermark(time_ms);
    if (rule_context_.has_value()) { rule_context_->set_watermark(time_ms); }
  }

  // Calls `call` for rows [cursor, end), with their keys current. False when an output has refused.
  template <class Row, class Select, class Call>
  bool take_rows(const Element& rows, uint32_t& cursor, const Select& select, Context& context,
                 Call call) {
    const auto& in = RowBatch<Row>::of(*rows.batch);
    const int64_t* times = in.timestamps();
    if constexpr (has_text_v<Row>) { context.see_arenas(*rows.batch); }
    try {
      if constexpr (kKeyed) {
        KeyedBatch batch(*store_, cursor, rows.end, [&](uint32_t i) -> decltype(auto) {
          return std::invoke(select, in.row(i));
        });
        for (; cursor < rows.end; ++cursor) {
          if (!this->ready()) { return false; }
          batch.select(cursor);
          context.set_timestamp(times[cursor]);
          store_->set_event_time_ms(times[cursor]);
          call(in.row(cursor));
        }
      } else {
        static_cast<void>(select);
        for (; cursor < rows.end; ++cursor) {
          if (!this->ready()) { return false; }
          context.set_timestamp(times[cursor]);
          call(in.row(cursor));
        }
      }
    } catch (...) {
      rethrow_user_failure(this->context(), "on_element", describe_record(in.row(cursor)));
    }
    return true;
  }

  bool take_rules(const Element& rows, uint32_t& cursor) {
    if constexpr (kKind == ProcessKind::kBroadcast) {
      const auto& in = RowBatch<typename Inputs::Right>::of(*rows.batch);
      try {
        for (; cursor < rows.end; ++cursor) {
          if (!this->ready()) { return false; }
          rule_context_->set_timestamp(in.timestamps()[cursor]);
          function_->on_broadcast(in.row(cursor), *rule_context_);
        }
      } catch (...) {
        rethrow_user_failure(this->context(), "on_broadcast", describe_record(in.row(cursor)));
      }
    }
    return true;
  }

  // Fires the timers up to `time_ms`, those that are set meanwhile too. False when an output has
  // refused.
  bool fire(TimeDomain domain, int64_t time_ms) {
    store_->begin_work();
    context_->set_domain(domain);
    FiredTimer fired;
    while (true) {
      if (!this->ready()) { return false; }
      try {
        if (!store_->next_due(domain, time_ms, fired)) { break; }
      } catch (...) { rethrow_user_failure(this->context(), "keyed state", ""); }
      // A row emitted by a processing timer has no event time of its own.
      context_->set_timestamp(domain == TimeDomain::kEvent ? fired.time : kNoTimestamp);
      store_->set_event_time_ms(domain == TimeDomain::kEvent ? fired.time : kNoTimestamp);
      // The known bug: what is due just at the first watermark after a restore has fired before it.
      if (TIDEWHEEL_MUTANT("timer_never_fires_at_restored_time") && restored_ != nullptr &&
          domain == TimeDomain::kEvent && fired.time == time_ms) {
        continue;
      }
      try {
        call_timer(domain, fired);
      } catch (...) {
        rethrow_user_failure(this->context(), "on_timer",
                             "of key " + describe_record(store_->current_key()));
      }
    }
    store_->end_work(0);
    context_->set_domain(TimeDomain::kEvent);
    if (TIDEWHEEL_MUTANT("timer_never_fires_at_restored_time") && domain == TimeDomain::kEvent) {
      restored_ = nullptr;
    }
    ask_for_timer();
    check_memory();
    return true;
  }
  void call_timer(TimeDomain domain, const FiredTimer& fired) {
    const Timestamp when(fired.time);
    if (fired.handle == nullptr) {
      if constexpr (requires { function_->on_timer(when, *context_); }) {
        function_->on_timer(when, *context_);
      }
    } else if (domain == TimeDomain::kEvent) {
      auto& timer =
          *static_cast<EventTimer*>(static_cast<NamedTimer<TimeDomain::kEvent>*>(fired.handle));
      if constexpr (requires { function_->on_timer(timer, when, *context_); }) {
        function_->on_timer(timer, when, *context_);
      }
    } else {
      auto& timer =
          *static_cast<ProcTimer*>(static_cast<NamedTimer<TimeDomain::kProcessing>*>(fired.handle));
      if constexpr (requires { function_->on_timer(timer, when, *context_); }) {
        function_->on_timer(timer, when, *context_);
      }
    }
  }

  void ask_for_timer() {
    if constexpr (kKeyed) {
      const int64_t next = store_->next_time(TimeDomain::kProcessing);
      if (next != TimerQueue::kNoTime) { this->context().wake_at_wall_ms(next); }
    }
  }
  void check_memory() {
    if constexpr (kKeyed) {
      const Status status = store_->status();
      if (!status.ok()) [[unlikely]] {
        throw_user_failure(this->context(), "keyed state", status, "");
      }
    }
  }

  const P prototype_;
  const Inputs inputs_;
  SnapshotReader* restored_ = nullptr;  // until `open`
  RuntimeContext runtime_;
  std::optional<OperatorState> operator_state_;
  std::optional<Store> store_;
  std::optional<P> function_;  // after the state that its handles point to
  std::optional<Context> context_;
  std::optional<RuleContext> rule_context_;
  int32_t ended_inputs_ = 0;
};

}  // namespace tidewheel
