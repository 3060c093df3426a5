// Barriers at the input gate. Its event time is tested beside the valve.
#include "tidewheel/dataflow/input_gate.h"

#include <gtest/gtest.h>

#include <string>

#include "tidewheel/dataflow/batch_pool.h"

namespace tidewheel {
namespace {

struct Nobody final : WakeTarget {
  void on_scheduled(bool) override {}
};

struct Watcher final : BarrierWatcher {
  Alignment alignment = Alignment::kBlock;
  std::vector<InFlightElement> overtaken;
  std::vector<int64_t> first;
  std::vector<int64_t> subsumed;
  Alignment on_first_barrier(int64_t checkpoint) override {
    first.push_back(checkpoint);
    return alignment;
  }
  void on_overtaken(InFlightElement element) override { overtaken.push_back(std::move(element)); }
  void on_barrier_subsumed(int64_t checkpoint) override { subsumed.push_back(checkpoint); }
};

class Barriers : public ::testing::Test {
 protected:
  // `pinned`: inputs whose barriers do not overtake.
  void make(const std::vector<int32_t>& inputs, int32_t pinned = -1) {
    std::vector<InputGate::Source> sources;
    for (const int32_t input : inputs) {
      auto edge = std::make_shared<EdgeInfo>();
      edge->overtakes = input != pinned;
      channels_.push_back(std::make_unique<Channel>(16, true, target_, target_));
      const auto sender = static_cast<int32_t>(sources.size());
      sources.push_back({channels_.back().get(), input, edge, sender, 0});
    }
    gate_ = std::make_unique<InputGate>(sources);
    gate_->set_watcher(watcher_);
  }
  void push(size_t channel, Element element) { ASSERT_TRUE(channels_[channel]->push(element)); }
  void barrier(size_t channel, int64_t id) {
    push(channel, Element::control(Element::Kind::kBarrier, id));
  }
  void row(size_t channel, int64_t value) {
    auto* batch = static_cast<RowBatch<int64_t>*>(pool_->acquire());
    batch->append(value, 0);
    push(channel, Element::rows(BatchRef::adopt(batch)));
  }
  void announced_barrier(size_t channel, int64_t id) {
    const uint32_t position = channels_[channel]->next_position();
    barrier(channel, id);
    channels_[channel]->announce(id, position);
  }
  // Sender and row, or watermark.
  std::string overtaken() const {
    std::string out;
    for (const InFlightElement& one : watcher_.overtaken) {
      if (!out.empty()) { out += ' '; }
      out += std::to_string(one.sender) + ":";
      out += one.element.kind == Element::Kind::kWatermark
                 ? "w" + std::to_string(one.element.value)
                 : std::to_string(RowBatch<int64_t>::of(*one.element.batch).row(0));
    }
    return out;
  }
  void end(size_t channel) {
    push(channel, Element::control(Element::Kind::kEndOfData));
    push(channel, Element::control(Element::Kind::kEndOfInput));
  }
  // Rows as their value, barriers as b<id>.
  std::string drain() {
    std::string out;
    GateItem item;
    for (;;) {
      if (!gate_->next(item)) {
        if (gate_->due() == 0) { return out; }
        item.element = Element::control(Element::Kind::kBarrier, gate_->due());
        gate_->pass_barrier(/*capture=*/true);
      }
      if (!out.empty()) { out += ' '; }
      switch (item.element.kind) {
        case Element::Kind::kBatch:
          out += std::to_string(RowBatch<int64_t>::of(*item.element.batch).row(0));
          break;
        case Element::Kind::kBarrier: out += "b" + std::to_string(item.element.value); break;
        case Element::Kind::kWatermark: out += "w"; break;
        case Element::Kind::kEndOfData: out += "end"; break;
        default: out += "?"; break;
      }
    }
  }

