// The form for one JobManager: it leads from its start, and what it knows goes with it.
#include "tidewheel/base/world.h"
#include "tidewheel/high_availability/high_availability.h"

namespace tidewheel {
namespace {

class NoHighAvailability final : public HighAvailability {
 public:
  NoHighAvailability(World& world, std::string leader_address)
      : leader_address_(std::move(leader_address)),
        // A JobManager that comes back leads with another fence: what is left of the one before is
        // told apart. Time makes it a later one.
        fence_(static_cast<uint64_t>(std::max<int64_t>(world.clock().wall_ms(), 0)) << 20 |
               (world.fork_random().next() & 0xfffff) | 1) {}

  void contend(Candidate candidate) override {
    candidate.poster(
        [elected = std::move(candidate.on_elected), fence = fence_] { elected(fence); });
  }
  void watch_leader(Poster poster, std::function<void(std::optional<Leader>)> on_change) override {
    // The fence is the JobManager's to say when one registers with it.
    poster([on_change = std::move(on_change), leader = Leader{leader_address_, "", 0}] {
      on_change(leader);
    });
  }
  bool keeps_jobs() const override { return false; }
  void put_job(uint64_t, std::string, std::string, Poster poster, Done done) override {
    poster([done = std::move(done)] { done(ok_status()); });
  }
  void remove_job(uint64_t, std::string, Poster poster, Done done) override {
    poster([done = std::move(done)] { done(ok_status()); });
  }
  void read_jobs(Poster poster, std::function<void(Result<Jobs>)> done) override {
    poster([done = std::move(done)] { done(Jobs{}); });
  }
  std::string shared_directory() const override { return ""; }

 private:
  const std::string leader_address_;
  const uint64_t fence_;
};

}  // namespace

std::unique_ptr<HighAvailability> make_no_high_availability(World& world,
                                                            const std::string& leader_address) {
  return std::make_unique<NoHighAvailability>(world, leader_address);
}

}  // namespace tidewheel
