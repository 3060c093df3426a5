// What workers send each other beside rows, as bytes. Frames are those of rpc/frame.h, `number` is
// the channel's number on its connection, which the sender of rows has given it:
//
//   hello     first, from the sender of rows: magic u32 | version u8 | token u64 | worker u64 |
//             clock i64 | job | name
//   welcome   first, from the receiver: version u8 | clock i64 | name
//   refusal   instead: why; the connection ends
//   open      attempt u64 | channel u32, as RemoteChannelSpec::number: what `number` will be
//   credits   for each of some channels: number u32 | elements u32 | bytes of batches i64
//   close     either side has given the channel up
//   batch     rows, as the edge's codec writes them; flags: how they are compressed, and then the
//             length u32 without compression before them
//   control   kind u8 | source u32 | value i64 | for a barrier: a plan, or nothing
//   announcement  checkpoint i64 | position u32 | a plan, or nothing
//   ping      nothing
// Plan: id i64 | kind u8 | after u8 | exactly once u8 | unaligned after i64 | trigger i64, on the
// sender's clock | trigger wall i64 | base i64 | directory. Texts have a length of 16 bits before.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/cluster/exchange.h"
#include "tidewheel/dataflow/element.h"

namespace tidewheel::exchange {

inline constexpr uint32_t kMagic = 0x31445754;  // "TWD1"
inline constexpr uint8_t kVersion = 2;

enum class FrameType : uint8_t {
  kHello = 1,
  kWelcome,
  kRefusal,
  kOpen,
  kCredits,
  kClose,
  kBatch,
  kControl,
  kAnnouncement,
  kPing,
};

struct Hello {
  uint64_t token = 0;
  uint64_t worker = 0;
  int64_t clock_ns = 0;  // wall clock - monotonic clock of the sender
  std::string job;
  std::string name;
};
void put_hello(std::string& out, const Hello& hello);
Result<Hello> read_hello(std::string_view body);

struct Welcome {
  int64_t clock_ns = 0;
  std::string name;
};
void put_welcome(std::string& out, const Welcome& welcome);
Result<Welcome> read_welcome(std::string_view body);

void put_open(std::string& out, ExchangeChannelId id);
Result<ExchangeChannelId> read_open(std::string_view body);

// `plan` may be null.
void put_control(std::string& out, const Element& element, const CheckpointPlan* plan);
struct Control {
  Element element;
  CheckpointPlanRef plan;
};
// `clock_offset_ns` is added to monotonic times of the sender.
Result<Control> read_control(std::string_view body, int64_t clock_offset_ns);

struct Announcement {
  int64_t checkpoint = 0;
  uint32_t position = 0;
  CheckpointPlanRef plan;
};
void put_announcement(std::string& out, int64_t checkpoint, uint32_t position,
                      const CheckpointPlan* plan);
Result<Announcement> read_announcement(std::string_view body, int64_t clock_offset_ns);

// Of a batch's body. `compress` leaves `out` as it is and answers kNone when it would not shrink.
ExchangeCompression compress(ExchangeCompression how, std::string_view rows, std::string& out);
// `bytes_max` bounds what is taken on the peer's word.
Status uncompress(ExchangeCompression how, std::string_view body, size_t bytes_max,
                  std::string& out);

}  // namespace tidewheel::exchange
