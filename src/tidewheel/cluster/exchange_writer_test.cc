// Frames with rows in place, over a connection that takes some bytes at a time.
#include "tidewheel/cluster/exchange_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/operators/record_row_codec.h"
#include "tidewheel/rpc/frame.h"

namespace tidewheel::exchange {
namespace {

struct Pair {
  int64_t left = 0;
  int64_t right = 0;
};

// Takes up to so many bytes of a write, and nothing at each second one.
class SlowConnection final : public Connection {
 public:
  explicit SlowConnection(size_t bytes_max) : bytes_max_(bytes_max) {}
  Result<Transfer> read(std::span<char>) override { return Transfer{}; }
  Result<Transfer> write(std::string_view bytes) override {
    const std::string_view one[] = {bytes};
    return write_pieces(one);
  }
  Result<Transfer> write_pieces(std::span<const std::string_view> pieces) override {
    if (++writes_ % 2 == 0) { return Transfer{}; }
    const size_t before = taken.size();
    for (const std::string_view piece : pieces) {
      EXPECT_FALSE(piece.empty());
      taken.append(piece.substr(0, bytes_max_ - (taken.size() - before)));
      if (taken.size() - before == bytes_max_) { break; }
    }
    return Transfer{Transfer::State::kMoved, static_cast<int64_t>(taken.size() - before)};
  }
  Status shutdown_write() override { return {}; }
  bool is_connected() const override { return true; }
  std::string peer() const override { return "test"; }
  std::string taken;

 private:
  const size_t bytes_max_;
  int writes_ = 0;
};

Element rows_from(BatchPool& pool, int64_t first, uint32_t count) {
  auto* const batch = static_cast<RowBatch<Pair>*>(pool.acquire());
  for (uint32_t i = 0; i < count; ++i) { batch->append(Pair{first + i, -first}, first); }
  return Element::rows(BatchRef::adopt(batch));
}

// Frames of all kinds, among them rows that are sent in place and others that are too few for that;
// `taken` has what was sent, `wanted` what the codec has written.
void check(size_t bytes_max) {
  const auto codec = row_codec_of<Pair>();
  const auto pool = codec->make_pool(2000, nullptr);
  SlowConnection connection(bytes_max);
  RowFrameWriter writer;
  std::vector<std::string> wanted;
  for (int64_t round = 0; round < 40; ++round) {
    const uint32_t count = round % 3 == 0 ? 5 : 1500;
    Element rows = rows_from(*pool, round, count);
    std::string body;
    append_rows(*codec, rows, body);
    codec->encode(rows, writer.begin_rows(7, static_cast<uint32_t>(round)));
    EXPECT_EQ(writer.row_bytes(), body.size());
    if (round % 5 == 4) {
      writer.abandon_rows();
    } else {
      writer.finish_rows(std::move(rows.batch));
      wanted.push_back(std::move(body));
    }
    rows.batch.reset();
    writer.begin(8, 0, 1).append("control");
    writer.finish();
    wanted.emplace_back("control");
    if (round % 2 == 0) { ASSERT_TRUE(writer.flush(connection).ok()); }
  }
  const size_t unsent = writer.unsent_bytes();
  const size_t before = connection.taken.size();
  while (!writer.flush(connection).value()) {}
  EXPECT_EQ(connection.taken.size() - before, unsent);
  EXPECT_EQ(writer.unsent_bytes(), 0U);
  FrameReader reader(1 << 20);
  reader.add(connection.taken);
  Frame frame;
  size_t found = 0;
  while (reader.next(frame).value()) {
    ASSERT_LT(found, wanted.size());
    EXPECT_EQ(frame.body, wanted[found++]);
  }
  EXPECT_EQ(found, wanted.size());
}

TEST(RowFrameWriter, a_connection_that_takes_little_gets_every_byte_once) {
  for (const size_t bytes_max : {size_t{1} << 20, size_t{30'000}, size_t{4096}, size_t{777}}) {
    check(bytes_max);
  }
}

TEST(RowFrameWriter, batches_in_place_are_held_until_they_are_sent) {
  const auto codec = row_codec_of<Pair>();
  const auto pool = codec->make_pool(2000, nullptr);
  RowFrameWriter writer;
  Element rows = rows_from(*pool, 1, 1500);
  const BatchRef batch = rows.batch;
  codec->encode(rows, writer.begin_rows(7, 1));
  writer.finish_rows(std::move(rows.batch));
  EXPECT_FALSE(batch->is_unique());
  SlowConnection connection(10'000);
  while (!writer.flush(connection).value()) {}
  EXPECT_TRUE(batch->is_unique());
}

}  // namespace
}  // namespace tidewheel::exchange
