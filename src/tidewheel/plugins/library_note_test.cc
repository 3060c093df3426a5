// Tests of reading a library's note: from files made byte by byte, whole and damaged.
#include "tidewheel/plugins/library_note.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tidewheel/base/version.h"
#include "tidewheel/plugins/library_testing.h"

namespace tidewheel {
namespace {

using namespace test;

class BytesFile final : public ReadableFile {
 public:
  explicit BytesFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    if (offset >= static_cast<int64_t>(bytes_.size())) { return int64_t{0}; }
    const std::string_view rest = std::string_view(bytes_).substr(static_cast<std::size_t>(offset));
    const std::size_t count = std::min(rest.size(), into.size());
    std::copy_n(rest.data(), count, into.data());
    return static_cast<int64_t>(count);
  }
  Result<int64_t> read(std::span<char>) override { return int64_t{0}; }
  Result<FileInfo> info() override { return FileInfo{}; }

 private:
  std::string bytes_;
};

const std::string kNoteText = "abi=1\nversion=0.1.0\ncompiler=g++ 12.2.0\nnew=ignored\njob=x\n";

Result<LibraryNote> read(std::string bytes) {
  BytesFile file(std::move(bytes));
  return read_library_note(file);
}

TEST(LibraryNote, the_note_is_found_behind_others) {
  const LibraryNote found =
      read(elf_library(elf_note("GNU", "build id") + elf_note(kNoteOwner, kNoteText))).value();
  EXPECT_EQ(found.abi, 1);
  EXPECT_EQ(found.version, "0.1.0");
  EXPECT_EQ(found.compiler, "g++ 12.2.0");
  EXPECT_EQ(found.job, "x");
}

TEST(LibraryNote, what_is_no_library_is_refused_with_the_reason) {
  const auto reason = [](std::string bytes) {
    const Result<LibraryNote> result = read(std::move(bytes));
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status().id(), ErrorId::kJobLibrary);
    return result.status().message();
  };
  EXPECT_NE(reason("").find("no ELF header"), std::string::npos);
  EXPECT_NE(reason("SELECT 1;").find("no ELF header"), std::string::npos);
  EXPECT_NE(reason(elf_library(elf_note("GNU", "build id"))).find("no note"), std::string::npos);
  EXPECT_NE(reason(elf_library(elf_note(kNoteOwner, "abi=many\n"))).find("damaged"),
            std::string::npos);
  EXPECT_NE(reason(elf_library(elf_note(kNoteOwner, "version=1\n"))).find("damaged"),
            std::string::npos);
  std::string foreign = elf_library(elf_note(kNoteOwner, kNoteText));
  store(foreign, 18, uint16_t{8});
  EXPECT_NE(reason(foreign).find("another kind of machine"), std::string::npos);
}

TEST(LibraryNote, a_file_cut_short_anywhere_is_refused) {
  const std::string whole = elf_library(elf_note(kNoteOwner, kNoteText));
  for (std::size_t size = 0; size + 4 < whole.size(); ++size) {
    EXPECT_FALSE(read(whole.substr(0, size)).ok()) << size;
  }
}

TEST(LibraryNote, any_damaged_byte_gives_an_answer) {
  const std::string whole = elf_library(elf_note(kNoteOwner, kNoteText));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string bytes = whole;
      bytes[at] = value;
      ignore(read(std::move(bytes)), "any answer is right, a crash is not");
    }
  }
}

TEST(LibraryNote, another_abi_is_refused_in_words) {
  LibraryNote other;
  other.abi = kPluginAbi;
  other.version = "9.9";
  other.compiler = "g++ 99";
  EXPECT_TRUE(check_library_abi(other, "libx.so").ok());
  other.abi = kPluginAbi + 1;
  const Status refused = check_library_abi(other, "libx.so");
  EXPECT_EQ(refused.id(), ErrorId::kJobLibrary);
  EXPECT_NE(refused.message().find("g++ 99, headers 9.9"), std::string::npos);
}

TEST(LibraryNote, a_plugin_says_what_it_adds_and_for_which_engine) {
  const LibraryNote found =
      read(elf_library(elf_note(
               kNoteOwner, "abi=1\nplugin=p\nconnectors=a,b\nformats=\nengine=12\nbuild=g++ 12\n")))
          .value();
  EXPECT_EQ(found.plugin, "p");
  EXPECT_EQ(found.connectors, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(found.formats.empty());
  EXPECT_EQ(found.engine, "12");
  EXPECT_EQ(found.build, "g++ 12");
}

}  // namespace
}  // namespace tidewheel
