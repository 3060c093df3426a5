#include "tidewheel/dataflow/in_flight.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tidewheel/dataflow/test_ledger.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using Where = InFlightElement::Where;

class InFlight : public ::testing::Test {
 protected:
  static EdgeInfoRef edge(EdgeKind kind, int32_t senders, int32_t receivers) {
    auto info = std::make_shared<EdgeInfo>();
    info->name = "a.0 > b.0";
    info->kind = kind;
    info->sender_uid = "a";
    info->sender_max_parallelism = 16;
    info->receiver_max_parallelism = 16;
    info->senders = senders;
    info->receivers = receivers;
    info->codec = std::make_shared<dataflow_test::NumberCodec>();
    info->make_partitioner = [] {
      return std::make_unique<HashPartitioner<int64_t, dataflow_test::IdentityHash>>();
    };
    info->overtakes = true;
    return info;
  }
  InFlightElement rows(const EdgeInfoRef& info, Where where, int32_t sender, int32_t receiver,
                       std::vector<int64_t> numbers) {
    auto* batch = static_cast<RowBatch<int64_t>*>(pool_->acquire());
    for (const int64_t number : numbers) { batch->append(number, number + 1000); }
    return {info, where, sender, receiver, Element::rows(BatchRef::adopt(batch))};
  }
  // Writes as the tasks of both sides would: each its own elements, in order.
  void write(const std::vector<InFlightElement>& elements) {
    for (const bool at_sender : {false, true}) {
      for (int32_t subtask = 0; subtask < 8; ++subtask) {
        SegmentWriter writer({at_sender ? "a" : "b", subtask, 8, 16});
        InFlightWriter in_flight;
        for (const InFlightElement& element : elements) {
          if ((element.where == Where::kAtSender) != at_sender) { continue; }
          if ((at_sender ? element.sender : element.receiver) != subtask) { continue; }
          writer.begin_state(in_flight_state(*element.edge));
          in_flight.write(element, writer);
        }
        snapshot_->add(writer.finish());
      }
    }
  }
  std::deque<InFlightElement> read(const EdgeInfoRef& info, int32_t receiver) {
    std::deque<InFlightElement> elements;
    const std::string uid = "b";
    const Status status = read_in_flight(*snapshot_,
                                         {.edge = info,
                                          .receiver_uid = uid,
                                          .receiver = receiver,
                                          .batch_rows = 8,
                                          .memory = nullptr},
                                         elements);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return elements;
  }
  // Watermarks as minus their time.
  static std::vector<int64_t> numbers(const std::deque<InFlightElement>& elements) {
    std::vector<int64_t> all;
    for (const InFlightElement& element : elements) {
      if (element.element.kind == Element::Kind::kWatermark) {
        all.push_back(-element.element.value);
      }
      for (uint32_t i = element.element.begin; i < element.element.end; ++i) {
        const int64_t row = RowBatch<int64_t>::of(*element.element.batch).row(i);
        EXPECT_EQ(element.element.batch->timestamps()[i], row + 1000);
        all.push_back(row);
      }
    }
    return all;
  }
  std::vector<int64_t> of_all(const EdgeInfoRef& info) {
    std::vector<int64_t> all;
    for (int32_t receiver = 0; receiver < info->receivers; ++receiver) {
      const std::vector<int64_t> own = numbers(read(info, receiver));
      all.insert(all.end(), own.begin(), own.end());
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  std::shared_ptr<MemorySnapshot> snapshot_ = std::make_shared<MemorySnapshot>();
  std::shared_ptr<BatchPool> pool_ = BatchPool::create_for<int64_t>(8, nullptr);
};

TEST_F(InFlight, comes_back_in_order_by_sender_ring_before_sender_with_event_time) {
  const EdgeInfoRef info = edge(EdgeKind::kRebalance, 2, 2);
  InFlightElement watermark{info, Where::kInChannel, 0, 1, Element::watermark(77)};
  write({rows(info, Where::kAtSender, 0, 1, {5, 6}), rows(info, Where::kInChannel, 1, 1, {7}),
         rows(info, Where::kInChannel, 0, 1, {1, 2}), watermark,
         rows(info, Where::kInChannel, 0, 1, {3}), rows(info, Where::kRestored, 1, 1, {0}),
         rows(info, Where::kInChannel, 0, 0, {100})});
  EXPECT_EQ(numbers(read(info, 1)), (std::vector<int64_t>{0, 1, 2, -77, 3, 5, 6, 7}));
  EXPECT_EQ(numbers(read(info, 0)), (std::vector<int64_t>{100}));
}

TEST_F(InFlight, a_part_of_a_batch_stays_a_part) {
  const EdgeInfoRef info = edge(EdgeKind::kRebalance, 1, 2);
  InFlightElement part = rows(info, Where::kInChannel, 0, 0, {1, 2, 3, 4});
  part.element.begin = 1;
  part.element.end = 3;
  write({part});
  EXPECT_EQ(numbers(read(info, 0)), (std::vector<int64_t>{2, 3}));
}

TEST_F(InFlight, every_row_has_one_owner_at_any_parallelism) {
  for (const EdgeKind kind : {EdgeKind::kHash, EdgeKind::kCustom, EdgeKind::kRebalance,
                              EdgeKind::kShuffle, EdgeKind::kGlobal}) {
    snapshot_ = std::make_shared<MemorySnapshot>();
    const EdgeInfoRef info = edge(kind, 2, 3);
    const int32_t last = kind == EdgeKind::kGlobal ? 1 : 3;
    std::vector<InFlightElement> elements;
    for (int64_t i = 0; i < 60; i += 2) {
      const auto sender = static_cast<int32_t>(i / 2 % 2);
      elements.push_back(rows(info, i % 4 == 0 ? Where::kInChannel : Where::kAtSender, sender,
                              static_cast<int32_t>(i) % last, {i, i + 1}));
    }
    elements.push_back({info, Where::kInChannel, 0, 0, Element::watermark(1)});
    write(elements);
    for (const int32_t receivers : {1, 2, 4, 5}) {
      const EdgeInfoRef now = edge(kind, 3, receivers);
      EXPECT_EQ(of_all(now), dataflow_test::numbers_below(60)) << static_cast<int>(kind);
    }
  }
}

TEST_F(InFlight, rows_of_a_hash_edge_go_to_the_owners_of_their_keys) {
  write({rows(edge(EdgeKind::kRebalance, 1, 2), Where::kInChannel, 0, 1, {0, 1, 2, 3, 4, 5})});
  // The same parallelism, but the edge goes by key now.
  const EdgeInfoRef now = edge(EdgeKind::kHash, 1, 2);
  EXPECT_EQ(of_all(now), dataflow_test::numbers_below(6));
  auto partitioner = now->make_partitioner();
  partitioner->open(2, 16, 8, nullptr);
  Element all = rows(now, Where::kInChannel, 0, 0, {0, 1, 2, 3, 4, 5}).element;
  partitioner->split(all);
  for (const int32_t receiver : {0, 1}) {
    EXPECT_EQ(numbers(read(now, receiver)).size(),
              partitioner->gathered(static_cast<uint32_t>(receiver)));
  }
}

}  // namespace
}  // namespace tidewheel
