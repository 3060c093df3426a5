#include "tidewheel/connectors/file/sink.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/testing/connector_harness.h"

namespace tidewheel::file {
namespace {

using testing::ConnectorOptions;
using testing::SinkHarness;
using Names = std::vector<std::string>;

struct Count {
  std::string word;
  int64_t count = 0;
};
struct CommaWriter {
  void append_header(std::string& out) const { out += "word,count\n"; }
  void append_row(std::string& out, const Count& row) const {
    out += row.word + ',' + std::to_string(row.count) + '\n';
  }
};
struct CommaFormat {
  Result<CommaWriter> open() const { return CommaWriter(); }
};
using LineSink = decltype(write_lines("").bind<std::string>());
static_assert(Sink<LineSink> && TwoPhaseSink<LineSink>);
static_assert(SinkMakerFor<PartFiles<CommaFormat>, Count>);

class PartFilesTest : public ::testing::Test {
 protected:
  PartFilesTest() {
    RealWorldOptions options;
    options.log_level = LogLevel::kError;
    world_ = make_real_world(options);
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = ::testing::TempDir() + "tidewheel_" + test.name() + "_" +
              std::to_string(world_->fork_random().next());
  }
  ~PartFilesTest() override { ignore(world_->files().remove_all(folder_), "left for a look"); }

  Names names(const std::string& folder = "") {
    Names found;
    const auto entries = world_->files().list(join_path(folder_, folder));
    EXPECT_TRUE(entries.ok());
    for (const DirectoryEntry& entry : *entries) {
      if (entry.name.starts_with(".part-0-lock.")) { continue; }  // of the one writer
      found.push_back(shorten(entry.name));
    }
    return found;
  }
  // A hidden name without the parts that tell operators and attempts apart.
  static std::string hidden(const std::string& name) { return '.' + name + ".inprogress"; }
  static std::string shorten(const std::string& name) {
    const size_t at = name.find(".inprogress");
    return at == std::string::npos ? name : name.substr(0, at + 11);
  }
  std::string content(const std::string& name) {
    return read_all(world_->files(), join_path(folder_, name)).value_or("nothing");
  }
  SinkHarness<LineSink> lines(WriteOptions options = {}, int32_t subtask = 0) {
    return SinkHarness<LineSink>(*world_, write_lines(folder_, options).bind<std::string>(),
                                 {.subtask_index = subtask, .parallelism = subtask + 1});
  }

  std::unique_ptr<World> world_;
  std::string folder_;
};

TEST_F(PartFilesTest, are_hidden_until_the_input_has_ended) {
  auto sink = lines();
  ASSERT_TRUE(sink.open().ok());
  EXPECT_EQ(names(), Names());
  ASSERT_TRUE(sink.write({"one", "two"}).ok());
  EXPECT_EQ(names(), Names({hidden("part-0-0")}));
  ASSERT_TRUE(sink.write({"three"}).ok());
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(names(), Names({"part-0-0"}));
  EXPECT_EQ(content("part-0-0"), "one\ntwo\nthree\n");
}

TEST_F(PartFilesTest, without_rows_are_not_made) {
  auto sink = lines();
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(names(), Names());
}

TEST_F(PartFilesTest, of_a_failed_job_are_removed) {
  auto sink = lines();
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.write({"one"}).ok());
  ASSERT_TRUE(sink.sink().close(false).ok());
  EXPECT_EQ(names(), Names());
}

TEST_F(PartFilesTest, of_an_earlier_run_are_not_replaced) {
  for (int run = 0; run < 2; ++run) {
    for (int32_t subtask = 0; subtask < 2; ++subtask) {
      auto sink = lines({.prefix = "p", .suffix = ".txt"}, subtask);
      ASSERT_TRUE(sink.open().ok());
      ASSERT_TRUE(sink.write({std::to_string(run)}).ok());
      ASSERT_TRUE(sink.finish().ok());
    }
  }
  EXPECT_EQ(names(), Names({"p-0-0.txt", "p-0-1.txt", "p-1-0.txt", "p-1-1.txt"}));
  EXPECT_EQ(content("p-0-0.txt"), "0\n");
  EXPECT_EQ(content("p-0-1.txt"), "1\n");
}

TEST_F(PartFilesTest, are_finished_when_they_are_large_enough) {
  auto sink = lines({.part_bytes_max = 8});
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.write({"123", "456", "789", "0"}).ok());
  EXPECT_EQ(names(), Names({hidden("part-0-1"), "part-0-0"}));
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(content("part-0-0"), "123\n456\n");
  EXPECT_EQ(content("part-0-1"), "789\n0\n");
}

TEST_F(PartFilesTest, get_their_names_when_the_checkpoint_is_complete) {
  SinkHarness<LineSink> sink(*world_,
                             write_lines(folder_, {.part_bytes_max = 2}).bind<std::string>(),
                             {.takes_final_checkpoint = true});
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.write({"1", "2", ""}).ok());
  EXPECT_EQ(names(), Names({hidden("part-0-0"), hidden("part-0-1"), hidden("part-0-2")}));
  const auto pending = sink.prepare(1);
  ASSERT_TRUE(pending.ok());
  ASSERT_EQ(pending->size(), 2U);  // the third one is still open
  EXPECT_EQ(sink.sink().snapshot_state(1)->size(), 1U);
  ASSERT_TRUE(sink.sink().commit((*pending)[0]).ok());
  ASSERT_TRUE(sink.sink().commit((*pending)[0]).ok());  // once more does no harm
  EXPECT_EQ(names(), Names({hidden("part-0-1"), hidden("part-0-2"), "part-0-0"}));
  ASSERT_TRUE(sink.sink().close(false).ok());
  EXPECT_EQ(names().size(), 3U);  // a checkpoint may refer to them
  ASSERT_TRUE(world_->files().remove((*pending)[1].hidden_path).ok());
  EXPECT_EQ(sink.sink().commit((*pending)[1]).code(), StatusCode::kDataLoss);
}

