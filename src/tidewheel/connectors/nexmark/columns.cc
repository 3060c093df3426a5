#include "tidewheel/connectors/nexmark/columns.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace tidewheel::nexmark {
namespace {

Text text_of(std::string_view lasting) { return Text(lasting); }

void copy_numbers(const int64_t* from, int32_t count, int64_t* to) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(int64_t));
}

void put_bids(const Generator& generator, const BidColumns& bids, uint32_t field, int32_t count,
              Column& column, uint32_t at) {
  switch (field) {
    case 0: return copy_numbers(bids.auction, count, column.values<int64_t>() + at);
    case 1: return copy_numbers(bids.bidder, count, column.values<int64_t>() + at);
    case 2: return copy_numbers(bids.price, count, column.values<int64_t>() + at);
    case 5: return copy_numbers(bids.date_time, count, column.values<int64_t>() + at);
    default: break;
  }
  Text* const texts = column.values<Text>() + at;
  for (int32_t i = 0; i < count; ++i) {
    texts[i] = field == 3   ? text_of(generator.channel(bids.channel[i]))
               : field == 4 ? text_of(generator.url(bids.channel[i]))
                            : text_of(generator.letters(bids.extra_offset[i], bids.extra_size[i]));
  }
}

void put_person(const PersonData& person, uint32_t field, Column& column, uint32_t row,
                Arena& arena) {
  if (field == 0 || field == 6) {
    column.values<int64_t>()[row] = field == 0 ? person.id : person.date_time;
    return;
  }
  Text& text = column.values<Text>()[row];
  switch (field) {
    case 1: text = text_of(person.name); break;
    case 2: text = arena.copy(person.email_address); break;
    case 3: text = arena.copy(person.credit_card); break;
    case 4: text = text_of(person.city); break;
    case 5: text = text_of(person.state); break;
    default: text = text_of(person.extra); break;
  }
}

void put_auction(const AuctionData& auction, uint32_t field, Column& column, uint32_t row,
                 Arena& arena) {
  switch (field) {
    case 1: column.values<Text>()[row] = arena.copy(auction.item_name); return;
    case 2: column.values<Text>()[row] = arena.copy(auction.description); return;
    case 9: column.values<Text>()[row] = text_of(auction.extra); return;
    default: break;
  }
  int64_t& number = column.values<int64_t>()[row];
  switch (field) {
    case 0: number = auction.id; break;
    case 3: number = auction.initial_bid; break;
    case 4: number = auction.reserve; break;
    case 5: number = auction.date_time; break;
    case 6: number = auction.expires; break;
    case 7: number = auction.seller; break;
    default: number = auction.category; break;
  }
}

}  // namespace

ColumnWriter::ColumnWriter(EventLayout layout) : wanted_(layout.wanted) {
  for (size_t i = 0; i < layout.columns.size(); ++i) {
    EventColumn& column = layout.columns[i];
    types_.push_back(std::move(column.type));
    if (column.is_event_type) {
      event_types_.push_back(i);
      continue;
    }
    OfKind& kind = kinds_[static_cast<size_t>(column.kind)];
    kind.columns.push_back(i);
    for (size_t c = 0; c < column.fields.size(); ++c) {
      kind.targets.push_back({column.fields[c], i, column.is_row ? static_cast<int32_t>(c) : -1});
      kind.mask |= FieldMask{1} << column.fields[c];
    }
  }
}

void ColumnWriter::write(const Generator& generator, Place& place, int64_t end, uint32_t room,
                         ColumnBatch& batch) const {
  if (batch.size() == 0) { batch.set_types(types_); }
  batch.ensure_room(room);
  const uint32_t size_most = batch.size() + room;
  while (place.event < end && batch.size() < size_most) {
    const Kind kind = generator.kind_at(place);
    const int64_t run = std::min<int64_t>(generator.run_at(place), end - place.event);
    if (!wanted_[static_cast<size_t>(kind)]) {
      generator.advance(place, static_cast<int32_t>(run));
      continue;
    }
    const uint32_t at = batch.size();
    auto count = static_cast<int32_t>(std::min<int64_t>(run, size_most - at));
    if (kind == Kind::kBid) {
      count = std::min(count, BidColumns::kRows);
      write_bids(generator, place, count, batch);
    } else if (kind == Kind::kAuction) {
      write_auctions(generator, place, count, batch);
    } else {
      write_persons(generator, place, count, batch);
    }
    const uint32_t to = at + static_cast<uint32_t>(count);
    for (const size_t column : event_types_) {
      int32_t* const numbers = batch.column(column).values<int32_t>();
      std::fill(numbers + at, numbers + to, static_cast<int32_t>(kind));
    }
    for (size_t other = 0; other < kKinds; ++other) {
      if (other == static_cast<size_t>(kind)) { continue; }
      for (const size_t column : kinds_[other].columns) { batch.column(column).set_nulls(at, to); }
    }
    batch.set_size(to);
    generator.advance(place, count);
  }
  if (batch.size() > 0) { batch.share_arena(generator.arena()); }
}

void ColumnWriter::write_bids(const Generator& generator, const Place& place, int32_t count,
                              ColumnBatch& batch) const {
  const OfKind& wanted = of(Kind::kBid);
  if (wanted.targets.empty()) { return; }
  BidColumns bids;
  generator.make_bids(place, count, wanted.mask, bids);
  for (const Target& target : wanted.targets) {
    put_bids(generator, bids, target.field, count, target.in(batch), batch.size());
  }
}

void ColumnWriter::write_persons(const Generator& generator, Place place, int32_t count,
                                 ColumnBatch& batch) const {
  const OfKind& wanted = of(Kind::kPerson);
  if (wanted.targets.empty()) { return; }
  PersonData person;
  for (int32_t i = 0; i < count; ++i, ++place.event, ++place.offset) {
    generator.make_person(place, wanted.mask, person);
    const uint32_t row = batch.size() + static_cast<uint32_t>(i);
    for (const Target& target : wanted.targets) {
      put_person(person, target.field, target.in(batch), row, batch.arena());
    }
  }
}

void ColumnWriter::write_auctions(const Generator& generator, Place place, int32_t count,
                                  ColumnBatch& batch) const {
  const OfKind& wanted = of(Kind::kAuction);
  if (wanted.targets.empty()) { return; }
  AuctionData auction;
  for (int32_t i = 0; i < count; ++i, ++place.event, ++place.offset) {
    generator.make_auction(place, wanted.mask, auction);
    const uint32_t row = batch.size() + static_cast<uint32_t>(i);
    for (const Target& target : wanted.targets) {
      put_auction(auction, target.field, target.in(batch), row, batch.arena());
    }
  }
}

}  // namespace tidewheel::nexmark
