#include "tidewheel/dataflow/in_flight.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "tidewheel/base/fault.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {
namespace {

constexpr std::string_view kNamePrefix = "in flight: ";

std::string_view kind_name(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::kForward: return "forward";
    case EdgeKind::kHash: return "hash";
    case EdgeKind::kRebalance: return "rebalance";
    case EdgeKind::kRescale: return "rescale";
    case EdgeKind::kShuffle: return "shuffle";
    case EdgeKind::kBroadcast: return "broadcast";
    case EdgeKind::kGlobal: return "global";
    case EdgeKind::kCustom: return "custom";
  }
  return "";
}

// An entry as it was read.
struct Stored {
  InFlightElement::Where where = InFlightElement::Where::kInChannel;
  int32_t sender = 0;
  int32_t receiver = 0;
  int32_t senders = 0;
  int32_t receivers = 0;
  uint64_t sequence = 0;
  std::string value;

  // What was restored before comes first, then each sender's: what was in the channel, what was
  // not. Stable under a second restore.
  auto order() const {
    const bool again = where == InFlightElement::Where::kRestored;
    return std::make_tuple(!again, again ? 0 : sender, where, sequence);
  }
};

int32_t number(Reader& reader) { return static_cast<int32_t>(reader.varint()); }

Result<Stored> read_key(std::string_view key) {
  Reader reader(key);
  Stored stored;
  stored.where = static_cast<InFlightElement::Where>(reader.varint());
  stored.sender = number(reader);
  stored.receiver = number(reader);
  stored.senders = number(reader);
  stored.receivers = number(reader);
  stored.sequence = reader.varint();
  TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
  return stored;
}

// Reads one edge's elements for one receiver.
class EdgeReader {
 public:
  explicit EdgeReader(const InFlightPlace& place) : place_(place), edge_(*place.edge) {}

