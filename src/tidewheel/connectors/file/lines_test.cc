#include "tidewheel/connectors/file/lines.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/connector_harness.h"

namespace tidewheel::file {
namespace {

using testing::SourceHarness;
using Lines = std::vector<std::string>;
using TextHarness = SourceHarness<LineSource<Text>>;

static_assert(Source<LineSource<Text>> && Source<LineSource<std::string>>);

// A folder of its own for each test, and what is done with the files in it.
class FileLines : public ::testing::Test {
 protected:
  FileLines() : world_(make_world()) {
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = ::testing::TempDir() + "tidewheel_" + test.name() + "_" +
              std::to_string(world_->fork_random().next());
    EXPECT_TRUE(files().make_directories(folder_).ok());
  }
  ~FileLines() override { ignore(files().remove_all(folder_), "left for a look"); }

  FileSystem& files() { return world_->files(); }
  std::string path(const std::string& name) const { return join_path(folder_, name); }
  std::string write(const std::string& name, std::string_view bytes,
                    WriteMode mode = WriteMode::kTruncate) {
    auto file = files().open_write(path(name), mode);
    EXPECT_TRUE(file.ok());
    EXPECT_TRUE((*file)->append(bytes).ok());
    return path(name);
  }
  // Reads everything to its end.
  Result<Lines> read(const std::string& from, const ReadOptions& options = {},
                     uint32_t batch_rows = 7) {
    TextHarness harness(*world_, lines(from, options), {.batch_rows = batch_rows});
    Lines found;
    TIDEWHEEL_RETURN_IF_ERROR(harness.read_all(found, [](Text line) { return line.str(); }));
    return found;
  }
  Lines read_lines(const std::string& from, const ReadOptions& options = {}) {
    Result<Lines> found = read(from, options);
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    return std::move(found).value_or({});
  }

  static std::unique_ptr<World> make_world() {
    RealWorldOptions options;
    options.log_level = LogLevel::kError;
    return make_real_world(options);
  }
  const std::unique_ptr<World> world_;
  std::string folder_;
};

// Not inlined: GCC 12 would warn of copies that it only imagines.
[[gnu::noinline]] std::string gzip(std::string_view bytes) {
  z_stream zlib{};
  EXPECT_EQ(deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&zlib, bytes.size()) + 64, '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  zlib.avail_in = static_cast<uInt>(bytes.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&zlib, Z_FINISH), Z_STREAM_END);
  deflateEnd(&zlib);
  return out.substr(0, zlib.total_out);
}
[[gnu::noinline]] std::string zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  const size_t size = ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size());
  ZSTD_freeCCtx(context);
  return out.substr(0, size);
}
std::pair<std::string, Lines> random_text(uint64_t seed, int count) {
  Random random(seed);
  std::pair<std::string, Lines> text;
  for (int i = 0; i < count; ++i) {
    std::string line;
    for (uint64_t size = random.below(60); size > 0; --size) {
      line += static_cast<char>('!' + random.below(90));
    }
    text.first += line + "\n";
    text.second.push_back(std::move(line));
  }
  return text;
}

TEST_F(FileLines, of_a_file_come_in_order) {
  EXPECT_EQ(read_lines(write("a", "one\ntwo\r\n\nfour")), Lines({"one", "two", "", "four"}));
  EXPECT_EQ(read_lines(write("a", "\xef\xbb\xbfmarked\n\xef\xbb\xbfnot\n")),
            Lines({"marked", "\xef\xbb\xbfnot"}));
}

TEST_F(FileLines, of_an_empty_file_or_folder_are_none) {
  EXPECT_EQ(read_lines(write("empty", "")), Lines());
  EXPECT_TRUE(files().make_directories(path("folder")).ok());
  EXPECT_EQ(read_lines(path("folder")), Lines());
}

TEST_F(FileLines, of_a_folder_leave_out_hidden_files) {
  EXPECT_TRUE(files().make_directories(path("f/deep")).ok());
  EXPECT_TRUE(files().make_directories(path("f/.deep")).ok());
  write("f/b", "2\n");
  write("f/a", "1\n");
  write("f/.hidden", "x\n");
  write("f/_hidden", "x\n");
  write("f/.deep/c", "x\n");
  write("f/deep/c", "3\n");
  EXPECT_EQ(read_lines(path("f")), Lines({"1", "2", "3"}));
  EXPECT_EQ(read_lines(path("f"), {.recursive = false}), Lines({"1", "2"}));
  EXPECT_EQ(read_lines(path("f/.hidden")), Lines({"x"}));  // asked for by name
}

