#include "tidewheel/operators/byte_chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"

namespace tidewheel {
namespace {

// Feeds `bytes` in pieces of at most `piece`, and returns the lines.
std::vector<std::string> cut(const std::string& bytes, size_t chunk_bytes, size_t piece,
                             LineOptions options = {}) {
  LineCutter cutter(options, chunk_bytes);
  std::vector<std::string> lines;
  std::string_view line;
  size_t fed = 0;
  while (true) {
    const LineCutter::Next next = cutter.next(line);
    if (next == LineCutter::Next::kLine) {
      lines.emplace_back(line);
      EXPECT_LE(cutter.chunks().offset(), static_cast<int64_t>(fed));
    } else if (next == LineCutter::Next::kTooLong) {
      lines.emplace_back("too long");
      return lines;
    } else if (fed < bytes.size()) {
      const std::span<char> room = cutter.chunks().room();
      const size_t count = std::min({room.size(), piece, bytes.size() - fed});
      std::memcpy(room.data(), bytes.data() + fed, count);
      cutter.chunks().add(count);
      fed += count;
    } else {
      break;
    }
  }
  if (cutter.take_rest(line)) { lines.emplace_back(line); }
  EXPECT_EQ(cutter.chunks().offset(), static_cast<int64_t>(bytes.size()));
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineCutter, cuts_at_every_way_of_splitting_the_bytes) {
  const std::string bytes = "one\ntwo\r\n\nfour\rfour\n\r\nsix";
  const Lines expected = {"one", "two", "", "four\rfour", "", "six"};
  for (size_t chunk = 1; chunk <= bytes.size() + 1; ++chunk) {
    for (size_t piece = 1; piece <= bytes.size(); ++piece) {
      EXPECT_EQ(cut(bytes, chunk, piece), expected) << chunk << " " << piece;
    }
  }
}

TEST(LineCutter, ends_with_or_without_a_delimiter) {
  EXPECT_EQ(cut("", 16, 4), Lines());
  EXPECT_EQ(cut("a", 16, 4), Lines({"a"}));
  EXPECT_EQ(cut("a\n", 16, 4), Lines({"a"}));
  EXPECT_EQ(cut("\n", 16, 4), Lines({""}));
  EXPECT_EQ(cut("a;b\n;", 16, 4, {.delimiter = ';'}), Lines({"a", "b\n"}));
  EXPECT_EQ(cut("a\r\n", 16, 4, {.cut_carriage_return = false}), Lines({"a\r"}));
}

TEST(LineCutter, limits_the_length_of_a_line) {
  EXPECT_EQ(cut("1234\n12345\n", 4, 3, {.bytes_max = 4}), Lines({"1234", "too long"}));
  EXPECT_EQ(cut("12345", 64, 64, {.bytes_max = 4}), Lines({"too long"}));
}

TEST(LineCutter, random_lines_come_back) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    Lines expected;
    std::string bytes;
    for (uint64_t count = random.below(20); count > 0; --count) {
      expected.emplace_back(random.below(40), static_cast<char>('a' + random.below(26)));
      bytes += expected.back() + "\n";
    }
    EXPECT_EQ(cut(bytes, 1 + random.below(64), 1 + random.below(64)), expected);
  }
}

TEST(ByteChunks, lines_stay_where_they_are_while_their_chunk_is_held) {
  LineCutter cutter({}, 8);
  struct Held {
    ArenaRef chunk;
    std::string_view line;
    std::string copy;
  };
  std::vector<Held> held;
  for (int i = 0; i < 100; ++i) {
    const std::string bytes = std::to_string(i * 12345) + "\n";
    for (const char c : bytes) {
      cutter.chunks().room()[0] = c;
      cutter.chunks().add(1);
    }
    std::string_view line;
    ASSERT_EQ(cutter.next(line), LineCutter::Next::kLine);
    held.push_back({cutter.chunks().chunk(), line, std::string(line)});
    if (held.size() > 7) { held.erase(held.begin()); }
    for (const Held& one : held) { ASSERT_EQ(one.line, one.copy); }
  }
}

}  // namespace
}  // namespace tidewheel
