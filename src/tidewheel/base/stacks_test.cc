#include "tidewheel/base/stacks.h"

#include <gtest/gtest.h>

#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

// Turns until it is told to stop; known by its name in the stack.
struct BusyForStacks final : Turnable {
  [[gnu::noinline]] Turn turn() override {
    turns.fetch_add(1);
    return stops.load() ? Turn::stop() : Turn::again();
  }
  std::atomic<int64_t> turns{0};
  std::atomic<bool> stops{false};
};

TEST(Stacks, every_thread_shows_where_it_is) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kError});
  BusyForStacks busy;
  const std::unique_ptr<Worker> worker = world->executor().start_worker("tw-busy", busy);
  while (busy.turns.load() == 0) {}
  StackSymbols symbols;
  bool seen = false;
  int callers = 0;
  int captures = 0;
  // Where it is in a turn is up to chance.
  for (int i = 0; i < 200 && !seen; ++i) {
    ++captures;
    for (const CapturedStack& stack : capture_stacks(50)) {
      EXPECT_LE(stack.frames.size(), 50U);
      callers += stack.is_caller ? 1 : 0;
      if (stack.name != "tw-busy") { continue; }
      EXPECT_FALSE(stack.frames.empty());
      for (const uint64_t frame : stack.frames) {
        seen = seen || symbols.name_of(frame).find("BusyForStacks::turn") != std::string::npos;
      }
    }
  }
  EXPECT_TRUE(seen);
  EXPECT_EQ(callers, captures);
  busy.stops.store(true);
}

TEST(Stacks, addresses_without_a_symbol_are_shown_as_they_are) {
  StackSymbols symbols;
  EXPECT_EQ(symbols.name_of(16), "0x10");
}

}  // namespace
}  // namespace tidewheel
