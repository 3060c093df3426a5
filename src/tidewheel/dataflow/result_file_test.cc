#include "tidewheel/dataflow/result_file.h"

#include <gtest/gtest.h>

#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/test_ledger.h"

namespace tidewheel {
namespace {

using dataflow_test::NumberCodec;

class BytesFile final : public ReadableFile {
 public:
  explicit BytesFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    const std::string_view rest =
        std::string_view(bytes_).substr(std::min(static_cast<size_t>(offset), bytes_.size()));
    const size_t count = std::min(rest.size(), into.size());
    std::copy_n(rest.data(), count, into.data());
    return static_cast<int64_t>(count);
  }
  Result<int64_t> read(std::span<char>) override { return 0; }
  Result<FileInfo> info() override {
    return FileInfo{.size_bytes = static_cast<int64_t>(bytes_.size())};
  }

 private:
  const std::string bytes_;
};

class ResultFile : public ::testing::Test {
 protected:
  void add(int64_t begin, int64_t end) {
    BatchRef batch = BatchRef::adopt(pool_->acquire());
    auto& rows = static_cast<RowBatch<int64_t>&>(const_cast<Batch&>(*batch));
    for (int64_t i = begin; i < end; ++i) { rows.append(i, i + 5); }
    add(Element::rows(std::move(batch)));
  }
  void add(const Element& element) {
    writer_->add(element);
    if (!writer_->has_block()) { return; }
    const auto block = writer_->take_block();
    ASSERT_TRUE(block.ok()) << block.status().to_string();
    bytes_ += *block;
  }
  void write_some(BlockCodec codec) {
    bytes_.clear();
    writer_ = std::make_unique<ResultFileWriter>(kId, codec_, codec);
    for (int64_t i = 0; i < 20; ++i) {
      add(i * 1000, i * 1000 + 1000);
      add(Element::watermark(i * 1000));
    }
    add(Element::control(Element::Kind::kBarrier, 3));
    add(Element::control(Element::Kind::kLatencyMarker, 3));
    add(Element::control(Element::Kind::kEndOfData));
    add(Element::control(Element::Kind::kEndOfInput));
  }
  // The sum of all rows and watermarks, or what is wrong.
  Result<int64_t> sum(const std::string& bytes, ResultId id = kId) {
    auto rows = codec_.open_reader(codec_.schema());
    ResultFileReader reader(id, std::make_unique<BytesFile>(bytes), std::move(rows).value(),
                            *pool_);
    int64_t sum = 0;
    while (true) {
      Element element;
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, reader.next(element));
      if (!more) { return sum; }
      last_ = element.kind;
      if (element.kind == Element::Kind::kWatermark) { sum += element.value; }
      if (element.kind != Element::Kind::kBatch) { continue; }
      const auto& batch = RowBatch<int64_t>::of(*element.batch);
      for (uint32_t i = element.begin; i < element.end; ++i) {
        EXPECT_EQ(batch.timestamps()[i], batch.row(i) + 5);
        sum += batch.row(i);
      }
    }
  }

  static constexpr ResultId kId{7, 3};
  static constexpr int64_t kSum = int64_t{20'000} * 19'999 / 2 + int64_t{190'000};
  const NumberCodec codec_{};
  const std::shared_ptr<BatchPool> pool_ = BatchPool::create_for<int64_t>(1024, nullptr);
  std::unique_ptr<ResultFileWriter> writer_;
  std::string bytes_;
  Element::Kind last_ = Element::Kind::kBatch;
};

TEST_F(ResultFile, what_was_written_is_read_in_any_compression) {
  size_t plain_bytes = 0;
  for (const BlockCodec codec :
       {BlockCodec::kNone, BlockCodec::kSnappy, BlockCodec::kLz4, BlockCodec::kZstd}) {
    write_some(codec);
    const auto read = sum(bytes_);
    ASSERT_TRUE(read.ok()) << read.status().to_string();
    EXPECT_EQ(*read, kSum);
    EXPECT_EQ(last_, Element::Kind::kEndOfInput);
    if (codec == BlockCodec::kNone) {
      plain_bytes = bytes_.size();
    } else {
      EXPECT_LT(bytes_.size(), plain_bytes);
    }
  }
}

TEST_F(ResultFile, one_that_was_cut_off_anywhere_is_damaged) {
  write_some(BlockCodec::kNone);
  for (size_t size = 0; size < bytes_.size(); size += 1 + size / 7) {
    const auto read = sum(bytes_.substr(0, size));
    ASSERT_EQ(read.status().id(), ErrorId::kDataFrame) << size;
  }
}

TEST_F(ResultFile, a_changed_byte_is_found) {
  write_some(BlockCodec::kLz4);
  for (size_t at = 0; at < bytes_.size(); at += at < 100 ? 1 : 977) {
    if (at >= 20 && at < 24) { continue; }  // nothing is there
    std::string changed = bytes_;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    ASSERT_EQ(sum(changed).status().id(), ErrorId::kDataFrame) << at;
  }
}

TEST_F(ResultFile, of_another_channel_or_attempt_is_refused) {
  write_some(BlockCodec::kNone);
  EXPECT_EQ(sum(bytes_, {7, 4}).status().id(), ErrorId::kDataFrame);
  EXPECT_EQ(sum(bytes_, {8, 3}).status().id(), ErrorId::kDataFrame);
}

}  // namespace
}  // namespace tidewheel
