#include "tidewheel/connectors/print/print.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/testing/connector_harness.h"

namespace tidewheel {
namespace {

using testing::ConnectorOptions;
using testing::SinkHarness;

struct Count {
  std::string word;
  int64_t count = 0;
};
static_assert(SinkMakerFor<Print, Count> && SinkMakerFor<Print, Text>);

// What rows look like on the stream.
template <class T>
std::string printed_rows(const Print& maker, const std::vector<T>& rows,
                         const ConnectorOptions& options = {}) {
  RealWorldOptions quiet;
  quiet.log_level = LogLevel::kError;
  const auto world = make_real_world(quiet);
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  SinkHarness<PrintSink<T>> sink(*world, maker.bind<T>(), options);
  EXPECT_TRUE(sink.open().ok());
  EXPECT_TRUE(sink.write(rows).ok());
  const std::string to_error = ::testing::internal::GetCapturedStderr();
  return ::testing::internal::GetCapturedStdout() + (to_error.empty() ? "" : "error: " + to_error);
}

TEST(Print, writes_a_line_for_each_row) {
  EXPECT_EQ(printed_rows<std::string>(print(), {"to be", "or not"}), "to be\nor not\n");
  EXPECT_EQ(printed_rows<Count>(print(), {{"a", 1}}), "{word: \"a\", count: 1}\n");
  EXPECT_EQ(printed_rows<int64_t>(print(), {}), "");
}

TEST(Print, names_the_subtask_when_there_are_several) {
  const ConnectorOptions second{.subtask_index = 1, .parallelism = 2};
  EXPECT_EQ(printed_rows<int64_t>(print(), {7}, second), "2> 7\n");
  EXPECT_EQ(printed_rows<int64_t>(print({.prefix = "late"}), {7}, second), "late:2> 7\n");
  EXPECT_EQ(printed_rows<int64_t>(print({.prefix = "late"}), {7}), "late> 7\n");
}

TEST(Print, can_use_the_error_stream) {
  EXPECT_EQ(printed_rows<int64_t>(print_to_standard_error(), {7}), "error: 7\n");
}

TEST(Print, loses_nothing_of_long_and_many_lines) {
  std::vector<std::string> rows;
  std::string expected;
  for (size_t i = 0; i < 300; ++i) {
    rows.emplace_back(i * 37, 'x');
    expected += rows.back() + "\n";
  }
  EXPECT_EQ(printed_rows(print(), rows), expected);
}

}  // namespace
}  // namespace tidewheel
