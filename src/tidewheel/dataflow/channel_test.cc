#include "tidewheel/dataflow/channel.h"

#include <gtest/gtest.h>

#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/channel_writer.h"
#include "tidewheel/dataflow/row_partitioner.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

struct CountingTarget final : WakeTarget {
  int wakes = 0;
  void on_scheduled(bool) override { ++wakes; }
  using WakeTarget::rest;
};

class ChannelOf : public ::testing::TestWithParam<bool> {
 protected:
  bool push(Channel& channel, int64_t value) {
    Element element = Element::watermark(value);
    return channel.push(element);
  }
  CountingTarget sender_;
  CountingTarget receiver_;
};
INSTANTIATE_TEST_SUITE_P(Channel, ChannelOf, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "one_slot" : "two_slots"; });

TEST_P(ChannelOf, keeps_order_and_refuses_beyond_its_credits) {
  for (const uint32_t credits : {1U, 2U, 3U, 16U}) {
    Channel channel(credits, GetParam(), sender_, receiver_);
    int64_t pushed = 0;
    int64_t popped = 0;
    Element element;
    for (int round = 0; round < 50; ++round) {
      for (uint32_t i = 0; i < credits; ++i) { EXPECT_TRUE(push(channel, pushed++)); }
      EXPECT_FALSE(push(channel, -1));
      EXPECT_EQ(channel.size(), credits);
      while (channel.pop(element)) { EXPECT_EQ(element.value, popped++); }
      EXPECT_EQ(popped, pushed);
    }
  }
}

TEST_P(ChannelOf, wakes_a_receiver_that_rests_and_only_once) {
  Channel channel(4, GetParam(), sender_, receiver_);
  EXPECT_TRUE(push(channel, 1));
  EXPECT_TRUE(push(channel, 2));
  EXPECT_EQ(receiver_.wakes, 1);
  receiver_.rest();
  EXPECT_FALSE(channel.empty());
  EXPECT_TRUE(push(channel, 3));
  EXPECT_EQ(receiver_.wakes, 2);
}

TEST_P(ChannelOf, wakes_a_refused_sender_when_half_is_free) {
  Channel channel(4, GetParam(), sender_, receiver_);
  for (int64_t i = 0; i < 4; ++i) { EXPECT_TRUE(push(channel, i)); }
  Element element;
  EXPECT_TRUE(channel.pop(element));
  EXPECT_TRUE(channel.pop(element));
  EXPECT_EQ(sender_.wakes, 0);  // was never refused
  EXPECT_TRUE(push(channel, 4));
  EXPECT_TRUE(push(channel, 5));
  EXPECT_FALSE(push(channel, 6));
  EXPECT_TRUE(channel.pop(element));
  EXPECT_EQ(sender_.wakes, 0);
  EXPECT_TRUE(channel.pop(element));
  EXPECT_EQ(sender_.wakes, 1);
}

TEST_P(ChannelOf, one_credit_wakes_the_sender_each_time) {
  Channel channel(1, GetParam(), sender_, receiver_);
  Element element;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(push(channel, i));
    EXPECT_FALSE(push(channel, i));
    EXPECT_TRUE(channel.pop(element));
    EXPECT_EQ(sender_.wakes, i + 1);
    sender_.rest();
  }
}

