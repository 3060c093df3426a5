#include "tidewheel/operators/source_operator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "tidewheel/operators/event_time.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel {
namespace {

using testing::HarnessSnapshot;
using testing::OperatorHarness;
using testing::TimedRow;
using namespace std::chrono_literals;

struct Event {
  int64_t split = 0;
  Timestamp at;
  friend bool operator==(const Event&, const Event&) = default;
};

struct EventSplit {
  int64_t id = 0;
  int64_t next = 0;  // index of the next time
  int64_t count = 0;
  int64_t step = 1;
};

// The times 0, step, 2 step, ... one a read; waits instead of ending when `endless`.
struct Times {
  using output = Event;
  using Split = EventSplit;
  bool endless = false;
  int64_t rows_a_read = 1;
  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(); }
  ReadResult read(Split& split, SourceOut<Event>& out) {
    for (int64_t i = 0; i < rows_a_read && split.next < split.count; ++i) {
      out.emit(Event{split.id, Timestamp(split.next * split.step)});
      ++split.next;
    }
    if (split.next < split.count) { return ReadResult::more(); }
    return endless ? ReadResult::wait() : ReadResult::end();
  }
};

template <class S, class W>
std::unique_ptr<Operator> reader(S source, W strategy) {
  return std::make_unique<SourceReader<S>>(
      source, std::make_unique<EventClockOf<Event, Timestamp Event::*, W>>(&Event::at, strategy));
}

void give(OperatorHarness& harness, const EventSplit& split) {
  harness.coordinator_event("S" + encode_record(split));
}

TEST(SourceReader, asks_for_a_split_and_ends_when_there_are_no_more) {
  OperatorHarness harness(reader(Times{}, monotonous()));
  EXPECT_FALSE(harness.poll_all());
  EXPECT_EQ(harness.take_coordinator_events(), (std::vector<std::string>{"R"}));
  give(harness, {.id = 1, .count = 5, .step = 10});
  EXPECT_FALSE(harness.poll_all());
  EXPECT_EQ(harness.take_coordinator_events(), (std::vector<std::string>{"R"}));
  const auto rows = harness.take_timed<Event>();
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[4].timestamp, 40);
  harness.coordinator_event("N");
  EXPECT_TRUE(harness.poll_all());
}

TEST(SourceReader, the_watermark_is_the_least_of_its_splits) {
  OperatorHarness harness(reader(Times{.endless = true}, monotonous()), {.batch_rows = 100});
  give(harness, {.id = 1, .count = 10, .step = 100});
  give(harness, {.id = 2, .count = 3, .step = 10});
  harness.poll_all();
  const auto watermarks = harness.take_watermarks();
  ASSERT_FALSE(watermarks.empty());
  EXPECT_EQ(watermarks.back(), 19);
}

TEST(SourceReader, an_idle_split_holds_nothing_back) {
  OperatorHarness harness(reader(Times{.endless = true}, monotonous().idle_after(50ms)));
  give(harness, {.id = 1, .count = 10, .step = 100});
  give(harness, {.id = 2, .count = 0});
  harness.poll_all();
  EXPECT_TRUE(harness.take_watermarks().empty());
  harness.advance_to_wall_ms(60);
  harness.poll_all();
  const auto elements = harness.take_elements();
  ASSERT_FALSE(elements.empty());
  // Both are quiet by now, noticed at once: event time is where the one is that is ahead.
  ASSERT_EQ(elements.size(), 2U);
  EXPECT_EQ(elements.front().kind, Element::Kind::kWatermark);
  EXPECT_EQ(elements.front().value, 899);
  EXPECT_EQ(elements.back().kind, Element::Kind::kIdle);
  give(harness, {.id = 3, .count = 1, .step = 1});
  harness.poll_all();
  bool active = false;
  for (const Element& element : harness.take_elements()) {
    active = active || element.kind == Element::Kind::kActive;
  }
  EXPECT_TRUE(active);
}

