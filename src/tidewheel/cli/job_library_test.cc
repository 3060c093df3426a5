// Tests of running a job's library; jobs that are run are in tests/packaging.
#include "tidewheel/cli/job_library.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewheel {
namespace {

TEST(JobLibrary, a_file_that_can_not_be_loaded_names_the_reason) {
  const Result<int> result = run_job_library("no_such_library.so", {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kJobLibrary);
  EXPECT_NE(result.status().message().find("no_such_library.so"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