class Writer : public ::testing::Test {
 protected:
  void make(ChannelWriter::Mode mode, size_t channels, uint32_t credits = 64,
            std::unique_ptr<Partitioner> partitioner = nullptr, uint32_t batch_rows = 8) {
    std::vector<Channel*> pointers;
    for (size_t i = 0; i < channels; ++i) {
      channels_.push_back(std::make_unique<Channel>(credits, true, sender_, receiver_));
      pointers.push_back(channels_.back().get());
    }
    if (partitioner != nullptr) {
      partitioner->open(static_cast<uint32_t>(channels), 128, batch_rows, nullptr);
    }
    writer_ = std::make_unique<ChannelWriter>(mode, pointers, std::move(partitioner), batch_rows,
                                              Random(1));
  }
  // A batch of the numbers from `first`.
  Element batch(int64_t first, int64_t count) {
    auto* rows = static_cast<RowBatch<int64_t>*>(pool_->acquire());
    for (int64_t i = 0; i < count; ++i) { rows->append(first + i, first + i); }
    return Element::rows(BatchRef::adopt(rows));
  }
  bool offer(Element element) { return writer_->offer(element); }
  // The rows that wait in a channel; watermarks as minus their value.
  std::vector<int64_t> drain(size_t channel) {
    std::vector<int64_t> rows;
    Element element;
    while (channels_[channel]->pop(element)) {
      if (element.kind == Element::Kind::kWatermark) { rows.push_back(-element.value); }
      for (uint32_t i = element.begin; i < element.end; ++i) {
        EXPECT_EQ(element.batch->timestamps()[i], RowBatch<int64_t>::of(*element.batch).row(i));
        rows.push_back(RowBatch<int64_t>::of(*element.batch).row(i));
      }
    }
    return rows;
  }

  CountingTarget sender_;
  CountingTarget receiver_;
  std::shared_ptr<BatchPool> pool_ = BatchPool::create_for<int64_t>(8, nullptr);
  std::vector<std::unique_ptr<Channel>> channels_;
  std::unique_ptr<ChannelWriter> writer_;
};

TEST_F(Writer, spread_gives_every_channel_the_same_share_over_time) {
  make(ChannelWriter::Mode::kSpread, 3, 1000);
  int64_t next = 0;
  for (int64_t count : {1, 2, 3, 4, 5, 10, 1, 1, 1, 7, 8, 2, 3, 2, 1}) {
    ASSERT_TRUE(offer(batch(next, count)));
    next += count;
  }
  std::vector<int64_t> all;
  for (size_t i = 0; i < 3; ++i) {
    const std::vector<int64_t> rows = drain(i);
    EXPECT_EQ(rows.size(), static_cast<size_t>(next / 3)) << "of " << next;
    all.insert(all.end(), rows.begin(), rows.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, dataflow_test::numbers_below(next));
}

TEST_F(Writer, slices_share_the_batch_that_came) {
  make(ChannelWriter::Mode::kSpread, 2);
  Element rows = batch(0, 4);
  const Batch* const origin = rows.batch.get();
  ASSERT_TRUE(offer(std::move(rows)));
  Element element;
  ASSERT_TRUE(channels_[0]->pop(element));
  EXPECT_EQ(element.batch.get(), origin);
  EXPECT_EQ(element.end - element.begin, 2U);
}

TEST_F(Writer, broadcast_gives_every_channel_every_row) {
  make(ChannelWriter::Mode::kBroadcast, 3);
  ASSERT_TRUE(offer(batch(0, 4)));
  for (size_t i = 0; i < 3; ++i) { EXPECT_EQ(drain(i), dataflow_test::numbers_below(4)); }
}

TEST_F(Writer, whole_sends_rows_to_the_first_and_control_to_all) {
  make(ChannelWriter::Mode::kWhole, 2);
  ASSERT_TRUE(offer(batch(1, 2)));
  ASSERT_TRUE(offer(Element::watermark(9)));
  EXPECT_EQ(drain(0), (std::vector<int64_t>{1, 2, -9}));
  EXPECT_EQ(drain(1), (std::vector<int64_t>{-9}));
}

TEST_F(Writer, gathered_rows_go_before_a_watermark) {
  make(ChannelWriter::Mode::kPartition, 2, 64,
       std::make_unique<HashPartitioner<int64_t, dataflow_test::IdentityHash>>());
  ASSERT_TRUE(offer(batch(0, 7)));
  EXPECT_TRUE(writer_->has_gathered_rows());
  ASSERT_TRUE(offer(Element::watermark(100)));
  EXPECT_FALSE(writer_->has_gathered_rows());
  size_t rows = 0;
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<int64_t> seen = drain(i);
    ASSERT_FALSE(seen.empty());
    EXPECT_EQ(seen.back(), -100);
    rows += seen.size() - 1;
  }
  EXPECT_EQ(rows, 7U);
}

