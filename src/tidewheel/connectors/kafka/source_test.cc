#include "tidewheel/connectors/kafka/source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/api/collect.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/connectors/kafka/source_testing.h"
#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/json/json.h"

namespace tidewheel::kafka {
namespace {

struct Reading {
  std::string sensor;
  int64_t value = 0;
  friend auto operator<=>(const Reading&, const Reading&) = default;
};

TEST_F(KafkaSourceTest, a_bounded_job_reads_every_message_of_every_partition_once) {
  const std::string first = topic("first", 3);
  const std::string second = topic("second", 1);
  Strings expected;
  for (int32_t partition = 0; partition < 3; ++partition) {
    Strings values;
    for (int i = 0; i < 1'000; ++i) {
      values.push_back(std::to_string(partition) + ":" + std::to_string(i));
    }
    write(first, partition, values);
    expected.insert(expected.end(), values.begin(), values.end());
  }
  write(second, 0, {"other"});
  expected.emplace_back("other");
  std::sort(expected.begin(), expected.end());
  for (const int32_t parallelism : {1, 2, 5}) {
    const Outcome outcome = run(options({first, second}), parallelism);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.to_string();
    EXPECT_EQ(outcome.values, expected) << parallelism;
  }
}

TEST_F(KafkaSourceTest, topics_are_found_by_a_pattern_of_their_whole_name) {
  write(topic("match-1", 1), 0, {"a"});
  write(topic("match-2", 1), 0, {"b"});
  write(topic("not-match-1", 1), 0, {"c"});
  SourceOptions asked = options({});
  asked.topic_pattern = named("match-") + "[0-9]";
  const Outcome outcome = run(asked);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.to_string();
  EXPECT_EQ(outcome.values, (Strings{"a", "b"}));
}

TEST_F(KafkaSourceTest, reading_begins_and_ends_at_offsets) {
  const std::string name = topic("offsets", 2);
  write(name, 0, {"a0", "a1", "a2", "a3"});
  write(name, 1, {"b0", "b1", "b2"});
  SourceOptions asked = options({name});
  asked.start = Start::at_offsets({{{name, 0}, 2}});
  EXPECT_EQ(values_of(asked), (Strings{"a2", "a3", "b0", "b1", "b2"}));
  asked.stop = Stop::at_offsets({{{name, 0}, 3}, {{name, 1}, 1}});
  EXPECT_EQ(values_of(asked), (Strings{"a2", "b0"}));
  asked.stop = Stop::at_offsets({{{name, 0}, 3}});
  EXPECT_EQ(run(asked).status.id(), ErrorId::kConnectorOption);
  asked.start = Start::latest();
  asked.stop = Stop::latest();
  EXPECT_EQ(values_of(asked), Strings());
}

TEST_F(KafkaSourceTest, a_group_without_offsets_fails_unless_told_where_to_begin) {
  const std::string name = topic("group", 1);
  write(name, 0, {"a", "b"});
  SourceOptions asked = options({name});
  asked.start = Start::group_offsets();
  EXPECT_EQ(run(asked).status.id(), ErrorId::kConnectorOption);  // no group
  asked.group = named("g");
  EXPECT_EQ(run(asked).status.id(), ErrorId::kKafkaOffset);
  asked.properties["auto.offset.reset"] = "latest";
  EXPECT_EQ(values_of(asked), Strings());
  asked.properties["auto.offset.reset"] = "earliest";
  EXPECT_EQ(values_of(asked), (Strings{"a", "b"}));
}

TEST_F(KafkaSourceTest, the_group_hears_of_a_complete_checkpoint) {
  const std::string name = topic("commit", 2);
  write(name, 0, {"a", "b"});
  write(name, 1, {"c"});
  SourceOptions asked = options({name});
  asked.group = named("watched");
  asked.stop = Stop::never();
  const std::string folder = ::testing::TempDir() + "kafka-" + named("commit");
  {
    Env env(world(), Config());
    env.parallelism(2).checkpoints({.every = Duration(50), .directory = folder});
    env.from("messages", records(asked)).map([](const Record&) { return 1; }).collect();
    auto job = env.execute_async();
    ASSERT_TRUE(job.ok()) << job.status().to_string();
    const std::vector<TopicPartition> partitions = {{name, 0}, {name, 1}};
    const auto asker = admin({{"group.id", asked.group}});
    EXPECT_TRUE(wait_for([&] {
      const auto found = asker->committed(partitions);
      return found.ok() && (*found)[0].offset == 2 && (*found)[1].offset == 1;
    }));
    (*job)->cancel();
    EXPECT_EQ((*job)->result().id(), ErrorId::kJobCancelled);
  }
  // Another job of the group goes on from there.
  write(name, 0, {"d"});
  asked.start = Start::group_offsets();
  asked.stop = Stop::latest();
  EXPECT_EQ(values_of(asked), Strings{"d"});
  ignore(world().files().remove_all(folder), "left for a look");
}

TEST_F(KafkaSourceTest, an_offset_that_is_gone_follows_the_policy) {
  const std::string name = topic("gone", 1);
  write(name, 0, {"a", "b"});
  SourceOptions asked = options({name});
  asked.stop = Stop::at_offsets({{{name, 0}, 2'000}});
  asked.start = Start::at_offsets({{{name, 0}, 1'000}});
  const Outcome outcome = run(asked);
  EXPECT_EQ(outcome.status.id(), ErrorId::kKafkaOffset) << outcome.status.to_string();
  EXPECT_NE(outcome.status.message().find("offset 1000"), std::string::npos)
      << outcome.status.to_string();

  asked.stop = Stop::never();
  asked.out_of_range = OutOfRange::kEarliest;
  Env env(world(), Config());
  auto rows = env.from("messages", records(asked)).map([](const Record& record) {
    return record.value->str();
  });
  auto seen = std::make_shared<std::atomic<int>>(0);
  auto collected = rows.map([seen](const std::string& value) {
                         ++*seen;
                         return value;
                       })
                       .collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  EXPECT_TRUE(wait_for([&] { return seen->load() == 2; }));
  (*job)->stop();
  EXPECT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
  EXPECT_EQ(collected.get(), (Strings{"a", "b"}));
}

TEST_F(KafkaSourceTest, rows_of_formats_are_read_with_the_time_of_their_message) {
  const std::string name = topic("json", 1);
  write(name, 0, {R"({"sensor": "a", "value": 1})", "{\"value\": 2,\n \"sensor\": \"b\"}"});
  Env env(world(), Config());
  auto rows = env.from("json", source<Reading>(options({name}), json())).collect();
  ASSERT_TRUE(env.execute().ok());
  EXPECT_EQ(rows.get(), (std::vector<Reading>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(rows.timestamps(), (std::vector<int64_t>{1'000, 1'001}));

  const std::string lines = topic("csv", 1);
  write(lines, 0, {"a,1", "b,2"});
  Env other(world(), Config());
  auto read = other.from("csv", source(options({lines}), csv::rows<Reading>())).collect();
  const auto result = other.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(read.get(), (std::vector<Reading>{{"a", 1}, {"b", 2}}));
}

TEST_F(KafkaSourceTest, a_function_may_make_several_rows_of_a_message) {
  const std::string name = topic("function", 1);
  write(name, 0, {"2", "0", "3"});
  Env env(world(), Config());
  auto rows = env.from("numbers", source<int64_t>(options({name}),
                                                  [](const MessageView& view,
                                                     SourceOut<int64_t>& out) -> Result<bool> {
                                                    const int count = view.message().value[0] - '0';
                                                    for (int i = 0; i < count; ++i) {
                                                      out.emit(view.message().offset);
                                                    }
                                                    return count > 0;
                                                  }))
                  .collect();
  ASSERT_TRUE(env.execute().ok());
  EXPECT_EQ(rows.get(), (std::vector<int64_t>{0, 0, 2, 2, 2}));
}

TEST_F(KafkaSourceTest, bad_records_fail_the_job_with_their_place) {
  const std::string name = topic("bad", 1);
  write(name, 0, {R"({"sensor": "a", "value": 1})", "{nonsense"});
  Env env(world(), Config());
  env.from("json", source<Reading>(options({name}), json())).collect();
  const auto result = env.execute();
  EXPECT_EQ(result.status().id(), ErrorId::kRecordMalformed) << result.status().to_string();
  EXPECT_NE(result.status().message().find("'" + name + "', partition 0, offset 1"),
            std::string::npos)
      << result.status().to_string();
}

TEST_F(KafkaSourceTest, bad_records_are_left_out_when_that_is_asked_for) {
  const std::string name = topic("skip", 1);
  write(name, 0, {"{", R"({"sensor": "a", "value": 1})", "[]", R"({"sensor": "b", "value": 2})"});
  SourceOptions asked = options({name});
  asked.bad_records = BadRecords::skip();
  Env env(world(), Config());
  auto rows = env.from("json", source<Reading>(asked, json())).collect();
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(rows.get(), (std::vector<Reading>{{"a", 1}, {"b", 2}}));
}

TEST_F(KafkaSourceTest, bad_records_go_to_a_topic_with_what_is_wrong) {
  const std::string name = topic("letters", 1);
  const std::string letters = topic("dead", 1);
  const auto writer = producer();
  const std::vector<Header> own = {{"own", "header"}};
  for (int i = 0; i < 20; ++i) {
    const std::string value = i % 4 == 3 ? "bad " + std::to_string(i)
                                         : R"({"sensor": "s", "value": )" + std::to_string(i) + "}";
    send(*writer, name, {.key = "k", .value = value, .partition = 0, .headers = own});
  }
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  SourceOptions asked = options({name});
  asked.bad_records = BadRecords::dead_letter(letters);
  Env env(world(), Config());
  auto rows = env.from("the source", source<Reading>(asked, json())).collect();
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(rows.get().size(), 15U);

  Env reader(world(), Config());
  auto read = reader.from("letters", records(options({letters}))).collect();
  ASSERT_TRUE(reader.execute().ok());
  const std::vector<Record> found = read.get();
  ASSERT_EQ(found.size(), 5U);
  for (size_t i = 0; i < found.size(); ++i) {
    const int64_t offset = static_cast<int64_t>(i) * 4 + 3;
    EXPECT_EQ(*found[i].value, "bad " + std::to_string(offset));
    EXPECT_EQ(*found[i].key, "k");
    std::map<std::string, std::string> headers;
    for (const RecordHeader& header : found[i].headers) {
      headers[header.name.str()] = header.value->str();
    }
    EXPECT_EQ(headers["own"], "header");
    EXPECT_EQ(headers["tidewheel.topic"], name);
    EXPECT_EQ(headers["tidewheel.partition"], "0");
    EXPECT_EQ(headers["tidewheel.offset"], std::to_string(offset));
    EXPECT_EQ(headers["tidewheel.source"], "the source");
    EXPECT_EQ(headers["tidewheel.error.id"], "TW1601");
    EXPECT_FALSE(headers["tidewheel.error"].empty());
  }
}

TEST_F(KafkaSourceTest, topics_that_come_later_are_read_from_their_beginning) {
  const std::string first = topic("later-1", 1);
  write(first, 0, {"a"});
  SourceOptions asked = options({});
  asked.topic_pattern = named("later-") + ".*";
  asked.stop = Stop::never();
  asked.start = Start::latest();
  asked.discovery_every = Duration(50);
  Env env(world(), Config());
  env.parallelism(2);
  auto seen = std::make_shared<std::atomic<int>>(0);
  auto later = std::make_shared<std::atomic<int>>(0);
  auto rows = env.from("messages", records(asked))
                  .map([seen, later](const Record& record) {
                    ++*(*record.value == "x" ? seen : later);
                    return record.value->str();
                  })
                  .filter([](const std::string& value) { return value != "x"; })
                  .collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok());
  // What comes now is read once the job has found where the topics end.
  EXPECT_TRUE(wait_for([&] {
    write(first, 0, {"x"});
    return seen->load() > 0;
  }));
  write(topic("later-2", 2), 1, {"b", "c"});
  EXPECT_TRUE(wait_for([&] { return later->load() == 2; }));
  (*job)->stop();
  EXPECT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
  EXPECT_EQ(rows.sorted(), (Strings{"b", "c"}));
}

// The sum of all numbers is right only if none was lost, and none came twice.
TEST_F(KafkaSourceTest, a_restored_job_goes_on_from_its_checkpoint_with_any_parallelism) {
  constexpr int32_t kPartitions = 4;
  constexpr int64_t kRounds = 4;
  constexpr int64_t kNumbers = 200;  // of a partition and a round
  const std::string name = topic("restored", kPartitions);
  const std::string folder = ::testing::TempDir() + "kafka-" + named("restored");
  int64_t expected = 0;
  for (int64_t round = 0; round < kRounds; ++round) {
    Env env(world(), Config());
    env.parallelism(static_cast<int32_t>(1 + round % 3)).name("restored").resume();
    env.checkpoints(
        {.every = Duration(20), .directory = folder, .retention = Retention::on_cancellation});
    SourceOptions asked = options({name});
    asked.stop = Stop::never();
    const auto sum = std::make_shared<std::atomic<int64_t>>(0);
    env.from("numbers", records(asked))
        .uid("numbers")
        .map([](const Record& record) { return std::stoll(record.value->str()); })
        .key_by([](int64_t) { return 0; })
        .running(int64_t{0}, [](int64_t& all, int64_t number) { all += number; })
        .uid("sum")
        .map([sum](const std::pair<int, int64_t>& one) {
          sum->store(one.second);
          return one.second;
        })
        .collect();
    auto job = env.execute_async();
    ASSERT_TRUE(job.ok()) << job.status().to_string();
    for (int32_t partition = 0; partition < kPartitions; ++partition) {
      Strings values;
      for (int64_t i = 0; i < kNumbers; ++i) {
        const int64_t number = (round * kPartitions + partition) * kNumbers + i;
        values.push_back(std::to_string(number));
        expected += number;
      }
      write(name, partition, values);
    }
    EXPECT_TRUE(wait_for([&] { return sum->load() == expected; })) << sum->load();
    (*job)->cancel();
    EXPECT_EQ((*job)->result().id(), ErrorId::kJobCancelled);
  }
  ignore(world().files().remove_all(folder), "left for a look");
}

TEST(KafkaSourceOptions, mistakes_are_refused) {
  const auto wrong = [](auto change) {
    SourceOptions options;
    options.brokers = "a:1";
    options.topics = {"t"};
    options.start = Start::earliest();
    EXPECT_TRUE(options.validate().ok());
    change(options);
    const Status status = options.validate();
    EXPECT_FALSE(status.ok());
    return status.ok() ? ErrorId::kInternal : status.id();
  };
  EXPECT_EQ(wrong([](SourceOptions& o) { o.topics.clear(); }), ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.topic_pattern = "a"; }), ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.topics = {""}; }), ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.topics = {}, o.topic_pattern = "("; }),
            ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.start = Start::group_offsets(); }),
            ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.start = Start::at_offsets({}); }),
            ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.stop = Stop::at_offsets({}); }),
            ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.properties["auto.offset.reset"] = "x"; }),
            ErrorId::kConnectorOption);
  EXPECT_EQ(wrong([](SourceOptions& o) { o.bad_records = BadRecords::dead_letter(""); }),
            ErrorId::kConnectorOption);
}

}  // namespace
}  // namespace tidewheel::kafka
