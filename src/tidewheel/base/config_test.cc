#include "tidewheel/base/config.h"

#include <gtest/gtest.h>

#include <set>

#include "tidewheel/base/fixed_options.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

TEST(Config, gives_the_default_until_set) {
  Config config;
  EXPECT_EQ(config.get(options::kBufferTimeout), 10);
  EXPECT_EQ(config.get(options::kParallelism), 1);
  EXPECT_TRUE(config.get(options::kOperatorChaining));
  EXPECT_FALSE(config.has(options::kParallelism));
  EXPECT_TRUE(config.set("parallelism.default", " 4 ").ok());
  EXPECT_EQ(config.get(options::kParallelism), 4);
  config.set(options::kBufferTimeout, 1500);
  EXPECT_EQ(config.get(options::kBufferTimeout), 1500);
  config.set(options::kJobMemory, int64_t{3} << 20);
  EXPECT_EQ(config.get(options::kJobMemory), int64_t{3} << 20);
  EXPECT_TRUE(config.set_assignment("pipeline.name=a=b").ok());
  EXPECT_EQ(config.get(options::kPipelineName), "a=b");
}

TEST(Config, every_option_has_a_unique_key_a_readable_default_and_a_description) {
  std::set<std::string_view> keys;
  for (const ConfigOption* option : all_options()) {
    EXPECT_TRUE(keys.insert(option->key).second) << option->key;
    EXPECT_FALSE(option->description.empty()) << option->key;
    Config config;
    EXPECT_TRUE(config.set(option->key, option->default_text).ok()) << option->key;
  }
}

TEST(Config, an_unknown_key_is_an_error_that_names_the_nearest) {
  Config config;
  const Status status = config.set("paralelism.default", "4");
  EXPECT_EQ(status.id(), ErrorId::kUnknownOption);
  EXPECT_NE(status.message().find("did you mean 'parallelism.default'"), std::string::npos);
  EXPECT_EQ(config.set("zzz", "4").message().find("did you mean"), std::string::npos);
}

// Would take a minute if it were compared with each key letter by letter.
TEST(Config, an_unknown_key_of_a_megabyte_is_refused_at_once) {
  Config config;
  const std::string key(1'000'000, 'p');
  const Status status = config.set(key, "4");
  EXPECT_EQ(status.id(), ErrorId::kUnknownOption);
  EXPECT_EQ(status.message().find("did you mean"), std::string::npos);
}

TEST(Config, a_bad_value_is_an_error_that_says_what_is_accepted) {
  Config config;
  EXPECT_EQ(config.set("parallelism.default", "0").id(), ErrorId::kBadOptionValue);
  EXPECT_EQ(config.set("parallelism.default", "four").message(),
            "parallelism.default can't be 'four'; it takes a whole number from 1 to 32768");
  EXPECT_EQ(config.set("execution.buffer-timeout.interval", "fast").id(), ErrorId::kBadOptionValue);
  EXPECT_EQ(config.set_assignment("parallelism.default").id(), ErrorId::kBadOptionValue);
  EXPECT_TRUE(config.values().empty());
}

TEST(Config, former_keys_are_read) {
  Config config;
  EXPECT_TRUE(config.set("execution.buffer-timeout", "5 ms").ok());
  EXPECT_EQ(config.get(options::kBufferTimeout), 5);
}

TEST(Config, former_keys_are_read_as_they_were_spelt) {
  Config config;
  EXPECT_TRUE(config.set("state.checkpoints.create-subdir", "false").ok());
  EXPECT_FALSE(config.get(options::kCheckpointSubdirectory));
  EXPECT_TRUE(config.set("execution.checkpointing.alignment-timeout", "3 s").ok());
  EXPECT_EQ(config.get(options::kAlignedCheckpointTimeout), 3000);
}

TEST(Config, a_former_key_may_have_become_two) {
  Config config;
  EXPECT_TRUE(config.set("state.backend.local-recovery", "true").ok());
  EXPECT_TRUE(config.get(options::kLocalBackup));
  EXPECT_TRUE(config.get(options::kRecoverFromLocal));
  EXPECT_EQ(config.set("state.backend.local-recovery", "perhaps").id(), ErrorId::kBadOptionValue);
}