TEST_F(FileLines, are_the_same_in_any_splits) {
  const auto [text, expected] = random_text(1, 400);
  const std::string file = write("a", text);
  for (const int64_t split : {1024, 1025, 1500, 4096, 1 << 20}) {
    EXPECT_EQ(read_lines(file, {.split_bytes = split}), expected) << split;
  }
  // Splits whose borders are right behind a line feed, and longer lines than splits.
  std::string even;
  Lines even_lines;
  for (int i = 0; i < 64; ++i) {
    even_lines.push_back(std::string(i % 16 == 0 ? size_t{4095} : size_t{127}, 'x'));
    even += even_lines.back() + "\n";
  }
  EXPECT_EQ(read_lines(write("b", even), {.split_bytes = 1024}), even_lines);
}

TEST_F(FileLines, go_on_from_the_split_of_a_snapshot) {
  const auto [text, expected] = random_text(2, 300);
  const std::string file = write("a", text);
  const std::string zipped = write("a.gz", gzip(text));
  for (const std::string& from : {file, zipped}) {
    const LineSource<Text> source = lines(from, {.split_bytes = 2048});
    Lines found;
    const auto convert = [](Text line) { return line.str(); };
    TextHarness first(*world_, source);
    auto splits = first.discover();
    ASSERT_TRUE(splits.ok());
    for (FileSplit split : *splits) {
      while (true) {  // a new reader for each batch
        TextHarness next(*world_, source, {.batch_rows = 5});
        ASSERT_TRUE(next.open().ok());
        const auto rows = next.read(split);
        for (const Text line : rows.rows()) { found.push_back(convert(line)); }
        if (rows.result.next() != ReadResult::Next::kMore) { break; }
      }
    }
    EXPECT_EQ(found, expected);
  }
}

TEST_F(FileLines, of_a_missing_file_fail) {
  const Result<Lines> found = read(path("missing"));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().id(), ErrorId::kFileNotFound);
  EXPECT_NE(found.status().message().find("missing"), std::string::npos);
  EXPECT_EQ(read("").status().id(), ErrorId::kFileNotFound);
}

TEST_F(FileLines, that_are_too_long_name_file_and_offset) {
  const std::string file = write("a", "1234\n12345\n");
  const Result<Lines> found = read(file, {.record_bytes_max = 4});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().id(), ErrorId::kRecordMalformed);
  EXPECT_NE(found.status().message().find(file + " at byte 5"), std::string::npos);
}

TEST_F(FileLines, of_100_megabytes_are_read_when_allowed) {
  const std::string big(100'000'000, 'x');
  const std::string file = write("a", "small\n" + big + "\nlast\n");
  EXPECT_EQ(read(file).status().id(), ErrorId::kRecordMalformed);
  const Lines found = read_lines(file, {.record_bytes_max = 200'000'000});
  ASSERT_EQ(found.size(), 3U);
  EXPECT_TRUE(found[1] == big);
  EXPECT_EQ(found[2], "last");
}

TEST_F(FileLines, of_compressed_files_are_decompressed) {
  const auto [text, expected] = random_text(3, 20'000);
  EXPECT_EQ(read_lines(write("a.gz", gzip(text))), expected);
  EXPECT_EQ(read_lines(write("a.zst", zstd(text))), expected);
  EXPECT_EQ(read_lines(write("b", gzip(text)), {.compression = Compression::kGzip}), expected);
  EXPECT_EQ(read_lines(write("c.gz", "plain\n"), {.compression = Compression::kNone}),
            Lines({"plain"}));
}

TEST_F(FileLines, of_joined_compressed_files_are_all_read) {
  EXPECT_EQ(read_lines(write("a.gz", gzip("1\n2") + gzip("2\n3\n") + std::string(100, '\0'))),
            Lines({"1", "22", "3"}));
  EXPECT_EQ(read_lines(write("a.zst", zstd("1\n2") + zstd("2\n3\n"))), Lines({"1", "22", "3"}));
  EXPECT_EQ(read_lines(write("b.gz", gzip(""))), Lines());
}

TEST_F(FileLines, highly_compressed_are_all_read) {
  std::string text(3'000'000, 'a');
  text += "\nend\n";
  for (const auto& file : {write("a.gz", gzip(text)), write("a.zst", zstd(text))}) {
    const Lines found = read_lines(file);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].size(), 3'000'000U);
    EXPECT_EQ(found[1], "end");
  }
}

