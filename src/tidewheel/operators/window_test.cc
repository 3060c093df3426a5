// Window grids and assigners, against the definition of the windows and at the borders of time.
#include "tidewheel/operators/window.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidewheel {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

template <class Assigner>
std::vector<TimeWindow> windows_of(const Assigner& assigner, int64_t time) {
  std::vector<TimeWindow> out;
  assigner.assign(0, time, [&](const TimeWindow& window) { out.push_back(window); });
  return out;
}

TimeWindow window(int64_t start, int64_t end) { return {Timestamp(start), Timestamp(end)}; }

using Windows = std::vector<TimeWindow>;

TEST(window, tumbling_windows_cover_negative_times_and_offsets) {
  EXPECT_EQ(windows_of(tumbling(Duration(10)), 0), Windows{window(0, 10)});
  EXPECT_EQ(windows_of(tumbling(Duration(10)), 9), Windows{window(0, 10)});
  EXPECT_EQ(windows_of(tumbling(Duration(10)), -1), Windows{window(-10, 0)});
  EXPECT_EQ(windows_of(tumbling(Duration(10)), -10), Windows{window(-10, 0)});
  EXPECT_EQ(windows_of(tumbling(Duration(10)), -11), Windows{window(-20, -10)});
  EXPECT_EQ(windows_of(tumbling(Duration(10), Duration(3)), 2), Windows{window(-7, 3)});
  EXPECT_EQ(windows_of(tumbling(Duration(10), Duration(-3)), 8), Windows{window(7, 17)});
}

TEST(window, sliding_windows_come_latest_first) {
  EXPECT_EQ(windows_of(sliding(Duration(10), Duration(5)), 7),
            (Windows{window(5, 15), window(0, 10)}));
  EXPECT_EQ(windows_of(sliding(Duration(10), Duration(4)), 9),
            (Windows{window(8, 18), window(4, 14), window(0, 10)}));
  EXPECT_EQ(windows_of(sliding(Duration(10), Duration(4)), 10),
            (Windows{window(8, 18), window(4, 14)}));
  EXPECT_EQ(windows_of(sliding(Duration(3), Duration(10)), 2), (Windows{window(0, 3)}));
  EXPECT_EQ(windows_of(sliding(Duration(3), Duration(10)), 3), Windows{});
}

TEST(window, cumulative_windows_grow_by_steps) {
  EXPECT_EQ(windows_of(cumulative(Duration(30), Duration(10)), 12),
            (Windows{window(0, 20), window(0, 30)}));
  EXPECT_EQ(windows_of(cumulative(Duration(30), Duration(10)), -1), (Windows{window(-30, 0)}));
  EXPECT_EQ(windows_of(cumulative(Duration(30), Duration(10), Duration(5)), 4),
            (Windows{window(-25, 5)}));
}

TEST(window, sessions_reach_from_the_row_to_the_end_of_its_gap) {
  EXPECT_EQ(windows_of(session(Duration(7)), 3), (Windows{window(3, 10)}));
  EXPECT_EQ(windows_of(session([](int row) { return Duration(row + 5); }), 3),
            (Windows{window(3, 8)}));
  EXPECT_ANY_THROW(windows_of(session([](int) { return Duration(0); }), 3));
  EXPECT_TRUE(window(0, 5).touches(window(5, 8)));
  EXPECT_TRUE(window(5, 8).touches(window(0, 5)));
  EXPECT_FALSE(window(0, 5).touches(window(6, 8)));
}

TEST(window, windows_stop_at_the_borders_of_time) {
  const Windows last = windows_of(tumbling(Duration(1000)), kMax);
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].end.ms(), kMax);
  EXPECT_EQ(last[0].max_timestamp(), kMax);
  EXPECT_LE(last[0].start.ms(), kMax);
  const Windows first = windows_of(tumbling(Duration(1000)), kMin);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].start.ms(), kMin);
  EXPECT_GT(first[0].end.ms(), kMin);
  EXPECT_LE(first[0].end.ms(), kMin + 1000);
  EXPECT_EQ(windows_of(session(Duration(10)), kMax - 3)[0], window(kMax - 3, kMax));
  const auto huge = SlidingWindows{kMax, kMax - 1, kMax - 2};
  for (const int64_t time : {kMin, kMin + 1, int64_t{-1}, int64_t{0}, kMax - 1, kMax}) {
    const Windows windows = windows_of(huge, time);
    EXPECT_GE(windows.size(), 1U);
    for (const TimeWindow& one : windows) {
      EXPECT_LE(one.start.ms(), time);
      EXPECT_GE(one.max_timestamp(), time);
    }
  }
}

