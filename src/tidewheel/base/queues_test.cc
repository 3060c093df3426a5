// The queues between threads: ring, stack, mailbox.
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "tidewheel/base/intrusive_stack.h"
#include "tidewheel/base/mailbox.h"
#include "tidewheel/base/spsc_ring.h"

namespace tidewheel {
namespace {

using Push = SpscRing<int>::Push;

TEST(SpscRing, says_full_empty_and_was_empty_exactly) {
  SpscRing<int> ring(3);
  EXPECT_EQ(ring.front(), nullptr);
  EXPECT_EQ(ring.try_push(1), Push::kWasEmpty);
  EXPECT_EQ(ring.try_push(2), Push::kPushed);
  EXPECT_EQ(ring.try_push(3), Push::kPushed);
  EXPECT_FALSE(ring.has_room());
  EXPECT_EQ(ring.try_push(4), Push::kFull);
  EXPECT_EQ(ring.size(), 3U);
  EXPECT_EQ(*ring.front(), 1);
  EXPECT_TRUE(ring.pop());  // it was full
  EXPECT_TRUE(ring.has_room());
  EXPECT_EQ(*ring.front(), 2);
  EXPECT_FALSE(ring.pop());
  EXPECT_EQ(*ring.front(), 3);
  EXPECT_FALSE(ring.pop());
  EXPECT_EQ(ring.front(), nullptr);
  EXPECT_EQ(ring.try_push(5), Push::kWasEmpty);
}

TEST(SpscRing, a_ring_of_one_is_empty_and_full_by_turns) {
  SpscRing<std::unique_ptr<int>> ring(1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ring.try_push(std::make_unique<int>(i)),
              SpscRing<std::unique_ptr<int>>::Push::kWasEmpty);
    auto refused = std::make_unique<int>(-1);
    EXPECT_EQ(ring.try_push(std::move(refused)), SpscRing<std::unique_ptr<int>>::Push::kFull);
    EXPECT_NE(refused, nullptr);  // a full ring leaves the item with its owner
    const std::unique_ptr<int> taken = std::move(*ring.front());
    EXPECT_EQ(*taken, i);
    EXPECT_TRUE(ring.pop());
  }
}

// Each side sleeps when it can't go on, and is woken by what the other side's push or pop says: a
// lost wake-up leaves both asleep, so a bounded number of looks without progress fails the test.
TEST(SpscRing, two_threads_pass_all_items_in_order_and_lose_no_wake_up) {
  for (const uint32_t capacity : {1U, 2U, 7U}) {
    // Each item of a ring that is full or empty costs a switch of threads, which takes
    // milliseconds on a busy machine.
    constexpr int kItems = 1'000;
    SpscRing<int> ring(capacity);
    std::atomic<int> producer_wakes{0};
    std::atomic<int> consumer_wakes{0};
    std::thread producer([&] {
      int seen = 0;
      for (int i = 0; i < kItems;) {
        int item = i;
        const Push pushed = ring.try_push(std::move(item));
        if (pushed == Push::kFull) {
          producer_wakes.wait(seen);
          seen = producer_wakes.load();
          continue;
        }
        ++i;
        if (pushed == Push::kWasEmpty) {
          consumer_wakes.fetch_add(1);
          consumer_wakes.notify_one();
        }
      }
    });
    int seen = 0;
    for (int expected = 0; expected < kItems;) {
      const int* item = ring.front();
      if (item == nullptr) {
        consumer_wakes.wait(seen);
        seen = consumer_wakes.load();
        continue;
      }
      ASSERT_EQ(*item, expected);
      ++expected;
      if (ring.pop()) {
        producer_wakes.fetch_add(1);
        producer_wakes.notify_one();
      }
    }
    producer.join();
    EXPECT_EQ(ring.size(), 0U);
  }
}

struct Node {
  int value = 0;
  Node* next = nullptr;
};

TEST(IntrusiveStack, gives_nodes_back_oldest_first) {
  IntrusiveStack<Node, &Node::next> stack;
  Node nodes[3] = {{1}, {2}, {3}};
  EXPECT_EQ(stack.take_all(), nullptr);
  EXPECT_TRUE(stack.push(&nodes[0]));
  EXPECT_FALSE(stack.push(&nodes[1]));
  EXPECT_FALSE(stack.push(&nodes[2]));
  std::vector<int> values;
  for (Node* node = stack.take_all(); node != nullptr; node = node->next) {
    values.push_back(node->value);
  }
  EXPECT_EQ(values, (std::vector<int>{1, 2, 3}));
  EXPECT_TRUE(stack.empty());
}

TEST(IntrusiveStack, takes_every_node_that_many_threads_push) {
  constexpr int kThreads = 3;
  constexpr int kEach = 20'000;
  std::vector<Node> nodes(kThreads * kEach);
  IntrusiveStack<Node, &Node::next> stack;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) { stack.push(&nodes[static_cast<size_t>(t * kEach + i)]); }
    });
  }
  int taken = 0;
  while (taken < kThreads * kEach) {
    for (Node* node = stack.take_all(); node != nullptr; node = node->next) {
      ASSERT_EQ(node->value, 0);
      node->value = 1;
      ++taken;
    }
  }
  for (std::thread& thread : threads) { thread.join(); }
  EXPECT_EQ(stack.take_all(), nullptr);
}

TEST(Mailbox, runs_mail_in_order_and_says_when_it_was_empty) {
  Mailbox box;
  std::vector<int> ran;
  EXPECT_FALSE(box.has_mail());
  EXPECT_TRUE(box.post([&] { ran.push_back(1); }));
  EXPECT_FALSE(box.post([&] {
    ran.push_back(2);
    EXPECT_TRUE(box.post([&] { ran.push_back(3); }));
  }));
  EXPECT_EQ(box.run_pending(), 2U);
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  EXPECT_TRUE(box.has_mail());
  EXPECT_EQ(box.run_pending(), 1U);
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
}

TEST(Mailbox, drops_mail_once_closed) {
  Mailbox box;
  const auto held = std::make_shared<int>(1);
  box.post([held] {});
  box.close();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(box.post([held] {}));
  EXPECT_EQ(box.run_pending(), 0U);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace tidewheel
