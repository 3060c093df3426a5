#include "tidewheel/operators/record_row_codec.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tidewheel/types/text.h"

namespace tidewheel {
namespace {

struct Visit {
  int64_t user = 0;
  Text page;
  std::optional<double> price;
};
struct VisitBefore {
  int64_t user = 0;
  Text page;
};
struct Opaque {
  explicit Opaque(int number) : number_(number) {}
  int number_;
};

template <class T>
class Rows {
 public:
  T& add(T row, int64_t time_ms) { return batch_->append(std::move(row), time_ms); }
  Element element() { return Element::rows(BatchRef(batch_)); }
  ~Rows() { batch_->release(); }

 private:
  std::shared_ptr<BatchPool> pool_ = BatchPool::create_for<T>(4, nullptr);
  RowBatch<T>* batch_ = static_cast<RowBatch<T>*>(pool_->acquire());
};

TEST(RecordRowCodec, brings_rows_and_times_back_with_text_of_their_own) {
  const auto codec = row_codec_of<Visit>();
  ASSERT_NE(codec, nullptr);
  std::string bytes;
  {
    std::string page = "a page whose text dies with its batch";
    Rows<Visit> rows;
    rows.add({1, Text("first"), 1.5}, 10);
    rows.add({2, Text(page), std::nullopt}, kNoTimestamp);
    rows.add({3, Text(""), 0.0}, 30);
    Element some = rows.element();
    some.begin = 1;  // a slice
    append_rows(*codec, some, bytes);
    page.assign(page.size(), '#');
  }
  const auto pool = codec->make_pool(4, nullptr);
  std::string copy = bytes;
  const auto batch = codec->decode(codec->schema(), copy, *pool);
  ASSERT_TRUE(batch.ok()) << batch.status().to_string();
  copy.assign(copy.size(), '#');
  const auto& rows = RowBatch<Visit>::of(**batch);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows.row(0).user, 2);
  EXPECT_EQ(rows.row(0).page, Text("a page whose text dies with its batch"));
  EXPECT_EQ(rows.row(0).price, std::nullopt);
  EXPECT_EQ(rows.timestamps()[0], kNoTimestamp);
  EXPECT_EQ(rows.row(1).price, 0.0);
  EXPECT_EQ(rows.timestamps()[1], 30);
}

TEST(RecordRowCodec, rows_of_an_edited_struct_are_read) {
  const auto before = row_codec_of<VisitBefore>();
  std::string bytes;
  Rows<VisitBefore> rows;
  rows.add({7, Text("x")}, 1);
  append_rows(*before, rows.element(), bytes);
  const auto codec = row_codec_of<Visit>();
  const auto pool = codec->make_pool(4, nullptr);
  const auto batch = codec->decode(before->schema(), bytes, *pool);
  ASSERT_TRUE(batch.ok()) << batch.status().to_string();
  EXPECT_EQ(RowBatch<Visit>::of(**batch).row(0).user, 7);
  EXPECT_EQ(RowBatch<Visit>::of(**batch).row(0).price, std::nullopt);
}

TEST(RecordRowCodec, bytes_that_are_cut_off_are_refused) {
  const auto codec = row_codec_of<Visit>();
  std::string bytes;
  Rows<Visit> rows;
  rows.add({1, Text("abc"), 1.0}, 1);
  rows.add({2, Text("def"), 2.0}, 2);
  append_rows(*codec, rows.element(), bytes);
  const auto pool = codec->make_pool(4, nullptr);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(codec->decode(codec->schema(), bytes.substr(0, size), *pool).ok()) << size;
  }
}

TEST(RecordRowCodec, rows_that_are_no_records_have_none) {
  EXPECT_EQ(row_codec_of<Opaque>(), nullptr);
}

}  // namespace
}  // namespace tidewheel
