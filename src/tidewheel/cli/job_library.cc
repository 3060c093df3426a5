// Reads a job library's note from its ELF file, and loads and runs it.
#include "tidewheel/cli/job_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "tidewheel/api/function_abi.h"
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
constexpr uint16_t kMachineX86 = 62;
constexpr uint16_t kMachineArm = 183;
#ifdef __aarch64__
constexpr uint16_t kMachineHere = kMachineArm;
#else
constexpr uint16_t kMachineHere = kMachineX86;
#endif
constexpr std::string_view kOwner{"Tidewheel\0\0\0", 12};
constexpr const char* kEntryPoint = "tidewheel_plugin_main";
constexpr std::string_view kAdvice =
    "name the libNAME.so that add_tidewheel_job, or add_tidewheel_functions, builds";

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
  return invalid_argument(ErrorId::kJobLibrary, "not a job library, {}: {}", reason, kAdvice);
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

// Lines of `key=value`; unknown keys are passed over, so that later versions can add some.
Result<JobNote> parse_text(std::string_view text) {
  JobNote note;
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
    }
  }
  if (note.abi == 0) { return no_library("its note is damaged"); }
  return note;
}

// dlopen looks along the library path for names without a slash.
std::string as_file(const std::string& path) {
  return path.find('/') == std::string::npos ? "./" + path : path;
}

using EntryPoint = int (*)(int argc, const char* const* argv);

}  // namespace

Result<void*> load_symbol(const std::string& path, const char* name) {
  // Local, so that the library's engine and its job are seen by nobody else.
  void* const library = dlopen(as_file(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    return failed_precondition(ErrorId::kJobLibrary, "{} can't be loaded: {}", path,
                               reason == nullptr ? "unknown reason" : reason);
  }
  void* const symbol = dlsym(library, name);
  if (symbol == nullptr) {
    return failed_precondition(
        ErrorId::kJobLibrary,
        "{} has no function {}: it holds something else, or was built by another version", path,
        name);
  }
  return symbol;
}

Result<JobNote> read_job_note(ReadableFile& file) {
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
    if (const auto text = find_text(notes)) { return parse_text(*text); }
  }
  return no_library("it carries no note of Tidewheel");
}

Result<JobNote> read_job_note(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_read(path));
  return read_job_note(*file).with_context("{}", path);
}

Status check_job_note(const JobNote& note, const std::string& path) {
  if (note.abi == kPluginAbi) { return {}; }
  return failed_precondition(ErrorId::kJobLibrary,
                             "{} speaks Tidewheel's plug-in ABI {}, this program speaks {}\n"
                             "  built by : {}, headers {}\n"
                             "  hint     : rebuild it with find_package(Tidewheel {})",
                             path, note.abi, kPluginAbi, note.compiler, note.version, kVersion);
}

Result<int> run_job_library(const std::string& path, std::span<const std::string> arguments) {
  TIDEWHEEL_ASSIGN_OR_RETURN(void* const symbol, load_symbol(path, kEntryPoint));
  const auto entry = reinterpret_cast<EntryPoint>(symbol);
  std::vector<const char*> argv;
  argv.push_back(path.c_str());
  for (const std::string& argument : arguments) { argv.push_back(argument.c_str()); }
  argv.push_back(nullptr);
  return entry(static_cast<int>(argv.size()) - 1, argv.data());
}

Diagnosis examine_job_library(const JobNote& note, const std::string& path) {
  Diagnosis diagnosis;
  const bool is_job = note.functions.empty();
  diagnosis.text =
      fmt::format("{}\n  {}: {}\n  built by : {}, headers {}\n  ABI      : {} (this program: {})\n",
                  path, is_job ? "job      " : "functions", is_job ? note.job : note.functions,
                  note.compiler, note.version, note.abi, kPluginAbi);
  Status status = check_job_note(note, path);
  if (status.ok()) {
    status = load_symbol(path, is_job ? kEntryPoint : abi::kFunctionsEntryPoint).status();
  }
  diagnosis.healthy = status.ok();
  diagnosis.text += diagnosis.healthy ? (is_job ? "  verdict  : it loads, and can be run here\n"
                                                : "  verdict  : it loads, and can be used here\n")
                                      : "  verdict  : " + status.to_string() + "\n";
  return diagnosis;
}

}  // namespace tidewheel
