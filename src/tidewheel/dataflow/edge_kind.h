// The names of the ways rows take from one operator's subtasks to another's.
#pragma once
#include <string_view>

#include "tidewheel/dataflow/graph.h"

namespace tidewheel {

std::string_view edge_kind_name(EdgeKind kind);  // "FORWARD"

}  // namespace tidewheel
