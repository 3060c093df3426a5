#include "tidewheel/dataflow/batch_pool.h"

#include <gtest/gtest.h>

#include <string>

#include "tidewheel/dataflow/output.h"

namespace tidewheel {
namespace {

TEST(BatchPool, a_batch_that_came_back_is_used_again) {
  auto pool = BatchPool::create_for<int64_t>(8, nullptr);
  Batch* const first = pool->acquire();
  static_cast<RowBatch<int64_t>*>(first)->append(1, 2);
  first->release();
  Batch* const second = pool->acquire();
  EXPECT_EQ(first, second);
  EXPECT_EQ(second->size(), 0U);
  second->release();
}

TEST(BatchPool, rows_are_destroyed_when_the_last_reference_goes) {
  auto pool = BatchPool::create_for<std::shared_ptr<int>>(8, nullptr);
  const auto row = std::make_shared<int>(1);
  auto* const batch = static_cast<RowBatch<std::shared_ptr<int>>*>(pool->acquire());
  batch->append(row, 0);
  BatchRef copy{batch};
  batch->release();
  EXPECT_EQ(row.use_count(), 2);
  copy.reset();
  EXPECT_EQ(row.use_count(), 1);
}

TEST(BatchPool, a_batch_outlives_its_pool_and_the_account) {
  BatchRef kept;
  {
    MemoryPool memory("test", MemoryPool::kUnlimited);
    auto pool = BatchPool::create_for<std::string>(2, &memory);
    auto* const batch = static_cast<RowBatch<std::string>*>(pool->acquire());
    batch->append("a text that is too long to be stored inside the string", 7);
    kept = BatchRef(batch);
    batch->release();
    pool->acquire()->release();
    EXPECT_GT(memory.used_bytes(), 0);
    pool.reset();
    EXPECT_EQ(memory.used_bytes(), 0);
  }
  EXPECT_EQ(RowBatch<std::string>::of(*kept).row(0).size(), 54U);
}

TEST(BatchPool, memory_is_charged_and_given_back) {
  MemoryPool memory("test", MemoryPool::kUnlimited);
  auto pool = BatchPool::create_for<int64_t>(100, &memory);
  auto* const batch = static_cast<RowBatch<int64_t>*>(pool->acquire());
  EXPECT_EQ(memory.used_bytes(), 1600);
  batch->ensure_room(300);
  pool->settle(*batch, batch->memory_bytes());
  EXPECT_EQ(memory.used_bytes(), 4800);
  batch->release();
  pool.reset();
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST(BatchPool, one_batch_is_always_allowed_and_no_more_without_memory) {
  MemoryPool memory("test", 100);
  auto pool = BatchPool::create_for<int64_t>(100, &memory);
  EXPECT_TRUE(pool->has_memory());
  Batch* const batch = pool->acquire();
  EXPECT_FALSE(pool->has_memory());
  batch->release();
  EXPECT_TRUE(pool->has_memory());
}

TEST(BatchPool, memory_found_for_the_next_batch_is_reserved) {
  MemoryPool memory("test", 4000);
  auto pool = BatchPool::create_for<int64_t>(100, &memory);
  Batch* const first = pool->acquire();
  EXPECT_TRUE(pool->has_memory());
  EXPECT_EQ(memory.used_bytes(), 3200);
  EXPECT_TRUE(pool->has_memory());
  EXPECT_EQ(memory.used_bytes(), 3200);
  Batch* const second = pool->acquire();
  EXPECT_EQ(memory.used_bytes(), 3200);
  EXPECT_FALSE(pool->has_memory());
  first->release();
  second->release();
  pool.reset();
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST(BatchPool, arenas_live_as_long_as_a_batch_that_shares_them) {
  auto pool = BatchPool::create_for<Text>(4, nullptr);
  auto* const from = static_cast<RowBatch<Text>*>(pool->acquire());
  from->append(from->arena().copy("hello"), 0);
  auto* const to = static_cast<RowBatch<Text>*>(pool->acquire());
  to->append(from->row(0), 0);
  to->share_arenas(*from);
  from->release();
  auto* const again = static_cast<RowBatch<Text>*>(pool->acquire());
  ASSERT_EQ(again, from);
  again->append(again->arena().copy("other"), 0);
  EXPECT_EQ(to->row(0), "hello");
  to->release();
  again->release();
}

// Refuses the first `refusals` offers.
struct PickySink final : ElementSink {
  int refusals = 0;
  std::vector<Element> taken;
  bool offer(Element& element) override {
    if (refusals > 0) {
      --refusals;
      return false;
    }
    taken.push_back(std::move(element));
    return true;
  }
};

TEST(OutputPort, what_is_refused_is_kept_in_order) {
  Output<int64_t> out(BatchPool::create_for<int64_t>(2, nullptr), 2);
  PickySink sink;
  out.connect(sink);
  sink.refusals = 1;
  out.emit(1, 1);
  EXPECT_TRUE(out.ready());
  out.emit(2, 2);  // full: sent, and refused
  EXPECT_FALSE(out.ready());
  out.emit(3, 3);
  EXPECT_EQ(out.send(Element::watermark(5)), Progress::kBlocked);
  EXPECT_TRUE(sink.taken.empty());
  EXPECT_EQ(out.retry(), Progress::kDone);
  ASSERT_EQ(sink.taken.size(), 3U);
  EXPECT_EQ(RowBatch<int64_t>::of(*sink.taken[0].batch).row(1), 2);
  EXPECT_EQ(RowBatch<int64_t>::of(*sink.taken[1].batch).row(0), 3);
  EXPECT_EQ(sink.taken[2].value, 5);
  EXPECT_TRUE(out.ready());
  EXPECT_EQ(out.rows_sent(), 3);
}

TEST(OutputPort, every_sink_gets_each_element_once) {
  Output<int64_t> out(BatchPool::create_for<int64_t>(1, nullptr), 1);
  PickySink a;
  PickySink b;
  out.connect(a);
  out.connect(b);
  b.refusals = 2;
  out.emit(1, 1);
  EXPECT_EQ(out.retry(), Progress::kBlocked);
  EXPECT_EQ(out.retry(), Progress::kDone);
  EXPECT_EQ(a.taken.size(), 1U);
  EXPECT_EQ(b.taken.size(), 1U);
}

TEST(OutputPort, is_not_ready_without_memory_for_another_batch) {
  MemoryPool memory("test", 16);
  Output<int64_t> out(BatchPool::create_for<int64_t>(1, &memory), 1);
  PickySink sink;
  out.connect(sink);
  out.emit(1, 1);
  EXPECT_FALSE(out.ready());
  EXPECT_TRUE(out.waits_for_memory());
  EXPECT_EQ(out.retry(), Progress::kBlocked);
  sink.taken.clear();
  EXPECT_EQ(out.retry(), Progress::kDone);
  EXPECT_TRUE(out.ready());
}

}  // namespace
}  // namespace tidewheel
