// Event time in the middle of a job, over a restart too.
#include "tidewheel/operators/event_time.h"

#include <gtest/gtest.h>

#include "tidewheel/testing/operator_harness.h"

namespace tidewheel {
namespace {

using testing::HarnessSnapshot;
using testing::OperatorHarness;
using testing::TimedRow;
using namespace std::chrono_literals;

// Rows are their own time.
template <class W>
std::unique_ptr<Operator> event_time(W strategy) {
  const auto at = [](int64_t row) { return Timestamp(row); };
  return std::make_unique<EventTimeOperator<int64_t>>(
      std::make_unique<EventClockOf<int64_t, decltype(at), W>>(at, strategy), nullptr);
}

// Rows as they are, watermarks as "<=".
std::vector<std::string> taken(OperatorHarness& harness) {
  std::vector<std::string> seen;
  for (const Element& element : harness.take_elements()) {
    switch (element.kind) {
      case Element::Kind::kBatch:
        for (uint32_t i = element.begin; i < element.end; ++i) {
          seen.push_back(std::to_string(element.batch->timestamps()[i]));
        }
        break;
      case Element::Kind::kWatermark: seen.push_back("<=" + std::to_string(element.value)); break;
      case Element::Kind::kIdle: seen.emplace_back("idle"); break;
      case Element::Kind::kActive: seen.emplace_back("active"); break;
      default: break;
    }
  }
  return seen;
}
using Texts = std::vector<std::string>;

TEST(EventTime, sets_timestamps_and_watermarks_behind_the_rows_that_advance_them) {
  OperatorHarness harness(event_time(monotonous().per_record()), {.refusal = 0.3});
  harness.push_rows<int64_t>({{10, 0}, {5, 0}, {20, 0}});
  EXPECT_EQ(taken(harness), (Texts{"10", "<=9", "5", "20", "<=19"}));
}

TEST(EventTime, what_was_late_is_late_after_a_restore) {
  for (const double refusal : {0.0, 0.4}) {
    HarnessSnapshot snapshot;
    {
      OperatorHarness harness(event_time(bounded_lateness(5ms).per_record()));
      harness.push_rows<int64_t>({{10, 0}, {100, 0}, {30, 0}});
      snapshot = harness.snapshot();
    }
    OperatorHarness harness(event_time(bounded_lateness(5ms).per_record()), {.refusal = refusal});
    ASSERT_TRUE(harness.open_restored(snapshot).ok());
    // As in an undisturbed run, but that the watermark comes once more.
    harness.push_rows<int64_t>({{50, 0}, {99, 0}, {101, 0}});
    EXPECT_EQ(taken(harness), (Texts{"<=94", "50", "99", "101", "<=95"}));
  }
}

TEST(EventTime, a_watermark_that_was_not_sent_yet_is_sent_by_whoever_goes_on) {
  HarnessSnapshot snapshot;
  {
    OperatorHarness harness(event_time(monotonous()), {.batch_rows = 100});
    harness.push_rows<int64_t>({{10, 0}});
    harness.push_rows<int64_t>({{100, 0}});
    EXPECT_EQ(taken(harness).back(), "100");  // "<=99" waits for its interval
    snapshot = harness.snapshot();
  }
  OperatorHarness harness(event_time(monotonous()));
  ASSERT_TRUE(harness.open_restored(snapshot).ok());
  EXPECT_TRUE(taken(harness).empty());
  harness.advance_to_wall_ms(1);  // though no row comes
  EXPECT_EQ(taken(harness), (Texts{"<=99"}));
  harness.advance_to_wall_ms(1000);
  EXPECT_TRUE(taken(harness).empty());
}

TEST(EventTime, nothing_comes_behind_the_last_watermark) {
  HarnessSnapshot snapshot;
  {
    OperatorHarness harness(event_time(monotonous().idle_after(50ms)), {.batch_rows = 100});
    harness.push_rows<int64_t>({{10, 0}});
    harness.push_rows<int64_t>({{100, 0}});
    harness.watermark(kMaxWatermark);
    EXPECT_EQ(taken(harness).back(), "<=" + std::to_string(kMaxWatermark));
    harness.advance_to_wall_ms(1000);
    EXPECT_TRUE(taken(harness).empty());
    snapshot = harness.snapshot();
  }
  {
    OperatorHarness harness(event_time(monotonous()));
    ASSERT_TRUE(harness.open_restored(snapshot).ok());
    harness.watermark(kMaxWatermark);
    harness.advance_to_wall_ms(1000);
    EXPECT_EQ(taken(harness), (Texts{"<=" + std::to_string(kMaxWatermark)}));
  }
  // Somebody may go on nevertheless, when there are more senders than there were.
  OperatorHarness harness(event_time(monotonous()));
  ASSERT_TRUE(harness.open_restored(snapshot).ok());
  harness.push_rows<int64_t>({{50, 0}});
  EXPECT_EQ(taken(harness).front(), "<=99");
}

TEST(EventTime, a_snapshot_before_the_first_row_passes_on_what_was_restored) {
  HarnessSnapshot snapshot;
  {
    OperatorHarness harness(event_time(monotonous().per_record()));
    harness.push_rows<int64_t>({{10, 0}});
    snapshot = harness.snapshot();
  }
  {
    OperatorHarness harness(event_time(monotonous().per_record()));
    ASSERT_TRUE(harness.open_restored(snapshot).ok());
    snapshot = harness.snapshot();
  }
  OperatorHarness harness(event_time(monotonous().per_record()));
  ASSERT_TRUE(harness.open_restored(snapshot).ok());
  harness.push_rows<int64_t>({{3, 0}});
  EXPECT_EQ(taken(harness), (Texts{"<=9", "3"}));
}

TEST(EventTime, an_idle_stream_is_idle_still) {
  HarnessSnapshot snapshot;
  {
    OperatorHarness harness(event_time(monotonous().per_record().idle_after(50ms)));
    harness.push_rows<int64_t>({{10, 0}});
    harness.advance_to_wall_ms(60);
    EXPECT_EQ(taken(harness), (Texts{"10", "<=9", "idle"}));
    snapshot = harness.snapshot();
  }
  OperatorHarness harness(event_time(monotonous().per_record().idle_after(50ms)));
  ASSERT_TRUE(harness.open_restored(snapshot).ok());
  harness.advance_to_wall_ms(1);
  EXPECT_EQ(taken(harness), (Texts{"<=9", "idle"}));
  harness.push_rows<int64_t>({{20, 0}});
  EXPECT_EQ(taken(harness), (Texts{"active", "20", "<=19"}));
}

TEST(EventTime, at_another_parallelism_nobody_is_ahead_of_the_slowest) {
  std::vector<HarnessSnapshot> snapshots;
  for (int32_t i = 0; i < 2; ++i) {
    OperatorHarness harness(event_time(monotonous().per_record()),
                            {.subtask_index = i, .parallelism = 2});
    harness.push_rows<int64_t>({{100 * (i + 1), 0}});
    snapshots.push_back(harness.snapshot());
  }
  const HarnessSnapshot all = OperatorHarness::join_snapshots(snapshots);
  for (const auto& [subtask, parallelism, watermark] :
       {std::tuple(0, 2, "<=99"), std::tuple(1, 2, "<=199"), std::tuple(0, 1, "<=99"),
        std::tuple(2, 3, "<=99")}) {
    OperatorHarness harness(event_time(monotonous().per_record()),
                            {.subtask_index = subtask, .parallelism = parallelism});
    ASSERT_TRUE(harness.open_restored(all).ok());
    harness.push_rows<int64_t>({{1, 0}});
    EXPECT_EQ(taken(harness), (Texts{watermark, "1"})) << subtask << " of " << parallelism;
  }
}

// Asks for a watermark at rows that are divisible by 10.
struct Tens {
  std::optional<Timestamp> on_event(const int64_t& row, Timestamp at) {
    return row % 10 == 0 ? std::optional(at) : std::nullopt;
  }
};

TEST(EventTime, a_generator_of_the_users_does_not_fall_back) {
  HarnessSnapshot snapshot;
  {
    OperatorHarness harness(event_time(watermarks(Tens{}).per_record()));
    harness.push_rows<int64_t>({{40, 0}});
    snapshot = harness.snapshot();
  }
  OperatorHarness harness(event_time(watermarks(Tens{}).per_record()));
  ASSERT_TRUE(harness.open_restored(snapshot).ok());
  harness.push_rows<int64_t>({{20, 0}, {30, 0}, {50, 0}});
  EXPECT_EQ(taken(harness), (Texts{"<=40", "20", "30", "50", "<=50"}));
}

}  // namespace
}  // namespace tidewheel
