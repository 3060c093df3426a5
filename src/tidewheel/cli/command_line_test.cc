// Tests of the command line of `tidewheel`.
#include "tidewheel/cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tidewheel {
namespace {

using Words = std::vector<std::string>;

CommandLine parsed(const Words& words) { return parse_command_line(words).value(); }

std::string refusal(const Words& words) {
  const Result<CommandLine> line = parse_command_line(words);
  EXPECT_FALSE(line.ok());
  if (line.ok()) { return ""; }
  EXPECT_EQ(line.status().id(), ErrorId::kUsage);
  return line.status().message();
}

TEST(CommandLine, run_hands_everything_to_the_library) {
  const CommandLine line = parsed({"run", "libx.so", "-p", "4", "-Dpipeline.name=a b", "-Dk=v=w",
                                   "--job", "hourly", "--", "--input", "--", "-p"});
  EXPECT_EQ(line.command, Command::kRun);
  EXPECT_EQ(line.library, "libx.so");
  EXPECT_EQ(line.library_arguments,
            (Words{"--parallelism", "4", "--job", "hourly", "-Dpipeline.name=a b", "-Dk=v=w", "--",
                   "--input", "--", "-p"}));
}

TEST(CommandLine, checkpoints_have_flags_of_run) {
  EXPECT_EQ(parsed({"run", "libx.so", "--checkpoint-interval", "1s", "--resume",
                    "--checkpoint-dir=/c", "-s", "/s", "-n", "--drain"})
                .library_arguments,
            (Words{"--checkpoint-dir", "/c", "--checkpoint-interval", "1s", "--from-savepoint",
                   "/s", "--allow-non-restored-state", "--drain", "--resume", "--"}));
  EXPECT_NE(refusal({"explain", "libx.so", "--resume"}), "");
}

TEST(CommandLine, flags_of_flinks_client_are_known_by_their_names) {
  const CommandLine line = parsed({"run", "-d", "-sae", "-rm", "CLAIM", "--fromSavepoint", "/s",
                                   "--allowNonRestoredState", "libx.so", "--", "-sae"});
  EXPECT_TRUE(line.client.ends_with_client);
  EXPECT_EQ(line.client.claim_mode, "CLAIM");
  EXPECT_EQ(line.client.savepoint_path, "/s");
  EXPECT_TRUE(line.client.allow_non_restored_state);
  EXPECT_EQ(line.client.arguments, (Words{"-sae"}));
  EXPECT_EQ(parsed({"run", "-cm", "CLAIM", "-s", "ae", "libx.so"}).library_arguments,
            (Words{"--claim-mode", "CLAIM", "--from-savepoint", "ae", "--"}));
}

TEST(CommandLine, flags_may_stand_before_the_library) {
  const CommandLine line = parsed({"run", "-D", "a=b", "--parallelism=2", "libx.so"});
  EXPECT_EQ(line.library, "libx.so");
  EXPECT_EQ(line.library_arguments, (Words{"--parallelism", "2", "-Da=b", "--"}));
}

TEST(CommandLine, explain_asks_for_text_or_json) {
  EXPECT_EQ(parsed({"explain", "libx.so"}).library_arguments, (Words{"--explain", "--"}));
  EXPECT_EQ(parsed({"explain", "--json", "libx.so"}).library_arguments,
            (Words{"--explain-json", "--"}));
}

TEST(CommandLine, doctor_takes_a_library_only) {
  EXPECT_EQ(parsed({"doctor", "libx.so"}).command, Command::kDoctor);
  EXPECT_NE(refusal({"doctor", "libx.so", "-p", "2"}), "");
}

TEST(CommandLine, snapshots_are_inspected_and_disposed_of) {
  const CommandLine inspect = parsed({"checkpoint", "inspect", "--json", "/d/chk-3"});
  EXPECT_EQ(inspect.command, Command::kInspect);
  EXPECT_EQ(inspect.path, "/d/chk-3");
  EXPECT_TRUE(inspect.json);
  EXPECT_FALSE(inspect.check);
  EXPECT_TRUE(parsed({"checkpoint", "inspect", "/d/chk-3", "--check"}).check);
  const CommandLine dispose = parsed({"savepoint", "dispose", "/s"});
  EXPECT_EQ(dispose.command, Command::kDispose);
  EXPECT_EQ(dispose.path, "/s");
  EXPECT_NE(refusal({"checkpoint"}).find("which job"), std::string::npos);
  EXPECT_NE(refusal({"checkpoint", "inspect"}).find("PATH"), std::string::npos);
  EXPECT_NE(parsed({"checkpoint", "inspect", "--help"}).text.find("--check"), std::string::npos);
}

TEST(CommandLine, run_goes_to_a_cluster_where_one_is_named) {
  const CommandLine line =
      parsed({"run", "-d", "-m", "host:8081", "-p", "3", "-c", "hourly", "-s", "/s", "-n",
              "--checkpoint-interval", "1s", "-Da.b=c", "libx.so", "--", "--input", "f"});
  EXPECT_EQ(line.command, Command::kClient);
  const ClientCommand& client = line.client;
  EXPECT_EQ(client.verb, ClientVerb::kRun);
  EXPECT_EQ(client.address, "host:8081");
  EXPECT_EQ(client.program, "libx.so");
  EXPECT_EQ(client.parallelism, 3);
  EXPECT_EQ(client.entry, "hourly");
  EXPECT_EQ(client.savepoint_path, "/s");
  EXPECT_TRUE(client.allow_non_restored_state);
  EXPECT_TRUE(client.detached);
  EXPECT_EQ(client.arguments, (Words{"--input", "f"}));
  EXPECT_EQ(client.settings, (Words{"a.b=c", "execution.checkpointing.interval=1s"}));
  EXPECT_EQ(parsed({"run", "-t", "remote", "libx.so"}).command, Command::kClient);
  EXPECT_EQ(parsed({"run", "-t", "local", "-m", "host:1", "libx.so"}).command, Command::kRun);
  EXPECT_EQ(parsed({"run", "libx.so"}).command, Command::kRun);
  EXPECT_NE(refusal({"run", "-d", "--resume", "libx.so"}).find("local runs only"),
            std::string::npos);
  EXPECT_NE(refusal({"run", "-t", "moon", "libx.so"}), "");
}

TEST(CommandLine, per_job_mode_is_application_mode) {
  const CommandLine line =
      parsed({"run", "-t", "per-job", "-p", "3", "-c", "hourly", "-s", "/s", "-n", "-cm", "CLAIM",
              "--checkpoint-interval", "1s", "-Da.b=c", "libx.so", "--", "--input", "f"});
  EXPECT_EQ(line.command, Command::kPerJob);
  EXPECT_EQ(
      line.application_arguments,
      (Words{"run-application", "-p", "3", "-c", "hourly", "-s", "/s", "--claimMode", "CLAIM", "-n",
             "-Da.b=c", "-Dexecution.checkpointing.interval=1s", "libx.so", "--", "--input", "f"}));
  EXPECT_NE(refusal({"run", "-t", "per-job", "-m", "host:1", "libx.so"}).find("in this process"),
            std::string::npos);
  EXPECT_NE(refusal({"run", "-t", "per-job", "--resume", "libx.so"}), "");
}

TEST(CommandLine, all_commands_for_a_cluster_take_its_address_and_options) {
  for (const char* const command :
       {"list", "cancel", "stop", "savepoint", "checkpoint", "checkpoints"}) {
    Words words = {command, "-m", "host:1", "-t", "remote", "-Drest.port=1", "--json"};
    if (words[0] != "list") { words.emplace_back("abc"); }
    const ClientCommand client = parsed(words).client;
    EXPECT_EQ(client.address, "host:1") << command;
    EXPECT_EQ(client.settings, Words{"rest.port=1"}) << command;
    EXPECT_TRUE(client.json) << command;
  }
  EXPECT_NE(refusal({"list", "-t", "local"}), "");
}

TEST(CommandLine, commands_for_a_cluster_name_their_job) {
  const auto client = [](const Words& words) {
    const CommandLine line = parsed(words);
    EXPECT_EQ(line.command, Command::kClient) << words[0];
    return line.client;
  };
  EXPECT_EQ(client({"list"}).verb, ClientVerb::kList);
  EXPECT_TRUE(client({"list", "-a", "--json"}).all);
  EXPECT_EQ(client({"cancel", "abc"}).job, "abc");
  EXPECT_FALSE(client({"cancel", "abc"}).with_savepoint);
  EXPECT_EQ(client({"cancel", "-s", "/s", "abc"}).directory, "/s");
  EXPECT_EQ(client({"cancel", "abc", "-s"}).job, "abc");
  EXPECT_EQ(client({"cancel", "-s", "abc"}).job, "abc");
  EXPECT_TRUE(client({"cancel", "-s", "abc"}).with_savepoint);
  EXPECT_NE(refusal({"cancel"}), "");
  EXPECT_TRUE(client({"stop", "-p", "/s", "--drain", "abc"}).drain);
  EXPECT_EQ(client({"stop", "--type", "NATIVE", "abc"}).format, "native");
  EXPECT_EQ(client({"savepoint", "abc", "/s"}).directory, "/s");
  EXPECT_EQ(client({"savepoint", "-d", "/s"}).verb, ClientVerb::kDisposeSavepoint);
  EXPECT_NE(refusal({"savepoint"}).find("which job"), std::string::npos);
  EXPECT_EQ(client({"checkpoint", "abc", "--full"}).verb, ClientVerb::kCheckpoint);
  EXPECT_EQ(client({"checkpoints", "abc"}).verb, ClientVerb::kCheckpoints);
  EXPECT_EQ(client({"rescale", "abc", "-p", "4"}).parallelism, 4);
  EXPECT_NE(refusal({"rescale", "abc"}), "");
  EXPECT_NE(refusal({"rescale", "abc", "-p", "4", "--vertex", "a=1"}), "");
  EXPECT_EQ(client({"logs", "--taskmanager", "tm-1", "-f"}).task_manager, "tm-1");
  EXPECT_EQ(client({"top", "--interval", "5s"}).interval_ms, 5000);
  EXPECT_NE(refusal({"top", "--interval", "x"}), "");
}

TEST(CommandLine, shells_complete_commands_and_flags) {
  const std::string bash = parsed({"completion", "bash"}).text;
  EXPECT_NE(bash.find("cancel) words='"), std::string::npos);
  EXPECT_NE(bash.find(" --withSavepoint -s"), std::string::npos);
  EXPECT_NE(parsed({"completion", "zsh"}).text.find("bashcompinit"), std::string::npos);
  EXPECT_NE(parsed({"completion", "fish"}).text.find("-a rescale"), std::string::npos);
  EXPECT_NE(refusal({"completion", "ksh"}), "");
}

TEST(CommandLine, help_and_version_are_printed) {
  EXPECT_NE(parsed({"--help"}).text.find("explain"), std::string::npos);
  EXPECT_NE(parsed({"run", "--help"}).text.find("--parallelism"), std::string::npos);
  EXPECT_EQ(parsed({"--version"}).text, "tidewheel 0.1.0\n");
}

TEST(CommandLine, options_are_listed_with_their_defaults) {
  const std::string text = parsed({"options"}).text;
  EXPECT_NE(text.find("| `parallelism.default` | `1` | number |"), std::string::npos);
  EXPECT_NE(text.find("## Jobs"), std::string::npos);
}

// What is typed, and parts of what is answered.
struct Mistake {
  Words words;
  Words answer;
};

TEST(CommandLine, mistakes_are_named_with_what_is_meant_and_where_help_is) {
  const std::vector<Mistake> mistakes = {
      {{}, {"needs a command", "tidewheel --help"}},
      {{"rnu", "libx.so"}, {"no command `rnu`", "did you mean `run`"}},
      {{"historyserve"}, {"did you mean `historyserver`"}},
      {{"infos"}, {"did you mean `info`"}},
      {{"completions"}, {"did you mean `completion`"}},
      {{"run"}, {"tidewheel run needs LIBRARY", "libNAME.so", "tidewheel run --help"}},
      {{"run", "-m", "host:1", "-d"}, {"tidewheel run needs LIBRARY", "SQL script"}},
      {{"run", "libx.so", "--paralelism", "2"},
       {"`--paralelism`", "did you mean `--parallelism`?"}},
      {{"run", "libx.so", "--checkpont-dir=/c"}, {"did you mean `--checkpoint-dir`?"}},
      {{"run", "--checkpont-dir=/c"}, {"did you mean `--checkpoint-dir`?"}},
      {{"run", "libx.so", "--zzzzzzzzzz"}, {"no flag `--zzzzzzzzzz`;", "tidewheel run --help"}},
      {{"run", "libx.so", "-p", "0"}, {"1", "32768"}},
      {{"run", "libx.so", "-p", "many"}, {"--parallelism", "many", "1 to 32768"}},
      {{"run", "libx.so", "--checkpoint-dir"}, {"--checkpoint-dir needs a value: FOLDER"}},
      {{"run", "a.so", "b.so"}, {"nothing more", "`b.so`"}},
      {{"run", "a.sql"}, {"tidewheel sql -f a.sql", "-m HOST:PORT or -d"}},
      {{"explain"}, {"tidewheel explain needs LIBRARY"}},
      {{"explain", "libx.so", "--jsno"}, {"did you mean `--json`?"}},
      {{"doctor"}, {"tidewheel doctor needs LIBRARY"}},
      {{"list", "--al"}, {"did you mean `--all`?", "tidewheel list --help"}},
      {{"list", "job"}, {"tidewheel list takes nothing more", "`job`"}},
      {{"cancel"}, {"which job"}},
      {{"cancel", "abc", "--withSavepiont"}, {"did you mean `--withSavepoint`?"}},
      {{"stop"}, {"tidewheel stop needs JOB", "its id"}},
      {{"stop", "abc", "--savepointpath", "/s"}, {"did you mean `--savepointPath`?"}},
      {{"stop", "abc", "--type", "raw"}, {"canonical", "native"}},
      {{"savepoint"}, {"which job"}},
      {{"savepoint", "abc", "/s", "x"}, {"nothing more", "`x`"}},
      {{"savepoint", "dispose"}, {"tidewheel savepoint dispose needs PATH"}},
      {{"checkpoint", "inspect"}, {"tidewheel checkpoint inspect needs PATH"}},
      {{"checkpoint", "inspct", "/c"}, {"nothing more", "did you mean `inspect`?"}},
      {{"checkpoint", "inspect", "/c", "--chek"}, {"did you mean `--check`?"}},
      {{"checkpoints"}, {"tidewheel checkpoints needs JOB"}},
      {{"rescale", "abc"}, {"-p N or --vertex ID=N"}},
      {{"rescale", "abc", "--vertex", "x"}, {"--vertex takes ID=N", "'x'"}},
      {{"rescale", "abc", "-p", "-1"}, {"--parallelism"}},
      {{"logs", "--taskmanger", "tm"}, {"did you mean `--taskmanager`?"}},
      {{"logs", "--file"}, {"--file needs a value: NAME"}},
      {{"top", "--interval", "x"}, {"a time such as 2s", "'x'"}},
      {{"sql", "--tabel"}, {"did you mean `--table`?"}},
      {{"sql", "--csv", "--json"}, {"--json"}},
      {{"sql", "-e"}, {"-e needs a value: SQL"}},
      {{"options", "x"}, {"nothing more", "`x`"}},
      {{"completion"}, {"tidewheel completion needs SHELL", "bash, zsh or fish"}},
      {{"completion", "ksh"}, {"bash, zsh or fish", "'ksh'"}},
      {{"help", "rnu"}, {"did you mean `run`"}},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string answer = refusal(mistake.words);
    for (const std::string& part : mistake.answer) {
      EXPECT_NE(answer.find(part), std::string::npos)
          << fmt::format("{}", fmt::join(mistake.words, " ")) << ": " << answer;
    }
    EXPECT_EQ(answer.find('\n'), std::string::npos) << answer;
  }
}

// The flags that a command's help shows: "  -p,--parallelism N     Subtasks ..".
Words flags_in_help(const std::string& help) {
  Words flags;
  for (size_t begin = 0; begin < help.size();) {
    const size_t end = std::min(help.find('\n', begin), help.size());
    const std::string line = help.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with("  -")) { continue; }
    const size_t names_end = line.find(' ', 2);
    for (size_t at = 2; at < std::min(names_end, line.size());) {
      const size_t comma = std::min({line.find(',', at), names_end, line.size()});
      flags.push_back(line.substr(at, comma - at));
      at = comma + 1;
    }
  }
  return flags;
}

