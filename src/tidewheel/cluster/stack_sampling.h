// Samples the stacks of this process's threads: what flame graphs and profiles are made of.
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
// Of all threads; the outermost frame is the thread's name.
std::vector<SampledStack> sample_threads(World& world, const StackSampling& sampling);
// Puts equal stacks together.
void merge_stacks(std::vector<SampledStack>& into, std::vector<SampledStack> more);

}  // namespace tidewheel
