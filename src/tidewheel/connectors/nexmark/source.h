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

// What all sources of events share: which events are next, and when they are due.
class EventReading {
 public:
  // Options that are not valid fail the job when it starts.
  explicit EventReading(const Options& options) : valid_(options.validate()) {
    if (valid_.ok()) { generator_ = std::make_shared<const Generator>(options); }
  }

  const Generator& generator() const { return *generator_; }
  // Options that are not valid are reported by `open`.
  bool is_bounded() const { return generator_ == nullptr || generator_->options().events > 0; }
  Result<std::vector<EventSplit>> discover(int32_t parallelism) const;
  Status open(const Clock& clock) {
    clock_ = &clock;
    return valid_;
  }
  void open_split(const EventSplit& split);

  // Goes on with `split` while `out` has room: `write(place, end)` writes the events from
  // place.event on, at most up to `end`, and moves `place`.
  template <class T, class Write>
  ReadResult read(EventSplit& split, SourceOut<T>& out, Write write) {
    const Options& options = generator_->options();
    const int64_t end = options.events > 0 ? options.events : INT64_MAX / 2;
    const int64_t due = options.rate_limited ? std::min(end, event_due_now(split)) : end;
    int64_t last = -1;
    while (split.next < due && out.room() > 0) {
      const int64_t block_end = (split.next / kBlockEvents + 1) * kBlockEvents;
      Place place = generator_->place_of(split.next);
      write(place, std::min(block_end, due));
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
  // Where a split was taken up, and when: from there a limited rate is counted.
  struct Start {
    int64_t event = 0;
    int64_t wall_ms = 0;
  };
  // Events below this one are due.
  int64_t event_due_now(const EventSplit& split) const;
  int64_t time_due(const EventSplit& split) const;

  Status valid_;
  std::shared_ptr<const Generator> generator_;
  const Clock* clock_ = nullptr;
  std::vector<Start> starts_;  // by the split's index
};

// The rows are those of RowWriter; None stands for a kind that is not wanted.
template <class PersonRow, class AuctionRow, class BidRow>
class EventSource {
  using Writer = RowWriter<PersonRow, AuctionRow, BidRow>;

 public:
  using output = typename Writer::Row;
  using Split = EventSplit;

  explicit EventSource(const Options& options) : reading_(options) {}

  Result<std::vector<Split>> discover(SplitContext& context) {
    return reading_.discover(context.parallelism());
  }
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }
  bool is_bounded() const { return reading_.is_bounded(); }
  std::vector<Split> divide(const Split& split, int32_t parts) const {
    return divide_events(split, parts);
  }
  Status open(SourceContext& context) { return reading_.open(context.clock()); }
  Status open_split(Split& split) {
    reading_.open_split(split);
    return ok_status();
  }

  ReadResult read(Split& split, SourceOut<output>& out) {
    return reading_.read(split, out, [&](Place& place, int64_t end) { write(place, end, out); });
  }

 private:
  void write(Place& place, int64_t end, SourceOut<output>& out) {
    RowBatch<output>& batch = out.batch();
    const uint32_t room = out.room();
    batch.ensure_room(room);
    const uint32_t size = batch.size();
    const Generator& generator = reading_.generator();
    const uint32_t written = Writer::write(generator, place, end, room, batch.rows() + size,
                                           batch.timestamps() + size, batch.arena());
    batch.set_size(size + written);
    if (written > 0) { out.share_arena(generator.arena()); }
  }

  EventReading reading_;
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