TEST(SourceReader, per_record_watermarks_stand_behind_each_row_that_advances_them) {
  OperatorHarness harness(reader(Times{.rows_a_read = 10}, bounded_lateness(5ms).per_record()),
                          {.batch_rows = 100, .refusal = 0.4});
  give(harness, {.id = 1, .count = 4, .step = 10});
  harness.poll_all();
  std::vector<int64_t> seen;  // rows as they are, watermarks negative
  for (const Element& element : harness.take_elements()) {
    if (element.kind == Element::Kind::kBatch) {
      for (uint32_t i = element.begin; i < element.end; ++i) {
        seen.push_back(element.batch->timestamps()[i]);
      }
    } else if (element.kind == Element::Kind::kWatermark) {
      seen.push_back(-1000 - element.value);
    }
  }
  EXPECT_EQ(seen,
            (std::vector<int64_t>{0, -1000 + 6, 10, -1000 - 4, 20, -1000 - 14, 30, -1000 - 24}));
}

// Times that notes what it hears of checkpoints.
struct HeardTimes : Times {
  std::shared_ptr<std::vector<int64_t>> heard = std::make_shared<std::vector<int64_t>>();
  void checkpoint_complete(std::span<const EventSplit> splits) {
    for (const EventSplit& split : splits) { heard->push_back(split.next); }
  }
};

TEST(SourceReader, a_source_hears_of_the_splits_of_a_complete_checkpoint) {
  HeardTimes source;
  source.endless = true;
  OperatorHarness harness(reader(source, monotonous()));
  give(harness, {.id = 1, .count = 3, .step = 1});
  harness.poll_all();
  static_cast<void>(harness.snapshot({.checkpoint = 1}));
  EXPECT_TRUE(source.heard->empty());
  give(harness, {.id = 2, .count = 5, .step = 1});
  harness.poll_all();
  static_cast<void>(harness.snapshot({.checkpoint = 2}));
  harness.checkpoint_complete(1);
  EXPECT_EQ(*source.heard, (std::vector<int64_t>{3}));
  static_cast<void>(harness.snapshot({.checkpoint = 3}));
  harness.checkpoint_complete(3);  // covers the second
  EXPECT_EQ(*source.heard, (std::vector<int64_t>{3, 3, 5}));
  harness.checkpoint_complete(3);
  EXPECT_EQ(source.heard->size(), 3U);
}

// A split that has no rows for now would else hold back all others until it has.
TEST(SourceReader, a_restored_split_has_the_event_time_that_it_had) {
  HarnessSnapshot snapshot;
  {
    OperatorHarness harness(reader(Times{.endless = true}, monotonous().per_record()));
    give(harness, {.id = 1, .count = 11, .step = 10});
    give(harness, {.id = 2, .count = 6, .step = 10});
    harness.poll_all();
    EXPECT_EQ(harness.take_watermarks().back(), 49);
    snapshot = harness.snapshot();
  }
  for (const double refusal : {0.0, 0.4}) {
    OperatorHarness harness(reader(Times{.endless = true}, monotonous().per_record()),
                            {.refusal = refusal});
    ASSERT_TRUE(harness.open_restored(snapshot).ok());
    harness.poll_all();
    EXPECT_EQ(harness.take_watermarks(), (std::vector<int64_t>{49}));
    give(harness, {.id = 3, .next = 7, .count = 8, .step = 10});
    harness.poll_all();
    // The third is at 69, the second still at 49, as it was.
    EXPECT_TRUE(harness.take_watermarks().empty());
    const HarnessSnapshot again = harness.snapshot();
    OperatorHarness alone(reader(Times{.endless = true}, monotonous().per_record()));
    ASSERT_TRUE(alone.open_restored(again).ok());
    alone.poll_all();
    EXPECT_EQ(alone.take_watermarks(), (std::vector<int64_t>{49}));
  }
}

