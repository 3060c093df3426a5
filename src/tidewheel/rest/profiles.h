// The profiles that were taken by REST, in memory: of each process the newest ones.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cluster/profiler.h"

namespace tidewheel {

// What a request asks for: {"mode": "CPU", "duration": 30}.
struct ProfileOrder {
  std::string mode;  // "CPU", "ITIMER", "WALL"
  int64_t duration_s = 0;
};
// Errors: kRestRequest: for a mode that there is not here (ALLOC, LOCK) with the reason, and for a
// duration beyond `duration_s_max`.
Result<ProfileOrder> parse_profile_order(std::string_view mode, std::optional<int64_t> duration_s,
                                         int64_t duration_s_max);
// Which stacks count: of threads that run, or of all.
StackSampling::Kind sampling_kind_of(const ProfileOrder& order);

// "frame;frame;frame 17", a line for each stack: what flame graph tools read.
std::string folded_text(const std::vector<SampledStack>& stacks);
// One thread.
class Profiles {
 public:
  struct Profile {
    enum class State : uint8_t { kRunning, kFinished, kFailed };
    State state = State::kRunning;
    ProfileOrder order;
    int64_t trigger_ms = 0;
    int64_t finished_ms = -1;
    std::string message = {};
    std::string file = {};  // "CPU_1700000000000.html"; beside it there is one that ends in .folded
    std::string page = {};
    std::string folded = {};
  };

  explicit Profiles(size_t kept_max) : kept_max_(kept_max) {}
  // Errors: kRestRequest (failed precondition) while another one of the process is being taken. The
  // answer is valid until the next call.
  Result<const Profile*> begin(const std::string& process, ProfileOrder order, int64_t now_ms);
  void end(const std::string& process, const Result<std::vector<SampledStack>>& stacks,
           int64_t interval_ms, int64_t now_ms);
  // {"profilingList": [..]}, the newest first.
  std::string list_json(const std::string& process) const;
  static std::string json_of(const Profile& profile);
  // Null: there is none.
  const std::string* file(const std::string& process, std::string_view name) const;

 private:
  void forget();

  const size_t kept_max_;                                // of each process
  std::map<std::string, std::deque<Profile>> profiles_;  // by process, the newest first
};

}  // namespace tidewheel
