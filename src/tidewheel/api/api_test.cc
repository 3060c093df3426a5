// Whole small jobs through the API, in the real world of this process.
#include <gtest/gtest.h>

#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using Counts = std::vector<std::pair<std::string, int64_t>>;

TEST(Api, words_are_counted) {
  Env env;
  auto counts = env.from_elements<std::string>({"to be or", "not to be"})
                    .flat_map<std::string>([](const std::string& line, Out<std::string>& out) {
                      for (size_t i = 0, j = 0; i < line.size(); i = j + 1) {
                        j = std::min(line.find(' ', i), line.size());
                        if (j > i) { out(line.substr(i, j - i)); }
                      }
                    })
                    .key_by([](const std::string& word) { return word; })
                    .running(int64_t{0}, [](int64_t& n, const std::string&) { ++n; })
                    .collect();
  const auto result = env.execute("word count");
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(counts.get(), (Counts{{"to", 1}, {"be", 1}, {"or", 1}, {"not", 1}, {"to", 2}, {"be", 2}}));
}

}  // namespace
}  // namespace tidewheel