TEST(window, windows_of_one_millisecond_have_a_place_for_the_end_of_time) {
  for (const int64_t size : {1, 3}) {
    const WindowGrid grid = WindowGrid::sliding(size, 1, 0);
    const int64_t slice = grid.slice_of(kMax);
    EXPECT_LT(grid.windows_of(slice).last, WindowGrid::kNone);
    EXPECT_EQ(grid.slice_times(slice).last, kMax);
    EXPECT_EQ(grid.max_timestamp(grid.windows_of(slice).last), kMax);
    EXPECT_LT(grid.slice_of(kMax - 2), slice);
  }
}

TEST(window, first_window_after_agrees_with_the_windows_maximum_timestamps) {
  const WindowGrid grids[] = {
      WindowGrid::sliding(10, 10, 0),    WindowGrid::sliding(10, 3, 2),
      WindowGrid::sliding(3, 10, -4),    WindowGrid::sliding(1, 1, 0),
      WindowGrid::cumulative(30, 10, 5), WindowGrid::sliding(kMax, kMax / 2, 5),
  };
  const int64_t times[] = {kMin, kMin + 1, kMin + 40, -1000, -11,       -10,      -1,      0,
                           1,    9,        10,        1000,  kMax - 40, kMax - 2, kMax - 1};
  for (const WindowGrid& grid : grids) {
    for (const int64_t time : times) {
      const int64_t first = grid.first_window_after(time);
      EXPECT_GT(grid.max_timestamp(first), time);
      if (first > kMin) { EXPECT_LE(grid.max_timestamp(first - 1), time); }
    }
    EXPECT_EQ(grid.first_window_after(kMax), WindowGrid::kNone);
  }
}

// What the reference says: start = time - ((time - offset) mod slide), going back while > time -
// size.
Windows defined_sliding(int64_t time, int64_t size, int64_t slide, int64_t offset) {
  Windows out;
  int64_t rest = (time - offset) % slide;
  if (rest < 0) { rest += slide; }
  for (int64_t start = time - rest; start > time - size; start -= slide) {
    out.push_back(window(start, start + size));
  }
  return out;
}

TEST(window, slices_and_windows_agree_with_the_definition) {
  for (int64_t size = 1; size <= 9; ++size) {
    for (int64_t slide = 1; slide <= 9; ++slide) {
      for (int64_t offset = 1 - slide; offset < slide; ++offset) {
        const SlidingWindows assigner{size, slide, offset};
        const WindowGrid grid = assigner.grid();
        for (int64_t time = -25; time <= 25; ++time) {
          const Windows windows = windows_of(assigner, time);
          ASSERT_EQ(windows, defined_sliding(time, size, slide, offset));
          const int64_t slice = grid.slice_of(time);
          const WindowGrid::Range times = grid.slice_times(slice);
          ASSERT_LE(times.first, time);
          ASSERT_GE(times.last, time);
          ASSERT_EQ(grid.slice_of(times.first), slice);
          ASSERT_EQ(grid.slice_of(times.last), slice);
          const WindowGrid::Range range = grid.windows_of(slice);
          for (int64_t j = range.first; j <= range.last; ++j) {
            ASSERT_LE(grid.slices_of(j).first, slice);
            ASSERT_GE(grid.slices_of(j).last, slice);
            ASSERT_LE(grid.window(j).start.ms(), times.first);
            ASSERT_GE(grid.window(j).end.ms(), times.last + 1);
          }
        }
      }
    }
  }
}

TEST(window, bad_sizes_are_refused_with_what_would_be_accepted) {
  EXPECT_EQ(tumbling(Duration(0)).check().id(), ErrorId::kWindowOption);
  EXPECT_EQ(tumbling(Duration(10), Duration(10)).check().id(), ErrorId::kWindowOption);
  EXPECT_TRUE(tumbling(Duration(10), Duration(-9)).check().ok());
  EXPECT_EQ(sliding(Duration(10), Duration(-1)).check().id(), ErrorId::kWindowOption);
  EXPECT_EQ(cumulative(Duration(10), Duration(3)).check().id(), ErrorId::kWindowOption);
  EXPECT_EQ(session(Duration(-5)).check().id(), ErrorId::kWindowOption);
  EXPECT_EQ(count(0).check().id(), ErrorId::kWindowOption);
  EXPECT_EQ(count(3, 0).check().id(), ErrorId::kWindowOption);
  EXPECT_TRUE(count(3, 5).check().ok());
  EXPECT_TRUE(processing_time(tumbling(Duration(5))).check().ok());
}

}  // namespace
}  // namespace tidewheel