  Nobody target_;
  Watcher watcher_;
  std::shared_ptr<BatchPool> pool_ = BatchPool::create_for<int64_t>(1, nullptr);
  std::vector<std::unique_ptr<Channel>> channels_;
  std::unique_ptr<InputGate> gate_;
};

TEST_F(Barriers, hold_back_what_is_behind_them_until_all_have_come) {
  make({0, 0, 1});
  row(0, 1);
  barrier(0, 5);
  row(0, 2);
  row(1, 10);
  EXPECT_EQ(drain(), "1 10");
  EXPECT_EQ(watcher_.first, std::vector<int64_t>{5});
  EXPECT_EQ(gate_->aligning(), 5);
  EXPECT_FALSE(gate_->has_data());
  barrier(2, 5);
  row(2, 20);
  row(1, 11);
  EXPECT_EQ(drain(), "11");
  barrier(1, 5);
  row(1, 12);
  const std::string rest = drain();
  EXPECT_EQ(rest.substr(0, 3), "b5 ");
  EXPECT_EQ(rest.size(), std::string("b5 2 12 20").size());
  EXPECT_EQ(gate_->aligning(), 0);
}

TEST_F(Barriers, at_least_once_counts_without_holding_back) {
  watcher_.alignment = BarrierWatcher::Alignment::kCount;
  make({0, 0});
  barrier(0, 1);
  row(0, 1);
  EXPECT_EQ(drain(), "1");
  row(1, 2);
  barrier(1, 1);
  row(1, 3);
  EXPECT_EQ(drain(), "2 b1 3");
}

TEST_F(Barriers, one_channel_is_aligned_at_once) {
  make({0});
  barrier(0, 1);
  row(0, 1);
  barrier(0, 2);
  EXPECT_EQ(drain(), "b1 1 b2");
}

TEST_F(Barriers, a_newer_one_gives_up_the_older_alignment) {
  make({0, 0, 0});
  barrier(0, 1);
  row(0, 1);
  barrier(1, 1);
  EXPECT_EQ(drain(), "");
  barrier(2, 2);
  row(2, 9);
  EXPECT_EQ(drain(), "1");
  EXPECT_EQ(watcher_.subsumed, std::vector<int64_t>{1});
  barrier(0, 2);
  barrier(1, 2);
  EXPECT_EQ(drain(), "b2 9");
}

TEST_F(Barriers, the_given_up_one_that_comes_late_means_nothing) {
  make({0, 0});
  barrier(0, 1);
  EXPECT_EQ(drain(), "");
  gate_->cancel(1);
  row(0, 1);
  EXPECT_EQ(drain(), "1");
  barrier(1, 1);
  row(1, 2);
  EXPECT_EQ(drain(), "2");
  barrier(1, 2);
  barrier(0, 2);
  EXPECT_EQ(drain(), "b2");
  EXPECT_EQ(watcher_.first, (std::vector<int64_t>{1, 2}));
}

TEST_F(Barriers, a_channel_that_has_ended_has_delivered_its_own) {
  make({0, 0});
  barrier(0, 1);
  row(0, 1);
  end(1);
  EXPECT_EQ(drain(), "b1 1");
  barrier(0, 2);
  EXPECT_EQ(drain(), "b2");
  end(0);
  EXPECT_EQ(drain(), "w end");
  EXPECT_TRUE(gate_->ended());
}

// ---- Those that overtake

TEST_F(Barriers, what_was_overtaken_is_told_and_still_given_out) {
  watcher_.alignment = BarrierWatcher::Alignment::kOvertake;
  make({0, 0});
  row(0, 1);
  push(0, Element::watermark(5));
  announced_barrier(0, 3);
  row(0, 2);
  row(1, 10);
  gate_->look_for_announcements();
  EXPECT_EQ(gate_->due(), 3);
  EXPECT_EQ(drain().substr(0, 2), "b3");
  EXPECT_EQ(overtaken(), "0:1 0:w5 1:10");
  EXPECT_EQ(gate_->recording(), 3);
  row(1, 11);
  push(1, Element::control(Element::Kind::kLatencyMarker, 1));
  EXPECT_EQ(drain(), "11 ?");
  barrier(1, 3);
  row(1, 12);
  EXPECT_EQ(drain(), "12");
  EXPECT_EQ(overtaken(), "0:1 0:w5 1:10 1:11");
  EXPECT_EQ(gate_->recording(), 0);
}

TEST_F(Barriers, an_announcement_ends_the_recording_before_its_rows_are_taken) {
  watcher_.alignment = BarrierWatcher::Alignment::kOvertake;
  make({0, 0});
  barrier(0, 1);
  EXPECT_EQ(drain(), "b1");
  EXPECT_EQ(gate_->recording(), 1);
  row(1, 1);
  row(1, 2);
  announced_barrier(1, 1);
  row(1, 3);
  gate_->look_for_announcements();
  EXPECT_EQ(gate_->recording(), 0);
  EXPECT_EQ(overtaken(), "1:1 1:2");
  EXPECT_EQ(drain(), "1 2 3");
  EXPECT_EQ(overtaken(), "1:1 1:2");
}

TEST_F(Barriers, one_that_is_in_the_ring_already_ends_what_was_overtaken) {
  watcher_.alignment = BarrierWatcher::Alignment::kOvertake;
  make({0, 0});
  row(1, 1);
  barrier(1, 1);
  row(1, 2);
  announced_barrier(0, 1);
  gate_->look_for_announcements();
  gate_->pass_barrier(/*capture=*/true);
  EXPECT_EQ(overtaken(), "1:1");
  EXPECT_EQ(gate_->recording(), 0);
  EXPECT_EQ(drain(), "1 2");
}

TEST_F(Barriers, channels_that_can_not_be_overtaken_are_waited_for) {
  watcher_.alignment = BarrierWatcher::Alignment::kOvertake;
  make({0, 1}, /*pinned=*/1);
  row(0, 1);
  announced_barrier(0, 1);
  row(1, 10);
  gate_->look_for_announcements();
  EXPECT_EQ(gate_->due(), 0);
  EXPECT_EQ(drain(), "1 10");
  barrier(1, 1);
  EXPECT_EQ(drain(), "b1");
  EXPECT_EQ(overtaken(), "");
}

TEST_F(Barriers, an_aligned_one_can_overtake_later) {
  make({0, 0});
  barrier(0, 1);
  row(0, 2);
  EXPECT_EQ(drain(), "");
  row(1, 1);
  gate_->overtake();
  EXPECT_EQ(gate_->due(), 1);
  gate_->pass_barrier(/*capture=*/true);
  EXPECT_EQ(overtaken(), "1:1");
  EXPECT_EQ(gate_->recording(), 1);
  barrier(1, 2);
  static_cast<void>(drain());
  EXPECT_EQ(watcher_.subsumed, std::vector<int64_t>{1});
}

TEST_F(Barriers, what_was_restored_comes_first_and_is_overtaken_too) {
  watcher_.alignment = BarrierWatcher::Alignment::kOvertake;
  make({0, 0});
  auto* batch = static_cast<RowBatch<int64_t>*>(pool_->acquire());
  batch->append(7, 0);
  std::deque<InFlightElement> restored;
  const EdgeInfoRef edge = gate_->sources()[1].edge;
  restored.push_back(
      {edge, InFlightElement::Where::kRestored, 1, 0, Element::rows(BatchRef::adopt(batch))});
  gate_->restore(std::move(restored));
  row(0, 1);
  announced_barrier(0, 1);
  announced_barrier(1, 1);
  gate_->look_for_announcements();
  gate_->pass_barrier(/*capture=*/true);
  EXPECT_EQ(overtaken(), "1:7 0:1");
  EXPECT_TRUE(gate_->has_data());
  EXPECT_EQ(drain(), "7 1");
}

TEST_F(Barriers, come_after_the_end_of_data_too) {
  make({0, 1});
  push(0, Element::control(Element::Kind::kEndOfData));
  barrier(0, 1);
  row(1, 1);
  barrier(1, 1);
  EXPECT_EQ(drain(), "w end 1 b1");
  EXPECT_FALSE(gate_->ended());
}

TEST_F(Barriers, a_channel_that_ends_without_its_data_says_nothing_about_event_time) {
  make({0});
  push(0, Element::watermark(7));
  push(0, Element::control(Element::Kind::kEndOfInput));
  EXPECT_EQ(drain(), "w");
  EXPECT_TRUE(gate_->ended());
}

}  // namespace
}  // namespace tidewheel
