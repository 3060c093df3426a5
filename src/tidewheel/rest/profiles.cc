#include "tidewheel/rest/profiles.h"

#include <algorithm>

#include "tidewheel/rest/json_writer.h"
#include "tidewheel/rest/profile_page.h"

namespace tidewheel {
namespace {

// Of all pages and texts together; the oldest go first.
constexpr size_t kBytesMax = size_t{64} << 20;

constexpr std::string_view kPageEnd = ".html";
constexpr std::string_view kFoldedEnd = ".folded";

std::string_view state_name(Profiles::Profile::State state) {
  switch (state) {
    case Profiles::Profile::State::kRunning: return "RUNNING";
    case Profiles::Profile::State::kFinished: return "FINISHED";
    case Profiles::Profile::State::kFailed: return "FAILED";
  }
  return "FAILED";
}

void write_profile(const Profiles::Profile& profile, JsonBuilder& json) {
  json.begin_object().member("status", state_name(profile.state));
  json.member("mode", profile.order.mode).member("triggerTime", profile.trigger_ms);
  json.member("finishedTime", profile.finished_ms).member("duration", profile.order.duration_s);
  json.member_or_null("message", profile.message).member_or_null("outputFile", profile.file);
  json.end_object();
}

}  // namespace

Result<ProfileOrder> parse_profile_order(std::string_view mode, std::optional<int64_t> duration_s,
                                         int64_t duration_s_max) {
  if (mode == "ALLOC" || mode == "LOCK") {
    return invalid_argument(
        ErrorId::kRestRequest,
        "mode {} is not there: stacks are sampled by time, allocations and waits for locks are not "
        "traced; CPU (threads that run) and WALL (all threads) are possible",
        mode);
  }
  if (mode != "CPU" && mode != "ITIMER" && mode != "WALL") {
    return invalid_argument(ErrorId::kRestRequest, "mode has to be CPU, ITIMER or WALL, not '{}'",
                            mode);
  }
  if (!duration_s.has_value() || *duration_s < 1 || *duration_s > duration_s_max) {
    return invalid_argument(ErrorId::kRestRequest,
                            "duration has to be a number of seconds from 1 to {} "
                            "(rest.profiling.duration-max)",
                            duration_s_max);
  }
  return ProfileOrder{.mode = std::string(mode), .duration_s = *duration_s};
}

StackSampling::Kind sampling_kind_of(const ProfileOrder& order) {
  return order.mode == "WALL" ? StackSampling::Kind::kFull : StackSampling::Kind::kOnCpu;
}

std::string folded_text(const std::vector<SampledStack>& stacks) {
  std::string out;
  for (const SampledStack& stack : stacks) {
    bool is_first = true;
    for (const std::string& frame : stack.frames) {
      if (!std::exchange(is_first, false)) { out += ';'; }
      for (const char c : frame) { out += c == ';' || c == '\n' ? ':' : c; }
    }
    out += fmt::format(" {}\n", stack.count);
  }
  return out;
}

Result<const Profiles::Profile*> Profiles::begin(const std::string& process, ProfileOrder order,
                                                 int64_t now_ms) {
  std::deque<Profile>& all = profiles_[process];
  if (!all.empty() && all.front().state == Profile::State::kRunning) {
    return failed_precondition(ErrorId::kRestRequest,
                               "a profile of this process is being taken; one at a time");
  }
  all.push_front({.order = std::move(order), .trigger_ms = now_ms});
  if (all.size() > kept_max_) { all.resize(std::max<size_t>(kept_max_, 1)); }
  return &all.front();
}

void Profiles::end(const std::string& process, const Result<std::vector<SampledStack>>& stacks,
                   int64_t interval_ms, int64_t now_ms) {
  const auto found = profiles_.find(process);
  if (found == profiles_.end() || found->second.empty()) { return; }
  Profile& profile = found->second.front();
  profile.finished_ms = now_ms;
  if (!stacks.ok()) {
    profile.state = Profile::State::kFailed;
    profile.message = stacks.status().to_string();
    return;
  }
  int64_t samples = 0;
  for (const SampledStack& stack : *stacks) { samples += stack.count; }
  profile.state = Profile::State::kFinished;
  profile.message = fmt::format("{} samples of threads, {} ms apart", samples, interval_ms);
  profile.file = fmt::format("{}_{}{}", profile.order.mode, profile.trigger_ms, kPageEnd);
  profile.folded = folded_text(*stacks);
  profile.page =
      profile_page(fmt::format("{}: {}, {} s, {}", process.empty() ? "JobManager" : process,
                               profile.order.mode, profile.order.duration_s, profile.message),
                   *stacks, interval_ms);
  forget();
}

void Profiles::forget() {
  for (;;) {
    size_t bytes = 0;
    std::deque<Profile>* oldest = nullptr;
    for (auto& [process, all] : profiles_) {
      for (const Profile& one : all) { bytes += one.page.size() + one.folded.size(); }
      if (all.size() < 2) { continue; }  // the newest of each stays
      if (oldest == nullptr || all.back().trigger_ms < oldest->back().trigger_ms) { oldest = &all; }
    }
    if (bytes <= kBytesMax || oldest == nullptr) { return; }
    oldest->pop_back();
  }
}

std::string Profiles::list_json(const std::string& process) const {
  JsonBuilder json;
  json.begin_object().begin_array("profilingList");
  const auto found = profiles_.find(process);
  if (found != profiles_.end()) {
    for (const Profile& one : found->second) { write_profile(one, json); }
  }
  return json.end_array().end_object().take();
}

std::string Profiles::json_of(const Profile& profile) {
  JsonBuilder json;
  write_profile(profile, json);
  return json.take();
}

const std::string* Profiles::file(const std::string& process, std::string_view name) const {
  const auto found = profiles_.find(process);
  if (found == profiles_.end()) { return nullptr; }
  for (const Profile& one : found->second) {
    if (one.state != Profile::State::kFinished) { continue; }
    if (name == one.file) { return &one.page; }
    const std::string_view base(one.file.data(), one.file.size() - kPageEnd.size());
    if (name.starts_with(base) && name.substr(base.size()) == kFoldedEnd) { return &one.folded; }
  }
  return nullptr;
}

}  // namespace tidewheel