TEST(SourceReader, one_restored_split_moves_the_watermark_up_to_the_others) {
  EventSplit slow{.id = 2, .count = 6, .step = 10};
  HarnessSnapshot snapshot;
  {
    OperatorHarness harness(reader(Times{.endless = true}, monotonous().per_record()));
    give(harness, {.id = 1, .count = 11, .step = 10});
    give(harness, slow);
    harness.poll_all();
    snapshot = harness.snapshot();
  }
  // The slow one has got more to read meanwhile.
  struct Longer : Times {
    ReadResult read(Split& split, SourceOut<Event>& out) {
      if (split.id == 2) { split.count = 20; }
      return Times::read(split, out);
    }
  };
  OperatorHarness harness(reader(Longer{{.endless = true}}, monotonous().per_record()));
  ASSERT_TRUE(harness.open_restored(snapshot).ok());
  harness.poll_all();
  EXPECT_EQ(harness.take_watermarks().back(), 99);  // the other had come to 100
}

TEST(SourceReader, splits_ahead_of_their_group_pause) {
  OperatorHarness harness(reader(Times{.endless = true}, monotonous().align("group", 10ms)));
  harness.coordinator_event(encode_event('A', 35));
  give(harness, {.id = 1, .count = 10, .step = 10});
  harness.poll_all();
  // 40 - 1 is the first watermark above 35.
  EXPECT_EQ(harness.take<Event>().size(), 5U);
  EXPECT_EQ(harness.take_coordinator_events().front().front(), 'M');
  harness.coordinator_event(encode_event('A', 1000));
  harness.poll_all();
  EXPECT_EQ(harness.take<Event>().size(), 5U);
}

// Has as many times as it is told, and wakes its reader once for them.
struct ToldTimes : Times {
  struct Told {
    int64_t count = 0;
    std::optional<SourceContext> context;
  };
  std::shared_ptr<Told> told = std::make_shared<Told>();
  Status open(SourceContext& context) {
    told->context.emplace(context);
    return {};
  }
  ReadResult read(Split& split, SourceOut<Event>& out) {
    split.count = told->count;
    return Times::read(split, out);
  }
};

TEST(SourceReader, a_split_that_is_woken_while_it_pauses_is_read_when_it_goes_on) {
  ToldTimes source{{.endless = true}};
  source.told->count = 5;
  OperatorHarness harness(reader(source, monotonous().align("group", 10ms)));
  harness.coordinator_event(encode_event('A', 35));
  give(harness, {.id = 1, .step = 10});
  harness.poll_all();  // it waits, and is ahead
  EXPECT_EQ(harness.take<Event>().size(), 5U);
  source.told->count = 8;
  source.told->context->wake();
  harness.poll_all();
  EXPECT_EQ(harness.take<Event>().size(), 0U);
  harness.coordinator_event(encode_event('A', 1000));
  harness.poll_all();
  EXPECT_EQ(harness.take<Event>().size(), 3U);
}

TEST(SourceReader, splits_go_on_where_the_snapshot_was_taken) {
  HarnessSnapshot all;
  {
    OperatorHarness harness(reader(Times{.endless = true}, monotonous()));
    give(harness, {.id = 1, .next = 0, .count = 4});
    give(harness, {.id = 2, .next = 7, .count = 9});
    harness.poll_all();
    all = harness.snapshot();
  }
  size_t rows = 0;
  for (int32_t subtask = 0; subtask < 2; ++subtask) {
    OperatorHarness harness(reader(Times{.endless = true}, monotonous()),
                            {.subtask_index = subtask, .parallelism = 2});
    ASSERT_TRUE(harness.open_restored(all).ok());
    harness.poll_all();
    EXPECT_TRUE(harness.take<Event>().empty());
    const HarnessSnapshot again = harness.snapshot();
    for (const auto& segment : again) {
      if (segment->meta.name == "splits") { rows += segment->entries; }
    }
  }
  EXPECT_EQ(rows, 2U);
}