TEST(Config, keys_with_nothing_to_choose_take_what_is_so_and_say_why) {
  Config config;
  EXPECT_TRUE(config.set("execution.checkpointing.file-merging.enabled", "FALSE").ok());
  EXPECT_TRUE(config.set("state.checkpoint-storage", "filesystem").ok());
  EXPECT_TRUE(config.set("taskmanager.load-balance.mode", "NONE").ok());
  EXPECT_TRUE(config.set("taskmanager.load-balance.mode", "none").ok());
  const Status merging = config.set("execution.checkpointing.file-merging.enabled", "true");
  EXPECT_EQ(merging.id(), ErrorId::kBadOptionValue);
  EXPECT_NE(merging.message().find("each task writes one file"), std::string::npos);
  const Status backlog = config.set("execution.checkpointing.interval-during-backlog", "1 min");
  EXPECT_EQ(backlog.id(), ErrorId::kBadOptionValue);
  EXPECT_NE(backlog.message().find("can't be set"), std::string::npos);
  EXPECT_TRUE(config.values().empty());
  for (const FixedOption& fixed : fixed_options()) {
    for (const ConfigOption* option : all_options()) {
      EXPECT_NE(option->key, fixed.key);
      EXPECT_NE(option->former_key, fixed.key);
    }
  }
}

TEST(Config, keys_of_what_is_not_there_say_what_is_not) {
  Config config;
  for (const char* key : {"env.java.opts.all", "taskmanager.memory.jvm-metaspace.size"}) {
    const Status status = config.set(key, "1");
    EXPECT_EQ(status.id(), ErrorId::kUnknownOption) << key;
    EXPECT_NE(status.message().find("no Java virtual machine"), std::string::npos) << key;
  }
  EXPECT_NE(config.set("jobmanager.memory.heap.size", "1 gb").message().find("one kind of memory"),
            std::string::npos);
  for (const MeaninglessOption& option : meaningless_options()) {
    std::string key(option.key);
    if (key.ends_with('*')) { key.back() = 'x'; }
    EXPECT_NE(config.set(key, "1").message().find(option.why), std::string::npos) << key;
  }
  EXPECT_TRUE(config.values().empty());
}

TEST(Config, reads_flat_and_nested_yaml_and_names_the_line_of_a_mistake) {
  Config config;
  EXPECT_TRUE(config
                  .load_yaml("parallelism.default: 3\n"
                             "taskmanager:\n"
                             "  batch-rows: 7\n"
                             "  network:\n"
                             "    credits: 2\n",
                             "tidewheel.yaml")
                  .ok());
  EXPECT_EQ(config.get(options::kParallelism), 3);
  EXPECT_EQ(config.get(options::kBatchRows), 7);
  EXPECT_EQ(config.get(options::kCredits), 2);
  EXPECT_TRUE(config.load_yaml("", "empty.yaml").ok());
  const Status unknown = config.load_yaml("parallelism.default: 3\nnope: 1\n", "a.yaml");
  EXPECT_EQ(unknown.id(), ErrorId::kUnknownOption);
  EXPECT_EQ(unknown.message().find("a.yaml, line 2: "), 0U);
  EXPECT_EQ(config.load_yaml("a: [1,\n", "b.yaml").id(), ErrorId::kConfigFile);
  EXPECT_EQ(config.load_yaml("- 1\n", "c.yaml").id(), ErrorId::kConfigFile);
}

TEST(Config, parses_durations) {
  EXPECT_EQ(*parse_duration_ms("10 s"), 10'000);
  EXPECT_EQ(*parse_duration_ms("5min"), 300'000);
  EXPECT_EQ(*parse_duration_ms("1 H"), 3'600'000);
  EXPECT_EQ(*parse_duration_ms("300"), 300);
  EXPECT_EQ(*parse_duration_ms("-1"), -1);
  EXPECT_EQ(*parse_duration_ms("250 us"), 1);  // not 0, which often means never
  EXPECT_EQ(*parse_duration_ms("2 days"), 172'800'000);
  for (const char* bad : {"", "s", "10 parsecs", "1.5 s", "999999999999999 d"}) {
    EXPECT_FALSE(parse_duration_ms(bad).ok()) << bad;
  }
  EXPECT_EQ(format_duration_ms(90'000), "90 s");
  EXPECT_EQ(format_duration_ms(0), "0 ms");
}

TEST(Config, parses_memory_sizes_and_plain_values) {
  EXPECT_EQ(*parse_memory_bytes("64 mb"), 64 << 20);
  EXPECT_EQ(*parse_memory_bytes("1g"), 1 << 30);
  EXPECT_EQ(*parse_memory_bytes("4096"), 4096);
  for (const char* bad : {"-1 mb", "1 xb", "9999999999 tb"}) {
    EXPECT_FALSE(parse_memory_bytes(bad).ok()) << bad;
  }
  EXPECT_EQ(format_memory_bytes(64 << 20), "64 mb");
  EXPECT_TRUE(*parse_bool("TRUE"));
  EXPECT_FALSE(parse_bool("yes").ok());
  EXPECT_DOUBLE_EQ(*parse_double("2.5"), 2.5);
  EXPECT_FALSE(parse_int("1x").ok());
}

}  // namespace
}  // namespace tidewheel
