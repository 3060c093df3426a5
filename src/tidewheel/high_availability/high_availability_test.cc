#include "tidewheel/high_availability/high_availability.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

constexpr const char* kJob = "00000000000000000000000000000001";

// One JobManager, as the election sees it.
class Contender {
 public:
  Contender(World& world, const std::string& directory, const std::string& address)
      : world_(world),
        loop_(world, "contender"),
        elected_(world.executor().make_event()),
        availability_(make_file_high_availability(world, {.directory = directory, .poll_ms = 5})) {
    availability_->contend({.rpc_address = address,
                            .rest_address = "http://" + address,
                            .poster = loop_.poster(),
                            .on_elected =
                                [this](uint64_t fence) {
                                  fence_ = fence;
                                  elected_->set();
                                },
                            .on_lost = [](const Status&) { ADD_FAILURE(); }});
  }
  bool wait() { return elected_->wait(world_.clock().now_ns() + 20'000'000'000); }
  bool leads() const { return elected_->is_set(); }
  uint64_t fence() const { return fence_; }
  HighAvailability& availability() { return *availability_; }

  Status put(const std::string& id, const std::string& record) { return put(fence_, id, record); }
  Status put(uint64_t fence, const std::string& id, const std::string& record) {
    return ask([&](auto done) { availability_->put_job(fence, id, record, loop_.poster(), done); });
  }
  Status remove(const std::string& id) {
    return ask([&](auto done) { availability_->remove_job(fence_, id, loop_.poster(), done); });
  }
  HighAvailability::Jobs jobs() {
    HighAvailability::Jobs out;
    const std::unique_ptr<Event> answered = world_.executor().make_event();
    availability_->read_jobs(loop_.poster(), [&](Result<HighAvailability::Jobs> jobs) {
      EXPECT_TRUE(jobs.ok()) << jobs.status().to_string();
      if (jobs.ok()) { out = *jobs; }
      answered->set();
    });
    answered->wait();
    return out;
  }

 private:
  template <class Ask>
  Status ask(const Ask& ask_it) {
    Status out;
    const std::unique_ptr<Event> answered = world_.executor().make_event();
    ask_it([&](Status status) {
      out = std::move(status);
      answered->set();
    });
    answered->wait();
    return out;
  }

  World& world_;
  EventLoop loop_;
  std::unique_ptr<Event> elected_;
  std::atomic<uint64_t> fence_{0};
  std::unique_ptr<HighAvailability> availability_;
};

class FileHighAvailability : public ::testing::Test {
 protected:
  ~FileHighAvailability() override { world_->files().remove_all(folder_).ok(); }
  const std::unique_ptr<World> world_ = make_real_world();
  const std::string folder_ = "/tmp/tidewheel-ha-test-" + std::to_string(::getpid());
};

TEST_F(FileHighAvailability, one_leads_and_the_next_follows_with_a_greater_fence) {
  auto first = std::make_unique<Contender>(*world_, folder_, "a:1");
  ASSERT_TRUE(first->wait());
  Contender second(*world_, folder_, "b:2");
  // It has looked, and has not been elected.
  EXPECT_EQ(second.put(kJob, "x").id(), ErrorId::kFenced);
  EXPECT_FALSE(second.leads());
  const uint64_t fence = first->fence();
  first.reset();
  ASSERT_TRUE(second.wait());
  EXPECT_GT(second.fence(), fence);
  EXPECT_EQ(second.put(fence, kJob, "of an earlier leader").id(), ErrorId::kFenced);
  EXPECT_TRUE(second.put(kJob, "y").ok());
}

TEST_F(FileHighAvailability, jobs_outlive_the_leader) {
  {
    Contender leader(*world_, folder_, "a:1");
    ASSERT_TRUE(leader.wait());
    EXPECT_TRUE(leader.put(kJob, "one").ok());
    EXPECT_TRUE(leader.put(kJob, "two").ok());
    EXPECT_TRUE(leader.put("00000000000000000000000000000002", std::string("\0b", 2)).ok());
    EXPECT_TRUE(leader.put("00000000000000000000000000000003", "gone").ok());
    EXPECT_TRUE(leader.remove("00000000000000000000000000000003").ok());
  }
  Contender next(*world_, folder_, "b:2");
  ASSERT_TRUE(next.wait());
  const HighAvailability::Jobs expected = {
      {kJob, "two"}, {"00000000000000000000000000000002", std::string("\0b", 2)}};
  EXPECT_EQ(next.jobs(), expected);
}

TEST_F(FileHighAvailability, who_watches_is_told_of_each_leader) {
  EventLoop loop(*world_, "watcher");
  const auto watcher = make_file_high_availability(*world_, {.directory = folder_, .poll_ms = 5});
  std::vector<std::optional<Leader>> seen;
  const std::unique_ptr<Event> vacant = world_->executor().make_event();
  const std::unique_ptr<Event> taken = world_->executor().make_event();
  watcher->watch_leader(loop.poster(), [&](std::optional<Leader> leader) {
    seen.push_back(std::move(leader));
    (seen.size() == 1 ? vacant : taken)->set();
  });
  ASSERT_TRUE(vacant->wait(world_->clock().now_ns() + 20'000'000'000));
  EXPECT_FALSE(seen[0].has_value());
  Contender leader(*world_, folder_, "a:1");
  ASSERT_TRUE(leader.wait());
  ASSERT_TRUE(taken->wait(world_->clock().now_ns() + 20'000'000'000));
  EXPECT_EQ(*seen[1], (Leader{"a:1", "http://a:1", leader.fence()}));
}

TEST(NoHighAvailability, leads_at_once_and_keeps_nothing) {
  const std::unique_ptr<World> world = make_real_world();
  EventLoop loop(*world, "loop");
  const std::unique_ptr<Event> elected = world->executor().make_event();
  const auto availability = make_no_high_availability(*world, "a:1");
  uint64_t fence = 0;
  availability->contend({.rpc_address = "a:1",
                         .rest_address = "http://a:2",
                         .poster = loop.poster(),
                         .on_elected =
                             [&](uint64_t drawn) {
                               fence = drawn;
                               elected->set();
                             },
                         .on_lost = [](const Status&) {}});
  ASSERT_TRUE(elected->wait(world->clock().now_ns() + 20'000'000'000));
  EXPECT_NE(fence, 0U);
  EXPECT_FALSE(availability->keeps_jobs());
}

}  // namespace
}  // namespace tidewheel
