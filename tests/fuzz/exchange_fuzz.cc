// Fuzzes what another worker sends for a channel: rows, control elements, announcements, in any
// order and number. What does not fit is refused, and no more comes into the ring than it holds.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/cluster/exchange_frames.h"
#include "tidewheel/cluster/exchange_lane.h"
#include "tidewheel/operators/record_row_codec.h"
#include "tidewheel/rpc/frame.h"

namespace {

using namespace tidewheel;

constexpr int64_t kShareBytes = 4096;

struct Row {
  int64_t number = 0;
  Text text;
  std::optional<double> fraction;
};

class Waker final : public WakeTarget, public exchange::LaneWorker {
 public:
  void on_woken(exchange::Lane&) override {}
  void on_alert() override {}

 private:
  void on_scheduled(bool) override { rest(); }
};

// As the exchange does with rows that are long.
class Places final : public BodyPlaces {
 public:
  explicit Places(exchange::InLane& lane) : lane_(lane) {}
  char* place(const Frame& frame, size_t size) override {
    if (static_cast<exchange::FrameType>(frame.type) != exchange::FrameType::kBatch ||
        frame.flags != 0) {
      return nullptr;
    }
    char* room = nullptr;
    std::tie(batch, room) = lane_.place_body(size);
    return room;
  }
  BatchRef batch;

 private:
  exchange::InLane& lane_;
};

Status take(exchange::InLane& lane, const Frame& frame, Places& places) {
  switch (static_cast<exchange::FrameType>(frame.type)) {
    case exchange::FrameType::kBatch:
      return lane.take_batch(frame.flags, frame.body,
                             frame.is_placed ? std::move(places.batch) : BatchRef());
    case exchange::FrameType::kControl: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const exchange::Control control,
                                 exchange::read_control(frame.body, 17));
      return lane.take_control(control);
    }
    case exchange::FrameType::kAnnouncement: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const exchange::Announcement announcement,
                                 exchange::read_announcement(frame.body, -5));
      return lane.take_announcement(announcement);
    }
    default: break;
  }
  ignore(exchange::read_hello(frame.body).status(), "only a crash is wrong");
  ignore(exchange::read_welcome(frame.body).status(), "only a crash is wrong");
  ignore(exchange::read_open(frame.body).status(), "only a crash is wrong");
  std::string rows;
  return exchange::uncompress(static_cast<ExchangeCompression>(frame.flags % 4), frame.body,
                              1 << 16, rows);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Waker waker;
  RemoteChannelSpec spec;
  auto edge = std::make_shared<EdgeInfo>();
  edge->name = "fuzz";
  edge->codec = row_codec_of<Row>();
  spec.edge = edge;
  spec.credits = 4;
  MemoryPool network("network", kShareBytes);
  auto lane =
      std::make_shared<exchange::InLane>(waker, ExchangeChannelId{}, spec, waker, 0, &network);
  TIDEWHEEL_CHECK(lane->take_grant(0, kShareBytes).count == 4);
  FrameReader reader(1 << 20);
  Places places(*lane);
  Frame frame;
  int frames = 0;
  const auto take_all = [&] {
    while (reader.next(frame, &places).value_or(false)) {
      ignore(take(*lane, frame, places), "a connection would end; here the next frame is tried");
      TIDEWHEEL_CHECK(lane->channel().size() <= 8, "the ring has run over");
      Element element;
      if (++frames % 3 == 0) {
        static_cast<void>(!lane->channel().pop(element));
        TIDEWHEEL_CHECK(lane->take_grant(frames, kShareBytes).bytes >= 0);
      }
    }
  };
  // In two parts, so that a body may be cut.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  reader.add(bytes.substr(0, size / 2));
  take_all();
  reader.add(bytes.substr(size / 2));
  take_all();
  lane->close();
  TIDEWHEEL_CHECK(network.used_bytes() == 0, "all that came is given back");
  return 0;
}
