#include "tidewheel/connectors/file/records.h"

#include <gtest/gtest.h>

#include <charconv>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/testing/connector_harness.h"

namespace tidewheel::file {
namespace {

using testing::SourceHarness;
using Rows = std::vector<std::string>;

struct Pair {
  Text name;
  int64_t value = 0;
};

// A format for tests: "name=value;" with a header that names the separator; records that begin with
// '#' are left out.
struct PairFormat {
  enum class Next : uint8_t { kRow, kNeedsBytes, kReject, kEnd, kFailed };
  using output = Pair;

  class Reader {
   public:
    explicit Reader(std::string place) : place_(std::move(place)) {}
    Next next(std::string_view bytes, bool ended, size_t& taken, Pair& row, Arena*) {
      taken = 0;
      while (true) {
        const std::string_view rest = bytes.substr(taken);
        if (separator_ == '\0') {
          if (rest.empty()) { return ended ? Next::kEnd : Next::kNeedsBytes; }
          separator_ = rest[0];
          ++taken;
          continue;
        }
        const size_t end = rest.find(';');
        if (end == std::string_view::npos) {
          return !ended ? Next::kNeedsBytes : rest.empty() ? Next::kEnd : fail(rest);
        }
        taken += end + 1;
        ++line_;
        if (rest[0] == '#') {
          ++malformed_;
          continue;
        }
        const size_t middle = rest.find(separator_);
        if (middle > end) { return fail(rest.substr(0, end)); }
        row.name = rest.substr(0, middle);
        std::from_chars(rest.data() + middle + 1, rest.data() + end, row.value);
        return Next::kRow;
      }
    }
    bool needs_header() const { return separator_ == '\0'; }
    const Status& status() const { return status_; }
    int64_t malformed_count() const { return malformed_; }
    int64_t line() const { return line_; }
    void set_line(int64_t line) { line_ = line; }

   private:
    Next fail(std::string_view record) {
      status_ =
          invalid_argument(ErrorId::kRecordMalformed, "no pair: {}:{}: {}", place_, line_, record);
      return Next::kFailed;
    }
    std::string place_;
    char separator_ = '\0';
    int64_t malformed_ = 0;
    int64_t line_ = 1;
    Status status_;
  };
  Result<Reader> open(std::string place) const { return Reader(std::move(place)); }
};
static_assert(RecordFormat<PairFormat> && Source<RecordSource<PairFormat>>);

class FileRecords : public ::testing::Test {
 protected:
  FileRecords() {
    RealWorldOptions options;
    options.log_level = LogLevel::kError;
    world_ = make_real_world(options);
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = ::testing::TempDir() + "tidewheel_" + test.name() + "_" +
              std::to_string(world_->fork_random().next());
    EXPECT_TRUE(world_->files().make_directories(folder_).ok());
  }
  ~FileRecords() override { ignore(world_->files().remove_all(folder_), "left for a look"); }

  std::string write(const std::string& name, std::string_view bytes,
                    WriteMode mode = WriteMode::kTruncate) {
    auto file = world_->files().open_write(join_path(folder_, name), mode);
    EXPECT_TRUE(file.ok());
    EXPECT_TRUE((*file)->append(bytes).ok());
    return join_path(folder_, name);
  }
  static std::string text_of(const Pair& pair) {
    return pair.name.str() + ":" + std::to_string(pair.value);
  }
  std::unique_ptr<World> world_;
  std::string folder_;
};

TEST_F(FileRecords, are_read_by_the_format) {
  write("a", "=one=1;two=2;#no;three=3;");
  write("b", "/four/4;#;");
  write("c", "");
  SourceHarness<RecordSource<PairFormat>> harness(*world_, records(folder_, PairFormat()));
  Rows rows;
  ASSERT_TRUE(harness.read_all(rows, text_of).ok());
  EXPECT_EQ(rows, Rows({"one:1", "two:2", "three:3", "four:4"}));
  EXPECT_EQ(harness.context().metrics().counter("numRecordsInErrors").value(), 2);
}

TEST_F(FileRecords, that_cross_chunks_come_whole) {
  std::string bytes = "=";
  Rows expected;
  for (int i = 0; i < 50'000; ++i) {
    const std::string name = "name" + std::string(static_cast<size_t>(i % 50), 'x');
    bytes += name + "=" + std::to_string(i) + ";";
    expected.push_back(name + ":" + std::to_string(i));
  }
  SourceHarness<RecordSource<PairFormat>> harness(*world_,
                                                  records(write("a", bytes), PairFormat()));
  Rows rows;
  ASSERT_TRUE(harness.read_all(rows, text_of).ok());
  EXPECT_EQ(rows, expected);
}

TEST_F(FileRecords, go_on_from_the_split_of_a_snapshot) {
  std::string bytes = "=";
  Rows expected;
  for (int i = 0; i < 100; ++i) {
    bytes += std::to_string(i) + "=" + std::to_string(i) + (i % 3 == 0 ? ";#no;" : ";");
    expected.push_back(std::to_string(i) + ":" + std::to_string(i));
  }
  const auto source = records(write("a", bytes), PairFormat());
  SourceHarness<RecordSource<PairFormat>> first(*world_, source);
  auto splits = first.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_EQ(splits->size(), 1U);
  FileSplit split = splits->front();
  Rows rows;
  int64_t malformed = 0;
  while (true) {  // a new reader for each batch
    SourceHarness<RecordSource<PairFormat>> next(*world_, source, {.batch_rows = 7});
    ASSERT_TRUE(next.open().ok());
    const auto some = next.read(split);
    for (const Pair& pair : some.rows()) { rows.push_back(text_of(pair)); }
    malformed += next.context().metrics().counter("numRecordsInErrors").value();
    if (some.result.next() != ReadResult::Next::kMore) { break; }
  }
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(malformed, 34);
  EXPECT_EQ(split.line, 135);
}

TEST_F(FileRecords, that_are_malformed_fail_with_what_the_format_says) {
  const std::string file = write("a", "=one=1;two;");
  SourceHarness<RecordSource<PairFormat>> harness(*world_, records(file, PairFormat()));
  Rows rows;
  const Status status = harness.read_all(rows, text_of);
  EXPECT_EQ(status.id(), ErrorId::kRecordMalformed);
  EXPECT_NE(status.message().find(file), std::string::npos);
  EXPECT_EQ(rows, Rows({"one:1"}));
}

TEST_F(FileRecords, of_a_followed_file_go_on_after_it_was_replaced) {
  const std::string file = write("a", "=one=1;tw");
  SourceHarness<RecordSource<PairFormat>> harness(*world_,
                                                  records(file, PairFormat(), {.follow = true}));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_TRUE(harness.open().ok());
  Rows rows;
  const auto read_on = [&] {
    EXPECT_EQ(harness.drain(splits->front(), rows, text_of).next(), ReadResult::Next::kWait);
  };
  read_on();
  write("a", "o=2;", WriteMode::kAppend);
  read_on();
  EXPECT_EQ(rows, Rows({"one:1", "two:2"}));
  ASSERT_TRUE(world_->files().rename(file, file + ".1").ok());
  write("a", "/three/3;");
  read_on();
  EXPECT_EQ(rows, Rows({"one:1", "two:2", "three:3"}));
}

}  // namespace
}  // namespace tidewheel::file
