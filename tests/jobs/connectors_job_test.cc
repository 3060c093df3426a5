// Jobs from source to sink: CSV and text files, compressed, damaged and growing ones, sockets,
// Nexmark; on this machine and on a simulated one.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/batch_options.h"
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/connectors/file/lines.h"
#include "tidewheel/connectors/file/records.h"
#include "tidewheel/connectors/file/sink.h"
#include "tidewheel/connectors/nexmark/source.h"
#include "tidewheel/connectors/socket/socket.h"
#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/csv/writer.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using Strings = std::vector<std::string>;

struct Departure {
  Text carrier;
  std::optional<int64_t> delay;
};
struct CarrierDelay {
  std::string carrier;
  int64_t delay = 0;
};

std::string gzip(std::string_view bytes) {
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

void write_file(World& world, const std::string& path, std::string_view bytes) {
  auto file = world.files().open_write(path, WriteMode::kTruncate);
  ASSERT_TRUE(file.ok()) << file.status().to_string();
  ASSERT_TRUE((*file)->append(bytes).ok());
}

// The lines of all part files in a folder, sorted. When the job has ended nothing is hidden there.
Strings sorted_lines(World& world, const std::string& folder, bool job_runs = false) {
  Strings lines;
  const auto entries = world.files().list(folder);
  EXPECT_TRUE(entries.ok()) << entries.status().to_string();
  if (!entries.ok()) { return lines; }
  for (const DirectoryEntry& entry : *entries) {
    if (entry.name.starts_with('.')) {
      EXPECT_TRUE(job_runs) << entry.name;
      continue;
    }
    const std::string content =
        read_all(world.files(), join_path(folder, entry.name)).value_or("?");
    for (size_t begin = 0, end = 0; begin < content.size(); begin = end + 1) {
      end = std::min(content.find('\n', begin), content.size());
      lines.push_back(content.substr(begin, end - begin));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

class ConnectorJobs : public ::testing::Test {
 protected:
  ConnectorJobs() {
    RealWorldOptions options;
    options.log_level = LogLevel::kError;
    world_ = make_real_world(options);
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = ::testing::TempDir() + "tidewheel_job_" + test.name() + "_" +
              std::to_string(world_->fork_random().next());
    EXPECT_TRUE(world_->files().make_directories(folder_).ok());
  }
  ~ConnectorJobs() override { ignore(world_->files().remove_all(folder_), "left for a look"); }

  std::string write(const std::string& name, std::string_view bytes) {
    write_file(*world_, join_path(folder_, name), bytes);
    return join_path(folder_, name);
  }
  std::string path(const std::string& name) const { return join_path(folder_, name); }

  // Runs a job that reads `source` and counts its rows. Returns how it ended.
  template <class S>
  Status run(S source) {
    Env env(*world_, Config());
    env.from("source under test", std::move(source)).to(discard());
    const Result<JobResult> result = env.execute();
    return result.ok() ? ok_status() : result.status();
  }

  std::unique_ptr<World> world_;
  std::string folder_;
};

// Words of `from`, counted, as CSV in `to`.
Result<JobResult> count_words(World& world, const std::string& from, const std::string& to,
                              int32_t parallelism, int64_t batch_rows) {
  Env env(world, Config());
  env.parallelism(parallelism).batch_rows(batch_rows);
  env.from("lines", file::lines(from, {.split_bytes = 1024}))
      .flat_map<std::string>([](const Text& line, Out<std::string>& out) {
        for (size_t i = 0, j = 0; i < line.size(); i = j + 1) {
          j = std::min(line.find(' ', i), line.size());
          if (j > i) { out(std::string(line.substr(i, j - i))); }
        }
      })
      .key_by([](const std::string& word) { return word; })
      .running(int64_t{0}, [](int64_t& n, const std::string&) { ++n; })
      .map([](const std::pair<std::string, int64_t>& count) {
        return CarrierDelay{count.first, count.second};
      })
      .to(file::write(to, csv::lines_of<CarrierDelay>({.header = false}), {.suffix = ".csv"}));
  return env.execute("word count");
}

TEST_F(ConnectorJobs, words_of_files_are_counted_into_csv_parts) {
  std::string text;
  Strings expected;
  const Strings words = {"to", "be", "or", "not"};
  for (int i = 0; i < 2000; ++i) {
    const std::string& word = words[static_cast<size_t>(i % 4)];
    text += word + (i % 5 == 0 ? "\n" : " ");
    expected.push_back(word + "," + std::to_string(i / 4 + 1));
  }
  std::sort(expected.begin(), expected.end());
  ASSERT_TRUE(world_->files().make_directories(path("in")).ok());
  write("in/a", text.substr(0, 4000));
  write("in/b.gz", gzip(text.substr(4000)));
  // The cut at 4000 falls between two words.
  ASSERT_EQ(text[3999] == ' ' || text[3999] == '\n' || text[4000] == ' ' || text[4000] == '\n',
            true);
  for (const int32_t parallelism : {1, 2, 3}) {
    for (const int64_t batch_rows : {1, 1024}) {
      const std::string to =
          path("out" + std::to_string(parallelism) + "_" + std::to_string(batch_rows));
      const auto result = count_words(*world_, path("in"), to, parallelism, batch_rows);
      ASSERT_TRUE(result.ok()) << result.status().to_string();
      EXPECT_TRUE(sorted_lines(*world_, to) == expected) << to;
    }
  }
}

TEST_F(ConnectorJobs, csv_comes_back_as_it_was_written) {
  const std::string in = write("in.csv", "delay,carrier\n5,UA\nNA,AA\n-3,\"B, \"\"6\"\"\"\n7,DL\n");
  Env env(*world_, Config());
  auto rows =
      env.from("departures", file::records(in, csv::rows<Departure>({.null_literals = {"NA"}})))
          .filter([](const Departure& row) { return row.delay.has_value(); })
          .map([](const Departure& row) {
            return CarrierDelay{row.carrier.str(), *row.delay};
          });
  rows.to(file::write(path("out"), csv::lines_of<CarrierDelay>(), {.suffix = ".csv"}));
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(read_all(world_->files(), path("out/part-0-0.csv")).value_or("nothing"),
            "carrier,delay\nUA,5\n\"B, \"\"6\"\"\",-3\nDL,7\n");
}

TEST_F(ConnectorJobs, malformed_records_are_skipped_and_counted_when_asked_to) {
  const std::string in = write("in.csv", "carrier,delay\nUA,5\nAA\nDL,many\nB6,7\n");
  Env env(*world_, Config());
  auto rows =
      env.from("departures",
               file::records(in, csv::rows<Departure>({.on_malformed = csv::OnMalformed::kSkip})))
          .map([](const Departure& row) { return row.delay.value_or(-1); })
          .collect();
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(rows.get(), (std::vector<int64_t>{5, 7}));
  EXPECT_EQ(result->accumulators.at("malformed records"), 2);
}

TEST_F(ConnectorJobs, malformed_records_come_as_rows_when_asked_to) {
  const std::string in = write("in.csv", "carrier,delay\nUA,5\nAA\nDL,many\nB6,7\n");
  Env env(*world_, Config());
  using Row = std::variant<Departure, csv::Reject>;
  auto rows = env.from("departures", file::records(in, csv::rows_and_rejects<Departure>()))
                  .map([](const Row& row) {
                    const auto* const reject = std::get_if<csv::Reject>(&row);
                    return reject == nullptr ? int64_t{0} : reject->line;
                  })
                  .collect();
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(rows.get(), (std::vector<int64_t>{0, 3, 4, 0}));
}

TEST_F(ConnectorJobs, fail_with_a_message_that_names_source_and_place) {
  struct Case {
    Status status;
    ErrorId id;
    std::string place;
  };
  const std::string row = "carrier,delay\nUA\n";
  const std::string zipped = gzip(std::string(10'000, 'x') + "\n");
  const Case cases[] = {
      {run(file::lines(path("missing"))), ErrorId::kFileNotFound, "missing"},
      {run(file::lines(write("cut.gz", zipped.substr(0, zipped.size() - 3)))),
       ErrorId::kCompressedData, "cut.gz at byte " + std::to_string(zipped.size() - 3)},
      {run(file::lines(write("long", "1\n12345\n"), {.record_bytes_max = 4})),
       ErrorId::kRecordMalformed, "long at byte 2"},
      {run(file::records(write("few.csv", row), csv::rows<Departure>())), ErrorId::kRecordMalformed,
       "few.csv"},
      {run(socket::lines("127.0.0.1", 1)), ErrorId::kNetworkConnect, "127.0.0.1:1"},
  };
  for (const Case& one : cases) {
    ASSERT_FALSE(one.status.ok()) << one.place;
    EXPECT_EQ(one.status.id(), one.id) << one.status.to_string();
    EXPECT_NE(one.status.message().find(one.place), std::string::npos) << one.status.to_string();
    EXPECT_NE(one.status.message().find("source under test"), std::string::npos)
        << one.status.to_string();
  }
}

TEST_F(ConnectorJobs, a_watched_folder_is_read_until_the_job_is_stopped) {
  ASSERT_TRUE(world_->files().make_directories(path("in")).ok());
  write("in/a", "1\n2\n");
  Env env(*world_, Config());
  env.parallelism(2);
  auto rows = env.from("lines", file::lines<std::string>(path("in"), {.watch_every = Duration(5)}))
                  .map([](const std::string& line) { return line; });
  rows.to(file::write_lines(path("out"), {.part_bytes_max = 1}));
  auto collected = rows.collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  const auto event = world_->executor().make_event();
  const auto wait_for_lines = [&](size_t count) {
    for (int i = 0; i < 4000; ++i) {  // the bound is for a test that fails
      if (world_->files().exists(path("out")).value_or(false) &&
          sorted_lines(*world_, path("out"), /*job_runs=*/true).size() >= count) {
        return true;
      }
      static_cast<void>(event->wait(world_->clock().now_ns() + 5'000'000));
    }
    return false;
  };
  EXPECT_TRUE(wait_for_lines(2));
  write("in/.b", "3\n");
  ASSERT_TRUE(world_->files().rename(path("in/.b"), path("in/b")).ok());
  EXPECT_TRUE(wait_for_lines(3));
  (*job)->stop();
  EXPECT_TRUE((*job)->result().ok());
  auto lines = collected.get();
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, Strings({"1", "2", "3"}));
  EXPECT_EQ(sorted_lines(*world_, path("out")), Strings({"1", "2", "3"}));
}

struct BidPrice {
  int64_t price = 0;
};

// What is behind them would never begin, and files would grow meanwhile.
TEST_F(ConnectorJobs, sources_that_do_not_end_are_refused_in_batch_mode) {
  const std::string lines = write("lines", "a line\n");
  const auto run_batch = [this](auto source) {
    Config config;
    config.set(options::kRuntimeMode, "BATCH");
    config.set(options::kTemporaryDirectories, folder_);
    Env env(*world_, std::move(config));
    env.from("source under test", std::move(source)).rebalance().to(discard());
    const Result<JobResult> result = env.execute();
    return result.ok() ? ok_status() : result.status();
  };
  const auto expect_refused = [&](auto source, const char* which) {
    const Status status = run_batch(std::move(source));
    EXPECT_EQ(status.id(), ErrorId::kBadOptionValue) << which << ": " << status.to_string();
    EXPECT_NE(status.message().find("'source under test' does not end"), std::string::npos)
        << which << ": " << status.to_string();
  };
  const auto number = [](int64_t index) { return index; };
  expect_refused(file::lines(lines, {.watch_every = Duration(5)}), "a watched file");
  expect_refused(file::lines(lines, {.follow = true}), "a file that grows");
  expect_refused(socket::lines("127.0.0.1", 1), "a socket");
  expect_refused(generate(number), "numbers");
  expect_refused(nexmark::bids<BidPrice>({.events = 0}), "bids");
  for (const Status& status : {run_batch(file::lines(lines)), run_batch(sequence(1, 10)),
                               run_batch(generate(number, {.count = 10})),
                               run_batch(nexmark::bids<BidPrice>({.events = 100}))}) {
    EXPECT_TRUE(status.ok()) << status.to_string();
  }
}

TEST_F(ConnectorJobs, lines_of_a_socket_come_until_the_peer_closes) {
  auto listener = world_->network().listen({"127.0.0.1", 0}, [] {});
  ASSERT_TRUE(listener.ok());
  Env env(*world_, Config());
  auto lines =
      env.from("lines", socket::lines<std::string>("127.0.0.1", (*listener)->port())).collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  const auto event = world_->executor().make_event();
  std::unique_ptr<Connection> connection;
  Strings expected;
  std::string bytes;
  for (int i = 0; i < 5'000; ++i) {
    expected.push_back("line " + std::to_string(i));
    bytes += expected.back() + "\n";
  }
  std::string_view rest = bytes;
  for (int i = 0; i < 4000 && !rest.empty(); ++i) {  // the bound is for a test that fails
    if (connection == nullptr) {
      connection = std::move((*listener)->accept([] {})).value_or(nullptr);
    } else {
      const auto sent = connection->write(rest.substr(0, 1000));
      ASSERT_TRUE(sent.ok());
      rest.remove_prefix(static_cast<size_t>(sent->bytes));
      if (sent->bytes > 0) { continue; }
    }
    static_cast<void>(event->wait(world_->clock().now_ns() + 5'000'000));
  }
  ASSERT_TRUE(rest.empty());
  ASSERT_TRUE(connection->shutdown_write().ok());
  EXPECT_TRUE((*job)->result().ok());
  EXPECT_TRUE(lines.get() == expected);
}

struct Offer {
  int64_t auction = 0;
  int64_t price = 0;
};

TEST_F(ConnectorJobs, nexmark_is_the_same_at_any_parallelism) {
  std::vector<int64_t> expected;
  for (const int32_t parallelism : {1, 2, 3}) {
    Env env(*world_, Config());
    env.parallelism(parallelism);
    auto sums = env.from("bids", nexmark::bids<Offer>({.events = 30'000}))
                    .map([](const Offer& offer) { return offer.auction * 1'000'003 + offer.price; })
                    .collect();
    ASSERT_TRUE(env.execute().ok());
    std::vector<int64_t> rows = sums.get();
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(rows.size(), 27'600U);
    if (expected.empty()) { expected = rows; }
    EXPECT_TRUE(rows == expected) << parallelism;
  }
}

// What the jobs below read, and what comes out.
struct WordsOnDisk {
  explicit WordsOnDisk(World& world) {
    std::string text;
    for (int i = 0; i < 300; ++i) {
      text += "word ";
      if (i % 7 == 0) { text += "\n"; }
      expected.push_back("word," + std::to_string(i + 1));
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_TRUE(world.files().make_directories("/in").ok());
    const size_t middle = text.find('\n', 700);
    write_file(world, "/in/a", text.substr(0, middle));
    write_file(world, "/in/b.gz", gzip(text.substr(middle)));
  }
  Strings expected;
};

TEST(SimulatedConnectorJobs, files_are_read_and_written_in_any_order_of_events) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    SimulationOptions options;
    options.seed = seed;
    options.refusal_chance = seed % 4 == 0 ? 0.3 : 0;
    SimMachine machine(options);
    const WordsOnDisk words(machine.world);
    SimDiskFaults faults;
    faults.short_read = 0.3;
    faults.delay_ns_max = 1'000'000;
    machine.world.sim_files().set_faults(faults);
    const auto result = count_words(machine.world, "/in", "/out",
                                    static_cast<int32_t>(1 + seed % 3), seed % 2 == 0 ? 1 : 100);
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    ASSERT_TRUE(sorted_lines(machine.world, "/out") == words.expected);
  }
}

TEST(SimulatedConnectorJobs, a_failing_disk_fails_the_job_or_does_no_harm) {
  int failures = 0;
  int successes = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    SimulationOptions options;
    options.seed = seed;
    SimMachine machine(options);
    const WordsOnDisk words(machine.world);
    SimDiskFaults faults;
    faults.read_error = 0.05;
    faults.write_error = 0.05;
    faults.sync_error = 0.05;
    machine.world.sim_files().set_faults(faults);
    const auto result =
        count_words(machine.world, "/in", "/out", static_cast<int32_t>(1 + seed % 3), 10);
    machine.world.sim_files().set_faults({});
    if (result.ok()) {
      ++successes;
      ASSERT_TRUE(sorted_lines(machine.world, "/out") == words.expected);
    } else {
      ++failures;
      ASSERT_EQ(result.status().id(), ErrorId::kFileIo) << result.status().to_string();
    }
  }
  EXPECT_GT(failures, 10);
  EXPECT_GT(successes, 10);
}

TEST(SimulatedConnectorJobs, lines_of_a_socket_come_whole_over_any_network) {
  Strings expected;
  std::string bytes;
  for (int i = 0; i < 200; ++i) {
    expected.push_back("line " + std::string(static_cast<size_t>(i % 40), 'x'));
    bytes += expected.back() + "\n";
  }
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    SimulationOptions options;
    options.seed = seed;
    SimMachine machine(options);
    World& world = machine.world;
    auto listener = world.network().listen({"", 7}, [] {});
    ASSERT_TRUE(listener.ok());
    Env env(world, Config());
    auto lines = env.from("lines", socket::lines<std::string>("localhost", 7)).collect();
    auto job = env.execute_async();
    ASSERT_TRUE(job.ok()) << job.status().to_string();
    const auto event = world.executor().make_event();
    std::unique_ptr<Connection> connection;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      static_cast<void>(event->wait(world.clock().now_ns() + 100'000));
      if (connection == nullptr) {
        connection = std::move((*listener)->accept([] {})).value_or(nullptr);
        continue;
      }
      const auto sent = connection->write(rest);
      ASSERT_TRUE(sent.ok());
      rest.remove_prefix(static_cast<size_t>(sent->bytes));
    }
    ASSERT_TRUE(connection->shutdown_write().ok());
    ASSERT_TRUE((*job)->result().ok());
    ASSERT_TRUE(lines.get() == expected);
  }
}

}  // namespace
}  // namespace tidewheel
