// Samples the stacks of this process's slots: what a flame graph of a vertex is made of.
#pragma once
#include <cstdint>
#include <vector>

#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

class World;  // base/world.h

// Of the threads of these slots, `sampling.samples` times. Tasks that share a slot share its
// thread, so their stacks are among those of each other. Takes as long as that is, and blocks.
std::vector<SampledStack> sample_slots(World& world, const std::vector<int32_t>& slots,
                                       const StackSampling& sampling);
// Puts equal stacks together.
void merge_stacks(std::vector<SampledStack>& into, std::vector<SampledStack> more);

}  // namespace tidewheel