TEST(CommandLine, shells_complete_every_flag_that_help_shows) {
  const std::string bash = parsed({"completion", "bash"}).text;
  const std::string fish = parsed({"completion", "fish"}).text;
  const std::vector<Words> commands = {{"run"},
                                       {"explain"},
                                       {"doctor"},
                                       {"list"},
                                       {"cancel"},
                                       {"stop"},
                                       {"savepoint"},
                                       {"savepoint", "dispose"},
                                       {"checkpoint"},
                                       {"logs"},
                                       {"checkpoint", "inspect"},
                                       {"rescale"},
                                       {"top"},
                                       {"checkpoints"},
                                       {"sql"},
                                       {"options"},
                                       {"config"},
                                       {"completion"},
                                       {"jobmanager"},
                                       {"taskmanager"},
                                       {"historyserver"},
                                       {"run-application"}};
  for (const Words& command : commands) {
    Words asked = command;
    asked.emplace_back("--help");
    const Words flags = flags_in_help(parsed(asked).text);
    EXPECT_FALSE(flags.empty()) << command[0];  // --help at least
    const size_t line = bash.find("\n      " + command.front());
    ASSERT_NE(line, std::string::npos) << command.front();
    const size_t begin =
        command.size() == 1 ? line : bash.find("          " + command.back() + ") ", line);
    ASSERT_NE(begin, std::string::npos) << command.back();
    const std::string words = bash.substr(begin, bash.find('\n', begin + 1) - begin) + " ";
    for (const std::string& flag : flags) {
      const bool is_there = words.find(" " + flag + " ") != std::string::npos ||
                            words.find(" " + flag + "'") != std::string::npos;
      EXPECT_TRUE(is_there) << command.back() << " " << flag << ": " << words;
      const std::string in_fish =
          flag.starts_with("--") ? " -l " + flag.substr(2) + " " : " -s " + flag.substr(1) + " ";
      EXPECT_NE(fish.find(in_fish), std::string::npos) << flag;
    }
  }
}

TEST(CommandLine, help_is_a_command_too) {
  EXPECT_EQ(parsed({"help"}).text, parsed({"--help"}).text);
  EXPECT_EQ(parsed({"help", "stop"}).text, parsed({"stop", "--help"}).text);
  EXPECT_NE(parsed({"help", "stop"}).text.find("--savepointPath"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
