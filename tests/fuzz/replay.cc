// Stands in for libFuzzer in builds without it: runs a target on every file of the folders given,
// then on mutations of them that a fixed seed draws.
#include <dirent.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size);

namespace {

constexpr int kMutations = 20'000;
constexpr int kChangesMax = 8;

void run(const std::string& input) {
  // A copy of exactly its size, so that a sanitizer sees one byte too far.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::string read_file(const std::string& path) {
  std::string bytes;
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) { return bytes; }
  char buffer[4096];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof(buffer), file)) > 0;) {
    bytes.append(buffer, got);
  }
  std::fclose(file);
  return bytes;
}

std::vector<std::string> read_corpus(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const folder = opendir(directory.c_str());
  if (folder == nullptr) { return {}; }
  while (const dirent* const entry = readdir(folder)) {
    if (entry->d_name[0] != '.') { names.emplace_back(entry->d_name); }
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  std::vector<std::string> inputs;
  for (const std::string& name : names) { inputs.push_back(read_file(directory + "/" + name)); }
  return inputs;
}

std::string mutated(std::string input, const std::vector<std::string>& corpus,
                    tidewheel::Random& random) {
  const auto any_byte = [&random] { return static_cast<char>(random.below(256)); };
  for (uint64_t changes = 1 + random.below(kChangesMax); changes > 0; --changes) {
    const std::size_t at = random.below(input.size() + 1);
    const std::size_t count = std::min<std::size_t>(random.below(16), input.size() - at);
    switch (random.below(5)) {
      case 0: input.insert(at, 1 + random.below(4), any_byte()); break;
      case 1: input.erase(at, count); break;
      case 2:
        if (at < input.size()) { input[at] = any_byte(); }
        break;
      case 3: input.insert(at, input.substr(at, count)); break;
      default: {
        const std::string& other = corpus[random.below(corpus.size())];
        const std::size_t from = random.below(other.size() + 1);
        input.insert(at, other.substr(from, random.below(32)));
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> corpus{""};
  for (int i = 1; i < argc; ++i) {
    for (std::string& input : read_corpus(argv[i])) { corpus.push_back(std::move(input)); }
  }
  for (const std::string& input : corpus) { run(input); }
  tidewheel::Random random(1);
  for (int i = 0; i < kMutations; ++i) {
    run(mutated(corpus[random.below(corpus.size())], corpus, random));
  }
  std::printf("%zu inputs and %d mutations\n", corpus.size(), kMutations);
  return 0;
}