struct Slow {
  using output = Event;
  using Split = EventSplit;
  static constexpr bool blocking = true;
  Times times;
  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(); }
  ReadResult read(Split& split, SourceOut<Event>& out) { return times.read(split, out); }
};

TEST(SourceReader, sources_that_block_are_read_on_the_pool) {
  OperatorHarness harness(reader(Slow{}, monotonous()), {.refusal = 0.3});
  give(harness, {.id = 1, .count = 5, .step = 10});
  harness.coordinator_event("N");
  EXPECT_TRUE(harness.poll_all());
  const auto rows = harness.take_timed<Event>();
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[4].timestamp, 40);
}

struct Broken {
  using output = Event;
  using Split = EventSplit;
  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(); }
  ReadResult read(Split&, SourceOut<Event>&) {
    return data_loss(ErrorId::kRecordMalformed, "not a row");
  }
};

TEST(SourceReader, a_source_that_fails_is_named_with_its_split) {
  OperatorHarness harness(reader(Broken{}, monotonous()), {.name = "broken"});
  give(harness, {.id = 17, .count = 1});
  try {
    harness.poll_all();
    FAIL() << "it must throw";
  } catch (const OperatorFailure& failure) {
    EXPECT_EQ(failure.status().id(), ErrorId::kRecordMalformed);
    EXPECT_NE(failure.status().message().find("'broken'"), std::string::npos);
    EXPECT_NE(failure.status().message().find("17"), std::string::npos)
        << failure.status().message();
  }
}

// ---- The enumerator ----

class FakeCoordinator final : public CoordinatorContext {
 public:
  explicit FakeCoordinator(OperatorContext& context, int32_t parallelism)
      : context_(context), parallelism_(parallelism) {}
  int32_t parallelism() const override { return parallelism_; }
  Clock& clock() override { return context_.clock(); }
  Executor& executor() override { return context_.executor(); }
  FileSystem& files() override { return *static_cast<FileSystem*>(nullptr); }
  Network& network() override { return *static_cast<Network*>(nullptr); }
  void send_to_subtask(int32_t subtask, std::string event) override {
    sent.emplace_back(subtask, std::move(event));
  }
  void wake_at_ns(int64_t time_ns) override { woken_at = time_ns; }
  void post(std::function<void()> mail) override { context_.post(std::move(mail)); }
  void fail(Status status) override { failure = std::move(status); }

  std::vector<std::pair<int32_t, std::string>> sent;
  int64_t woken_at = 0;
  Status failure;

 private:
  OperatorContext& context_;
  int32_t parallelism_;
};

using Sent = std::vector<std::pair<int32_t, std::string>>;

class EnumeratorTest : public ::testing::Test {
 protected:
  // Only for its clock, executor and mail.
  OperatorHarness world_{reader(Times{}, monotonous())};
  FakeCoordinator context_{world_.context(), 2};
  std::vector<FoundSplit> found_ = {{"a", "A"}, {"b", "B"}, {"c", "C"}};

  std::unique_ptr<SplitEnumerator> make(EnumeratorOptions options) {
    auto enumerator = std::make_unique<SplitEnumerator>(
        options, [this](SplitContext&) -> Result<std::vector<FoundSplit>> { return found_; });
    return enumerator;
  }
  void start(SplitEnumerator& enumerator) {
    ASSERT_TRUE(enumerator.start(context_).ok());
    enumerator.on_subtask_ready(0);
    enumerator.on_subtask_ready(1);
    world_.run_pending();
  }
};

TEST_F(EnumeratorTest, splits_go_to_readers_in_the_order_of_their_requests) {
  auto enumerator = make({.name = "files"});
  start(*enumerator);
  for (const int32_t reader : {1, 0, 1, 1, 0}) { enumerator->on_event(reader, "R"); }
  EXPECT_EQ(context_.sent, (Sent{{1, "SA"}, {0, "SB"}, {1, "SC"}, {1, "N"}, {0, "N"}}));
}

