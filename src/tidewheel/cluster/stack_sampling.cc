#include "tidewheel/cluster/stack_sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "tidewheel/base/stacks.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

using ThreadFilter = std::function<bool(const std::string&)>;

// Addresses first: names take longer than a sample. Where looking takes longer than the interval,
// there are fewer samples, and not a longer time.
std::map<std::pair<std::string, std::vector<uint64_t>>, int64_t> sample(
    World& world, const ThreadFilter& is_wanted, bool by_thread, const StackSampling& sampling) {
  std::map<std::pair<std::string, std::vector<uint64_t>>, int64_t> counts;
  const int64_t began_ns = world.clock().now_ns();
  const int64_t interval_ns = sampling.interval_ms * 1'000'000;
  const int64_t end_ns = began_ns + sampling.samples * interval_ns;
  for (int64_t next_ns = began_ns; next_ns < end_ns;) {
    for (CapturedStack& stack : capture_stacks(sampling.depth_max, is_wanted)) {
      const bool is_kind = sampling.kind == StackSampling::Kind::kFull ||
                           stack.is_on_cpu == (sampling.kind == StackSampling::Kind::kOnCpu);
      if (!is_kind || stack.is_caller || stack.frames.empty()) { continue; }
      ++counts[{by_thread ? std::move(stack.name) : std::string(), std::move(stack.frames)}];
    }
    next_ns = std::max(next_ns + interval_ns, world.clock().now_ns());
    world.executor().make_event()->wait(next_ns);
  }
  return counts;
}

std::vector<SampledStack> sample_named(World& world, const ThreadFilter& is_wanted, bool by_thread,
                                       const StackSampling& sampling) {
  StackSymbols symbols;
  std::vector<SampledStack> out;
  for (const auto& [stack, count] : sample(world, is_wanted, by_thread, sampling)) {
    SampledStack named{.frames = {}, .count = count};
    if (by_thread) { named.frames.push_back(stack.first); }
    for (auto frame = stack.second.rbegin(); frame != stack.second.rend(); ++frame) {
      named.frames.push_back(symbols.name_of(*frame));
    }
    merge_stacks(out, {std::move(named)});
  }
  return out;
}

}  // namespace

std::vector<SampledStack> sample_slots(World& world, const std::vector<int32_t>& slots,
                                       const StackSampling& sampling) {
  std::set<std::string> threads;
  for (const int32_t slot : slots) { threads.insert(fmt::format("tw-slot-{}", slot)); }
  const auto is_wanted = [&](const std::string& name) { return threads.contains(name); };
  return sample_named(world, is_wanted, /*by_thread=*/false, sampling);
}

std::vector<SampledStack> sample_threads(World& world, const StackSampling& sampling) {
  return sample_named(world, {}, /*by_thread=*/true, sampling);
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
