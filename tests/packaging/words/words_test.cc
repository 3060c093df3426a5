// Shows that a test outside of the tree links the job and the engine.
#include <gtest/gtest.h>
#include <tidewheel/tidewheel.h>

void tidewheel_job(tidewheel::Env& env);

TEST(Words, the_job_runs_in_a_test) {
  tidewheel::Env env;
  tidewheel_job(env);
  EXPECT_TRUE(env.execute("words").ok());
}