TEST_F(Writer, full_batches_leave_the_partitioner_by_themselves) {
  make(ChannelWriter::Mode::kPartition, 1 + 1, 64,
       std::make_unique<HashPartitioner<int64_t, dataflow_test::IdentityHash>>(), 4);
  for (int64_t i = 0; i < 10; ++i) { ASSERT_TRUE(offer(batch(i * 8, 8))); }
  EXPECT_GE(drain(0).size() + drain(1).size(), 74U);
  EXPECT_EQ(writer_->flush(), Progress::kDone);
  EXPECT_FALSE(writer_->has_gathered_rows());
}

TEST_F(Writer, refuses_the_next_element_while_one_waits_for_room) {
  make(ChannelWriter::Mode::kBroadcast, 2, 1);
  ASSERT_TRUE(offer(Element::watermark(1)));
  ASSERT_TRUE(offer(Element::watermark(2)));  // taken, and waits
  EXPECT_TRUE(writer_->waits_for_room());
  EXPECT_FALSE(offer(Element::watermark(3)));
  EXPECT_FALSE(writer_->has_room());
  EXPECT_EQ(drain(0), std::vector<int64_t>{-1});
  EXPECT_TRUE(writer_->has_room());
  EXPECT_FALSE(offer(Element::watermark(3)));  // the other channel is still full
  EXPECT_EQ(drain(1), std::vector<int64_t>{-1});
  EXPECT_TRUE(offer(Element::watermark(3)));
  EXPECT_EQ(drain(1), std::vector<int64_t>{-2});
}

TEST_F(Writer, a_custom_partitioner_chooses_the_channel) {
  const auto choose = [](const int64_t& row, int32_t) { return row == 3 ? 1 : 0; };
  make(ChannelWriter::Mode::kPartition, 2, 64,
       std::make_unique<CustomPartitioner<int64_t, decltype(choose)>>(choose));
  ASSERT_TRUE(offer(batch(0, 5)));
  EXPECT_EQ(writer_->flush(), Progress::kDone);
  EXPECT_EQ(drain(0), (std::vector<int64_t>{0, 1, 2, 4}));
  EXPECT_EQ(drain(1), (std::vector<int64_t>{3}));
}

TEST_F(Writer, a_custom_partitioner_out_of_range_throws) {
  const auto choose = [](const int64_t&, int32_t channels) { return channels; };
  make(ChannelWriter::Mode::kPartition, 2, 64,
       std::make_unique<CustomPartitioner<int64_t, decltype(choose)>>(choose));
  EXPECT_THROW(static_cast<void>(offer(batch(0, 1))), std::out_of_range);
}

TEST(RowPartitioner, moves_rows_out_of_a_batch_that_nobody_else_holds) {
  struct Row {
    std::string text;
  };
  struct RowHash {
    uint32_t operator()(const Row& row) const { return static_cast<uint32_t>(row.text.size()); }
  };
  HashPartitioner<Row, RowHash> partitioner;
  partitioner.open(2, 128, 4, nullptr);
  auto pool = BatchPool::create_for<Row>(4, nullptr);
  const std::string text(100, 'x');
  auto* batch = static_cast<RowBatch<Row>*>(pool->acquire());
  batch->append(Row{text}, 1);
  const char* const bytes = batch->row(0).text.data();
  Element element = Element::rows(BatchRef::adopt(batch));
  Element shared = element;
  partitioner.split(element);
  EXPECT_EQ(batch->row(0).text, text);
  shared = {};
  partitioner.split(element);
  const uint32_t lane = partitioner.gathered(0) > 0 ? 0 : 1;
  ASSERT_EQ(partitioner.gathered(lane), 2U);
  const BatchRef taken = partitioner.take(lane);
  EXPECT_EQ(RowBatch<Row>::of(*taken).row(0).text, text);
  EXPECT_EQ(RowBatch<Row>::of(*taken).row(1).text.data(), bytes);
}

}  // namespace
}  // namespace tidewheel