TEST_F(PartFilesTest, open_with_the_header_of_the_format) {
  using CountSink = decltype(write("", CommaFormat{}).bind<Count>());
  SinkHarness<CountSink> sink(
      *world_,
      write(folder_, CommaFormat{}, {.suffix = ".csv", .part_bytes_max = 16}).bind<Count>());
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.write({{"a", 1}, {"b", 2}, {"c", 3}}).ok());
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(content("part-0-0.csv"), "word,count\na,1\nb,2\n");
  EXPECT_EQ(content("part-0-1.csv"), "word,count\nc,3\n");
}

TEST_F(PartFilesTest, are_written_by_a_function_too) {
  const auto function = [](std::string& out, const Count& row) { out += row.word + ";"; };
  auto files = write(folder_, function);
  SinkHarness<decltype(files.bind<Count>())> sink(*world_, files.bind<Count>());
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.write({{"a", 1}, {"b", 2}}).ok());
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(content("part-0-0"), "a;b;");
}

TEST_F(PartFilesTest, go_to_the_folder_of_their_bucket) {
  const auto bucket = [](const Count& row) { return "by-" + row.word; };
  auto files = write(folder_, CommaFormat{}).by_bucket(bucket);
  using CountSink = decltype(files.bind<Count>());
  SinkHarness<CountSink> sink(*world_, files.bind<Count>());
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.write({{"a", 1}, {"b", 2}, {"a", 3}}).ok());
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(names(), Names({"by-a", "by-b"}));
  EXPECT_EQ(content("by-a/part-0-0"), "word,count\na,1\na,3\n");
  EXPECT_EQ(content("by-b/part-0-0"), "word,count\nb,2\n");
}

TEST_F(PartFilesTest, of_many_buckets_are_not_all_open_at_once) {
  const auto bucket = [](const std::string& row) { return row; };
  auto files = write_lines(folder_).by_bucket(bucket);
  using BucketSink = decltype(files.bind<std::string>());
  SinkHarness<BucketSink> sink(*world_, files.bind<std::string>());
  ASSERT_TRUE(sink.open().ok());
  std::vector<std::string> rows;
  for (int i = 0; i < 140; ++i) { rows.push_back(std::to_string(i % 70)); }
  ASSERT_TRUE(sink.write(rows).ok());
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(names().size(), 70U);
  std::string all;
  for (const std::string& name : names("7")) { all += content("7/" + name); }
  EXPECT_EQ(all, "7\n7\n");
}

TEST_F(PartFilesTest, lie_in_buckets_by_time) {
  auto files = write_lines(folder_).by_time({.pattern = "yyyy-MM-dd", .event_time = true});
  using TimedSink = decltype(files.bind<std::string>());
  SinkHarness<TimedSink> sink(*world_, files.bind<std::string>());
  ASSERT_TRUE(sink.open().ok());
  const std::vector<std::string> rows = {"a", "b", "c"};
  const std::vector<int64_t> times = {0, 86'400'000, 1};
  ASSERT_TRUE(sink.sink().write_rows(rows, times).ok());
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(names(), Names({"1970-01-01", "1970-01-02"}));
  EXPECT_EQ(content("1970-01-01/part-0-0"), "a\nc\n");
}

TEST_F(PartFilesTest, that_are_small_are_merged_under_one_head) {
  using CountSink = decltype(write("", CommaFormat{}).bind<Count>());
  SinkHarness<CountSink> sink(
      *world_,
      write(folder_, CommaFormat{}, {.part_bytes_max = 12, .merge_parts = 2}).bind<Count>(),
      {.takes_final_checkpoint = true});
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.write({{"a", 1}, {"b", 2}}).ok());
  auto pending = sink.prepare(1);
  ASSERT_TRUE(pending.ok());
  ASSERT_EQ(pending->size(), 1U);
  EXPECT_EQ(pending->front().merged.size(), 2U);
  ASSERT_TRUE(sink.sink().commit(pending->front()).ok());
  EXPECT_EQ(names(), Names({"part-0-2"}));
  EXPECT_EQ(content("part-0-2"), "word,count\na,1\nb,2\n");
  // One alone waits, until the end.
  ASSERT_TRUE(sink.write({{"c", 3}}).ok());
  EXPECT_EQ(sink.prepare(2)->size(), 0U);
  EXPECT_EQ(names(), Names({hidden("part-0-3"), "part-0-2"}));
  ASSERT_TRUE(sink.finish().ok());
  EXPECT_EQ(names(), Names({"part-0-2", "part-0-3"}));
}

TEST_F(PartFilesTest, refuse_options_that_make_no_sense) {
  for (const WriteOptions& options :
       {WriteOptions{.prefix = ".hidden"}, WriteOptions{.prefix = "a/b"},
        WriteOptions{.suffix = "/"}, WriteOptions{.part_bytes_max = 0},
        WriteOptions{.part_time_max = Duration(-1)}, WriteOptions{.merge_parts = 1}}) {
    auto sink = lines(options);
    EXPECT_EQ(sink.open().id(), ErrorId::kConnectorOption);
  }
}

}  // namespace
}  // namespace tidewheel::file