TEST_F(FileLines, of_damaged_or_cut_compressed_files_fail_at_an_offset) {
  const auto [text, expected] = random_text(4, 3'000);
  const std::string good[] = {gzip(text), zstd(text)};
  const std::string suffixes[] = {".gz", ".zst"};
  for (size_t i = 0; i < 2; ++i) {
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{9}, good[i].size() / 2, good[i].size() - 1}) {
      const std::string file = write("cut" + suffixes[i], good[i].substr(0, size));
      const Result<Lines> found = read(file);
      ASSERT_FALSE(found.ok()) << size;
      EXPECT_EQ(found.status().id(), ErrorId::kCompressedData);
      EXPECT_NE(found.status().message().find(file + " at byte " + std::to_string(size)),
                std::string::npos)
          << found.status().message();
    }
    std::string bad = good[i];
    for (size_t at = bad.size() / 2; at < bad.size() / 2 + 50; ++at) { bad[at] = '\x55'; }
    EXPECT_EQ(read(write("bad" + suffixes[i], bad)).status().id(), ErrorId::kCompressedData);
    EXPECT_EQ(read(write("no" + suffixes[i], "not compressed")).status().id(),
              ErrorId::kCompressedData);
  }
}

// Both formats carry a checksum: damage is found, wherever it is.
TEST(CompressedBytes, that_are_damaged_never_pass_for_good_ones) {
  SimMachine machine{SimulationOptions()};
  FileSystem& files = machine.world.files();
  const std::string text = random_text(5, 500).first;
  const std::string good[] = {gzip(text), zstd(text)};
  Random random(11);
  for (int round = 0; round < 1000; ++round) {
    const size_t format = random.below(2);
    std::string bytes = good[format];
    for (uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
      bytes[random.below(bytes.size())] ^= static_cast<char>(1 << random.below(8));
    }
    ASSERT_TRUE(write_all_durably(files, "/a", bytes).ok());
    auto stream =
        InputStream::open(files, "/a", format == 0 ? Compression::kGzip : Compression::kZstd, 0);
    ASSERT_TRUE(stream.ok());
    std::string out;
    std::vector<char> buffer(1 + random.below(10'000));
    Result<int64_t> count = 1;
    while ((count = (*stream)->read(buffer)).ok() && *count > 0) {
      out.append(buffer.data(), static_cast<size_t>(*count));
      ASSERT_LE(out.size(), 100 * text.size());
    }
    if (count.ok()) {
      EXPECT_TRUE(out == text) << round;  // the damage was where nothing is said
    } else {
      EXPECT_EQ(count.status().id(), ErrorId::kCompressedData);
    }
  }
}

TEST_F(FileLines, of_a_file_that_can_not_be_read_fail) {
  // The memory of a process at address 0: it can be opened, but not even root can read it.
  const Result<Lines> found = read("/proc/self/mem");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().id(), ErrorId::kFileIo);
  EXPECT_NE(found.status().message().find("/proc/self/mem"), std::string::npos);
}

TEST_F(FileLines, that_are_written_after_discovery_do_not_come) {
  const std::string file = write("a", "one\ntw");
  TextHarness harness(*world_, lines(file));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_EQ(splits->size(), 1U);
  write("a", "o\nthree\n", WriteMode::kAppend);
  ASSERT_TRUE(harness.open().ok());
  Lines found;
  const ReadResult result =
      harness.drain(splits->front(), found, [](Text line) { return line.str(); });
  EXPECT_EQ(result.next(), ReadResult::Next::kEnd);
  EXPECT_EQ(found, Lines({"one", "two"}));  // what had begun is read whole
}

TEST_F(FileLines, that_are_not_read_yet_are_a_metric_in_bytes) {
  std::string text;
  for (int i = 0; i < 1'000; ++i) { text += "line\n"; }
  write("a", text);
  TextHarness harness(*world_, lines(folder_, {.split_bytes = 2'048}), {.batch_rows = 100});
  std::vector<FileSplit> splits = harness.discover().value();
  ASSERT_EQ(splits.size(), 3U);
  ASSERT_TRUE(harness.open().ok());
  const auto pending = [&]() -> int64_t {
    for (const MetricValue& one : harness.context().metrics().collect(0)) {
      if (one.name == "pendingBytes") { return one.value; }
    }
    return -1;
  };
  static_cast<void>(harness.read(splits[0]));
  EXPECT_EQ(pending(), 2'048 - 500);
  static_cast<void>(harness.read(splits[1]));
  const int64_t both = 2'048 - 500 + splits[1].end - splits[1].next;
  EXPECT_EQ(pending(), both);
  Lines found;
  static_cast<void>(harness.drain(splits[0], found, [](Text line) { return line.str(); }));
  EXPECT_EQ(pending(), splits[1].end - splits[1].next) << "a line goes on behind its split";
  harness.reader().close_split(splits[1]);
  EXPECT_EQ(pending(), 0);
}

TEST_F(FileLines, of_a_watched_folder_come_once_for_each_file) {
  write("a", "1\n");
  TextHarness harness(*world_, lines(folder_, {.watch_every = Duration(10)}));
  EXPECT_EQ(harness.reader().discovery_interval_ms(), 10);
  auto first = harness.discover();
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->size(), 1U);
  write("a", "more\n", WriteMode::kAppend);
  write("b", "2\n");
  auto second = harness.discover(false);
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(second->size(), 2U);
  EXPECT_EQ(harness.reader().split_id(first->front()), harness.reader().split_id(second->front()));
  EXPECT_TRUE(files().remove_all(folder_).ok());
  auto third = harness.discover(false);
  ASSERT_TRUE(third.ok());
  EXPECT_TRUE(third->empty());
}

TEST_F(FileLines, of_a_followed_file_come_when_they_are_complete) {
  const std::string file = write("a", "one\ntw");
  TextHarness harness(*world_, lines(file, {.follow = true}));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_TRUE(harness.open().ok());
  FileSplit& split = splits->front();
  Lines found;
  const auto read_on = [&] {
    return harness.drain(split, found, [](Text line) { return line.str(); }).next();
  };
  EXPECT_EQ(read_on(), ReadResult::Next::kWait);
  EXPECT_EQ(found, Lines({"one"}));
  write("a", "o\nthree\n", WriteMode::kAppend);
  EXPECT_EQ(read_on(), ReadResult::Next::kWait);
  EXPECT_EQ(found, Lines({"one", "two", "three"}));
  EXPECT_EQ(split.next, 14);
}

TEST_F(FileLines, of_a_followed_file_go_on_after_it_was_replaced) {
  const std::string file = write("a", "one\nrest");
  TextHarness harness(*world_, lines(file, {.follow = true}));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_TRUE(harness.open().ok());
  Lines found;
  const auto read_on = [&] {
    const auto next =
        harness.drain(splits->front(), found, [](Text line) { return line.str(); }).next();
    EXPECT_EQ(next, ReadResult::Next::kWait);
  };
  read_on();
  EXPECT_TRUE(files().rename(file, path("a.1")).ok());
  read_on();  // nothing has its name now
  EXPECT_EQ(found, Lines({"one"}));
  write("a", "two\n");
  read_on();
  EXPECT_EQ(found, Lines({"one", "rest", "two"}));
  write("a", "3\n", WriteMode::kTruncate);
  read_on();
  EXPECT_EQ(found, Lines({"one", "rest", "two", "3"}));
  EXPECT_EQ(splits->front().next, 2);
}

TEST_F(FileLines, of_a_compressed_file_can_not_be_followed) {
  const Result<Lines> found = read(write("a.gz", gzip("1\n")), {.follow = true});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().id(), ErrorId::kConnectorOption);
}

TEST_F(FileLines, refuse_options_that_make_no_sense) {
  const std::string file = write("a", "1\n");
  EXPECT_EQ(read(file, {.split_bytes = 10}).status().id(), ErrorId::kConnectorOption);
  EXPECT_EQ(read(file, {.record_bytes_max = 0}).status().id(), ErrorId::kConnectorOption);
  EXPECT_EQ(read(file, {.watch_every = Duration(-1)}).status().id(), ErrorId::kConnectorOption);
}

TEST_F(FileLines, as_strings_need_no_batch) {
  write("a", "one\ntwo\n");
  SourceHarness<LineSource<std::string>> harness(*world_, lines<std::string>(path("a")));
  Lines found;
  ASSERT_TRUE(harness.read_all(found, [](const std::string& line) { return line; }).ok());
  EXPECT_EQ(found, Lines({"one", "two"}));
}

}  // namespace
}  // namespace tidewheel::file