TEST_F(EnumeratorTest, spread_splits_are_given_at_once) {
  auto enumerator = make({.name = "log", .assignment = SplitAssignment::kSpread});
  start(*enumerator);
  EXPECT_EQ(context_.sent, (Sent{{0, "SA"}, {1, "SB"}, {0, "SC"}}));
}

TEST_F(EnumeratorTest, a_watched_source_gives_new_splits_once) {
  auto enumerator = make({.name = "folder", .discovery_interval_ms = 100});
  start(*enumerator);
  for (int i = 0; i < 4; ++i) { enumerator->on_event(0, "R"); }
  EXPECT_EQ(context_.sent.back(), (std::pair<int32_t, std::string>{0, "W"}));
  found_.push_back({"d", "D"});
  enumerator->on_timer();
  world_.run_pending();
  EXPECT_EQ(context_.sent.back(), (std::pair<int32_t, std::string>{0, "SD"}));
  EXPECT_EQ(context_.sent.size(), 5U);
}

struct TimesThatSay : Times {
  bool has_end = true;
  bool is_bounded() const { return has_end; }
};
TEST_F(EnumeratorTest, knows_whether_its_source_ends) {
  const auto is_bounded = [](auto source) {
    const auto made = make_enumerator(std::move(source), {.name = "times"});
    return dynamic_cast<const SourceCoordinator&>(*made).is_bounded();
  };
  EXPECT_TRUE(is_bounded(Times{}));
  EXPECT_TRUE(is_bounded(TimesThatSay{}));
  EXPECT_FALSE(is_bounded(TimesThatSay{{}, false}));
  EXPECT_TRUE(make({.name = "folder"})->is_bounded());
  EXPECT_FALSE(make({.name = "folder", .discovery_interval_ms = 100})->is_bounded());
}

TEST_F(EnumeratorTest, what_was_given_away_is_remembered) {
  std::string state;
  {
    auto enumerator = make({.name = "files"});
    start(*enumerator);
    enumerator->on_event(0, "R");
    state = enumerator->snapshot(1).value();
  }
  context_.sent.clear();
  auto enumerator = make({.name = "files"});
  ASSERT_TRUE(enumerator->restore(state).ok());
  start(*enumerator);
  for (int i = 0; i < 3; ++i) { enumerator->on_event(1, "R"); }
  EXPECT_EQ(context_.sent, (Sent{{1, "SB"}, {1, "SC"}, {1, "N"}}));
}

TEST_F(EnumeratorTest, splits_for_readers_that_are_not_ready_are_in_the_snapshot) {
  std::string state;
  {
    auto enumerator = make({.name = "log", .assignment = SplitAssignment::kSpread});
    ASSERT_TRUE(enumerator->start(context_).ok());
    enumerator->on_subtask_ready(1);
    world_.run_pending();
    EXPECT_EQ(context_.sent, (Sent{{1, "SB"}}));
    state = enumerator->snapshot(1).value();
  }
  context_.sent.clear();
  auto enumerator = make({.name = "log", .assignment = SplitAssignment::kSpread});
  ASSERT_TRUE(enumerator->restore(state).ok());
  start(*enumerator);
  std::sort(context_.sent.begin(), context_.sent.end());
  EXPECT_EQ(context_.sent, (Sent{{0, "SC"}, {1, "SA"}}));
}

