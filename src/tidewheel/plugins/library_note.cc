// Reads a library's note from its ELF file, as the System V ABI says.
#include "tidewheel/plugins/library_note.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/version.h"

namespace tidewheel {

namespace {

// The parts of ELF that are read here (System V ABI, chapters 4 and 5; 64 bits, little endian):
//   file header     0 magic, class, byte order .. 16 type, 18 machine .. 32 offset of the program
//   headers
//                   .. 54 bytes of one, 56 count
//   program header  0 kind, 8 offset in the file .. 32 bytes in the file .. 56
//   note            0 bytes of the owner, 4 bytes of the text, 8 type, 12 owner, text; padded to 4
//   bytes
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kProgramHeaderBytes = 56;
constexpr std::size_t kProgramHeadersMax = 1024;
constexpr uint64_t kNotesBytesMax = 1 << 20;
constexpr uint32_t kProgramNote = 4;
constexpr uint16_t kTypeShared = 3;
#ifdef __aarch64__
constexpr uint16_t kMachineHere = 183;  // EM_AARCH64
#else
constexpr uint16_t kMachineHere = 62;  // EM_X86_64
#endif
constexpr std::string_view kOwner{"Tidewheel\0\0\0", 12};
constexpr std::string_view kAdvice =
    "name the libNAME.so that add_tidewheel_job, add_tidewheel_functions or add_tidewheel_plugin "
    "builds";

template <class T>
T load(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// Bytes at `offset`; fewer than asked for when the file ends.
Result<std::string> read_part(ReadableFile& file, uint64_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  if (offset > static_cast<uint64_t>(INT64_MAX)) { return std::string(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got,
                             file.read_at(static_cast<int64_t>(offset), {bytes.data(), count}));
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

Status no_library(std::string_view reason) {
  return invalid_argument(ErrorId::kJobLibrary, "not a library of Tidewheel, {}: {}", reason,
                          kAdvice);
}

std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

// Tidewheel's own text in a segment of notes.
std::optional<std::string_view> find_text(std::string_view notes) {
  while (notes.size() >= 12) {
    const std::size_t owner_bytes = padded(load<uint32_t>(notes, 0));
    const std::size_t text_bytes = load<uint32_t>(notes, 4);
    notes.remove_prefix(12);
    if (notes.size() < owner_bytes || notes.size() - owner_bytes < text_bytes) { break; }
    if (notes.substr(0, owner_bytes) == kOwner) {
      const std::string_view text = notes.substr(owner_bytes, text_bytes);
      return text.substr(0, text.find('\0'));
    }
    notes.remove_prefix(std::min(notes.size(), owner_bytes + padded(text_bytes)));
  }
  return std::nullopt;
}

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), name.size() + 1));
    if (!name.empty()) { names.emplace_back(name); }
  }
  return names;
}

// Lines of `key=value`; unknown keys are passed over, so that later versions can add some.
Result<LibraryNote> parse_text(std::string_view text) {
  LibraryNote note;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) { continue; }
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "abi") {
      const Result<int64_t> abi = parse_int(value);
      if (!abi.ok() || *abi < 1 || *abi > INT32_MAX) { return no_library("its note is damaged"); }
      note.abi = static_cast<int32_t>(*abi);
    } else if (key == "version") {
      note.version = value;
    } else if (key == "compiler") {
      note.compiler = value;
    } else if (key == "job") {
      note.job = value;
    } else if (key == "functions") {
      note.functions = value;
    } else if (key == "plugin") {
      note.plugin = value;
    } else if (key == "connectors") {
      note.connectors = split_names(value);
    } else if (key == "formats") {
      note.formats = split_names(value);
    } else if (key == "engine") {
      note.engine = value;
    } else if (key == "build") {
      note.build = value;
    }
  }
  if (note.abi == 0) { return no_library("its note is damaged"); }
  return note;
}

}  // namespace

Result<std::optional<LibraryNote>> find_library_note(ReadableFile& file) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string header, read_part(file, 0, kHeaderBytes));
  if (!header.starts_with("\x7f"
                          "ELF") ||
      header.size() < kHeaderBytes) {
    return no_library("it has no ELF header");
  }
  if (header[4] != 2 || header[5] != 1 || load<uint16_t>(header, 18) != kMachineHere) {
    return no_library("it was built for another kind of machine");
  }
  if (load<uint16_t>(header, 16) != kTypeShared) { return no_library("it is no shared library"); }
  const std::size_t count = load<uint16_t>(header, 56);
  if (load<uint16_t>(header, 54) != kProgramHeaderBytes || count > kProgramHeadersMax) {
    return no_library("its ELF header is damaged");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string programs, read_part(file, load<uint64_t>(header, 32),
                                                                   count * kProgramHeaderBytes));
  for (std::size_t at = 0; at + kProgramHeaderBytes <= programs.size(); at += kProgramHeaderBytes) {
    const auto bytes = load<uint64_t>(programs, at + 32);
    if (load<uint32_t>(programs, at) != kProgramNote || bytes > kNotesBytesMax) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string notes,
                               read_part(file, load<uint64_t>(programs, at + 8), bytes));
    if (const auto text = find_text(notes)) {
      TIDEWHEEL_ASSIGN_OR_RETURN(LibraryNote note, parse_text(*text));
      return std::optional<LibraryNote>(std::move(note));
    }
  }
  return std::optional<LibraryNote>();
}

Result<LibraryNote> read_library_note(ReadableFile& file) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<LibraryNote> note, find_library_note(file));
  if (!note.has_value()) { return no_library("it carries no note of Tidewheel"); }
  return std::move(*note);
}

Result<LibraryNote> read_library_note(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_read(path));
  return read_library_note(*file).with_context("{}", path);
}

Status check_library_abi(const LibraryNote& note, const std::string& path) {
  if (note.abi == kPluginAbi) { return {}; }
  return failed_precondition(ErrorId::kJobLibrary,
                             "{} speaks Tidewheel's plug-in ABI {}, this program speaks {}\n"
                             "  built by : {}, headers {}\n"
                             "  hint     : rebuild it with find_package(Tidewheel {})",
                             path, note.abi, kPluginAbi, note.compiler, note.version, kVersion);
}

}  // namespace tidewheel
