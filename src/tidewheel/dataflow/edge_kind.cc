#include "tidewheel/dataflow/edge_kind.h"

namespace tidewheel {

std::string_view edge_kind_name(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::kForward: return "FORWARD";
    case EdgeKind::kHash: return "HASH";
    case EdgeKind::kRebalance: return "REBALANCE";
    case EdgeKind::kRescale: return "RESCALE";
    case EdgeKind::kShuffle: return "SHUFFLE";
    case EdgeKind::kBroadcast: return "BROADCAST";
    case EdgeKind::kGlobal: return "GLOBAL";
    case EdgeKind::kCustom: return "CUSTOM";
  }
  return "UNKNOWN";
}

}  // namespace tidewheel
