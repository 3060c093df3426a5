#include "tidewheel/api/run_report.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

TEST(RunReport, a_job_without_a_name_is_called_as_its_program) {
  EXPECT_EQ(job_name_of("/opt/jobs/libwords.so"), "words");
  EXPECT_EQ(job_name_of("./words"), "words");
  EXPECT_EQ(job_name_of("library"), "library");
  EXPECT_EQ(job_name_of(""), "tidewheel job");
}

TEST(RunReport, the_start_says_what_the_job_goes_on_from) {
  CheckpointStatistics checkpoints;
  EXPECT_EQ(start_text(checkpoints, "words", false, "/c"), "");
  EXPECT_EQ(start_text(checkpoints, "words", true, "/c"),
            "starting from the beginning: there is no checkpoint of job 'words' in /c");
  checkpoints.latest_restore.emplace();
  checkpoints.latest_restore->checkpoint = 7;
  checkpoints.latest_restore->path = "/c/00/chk-7";
  EXPECT_EQ(start_text(checkpoints, "words", true, "/c"),
            "starting from checkpoint 7: /c/00/chk-7");
}

TEST(RunReport, the_end_counts_checkpoints_and_restarts) {
  CheckpointStatistics checkpoints;
  EXPECT_EQ(checkpoint_summary(checkpoints, 0), "");
  EXPECT_EQ(checkpoint_summary(checkpoints, 2), "checkpoints: 0 completed, 0 failed; restarts: 2");
  checkpoints.triggered = 4;
  checkpoints.completed = 3;
  checkpoints.failed = 1;
  checkpoints.latest_failed.emplace().failure = "the disk is full";
  EXPECT_EQ(checkpoint_summary(checkpoints, 0),
            "checkpoints: 3 completed, 1 failed (the last one: the disk is full); restarts: 0");
}

}  // namespace
}  // namespace tidewheel
