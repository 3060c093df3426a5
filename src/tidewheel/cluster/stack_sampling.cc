#include "tidewheel/cluster/stack_sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "tidewheel/base/stacks.h"
#include "tidewheel/base/world.h"

namespace tidewheel {

std::vector<SampledStack> sample_slots(World& world, const std::vector<int32_t>& slots,
                                       const StackSampling& sampling) {
  std::set<std::string> threads;
  for (const int32_t slot : slots) { threads.insert(fmt::format("tw-slot-{}", slot)); }
  const auto is_wanted = [&](const std::string& name) { return threads.contains(name); };
  // Addresses first: names take longer than a sample.
  std::map<std::vector<uint64_t>, int64_t> counts;
  const int64_t began_ns = world.clock().now_ns();
  for (int32_t i = 0; i < sampling.samples; ++i) {
    for (CapturedStack& stack : capture_stacks(sampling.depth_max, is_wanted)) {
      const bool is_kind = sampling.kind == StackSampling::Kind::kFull ||
                           stack.is_on_cpu == (sampling.kind == StackSampling::Kind::kOnCpu);
      if (is_kind && !stack.frames.empty()) { ++counts[std::move(stack.frames)]; }
    }
    world.executor().make_event()->wait(began_ns + (i + 1) * sampling.interval_ms * 1'000'000);
  }
  StackSymbols symbols;
  std::vector<SampledStack> out;
  for (const auto& [frames, count] : counts) {
    SampledStack stack{.frames = {}, .count = count};
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
      stack.frames.push_back(symbols.name_of(*frame));
    }
    merge_stacks(out, {std::move(stack)});
  }
  return out;
}

void merge_stacks(std::vector<SampledStack>& into, std::vector<SampledStack> more) {
  for (SampledStack& one : more) {
    const auto found = std::find_if(into.begin(), into.end(), [&](const SampledStack& other) {
      return other.frames == one.frames;
    });
    if (found == into.end()) {
      into.push_back(std::move(one));
    } else {
      found->count += one.count;
    }
  }
}

}  // namespace tidewheel
