// Jobs that have ended, shown from their archives.
#include "tidewheel/jobmanager/history_gateway.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <string>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/jobmanager/job_archive.h"

namespace tidewheel {
namespace {

const std::string kFirst(32, '1');
const std::string kSecond(32, '2');

pb::JobReport report_of(const std::string& id, int64_t end_ms) {
  pb::JobReport report;
  report.set_id(id);
  report.set_name("job " + id.substr(0, 1));
  report.set_status(static_cast<uint32_t>(ClusterJobStatus::kFinished));
  report.set_start_ms(end_ms - 10);
  report.set_end_ms(end_ms);
  for (int i = 0; i < 3; ++i) {
    report.add_vertices()->add_subtasks()->add_attempts()->set_state(
        static_cast<uint32_t>(ExecutionState::kFinished));
  }
  return report;
}

class History : public ::testing::Test {
 protected:
  ~History() override {
    gateway_.reset();
    ignore(world_->files().remove_all(directory_), "a temporary folder");
  }
  static std::string make_directory() {
    std::string name = ::testing::TempDir() + "history-XXXXXX";
    return ::mkdtemp(name.data());
  }
  void archive(const pb::JobReport& report) {
    ASSERT_TRUE(
        archive_job(world_->files(), folder_, report.id(), report.SerializeAsString()).ok());
  }
  void open(int64_t retained_max = -1) {
    HistoryOptions options;
    options.directories = {folder_};
    options.refresh_ms = 1;
    options.retained_max = retained_max;
    gateway_ = make_history_gateway(*world_, std::move(options));
  }
  std::vector<JobSummary> jobs() {
    std::promise<std::vector<JobSummary>> told;
    gateway_->jobs([&](Result<std::vector<JobSummary>> jobs) { told.set_value(*jobs); });
    return told.get_future().get();
  }
  // Until there are so many; a test that never sees them hangs, and is ended.
  std::vector<JobSummary> wait_for(size_t count) {
    while (true) {
      std::vector<JobSummary> found = jobs();
      if (found.size() == count) { return found; }
    }
  }
  Result<ClusterGateway::JobReportRef> report(const std::string& id) {
    std::promise<Result<ClusterGateway::JobReportRef>> told;
    gateway_->report(id, [&](Result<ClusterGateway::JobReportRef> one) { told.set_value(one); });
    return told.get_future().get();
  }

  std::unique_ptr<World> world_ = make_real_world({.log_level = LogLevel::kError});
  const std::string directory_ = make_directory();
  const std::string folder_ = directory_ + "/archive";
  std::unique_ptr<ClusterGateway> gateway_;
};

TEST_F(History, shows_what_is_archived_while_it_runs_and_forgets_what_is_removed) {
  open();
  EXPECT_TRUE(jobs().empty());
  archive(report_of(kFirst, 100));
  archive(report_of(kSecond, 200));
  const std::vector<JobSummary> found = wait_for(2);
  EXPECT_EQ(found[0].id, kFirst);
  EXPECT_EQ(found[1].name, "job 2");
  EXPECT_EQ(found[1].end_ms, 200);
  EXPECT_EQ(found[1].tasks[static_cast<int>(ExecutionState::kFinished)], 3);
  const auto shown = report(kSecond);
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ((*shown)->vertices_size(), 3);
  ASSERT_TRUE(world_->files().remove(folder_ + "/" + kSecond).ok());
  wait_for(1);
  EXPECT_EQ(report(kSecond).status().id(), ErrorId::kUnknownJob);
}

TEST_F(History, passes_over_what_is_no_archive) {
  archive(report_of(kFirst, 100));
  ASSERT_TRUE(write_all_durably(world_->files(), folder_ + "/" + kSecond, "damaged").ok());
  ASSERT_TRUE(write_all_durably(world_->files(), folder_ + "/notes.txt", "mine").ok());
  open();
  EXPECT_EQ(wait_for(1)[0].id, kFirst);
}

TEST_F(History, keeps_the_newest_of_so_many) {
  archive(report_of(kFirst, 300));
  archive(report_of(kSecond, 200));
  open(1);
  EXPECT_EQ(wait_for(1)[0].id, kFirst);
  EXPECT_FALSE(world_->files().exists(folder_ + "/" + kSecond).value());
}

TEST_F(History, runs_nothing) {
  open();
  std::promise<Status> told;
  gateway_->cancel(kFirst, [&](Status status) { told.set_value(std::move(status)); });
  EXPECT_EQ(told.get_future().get().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tidewheel
