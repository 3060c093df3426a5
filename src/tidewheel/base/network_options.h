// Options of the data that workers send each other.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr TextOption kNetworkCompression{
    {"taskmanager.network.compression.codec", OptionKind::kText, "NONE",
     "Compression of rows between TaskManagers: NONE, LZ4, ZSTD, SNAPPY. Worth it where the "
     "network is slower than a core compresses."}};
inline constexpr BoolOption kBufferDebloat{
    {"taskmanager.network.memory.buffer-debloat.enabled", OptionKind::kBool, "false",
     "Keep no more rows on the way to a task than it takes in the target time, so that barriers "
     "come through soon and unaligned checkpoints stay small."}};
inline constexpr DurationOption kBufferDebloatTarget{
    {"taskmanager.network.memory.buffer-debloat.target", OptionKind::kDuration, "1 s",
     "How long a task may need for the rows that are on the way to it.", 1, 3'600'000}};
inline constexpr IntOption kDataConnectTimeout{
    {"taskmanager.network.netty.client.connectTimeoutSec", OptionKind::kInt, "120",
     "Seconds that a connection between workers may take to be made.", 1, 86'400}};

}  // namespace tidewheel::options
