#include "tidewheel/cluster/stack_messages.h"

#include <algorithm>

#include "tidewheel/cluster/manager.pb.h"

namespace tidewheel {

void to_message(const StackSampling& sampling, pb::SampleStacksRequest& request) {
  request.set_kind(static_cast<uint32_t>(sampling.kind));
  request.set_samples(sampling.samples);
  request.set_interval_ms(sampling.interval_ms);
  request.set_depth_max(sampling.depth_max);
}

StackSampling from_message(const pb::SampleStacksRequest& request) {
  StackSampling sampling;
  sampling.kind = static_cast<StackSampling::Kind>(std::min<uint32_t>(request.kind(), 2));
  sampling.samples = request.samples();
  sampling.interval_ms = request.interval_ms();
  sampling.depth_max = request.depth_max();
  return sampling;
}

void to_message(const std::vector<SampledStack>& stacks, pb::SampleStacksResponse& response) {
  for (const SampledStack& stack : stacks) {
    pb::SampledStackMessage& added = *response.add_stacks();
    for (const std::string& frame : stack.frames) { added.add_frames(frame); }
    added.set_count(stack.count);
  }
}

std::vector<SampledStack> from_message(const pb::SampleStacksResponse& response) {
  std::vector<SampledStack> stacks;
  for (const pb::SampledStackMessage& message : response.stacks()) {
    SampledStack& added = stacks.emplace_back();
    added.frames.assign(message.frames().begin(), message.frames().end());
    added.count = message.count();
  }
  return stacks;
}

}  // namespace tidewheel
