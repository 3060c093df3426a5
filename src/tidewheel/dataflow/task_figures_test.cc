#include "tidewheel/dataflow/task_figures.h"

#include <gtest/gtest.h>

#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/row_codec.h"

namespace tidewheel {
namespace {

TEST(RecentValues, the_newest_are_kept) {
  RecentValues values;
  EXPECT_TRUE(values.sorted().empty());
  values.add(7);
  values.add(3);
  EXPECT_EQ(values.sorted(), (std::vector<int64_t>{3, 7}));
  for (int64_t i = 0; i < 1000; ++i) {
    values.add(100 + i);
    if (i < RecentValues::kKept) { continue; }
    const std::vector<int64_t> sorted = values.sorted();
    ASSERT_EQ(sorted.size(), RecentValues::kKept);
    ASSERT_EQ(sorted.back(), 100 + i);
    ASSERT_EQ(sorted.front(), 100 + i - RecentValues::kKept + 1);
  }
}

// Each row takes as many bytes as its number says, and each call is counted.
class NumberedRows final : public RowCodec {
 public:
  std::string schema() const override { return {}; }
  void encode(const Element& rows, EncodedRows& out) const override {
    ++calls;
    for (uint32_t i = rows.begin; i < rows.end; ++i) {
      const std::string bytes(static_cast<size_t>(RowBatch<int64_t>::of(*rows.batch).row(i)), 'x');
      out.writer().raw(bytes.data(), bytes.size());
    }
  }
  std::shared_ptr<BatchPool> make_pool(uint32_t, MemoryPool*) const override { return nullptr; }
  Result<std::unique_ptr<RowReader>> open_reader(std::string_view) const override {
    return unimplemented(ErrorId::kSnapshotFormat, "nobody reads");
  }
  mutable int calls = 0;
};

Element rows_of(BatchPool& pool, int64_t value, uint32_t count) {
  auto* batch = static_cast<RowBatch<int64_t>*>(pool.acquire());
  for (uint32_t i = 0; i < count; ++i) { batch->append(value, i); }
  return Element::rows(BatchRef::adopt(batch));
}

TEST(RowSize, rows_are_measured_now_and_then_and_counted_all) {
  const auto pool = BatchPool::create_for<int64_t>(1000, nullptr);
  const NumberedRows codec;
  RowSize size;
  int64_t bytes = 0;
  for (int i = 0; i < 10'000; ++i) { bytes += size.bytes_of(rows_of(*pool, 10, 100), &codec); }
  EXPECT_EQ(bytes, 10'000 * 100 * 10);
  EXPECT_LT(codec.calls, 60);
  // Another size is noticed.
  for (int i = 0; i < 256; ++i) { bytes = size.bytes_of(rows_of(*pool, 30, 100), &codec); }
  EXPECT_EQ(bytes, 3000);
}

TEST(RowSize, rows_that_can_not_be_encoded_count_as_their_memory) {
  const auto pool = BatchPool::create_for<int64_t>(1000, nullptr);
  RowSize size;
  EXPECT_EQ(size.bytes_of(rows_of(*pool, 1, 100), nullptr), 100 * 16);
  // A slice of a batch is its share.
  Element slice = rows_of(*pool, 1, 100);
  slice.begin = 50;
  EXPECT_EQ(size.bytes_of(slice, nullptr), 50 * 16);
}

TEST(SentGauges, a_source_notes_its_latest_event_time_and_watermark) {
  const auto pool = BatchPool::create_for<int64_t>(1000, nullptr);
  Gauge watermark;
  Gauge event_time;
  const SentGauges gauges{.watermark = &watermark, .event_time = &event_time};
  gauges.note(rows_of(*pool, 1, 100));
  EXPECT_EQ(event_time.value(), 99);
  gauges.note(Element::watermark(50));
  EXPECT_EQ(watermark.value(), 50);
  SentGauges().note(rows_of(*pool, 1, 5));  // nobody asks
  EXPECT_EQ(event_time.value(), 99);
}

}  // namespace
}  // namespace tidewheel
