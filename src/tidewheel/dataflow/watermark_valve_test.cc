#include "tidewheel/dataflow/watermark_valve.h"

#include <gtest/gtest.h>

#include <string>

#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/input_gate.h"

namespace tidewheel {
namespace {

std::string text(const std::vector<Element>& elements) {
  std::string out;
  for (const Element& element : elements) {
    if (!out.empty()) { out += ' '; }
    switch (element.kind) {
      case Element::Kind::kIdle: out += "idle"; break;
      case Element::Kind::kActive: out += "active"; break;
      case Element::Kind::kWatermark:
        out += element.value == kMaxWatermark ? "max" : std::to_string(element.value);
        break;
      default: out += "?"; break;
    }
  }
  return out;
}

class Valve : public ::testing::Test {
 protected:
  std::string watermark(size_t channel, int64_t time) {
    std::vector<Element> out;
    valve_.on_watermark(channel, time, out);
    return text(out);
  }
  std::string idle(size_t channel) {
    std::vector<Element> out;
    valve_.on_idle(channel, out);
    return text(out);
  }
  std::string active(size_t channel) {
    std::vector<Element> out;
    valve_.on_active(channel, out);
    return text(out);
  }
  std::string end(size_t channel) {
    std::vector<Element> out;
    valve_.on_end(channel, out);
    return text(out);
  }
  WatermarkValve valve_{3};
};

TEST_F(Valve, gives_the_minimum_when_it_grows) {
  EXPECT_EQ(watermark(0, 10), "");
  EXPECT_EQ(watermark(1, 20), "");
  EXPECT_EQ(watermark(2, 5), "5");
  EXPECT_EQ(watermark(2, 15), "10");
  EXPECT_EQ(watermark(0, 12), "12");
  EXPECT_EQ(watermark(0, 30), "15");
  EXPECT_EQ(watermark(2, 17), "17");
}

TEST_F(Valve, ignores_what_does_not_advance_a_channel) {
  watermark(0, 10);
  watermark(1, 10);
  EXPECT_EQ(watermark(2, 10), "10");
  EXPECT_EQ(watermark(2, 10), "");
  EXPECT_EQ(watermark(2, 7), "");
}

TEST_F(Valve, an_idle_channel_holds_nothing_back) {
  watermark(0, 10);
  watermark(1, 20);
  EXPECT_EQ(idle(2), "10");
  EXPECT_EQ(idle(0), "20");
}

TEST_F(Valve, the_last_one_to_become_idle_flushes_the_greatest_watermark) {
  watermark(0, 10);
  watermark(1, 20);
  watermark(2, 30);
  EXPECT_EQ(idle(2), "");
  EXPECT_EQ(idle(1), "");
  EXPECT_EQ(idle(0), "30 idle");
}

TEST_F(Valve, says_idle_and_active_once) {
  EXPECT_EQ(idle(0), "");
  EXPECT_EQ(idle(1), "");
  EXPECT_EQ(idle(1), "");
  EXPECT_EQ(idle(2), "idle");
  EXPECT_EQ(idle(2), "");
  EXPECT_EQ(active(1), "active");
  EXPECT_EQ(active(0), "");
}

TEST_F(Valve, a_channel_that_is_active_again_does_not_hold_back_until_it_has_caught_up) {
  watermark(0, 10);
  watermark(1, 20);
  EXPECT_EQ(idle(2), "10");
  EXPECT_EQ(active(2), "");
  EXPECT_EQ(watermark(2, 5), "");     // behind: not aligned
  EXPECT_EQ(watermark(0, 15), "15");  // not held back
  EXPECT_EQ(watermark(2, 15), "");    // has caught up, from here on it counts
  EXPECT_EQ(watermark(0, 30), "");
  EXPECT_EQ(watermark(2, 18), "18");
}

TEST_F(Valve, a_watermark_makes_an_idle_channel_active) {
  idle(0);
  idle(1);
  EXPECT_EQ(idle(2), "idle");
  EXPECT_EQ(watermark(1, 7), "active 7");
}

TEST_F(Valve, a_channel_that_has_ended_holds_nothing_back) {
  watermark(0, 10);
  watermark(1, 20);
  EXPECT_EQ(end(2), "10");
  EXPECT_EQ(end(0), "20");
  EXPECT_EQ(end(1), "max");
  EXPECT_EQ(end(1), "");
}

TEST(InputCombiner, gives_the_minimum_of_the_inputs_that_are_not_idle) {
  InputCombiner combiner(2);
  std::vector<Element> out;
  combiner.on_watermark(0, 10, out);
  EXPECT_EQ(text(out), "");
  combiner.on_watermark(1, 5, out);
  EXPECT_EQ(text(out), "5");
  out.clear();
  combiner.on_idle(1, true, out);
  EXPECT_EQ(text(out), "10");
  out.clear();
  combiner.on_idle(1, false, out);
  EXPECT_EQ(text(out), "");
  combiner.on_watermark(0, 50, out);
  EXPECT_EQ(text(out), "");  // held back by input 1 at 5
  combiner.on_watermark(1, 20, out);
  EXPECT_EQ(text(out), "20");
  out.clear();
  combiner.on_idle(0, true, out);
  combiner.on_idle(1, true, out);
  EXPECT_EQ(text(out), "idle");
  out.clear();
  combiner.on_idle(0, false, out);
  EXPECT_EQ(text(out), "50 active");
}

TEST(InputCombiner, any_number_of_inputs_hold_each_other_back) {
  constexpr size_t kInputs = 7;
  InputCombiner combiner(kInputs);
  std::vector<Element> out;
  for (size_t i = 1; i < kInputs; ++i) {
    combiner.on_watermark(i, static_cast<int64_t>(10 * i), out);
  }
  EXPECT_EQ(text(out), "");
  combiner.on_watermark(0, 70, out);
  EXPECT_EQ(text(out), "10");
  out.clear();
  for (size_t i = 1; i < kInputs; ++i) { combiner.on_idle(i, true, out); }
  EXPECT_EQ(text(out), "20 30 40 50 60 70");
  out.clear();
  combiner.on_idle(0, true, out);
  EXPECT_EQ(text(out), "idle");
}

struct NoTarget final : WakeTarget {
  void on_scheduled(bool) override {}
};

class Gate : public ::testing::Test {
 protected:
  // `inputs`: of each channel.
  void make(std::vector<int32_t> inputs) {
    std::vector<InputGate::Source> sources;
    for (const int32_t input : inputs) {
      channels_.push_back(std::make_unique<Channel>(16, true, target_, target_));
      sources.push_back({channels_.back().get(), input});
    }
    gate_ = std::make_unique<InputGate>(sources);
  }
  void push(size_t channel, Element element) { ASSERT_TRUE(channels_[channel]->push(element)); }
  void watermark(size_t channel, int64_t time) { push(channel, Element::watermark(time)); }
  void end(size_t channel) {
    push(channel, Element::control(Element::Kind::kEndOfData));
    push(channel, Element::control(Element::Kind::kEndOfInput));
  }
  void rows(size_t channel, int64_t value) {
    auto* batch = static_cast<RowBatch<int64_t>*>(pool_->acquire());
    batch->append(value, 0);
    push(channel, Element::rows(BatchRef::adopt(batch)));
  }
  std::string drain() {
    std::string out;
    GateItem item;
    while (gate_->next(item)) {
      if (!out.empty()) { out += ' '; }
      if (item.input != GateItem::kAllInputs) { out += std::to_string(item.input) + ":"; }
      switch (item.element.kind) {
        case Element::Kind::kBatch:
          out += "row" + std::to_string(RowBatch<int64_t>::of(*item.element.batch).row(0));
          break;
        case Element::Kind::kEndOfData: out += "end"; break;
        default: out += text({item.element}); break;
      }
    }
    return out;
  }
  NoTarget target_;
  std::shared_ptr<BatchPool> pool_ = BatchPool::create_for<int64_t>(1, nullptr);
  std::vector<std::unique_ptr<Channel>> channels_;
  std::unique_ptr<InputGate> gate_;
};

TEST_F(Gate, takes_from_channels_in_turn) {
  make({0, 0, 0});
  for (int64_t i = 0; i < 3; ++i) { rows(0, i); }
  rows(1, 10);
  rows(2, 20);
  rows(2, 21);
  EXPECT_EQ(drain(), "0:row0 0:row10 0:row20 0:row1 0:row21 0:row2");
  EXPECT_FALSE(gate_->has_data());
}

TEST_F(Gate, channels_of_one_input_share_a_watermark_and_an_end) {
  make({0, 0});
  watermark(0, 10);
  watermark(1, 7);
  end(0);
  EXPECT_EQ(drain(), "7");
  watermark(1, 20);
  end(1);
  EXPECT_FALSE(gate_->ended());
  EXPECT_EQ(drain(), "20 max 0:end");
  EXPECT_TRUE(gate_->ended());
}

TEST_F(Gate, two_inputs_tell_their_own_watermarks_and_the_minimum) {
  make({0, 1, 1});
  watermark(0, 10);
  watermark(1, 5);
  watermark(2, 8);
  EXPECT_EQ(drain(), "0:10 1:5 5");
  rows(2, 1);
  end(0);
  EXPECT_EQ(drain(), "0:max 0:end 1:row1");
  end(1);
  end(2);
  EXPECT_EQ(drain(), "1:8 8 1:max max 1:end");
}

TEST_F(Gate, idleness_of_two_inputs_is_that_of_both) {
  make({0, 1});
  watermark(0, 10);
  push(1, Element::control(Element::Kind::kIdle));
  EXPECT_EQ(drain(), "0:10 10");
  push(0, Element::control(Element::Kind::kIdle));
  EXPECT_EQ(drain(), "idle");
  push(1, Element::control(Element::Kind::kActive));
  EXPECT_EQ(drain(), "active");
}

}  // namespace
}  // namespace tidewheel
