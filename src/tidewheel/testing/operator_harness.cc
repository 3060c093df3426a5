#include "tidewheel/testing/operator_harness.h"

#include <algorithm>
#include <atomic>
#include <deque>

#include "tidewheel/base/check.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/operator_failure.h"

namespace tidewheel::testing {

namespace {

class HarnessClock final : public Clock {
 public:
  explicit HarnessClock(int64_t wall_ms) : wall_ms_(wall_ms) {}
  int64_t now_ns() const override { return now_ns_; }
  int64_t wall_ms() const override { return wall_ms_; }
  void advance_to(int64_t wall_ms) {
    now_ns_ += std::max<int64_t>(0, wall_ms - wall_ms_) * 1'000'000;
    wall_ms_ = wall_ms;
  }

 private:
  int64_t now_ns_ = 1'000'000'000;
  int64_t wall_ms_;
};

// Keeps what is for the blocking pool until the test runs it.
class HarnessExecutor final : public Executor {
 public:
  std::unique_ptr<Worker> start_worker(std::string, Turnable&) override {
    TIDEWHEEL_CHECK(false, "an operator starts no workers");
  }
  void run_blocking(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  std::unique_ptr<Event> make_event() override {
    TIDEWHEEL_CHECK(false, "an operator never waits");
  }
  int32_t core_count() const override { return 1; }
  bool run_one() {
    if (jobs_.empty()) { return false; }
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
    return true;
  }

 private:
  std::deque<std::function<void()>> jobs_;
};

// Takes what comes out of a port, and refuses by chance.
class HarnessSink final : public ElementSink {
 public:
  HarnessSink(Random& random, double refusal) : random_(&random), refusal_(refusal) {}
  bool offer(Element& element) override {
    if (refusal_ > 0 && random_->chance(refusal_)) { return false; }
    elements_.push_back(element);
    return true;
  }
  std::vector<Element> take() { return std::exchange(elements_, {}); }

 private:
  Random* random_;
  double refusal_;
  std::vector<Element> elements_;
};

}  // namespace

struct OperatorHarness::State final : public OperatorContext {
  State(std::unique_ptr<Operator> the_op, HarnessOptions the_options)
      : options(std::move(the_options)),
        wall_clock(options.wall_ms),
        generator(options.seed),
        memory_pool("harness", MemoryPool::kUnlimited),
        metric_group("harness"),
        op(std::move(the_op)) {
    for (OutputPort* port : op->outputs()) {
      sinks.push_back(std::make_unique<HarnessSink>(generator, options.refusal));
      port->connect(*sinks.back());
    }
  }

  const std::string& name() const override { return options.name; }
  const std::string& uid() const override { return options.uid; }
  int32_t subtask_index() const override { return options.subtask_index; }
  int32_t parallelism() const override { return options.parallelism; }
  int32_t max_parallelism() const override { return options.max_parallelism; }
  KeyGroupRange key_groups() const override {
    return key_groups_of(options.subtask_index, options.parallelism, options.max_parallelism);
  }
  uint32_t batch_rows() const override { return options.batch_rows; }
  Clock& clock() override { return wall_clock; }
  Random& random() override { return generator; }
  Executor& executor() override { return pool; }
  FileSystem& files() override {
    TIDEWHEEL_CHECK(options.files != nullptr, "give HarnessOptions::files");
    return *options.files;
  }
  Network& network() override {
    TIDEWHEEL_CHECK(options.network != nullptr, "give HarnessOptions::network");
    return *options.network;
  }
  Result<StateBackend*> state_backend() override { return options.state_backend; }
  MemoryPool& memory() override { return memory_pool; }
  MetricGroup& metrics() override { return metric_group; }
  const Config& config() const override { return options.config; }
  bool takes_final_checkpoint() const override { return options.takes_final_checkpoint; }
  bool is_restart() const override { return options.is_restart; }
  void wake_at_wall_ms(int64_t time_ms) override { wake_at = std::min(wake_at, time_ms); }
  void wake() override { woken = true; }
  void send_to_coordinator(std::string event) override { events.push_back(std::move(event)); }
  void post(std::function<void()> mail) override { mails.push_back(std::move(mail)); }

