// Samples of stacks as managers and masters send them (manager.proto).
#pragma once
#include <vector>

#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

namespace pb {
class SampleStacksRequest;   // cluster/manager.proto
class SampleStacksResponse;  // the same
}  // namespace pb

// How to sample; whose stacks is for the caller.
void to_message(const StackSampling& sampling, pb::SampleStacksRequest& request);
StackSampling from_message(const pb::SampleStacksRequest& request);

void to_message(const std::vector<SampledStack>& stacks, pb::SampleStacksResponse& response);
std::vector<SampledStack> from_message(const pb::SampleStacksResponse& response);

}  // namespace tidewheel