TEST_F(EnumeratorTest, a_reader_that_starts_again_alone_gives_back_what_its_checkpoint_lacks) {
  auto enumerator = make({.name = "files"});
  start(*enumerator);
  enumerator->on_event(0, "R");
  ASSERT_TRUE(enumerator->snapshot(1).ok());
  enumerator->on_event(0, "R");
  ASSERT_TRUE(enumerator->snapshot(2).ok());  // this one fails
  enumerator->on_event(0, "R");
  enumerator->on_checkpoint_complete(1);
  EXPECT_EQ(context_.sent, (Sent{{0, "SA"}, {0, "SB"}, {0, "SC"}}));
  context_.sent.clear();

  enumerator->on_subtask_reset(0, 1);
  enumerator->on_event(1, "R");  // before the other one is back
  enumerator->on_subtask_ready(0);
  enumerator->on_event(0, "R");
  enumerator->on_event(1, "R");
  EXPECT_EQ(context_.sent, (Sent{{1, "SB"}, {0, "SC"}, {1, "N"}}));
  context_.sent.clear();

  // From nothing: all that it ever had.
  enumerator->on_subtask_reset(1, 0);
  enumerator->on_subtask_ready(1);
  enumerator->on_event(1, "R");
  EXPECT_EQ(context_.sent, (Sent{{1, "SB"}}));
}

TEST_F(EnumeratorTest, a_failed_discovery_fails_the_job) {
  SplitEnumerator enumerator({.name = "files"},
                             [](SplitContext&) -> Result<std::vector<FoundSplit>> {
                               return not_found(ErrorId::kFileNotFound, "no such folder");
                             });
  start(enumerator);
  EXPECT_EQ(context_.failure.id(), ErrorId::kFileNotFound);
  EXPECT_NE(context_.failure.message().find("files"), std::string::npos);
}

TEST(AlignmentGroup, allows_as_far_as_the_slowest_and_the_drift) {
  AlignmentGroup group;
  EXPECT_EQ(group.report(0, 0, 100, 10), 110);
  EXPECT_EQ(group.report(1, 0, 50, 10), 60);
  EXPECT_EQ(group.report(1, 0, kMaxWatermark, 10), 110);
}

// ---- Event time in the middle of a job ----

template <class W>
std::unique_ptr<Operator> timer(W strategy, bool owns_input) {
  auto links = std::make_shared<NodeLinks>();
  links->owns_input = owns_input;
  return std::make_unique<EventTimeOperator<Event>>(
      std::make_unique<EventClockOf<Event, Timestamp Event::*, W>>(&Event::at, strategy), links);
}

TEST(EventTime, batches_pass_with_new_timestamps_and_are_not_copied_when_nobody_else_reads_them) {
  for (const bool owned : {true, false}) {
    OperatorHarness harness(timer(bounded_lateness(10ms), owned), {.batch_rows = 8});
    auto pool = BatchPool::create_for<Event>(8, nullptr);
    auto* batch = static_cast<RowBatch<Event>*>(pool->acquire());
    for (int64_t i = 0; i < 6; ++i) { batch->append(Event{0, Timestamp(i * 10)}, kNoTimestamp); }
    Element element = Element::rows(BatchRef::adopt(batch));
    harness.push_element(element, 0);
    const auto elements = harness.take_elements();
    ASSERT_EQ(elements.size(), 2U);
    EXPECT_EQ(elements[0].batch.get() == batch, owned);
    EXPECT_EQ(elements[0].batch->timestamps()[5], 50);
    EXPECT_EQ(elements[1].value, 39);
  }
}

TEST(EventTime, per_record_is_exact_whatever_the_batches_are) {
  std::optional<std::vector<int64_t>> expected;
  for (const uint32_t rows : {1U, 2U, 64U}) {
    for (const bool owned : {true, false}) {
      OperatorHarness harness(timer(monotonous().per_record(), owned),
                              {.batch_rows = rows, .refusal = 0.3});
      std::vector<TimedRow<Event>> events;
      for (const int64_t time : {5, 3, 9, 9, 12}) {
        events.push_back({Event{0, Timestamp(time)}, kNoTimestamp});
      }
      harness.push_rows(events);
      std::vector<int64_t> seen;
      for (const Element& element : harness.take_elements()) {
        if (element.kind == Element::Kind::kWatermark) {
          seen.push_back(-element.value);
          continue;
        }
        for (uint32_t i = element.begin; i < element.end; ++i) {
          seen.push_back(element.batch->timestamps()[i]);
        }
      }
      if (!expected.has_value()) { expected = seen; }
      EXPECT_EQ(seen, *expected);
    }
  }
  EXPECT_EQ(*expected, (std::vector<int64_t>{5, -4, 3, 9, -8, 9, 12, -11}));
}