  // `uid`: the operator that has written them.
  Status load(const SnapshotSource& source, const std::string& uid, int32_t max_parallelism) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<SnapshotReader> reader,
                               source.reader({.operator_uid = uid,
                                              .subtask = place_.receiver,
                                              .parallelism = edge_.receivers,
                                              .max_parallelism = max_parallelism}));
    const std::string name = in_flight_state(edge_).name;
    const StateMeta* const meta = reader->find(name);
    if (meta == nullptr) { return ok_status(); }
    schema_ = meta->value_schema;
    same_kind_ = meta->form == kind_name(edge_.kind);
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader->read(name));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return ok_status(); }
      TIDEWHEEL_ASSIGN_OR_RETURN(Stored stored, read_key(entry.key));
      if (!may_be_ours(stored)) { continue; }
      stored.value = entry.value;
      stored_.push_back(std::move(stored));
    }
  }

  Status finish(std::deque<InFlightElement>& out) {
    if (stored_.empty()) { return ok_status(); }
    if (edge_.codec == nullptr) {
      return failed_precondition(ErrorId::kStateNotRestored,
                                 "the snapshot has rows in flight on the edge '{}', which the job "
                                 "can't read there now: restore a savepoint",
                                 edge_.name);
    }
    std::stable_sort(stored_.begin(), stored_.end(),
                     [](const Stored& a, const Stored& b) { return a.order() < b.order(); });
    pool_ = edge_.codec->make_pool(place_.batch_rows, place_.memory);
    for (const Stored& stored : stored_) { TIDEWHEEL_RETURN_IF_ERROR(decode(stored, out)); }
    return ok_status();
  }

 private:
  bool is_as_it_was(const Stored& stored) const {
    return same_kind_ && stored.receivers == edge_.receivers;
  }
  bool goes_by_row() const {
    return edge_.kind == EdgeKind::kHash || edge_.kind == EdgeKind::kCustom;
  }
  bool may_be_ours(const Stored& stored) const {
    if (is_as_it_was(stored)) { return stored.receiver == place_.receiver; }
    if (goes_by_row() || edge_.kind == EdgeKind::kBroadcast) { return true; }
    if (edge_.kind == EdgeKind::kGlobal) { return place_.receiver == 0; }
    return stored.receiver % edge_.receivers == place_.receiver;
  }

  Status decode(const Stored& stored, std::deque<InFlightElement>& out) {
    if (stored.value.empty()) {
      return data_loss(ErrorId::kSnapshotFormat, "an element in flight has no kind: {}",
                       edge_.name);
    }
    const auto kind = static_cast<Element::Kind>(stored.value[0]);
    const std::string_view bytes = std::string_view(stored.value).substr(1);
    InFlightElement restored{.edge = place_.edge,
                             .where = InFlightElement::Where::kRestored,
                             .sender = stored.sender,
                             .receiver = place_.receiver,
                             .element = Element::control(kind)};
    if (kind == Element::Kind::kBatch) {
      TIDEWHEEL_ASSIGN_OR_RETURN(BatchRef batch, edge_.codec->decode(schema_, bytes, *pool_));
      if (!is_as_it_was(stored) && goes_by_row()) {
        TIDEWHEEL_MARK("in_flight.dealt_out");
        batch = own_rows(std::move(batch));
      }
      if (!batch || batch->size() == 0) { return ok_status(); }
      restored.element = Element::rows(std::move(batch));
    } else {
      // What a sender has said of event time holds for its own channel, and only there.
      const bool same_channel = is_as_it_was(stored) && stored.senders == edge_.senders &&
                                stored.where != InFlightElement::Where::kRestored;
      if (!same_channel) { return ok_status(); }
      if (kind == Element::Kind::kWatermark) {
        Reader reader(bytes);
        restored.element.value = reader.fixed<int64_t>();
        TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
      }
    }
    out.push_back(std::move(restored));
    return ok_status();
  }

  BatchRef own_rows(BatchRef batch) {
    if (edge_.receivers == 1) { return batch; }
    if (partitioner_ == nullptr) {
      partitioner_ = edge_.make_partitioner();
      partitioner_->open(static_cast<uint32_t>(edge_.receivers), edge_.receiver_max_parallelism,
                         place_.batch_rows, place_.memory);
    }
    Element rows = Element::rows(std::move(batch));
    partitioner_->split(rows);
    BatchRef own;
    for (int32_t i = 0; i < edge_.receivers; ++i) {
      BatchRef part = partitioner_->take(static_cast<uint32_t>(i));
      if (i == place_.receiver) { own = std::move(part); }
    }
    return own;
  }

  const InFlightPlace& place_;
  const EdgeInfo& edge_;
  std::string schema_;
  bool same_kind_ = true;
  std::vector<Stored> stored_;
  std::shared_ptr<BatchPool> pool_;
  std::unique_ptr<Partitioner> partitioner_;
};

}  // namespace

StateMeta in_flight_state(const EdgeInfo& edge) {
  StateMeta meta;
  meta.name = std::string(kNamePrefix) + edge.name;
  meta.kind = StateKind::kInFlight;
  meta.form = kind_name(edge.kind);
  if (edge.codec != nullptr) { meta.value_schema = edge.codec->schema(); }
  return meta;
}

uint64_t InFlightWriter::write(const InFlightElement& element, SnapshotWriter& writer) {
  const EdgeInfo& edge = *element.edge;
  Writer key;
  for (const auto part : {static_cast<int32_t>(element.where), element.sender, element.receiver,
                          edge.senders, edge.receivers}) {
    key.varint(static_cast<uint64_t>(part));
  }
  key.varint(sequence_++);
  value_.assign(1, static_cast<char>(element.element.kind));
  if (element.element.kind == Element::Kind::kBatch) {
    append_rows(*edge.codec, element.element, value_);
  } else if (element.element.kind == Element::Kind::kWatermark) {
    Writer time;
    time.fixed(element.element.value);
    value_.append(time.view());
  }
  StateEntry entry;
  entry.key = key.view();
  entry.value = value_;
  writer.add(entry);
  return key.view().size() + value_.size();
}

Status read_in_flight(const SnapshotSource& source, const InFlightPlace& place,
                      std::deque<InFlightElement>& out) {
  EdgeReader reader(place);
  TIDEWHEEL_RETURN_IF_ERROR(
      reader.load(source, place.receiver_uid, place.edge->receiver_max_parallelism));
  TIDEWHEEL_RETURN_IF_ERROR(
      reader.load(source, place.edge->sender_uid, place.edge->sender_max_parallelism));
  return reader.finish(out);
}

}  // namespace tidewheel