  SnapshotPlace place() const {
    return {options.uid, options.subtask_index, options.parallelism, options.max_parallelism};
  }
  void open_if_needed() {
    if (opened) { return; }
    opened = true;
    const Status status = op->open(*this);
    TIDEWHEEL_CHECK(status.ok(), "open: {}", status.to_string());
  }
  // Calls until it is done, offering again what was refused.
  template <class F>
  void drive(F call) {
    open_if_needed();
    while (call() == Progress::kBlocked) { retry(); }
  }
  void retry() {
    for (OutputPort* port : op->outputs()) {
      while (port->retry() == Progress::kBlocked) {}
    }
  }
  void flush() {
    for (OutputPort* port : op->outputs()) {
      static_cast<void>(port->flush());
      while (port->retry() == Progress::kBlocked) {}
    }
  }

  HarnessOptions options;
  HarnessClock wall_clock;
  Random generator;
  HarnessExecutor pool;
  MemoryPool memory_pool;
  MetricGroup metric_group;
  std::unique_ptr<Operator> op;
  std::vector<std::unique_ptr<HarnessSink>> sinks;
  std::vector<std::string> events;
  std::deque<std::function<void()>> mails;
  std::vector<Element> kept;  // batches given out: their Text stays valid
  std::atomic<bool> woken{false};
  int64_t wake_at = Clock::kNever;
  int64_t last_watermark = kMinWatermark;
  int64_t last_checkpoint = 0;
  bool opened = false;
  bool closed = false;
};

OperatorHarness::OperatorHarness(std::unique_ptr<Operator> op, HarnessOptions options)
    : state_(std::make_unique<State>(std::move(op), std::move(options))) {}

OperatorHarness::~OperatorHarness() {
  if (state_->opened && !state_->closed) { close(false); }
}

Status OperatorHarness::open() {
  state_->opened = true;
  return state_->op->open(*state_);
}

Status OperatorHarness::open_restored(const HarnessSnapshot& snapshot) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto reader, SegmentReader::open(state_->place(), snapshot));
  TIDEWHEEL_RETURN_IF_ERROR(state_->op->restore(*reader));
  return open();
}

void OperatorHarness::push_element(const Element& rows, int32_t input) {
  uint32_t cursor = rows.begin;
  state_->drive([&] { return state_->op->on_rows(input, rows, cursor); });
  TIDEWHEEL_CHECK(cursor == rows.end, "on_rows is done at row {} of {}", cursor, rows.end);
  state_->flush();
}

void OperatorHarness::watermark(int64_t time_ms) {
  if (time_ms <= state_->last_watermark) { return; }
  state_->last_watermark = time_ms;
  state_->drive([&] { return state_->op->on_watermark(time_ms); });
  state_->flush();
}

void OperatorHarness::input_watermark(int32_t input, int64_t time_ms) {
  state_->open_if_needed();
  state_->op->on_input_watermark(input, time_ms);
}

void OperatorHarness::idle(bool idle) {
  state_->drive([&] { return state_->op->on_idle(idle); });
  state_->flush();
}

void OperatorHarness::latency_marker(const Element& marker) {
  state_->drive([&] { return state_->op->on_latency_marker(marker); });
}

void OperatorHarness::advance_to_wall_ms(int64_t wall_ms) {
  state_->open_if_needed();
  // A request is due once its millisecond is over.
  while (state_->wake_at < wall_ms) {
    const int64_t due = std::exchange(state_->wake_at, Clock::kNever);
    state_->wall_clock.advance_to(std::max(due + 1, state_->wall_clock.wall_ms()));
    const int64_t over_ms = state_->wall_clock.wall_ms() - 1;
    state_->drive([&] { return state_->op->on_processing_time(over_ms); });
  }
  state_->wall_clock.advance_to(wall_ms);
  state_->flush();
}

bool OperatorHarness::run_pending() {
  state_->open_if_needed();
  bool did_something = false;
  while (true) {
    if (state_->pool.run_one()) {
      did_something = true;
    } else if (!state_->mails.empty()) {
      const std::function<void()> mail = std::move(state_->mails.front());
      state_->mails.pop_front();
      mail();
      did_something = true;
    } else if (state_->woken.exchange(false)) {
      state_->drive([&] { return state_->op->on_wake(); });
      did_something = true;
    } else {
      state_->flush();
      return did_something;
    }
  }
}

void OperatorHarness::run_blocking_jobs() {
  while (state_->pool.run_one()) {}
}