TEST(EventTime, upstream_watermarks_are_replaced_but_for_the_last) {
  OperatorHarness harness(timer(monotonous(), true));
  harness.watermark(1'000'000);
  EXPECT_TRUE(harness.take_watermarks().empty());
  harness.watermark(kMaxWatermark);
  EXPECT_EQ(harness.take_watermarks(), (std::vector<int64_t>{kMaxWatermark}));
}

TEST(EventTime, the_last_watermark_comes_out_when_rows_stop) {
  OperatorHarness harness(timer(monotonous(), true), {.wall_ms = 1000});
  harness.push<Event>({0, Timestamp(10)}, 0);
  harness.push<Event>({0, Timestamp(20)}, 0);
  EXPECT_EQ(harness.take_watermarks(), (std::vector<int64_t>{9}));
  harness.advance_to_wall_ms(1300);
  EXPECT_EQ(harness.take_watermarks(), (std::vector<int64_t>{19}));
}

// Gives a watermark when a row says so.
struct Marked {
  std::optional<Timestamp> on_event(const Event& event, Timestamp at) {
    if (event.split == 1) { return at; }
    return std::nullopt;
  }
};

TEST(EventTime, generators_of_the_users_own) {
  OperatorHarness harness(timer(watermarks(Marked{}).per_record(), true));
  harness.push<Event>({0, Timestamp(10)}, 0);
  EXPECT_TRUE(harness.take_watermarks().empty());
  harness.push<Event>({1, Timestamp(7)}, 0);
  EXPECT_EQ(harness.take_watermarks(), (std::vector<int64_t>{7}));
}

// ---- Splits in snapshots ----

struct OldSplit {
  int64_t next = 0;
  int64_t last = 0;
};
struct NewSplit {
  std::optional<std::string> note;
  int64_t last = 0;
  int64_t next = 0;
};
// The numbers from `next` to `last`, one a read.
template <class TheSplit>
struct Counting {
  using output = int64_t;
  using Split = TheSplit;
  std::vector<Split> splits = {};
  Result<std::vector<Split>> discover(SplitContext&) { return splits; }
  int64_t discovery_interval_ms() const { return 10; }
  ReadResult read(Split& split, SourceOut<int64_t>& out) {
    out.emit(split.next++);
    return split.next <= split.last ? ReadResult::more() : ReadResult::end();
  }
};
struct Dividing : Counting<OldSplit> {
  std::vector<OldSplit> divide(const OldSplit& split, int32_t parts) const {
    std::vector<OldSplit> divided;
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t size = split.last + 1 - split.next;
      divided.push_back({split.next + size * i / parts, split.next + size * (i + 1) / parts - 1});
    }
    return divided;
  }
};
struct CountingOnPool : Counting<OldSplit> {
  static constexpr bool blocking = true;
};

template <class S>
std::unique_ptr<Operator> counting(S source = {}) {
  return std::make_unique<SourceReader<S>>(std::move(source), nullptr);
}
std::vector<int64_t> read_restored(std::unique_ptr<Operator> op, const HarnessSnapshot& snapshot,
                                   int32_t subtask, int32_t parallelism) {
  OperatorHarness harness(std::move(op), {.subtask_index = subtask, .parallelism = parallelism});
  EXPECT_TRUE(harness.open_restored(snapshot).ok());
  EXPECT_FALSE(harness.poll_all());
  return harness.take<int64_t>();
}
HarnessSnapshot snapshot_of_two_readers() {
  std::vector<HarnessSnapshot> all;
  for (int32_t i = 0; i < 2; ++i) {
    OperatorHarness harness(counting<Dividing>(), {.subtask_index = i, .parallelism = 2});
    harness.coordinator_event("S" + encode_record(OldSplit{100 * i, 100 * i + 9}));
    all.push_back(harness.snapshot());
  }
  return OperatorHarness::join_snapshots(all);
}

