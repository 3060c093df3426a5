// The Nexmark event source: persons, auctions and bids as typed rows. A job names the struct that
// it wants for each kind of event, and only the fields of that struct are made:
//
//   struct Price { int64_t auction; int64_t price; };
//   env.from("bids", nexmark::bids<Price>({.events = 1'000'000}));
//
// `events` gives several kinds in one stream, in the order of events, as a std::variant.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/connectors/nexmark/generator.h"
#include "tidewheel/connectors/nexmark/rows.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::nexmark {

// Every `count`-th block of events, the first of them being block `index`. Interleaved, so that
// event time advances evenly in all splits.
struct EventSplit {
  int32_t index = 0;
  int32_t count = 1;
  int64_t next = 0;  // the event to go on from
};

inline constexpr int64_t kBlockEvents = 2000;

// The rest of a split, as splits of every (count * parts)-th block.
std::vector<EventSplit> divide_events(const EventSplit& split, int32_t parts);

// The rows are those of RowWriter; None stands for a kind that is not wanted.
template <class PersonRow, class AuctionRow, class BidRow>
class EventSource {
  using Writer = RowWriter<PersonRow, AuctionRow, BidRow>;

 public:
  using output = typename Writer::Row;
  using Split = EventSplit;

  // Options that are not valid fail the job when it starts.
  explicit EventSource(const Options& options) : valid_(options.validate()) {
    if (valid_.ok()) { generator_ = std::make_shared<const Generator>(options); }
  }

  Result<std::vector<Split>> discover(SplitContext& context) {
    TIDEWHEEL_RETURN_IF_ERROR(valid_);
    std::vector<Split> splits;
    const int32_t count = context.parallelism();
    for (int32_t i = 0; i < count; ++i) { splits.push_back({i, count, i * kBlockEvents}); }
    return splits;
  }
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }
  std::vector<Split> divide(const Split& split, int32_t parts) const {
    return divide_events(split, parts);
  }
  Status open(SourceContext& context) {
    clock_ = &context.clock();
    return valid_;
  }
  Status open_split(Split& split) {
    starts_.resize(std::max<size_t>(starts_.size(), static_cast<size_t>(split.index) + 1));
    starts_[static_cast<size_t>(split.index)] = {split.next, clock_->wall_ms()};
    return ok_status();
  }

  ReadResult read(Split& split, SourceOut<output>& out) {
    const Options& options = generator_->options();
    const int64_t end = options.events > 0 ? options.events : INT64_MAX / 2;
    const int64_t due = options.rate_limited ? std::min(end, event_due_now(split)) : end;
    int64_t last = -1;
    while (split.next < due && out.room() > 0) {
      const int64_t block_end = (split.next / kBlockEvents + 1) * kBlockEvents;
      Place place = generator_->place_of(split.next);
      write(place, std::min(block_end, due), out);
      last = place.event - 1;
      split.next =
          place.event < block_end ? place.event : block_end + (split.count - 1) * kBlockEvents;
    }
    if (last >= 0) {
      // Times go up with the events; several events may have the same.
      out.watermark(generator_->timestamp_of(last) -
                    std::max<int64_t>(options.watermark_delay_ms, 1));
    }
    if (split.next >= end) { return ReadResult::end(); }
    return split.next < due ? ReadResult::more() : ReadResult::wait_until(time_due(split));
  }

 private:
  void write(Place& place, int64_t end, SourceOut<output>& out) {
    RowBatch<output>& batch = out.batch();
    const uint32_t room = out.room();
    batch.ensure_room(room);
    const uint32_t size = batch.size();
    const uint32_t written = Writer::write(*generator_, place, end, room, batch.rows() + size,
                                           batch.timestamps() + size, batch.arena());
    batch.set_size(size + written);
    if (written > 0) { out.share_arena(generator_->arena()); }
  }
  // Where a split was taken up, and when: from there a limited rate is counted.
  struct Start {
    int64_t event = 0;
    int64_t wall_ms = 0;
  };
  // Events below this one are due.
  int64_t event_due_now(const Split& split) const {
    const Start& start = starts_[static_cast<size_t>(split.index)];
    const auto passed_ms = static_cast<double>(clock_->wall_ms() - start.wall_ms);
    return start.event + static_cast<int64_t>(passed_ms * generator_->options().rate / 1000);
  }
  int64_t time_due(const Split& split) const {
    const Start& start = starts_[static_cast<size_t>(split.index)];
    const auto count = static_cast<double>(split.next + 1 - start.event);
    return start.wall_ms + static_cast<int64_t>(count * 1000 / generator_->options().rate) + 1;
  }

  Status valid_;
  std::shared_ptr<const Generator> generator_;
  const Clock* clock_ = nullptr;
  std::vector<Start> starts_;  // by the split's index
};

template <class Row = Person>
EventSource<Row, None, None> persons(const Options& options = {}) {
  return EventSource<Row, None, None>(options);
}
template <class Row = Auction>
EventSource<None, Row, None> auctions(const Options& options = {}) {
  return EventSource<None, Row, None>(options);
}
template <class Row = Bid>
EventSource<None, None, Row> bids(const Options& options = {}) {
  return EventSource<None, None, Row>(options);
}
template <class PersonRow = Person, class AuctionRow = Auction, class BidRow = Bid>
EventSource<PersonRow, AuctionRow, BidRow> events(const Options& options = {}) {
  return EventSource<PersonRow, AuctionRow, BidRow>(options);
}

}  // namespace tidewheel::nexmark