void OperatorHarness::epoch(int64_t number) {
  state_->flush();
  state_->open_if_needed();
  while (state_->op->on_epoch(number) == Progress::kBlocked) {
    state_->retry();
    run_pending();
  }
  state_->flush();
}

void OperatorHarness::end_of_input(int32_t inputs) {
  watermark(kMaxWatermark);
  for (int32_t input = 0; input < inputs; ++input) {
    while (state_->op->on_end_of_input(input) == Progress::kBlocked) {
      state_->retry();
      run_pending();
    }
  }
  state_->flush();
}

void OperatorHarness::coordinator_event(std::string_view event) {
  state_->open_if_needed();
  state_->op->on_coordinator_event(event);
}

void OperatorHarness::checkpoint_complete(int64_t checkpoint) {
  state_->op->on_checkpoint_complete(checkpoint);
}

void OperatorHarness::checkpoint_aborted(int64_t checkpoint) {
  state_->op->on_checkpoint_aborted(checkpoint);
}

void OperatorHarness::crash() { state_->closed = true; }

void OperatorHarness::close(bool finished) {
  state_->closed = true;
  state_->op->close(finished);
}

bool OperatorHarness::poll_all() {
  state_->open_if_needed();
  auto& source = static_cast<SourceOperator&>(*state_->op);
  while (true) {
    switch (source.poll()) {
      case SourceOperator::Poll::kMore: break;
      case SourceOperator::Poll::kBlocked: state_->retry(); break;
      case SourceOperator::Poll::kEnd: state_->flush(); return true;
      case SourceOperator::Poll::kNothingYet:
        if (state_->pool.run_one() || state_->woken.exchange(false)) { break; }
        state_->flush();
        return false;
    }
  }
}

std::vector<Element> OperatorHarness::take_elements(int32_t port) {
  state_->flush();
  std::vector<Element> elements = state_->sinks[static_cast<size_t>(port)]->take();
  state_->kept.insert(state_->kept.end(), elements.begin(), elements.end());
  return elements;
}

std::vector<Element> OperatorHarness::take_batches(int32_t port) {
  std::vector<Element> elements = take_elements(port);
  std::erase_if(elements, [](const Element& one) { return one.kind != Element::Kind::kBatch; });
  return elements;
}

std::vector<int64_t> OperatorHarness::take_watermarks(int32_t port) {
  std::vector<int64_t> times;
  for (const Element& element : take_elements(port)) {
    if (element.kind == Element::Kind::kWatermark) { times.push_back(element.value); }
  }
  return times;
}

std::vector<std::string> OperatorHarness::take_coordinator_events() {
  return std::exchange(state_->events, {});
}

HarnessSnapshot OperatorHarness::snapshot_in_steps(uint64_t step_bytes,
                                                   const std::function<void()>& between,
                                                   SnapshotStart start) {
  begin_snapshot(start);
  SegmentWriter writer(state_->place());
  do {
    between();
    writer.grant(step_bytes);
  } while (state_->op->snapshot(writer) == Progress::kBlocked);
  return writer.finish();
}

void OperatorHarness::begin_snapshot(SnapshotStart start) {
  state_->open_if_needed();
  if (start.checkpoint == 0) { start.checkpoint = state_->last_checkpoint + 1; }
  state_->last_checkpoint = start.checkpoint;
  state_->op->begin_snapshot(start);
}

bool OperatorHarness::try_snapshot(HarnessSnapshot& into) {
  SegmentWriter writer(state_->place());
  if (state_->op->snapshot(writer) == Progress::kBlocked) { return false; }
  into = writer.finish();
  return true;
}

HarnessSnapshot OperatorHarness::snapshot(SnapshotStart start) {
  begin_snapshot(start);
  SegmentWriter writer(state_->place());
  while (state_->op->snapshot(writer) == Progress::kBlocked) {
    state_->retry();
    run_pending();
  }
  return writer.finish();
}

HarnessSnapshot OperatorHarness::join_snapshots(const std::vector<HarnessSnapshot>& subtasks) {
  HarnessSnapshot all;
  for (const HarnessSnapshot& one : subtasks) { all.insert(all.end(), one.begin(), one.end()); }
  return all;
}

Operator& OperatorHarness::op() { return *state_->op; }
OperatorContext& OperatorHarness::context() { return *state_; }

}  // namespace tidewheel::testing
