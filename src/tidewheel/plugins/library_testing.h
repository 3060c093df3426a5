// Libraries made byte by byte: with notes, and nothing that could be run.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

namespace tidewheel::test {

template <class T>
void store(std::string& bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

inline const std::string kNoteOwner("Tidewheel\0\0\0", 12);

// A note of ELF; names and texts are padded to 4 bytes.
inline std::string elf_note(std::string owner, std::string text) {
  std::string bytes(12, '\0');
  store(bytes, 0, static_cast<uint32_t>(owner.size()));
  store(bytes, 4, static_cast<uint32_t>(text.size()));
  owner.resize((owner.size() + 3) / 4 * 4);
  text.resize((text.size() + 3) / 4 * 4);
  return bytes + owner + text;
}

// A shared library of one segment of notes; of none without notes.
inline std::string elf_library(const std::string& notes) {
  std::string bytes(64 + 56, '\0');
  bytes.replace(0, 6,
                std::string("\x7f"
                            "ELF\x02\x01",
                            6));
  store(bytes, 16, uint16_t{3});
#ifdef __aarch64__
  store(bytes, 18, uint16_t{183});
#else
  store(bytes, 18, uint16_t{62});
#endif
  store(bytes, 32, uint64_t{64});
  store(bytes, 54, uint16_t{56});
  store(bytes, 56, static_cast<uint16_t>(notes.empty() ? 0 : 1));
  store(bytes, 64, uint32_t{4});
  store(bytes, 64 + 8, uint64_t{bytes.size()});
  store(bytes, 64 + 32, uint64_t{notes.size()});
  return bytes + notes;
}

}  // namespace tidewheel::test