TEST(SourceReader, divides_splits_when_there_are_more_readers) {
  const HarnessSnapshot snapshot = snapshot_of_two_readers();
  for (const int32_t parallelism : {1, 2, 3, 5}) {
    std::vector<int64_t> all;
    for (int32_t i = 0; i < parallelism; ++i) {
      const auto rows = read_restored(counting<Dividing>(), snapshot, i, parallelism);
      EXPECT_FALSE(rows.empty()) << i << " of " << parallelism;
      all.insert(all.end(), rows.begin(), rows.end());
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), 20U);
    EXPECT_EQ(all.front(), 0);
    EXPECT_EQ(all.back(), 109);
    EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
  }
  // At the same parallelism each keeps its own.
  EXPECT_EQ(read_restored(counting<Dividing>(), snapshot, 1, 2).front(), 100);
}

TEST(SourceReader, reads_splits_of_an_older_struct) {
  OperatorHarness before(counting<Counting<OldSplit>>());
  before.coordinator_event("S" + encode_record(OldSplit{5, 8}));
  const HarnessSnapshot snapshot = before.snapshot();
  EXPECT_EQ(read_restored(counting<Counting<NewSplit>>(), snapshot, 0, 1),
            (std::vector<int64_t>{5, 6, 7, 8}));
}

TEST(SourceReader, a_read_on_the_pool_is_behind_the_barrier) {
  OperatorHarness harness(counting<CountingOnPool>());
  harness.coordinator_event("S" + encode_record(OldSplit{5, 7}));
  auto& source = static_cast<SourceOperator&>(harness.op());
  EXPECT_EQ(source.poll(), SourceOperator::Poll::kNothingYet);  // 5 is being read
  HarnessSnapshot snapshot;
  harness.begin_snapshot({.checkpoint = 1});
  ASSERT_TRUE(harness.try_snapshot(snapshot));
  EXPECT_EQ(harness.take<int64_t>(), std::vector<int64_t>());
  harness.poll_all();
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{5, 6, 7}));
  EXPECT_EQ(read_restored(counting<CountingOnPool>(), snapshot, 0, 1),
            (std::vector<int64_t>{5, 6, 7}));
}

TEST_F(EnumeratorTest, splits_of_an_older_struct_are_known_when_they_are_found_again) {
  auto before = make_enumerator(Counting<OldSplit>{{{1, 2}, {3, 4}}}, {.name = "numbers"});
  ASSERT_TRUE(before->start(context_).ok());
  world_.run_pending();
  before->on_subtask_ready(0);
  before->on_event(0, "R");
  ASSERT_EQ(context_.sent.size(), 1U);
  const std::string state = before->snapshot(1).value();
  before->close();
  context_.sent.clear();

  std::vector<NewSplit> known(2);
  known[0].next = 1;
  known[0].last = 2;
  known[1].next = 3;
  known[1].last = 4;
  auto after = make_enumerator(Counting<NewSplit>{known}, {.name = "numbers"});
  ASSERT_TRUE(after->restore(state).ok());
  ASSERT_TRUE(after->start(context_).ok());
  world_.run_pending();
  after->on_subtask_ready(0);
  after->on_event(0, "R");
  after->on_event(0, "R");
  EXPECT_EQ(context_.sent, (Sent{{0, "S" + encode_record(known[1])}, {0, "W"}}));
}

}  // namespace
}  // namespace tidewheel
