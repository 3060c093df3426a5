#include "tidewheel/base/stacks.h"

#include <cxxabi.h>
#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

#include "tidewheel/base/posix_file_system.h"

namespace tidewheel {
namespace {

constexpr int kFramesMax = 256;
constexpr int kHandlerFrames = 2;  // the handler's own, and the kernel's return from it
constexpr int kWaits = 400;        // for one thread, each of kWaitNs
constexpr int64_t kWaitNs = 50'000;

// The one request that is under way, shared with the handler. The thread that is asked takes it
// from kAsked to kWriting and then to kDone; who asks takes it back from kAsked when it has waited
// for too long: so a signal that comes late finds nothing to do.
enum class Phase : uint8_t { kIdle, kAsked, kWriting, kDone };
struct Request {
  std::atomic<Phase> phase{Phase::kIdle};
  std::atomic<int32_t> thread{0};
  void* frames[kFramesMax];
  int count = 0;
};
Request request;  // NOLINT: a signal's handler has nothing else to find it by

void on_signal(int) {
  const int saved_errno = errno;
  Phase expected = Phase::kAsked;
  if (request.thread.load(std::memory_order_acquire) == static_cast<int32_t>(::gettid()) &&
      request.phase.compare_exchange_strong(expected, Phase::kWriting)) {
    request.count = ::backtrace(request.frames, kFramesMax);
    request.phase.store(Phase::kDone, std::memory_order_release);
  }
  errno = saved_errno;
}

void pause() {
  const timespec time{0, kWaitNs};
  ::nanosleep(&time, nullptr);
}

// Under the lock of capture_stacks.
std::vector<uint64_t> frames_of(int32_t thread, int32_t depth_max) {
  request.thread.store(thread, std::memory_order_release);
  request.phase.store(Phase::kAsked, std::memory_order_release);
  if (::syscall(SYS_tgkill, ::getpid(), thread, SIGURG) != 0) {
    request.phase.store(Phase::kIdle);
    return {};
  }
  for (int i = 0; request.phase.load(std::memory_order_acquire) != Phase::kDone; ++i) {
    Phase expected = Phase::kAsked;
    if (i >= kWaits && request.phase.compare_exchange_strong(expected, Phase::kIdle)) { return {}; }
    pause();
  }
  std::vector<uint64_t> frames;
  for (int i = kHandlerFrames; i < request.count && static_cast<int32_t>(frames.size()) < depth_max;
       ++i) {
    // A return address is behind its call, which may be the last of its function.
    const auto address = reinterpret_cast<uint64_t>(request.frames[i]);
    frames.push_back(i == kHandlerFrames ? address : address - 1);
  }
  request.phase.store(Phase::kIdle);
  return frames;
}

// "R" of "17 (tw-slot-0) R 1 ..": the name may have anything in it.
char state_of(const std::string& stat) {
  const size_t end = stat.rfind(')');
  return end == std::string::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

}  // namespace

std::vector<CapturedStack> capture_stacks(
    int32_t depth_max, const std::function<bool(const std::string& name)>& is_wanted) {
  static std::mutex mutex;  // one request at a time
  static const bool is_installed = [] {
    // The first call loads the unwinder, which must not happen in the handler.
    void* frame = nullptr;
    ::backtrace(&frame, 1);
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    return ::sigaction(SIGURG, &action, nullptr) == 0;
  }();
  std::vector<CapturedStack> stacks;
  if (!is_installed) { return stacks; }
  const std::lock_guard lock(mutex);
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  const Result<std::vector<DirectoryEntry>> threads = files->list("/proc/self/task");
  if (!threads.ok()) { return stacks; }
  for (const DirectoryEntry& entry : *threads) {
    CapturedStack stack;
    stack.thread = std::atoi(entry.name.c_str());
    const std::string folder = "/proc/self/task/" + entry.name;
    stack.name = read_all(*files, folder + "/comm").value_or("");
    while (stack.name.ends_with('\n')) { stack.name.pop_back(); }
    if (is_wanted && !is_wanted(stack.name)) { continue; }
    stack.is_on_cpu = state_of(read_all(*files, folder + "/stat").value_or("")) == 'R';
    stack.is_caller = stack.thread == static_cast<int32_t>(::gettid());
    stack.frames = frames_of(stack.thread, depth_max);
    stacks.push_back(std::move(stack));
  }
  std::stable_sort(
      stacks.begin(), stacks.end(),
      [](const CapturedStack& a, const CapturedStack& b) { return a.thread < b.thread; });
  return stacks;
}

// A file that is mapped into the process, and its functions.
struct StackSymbols::Object {
  struct Function {
    uint64_t begin;
    uint64_t end;
    const char* name;
  };

  ~Object() {
    if (bytes != nullptr) { ::munmap(const_cast<char*>(bytes), size); }
  }
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  bool has(uint64_t address) const { return address >= begin && address < end; }

  // Reads the table of symbols; a file that has none, or is no ELF file, has no functions.
  void load() {
    is_loaded = true;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (fd >= 0 && ::fstat(fd, &info) == 0 && info.st_size > 0) {
      size = static_cast<size_t>(info.st_size);
      void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
      if (mapped != MAP_FAILED) { bytes = static_cast<const char*>(mapped); }
    }
    if (fd >= 0) { ::close(fd); }
    if (bytes == nullptr) { return; }
    if (!add_symbols(SHT_SYMTAB)) { add_symbols(SHT_DYNSYM); }
    std::sort(functions.begin(), functions.end(),
              [](const Function& a, const Function& b) { return a.begin < b.begin; });
  }

  template <class T>
  const T* at(uint64_t offset, uint64_t count = 1) const {
    const bool fits =
        offset <= size && count <= (size - offset) / sizeof(T) && offset % alignof(T) == 0;
    return fits ? reinterpret_cast<const T*>(bytes + offset) : nullptr;
  }

  // False: there is no such section.
  bool add_symbols(uint32_t type) {
    const auto* const header = at<ElfW(Ehdr)>(0);
    if (header == nullptr || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) { return false; }
    const auto* const sections = at<ElfW(Shdr)>(header->e_shoff, header->e_shnum);
    if (sections == nullptr) { return false; }
    for (size_t i = 0; i < header->e_shnum; ++i) {
      if (sections[i].sh_type != type || sections[i].sh_link >= header->e_shnum) { continue; }
      const auto& names = sections[sections[i].sh_link];
      const uint64_t count = sections[i].sh_size / sizeof(ElfW(Sym));
      const auto* const symbols = at<ElfW(Sym)>(sections[i].sh_offset, count);
      const char* const text = at<char>(names.sh_offset, names.sh_size);
      // So that every name ends within the section.
      if (symbols == nullptr || text == nullptr || names.sh_size == 0 ||
          text[names.sh_size - 1] != '\0') {
        return false;
      }
      for (uint64_t k = 0; k < count; ++k) {
        const ElfW(Sym)& symbol = symbols[k];
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value == 0 ||
            symbol.st_name >= names.sh_size) {
          continue;
        }
        functions.push_back(
            {symbol.st_value, symbol.st_value + symbol.st_size, text + symbol.st_name});
      }
      return true;
    }
    return false;
  }

  const char* find(uint64_t address) const {
    const uint64_t offset = address - base;
    auto found = std::upper_bound(
        functions.begin(), functions.end(), offset,
        [](uint64_t value, const Function& function) { return value < function.begin; });
    if (found == functions.begin()) { return nullptr; }
    --found;
    return offset < found->end || found->end == found->begin ? found->name : nullptr;
  }

  std::string path;
  uint64_t base = 0;
  uint64_t begin = UINT64_MAX;
  uint64_t end = 0;
  bool is_loaded = false;
  const char* bytes = nullptr;
  size_t size = 0;
  std::vector<Function> functions;
};

StackSymbols::StackSymbols() {
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* into) {
        auto& objects = *static_cast<std::vector<std::unique_ptr<Object>>*>(into);
        auto object = std::make_unique<Object>();
        // The program itself has no name.
        object->path = objects.empty() || info->dlpi_name[0] != '\0' ? info->dlpi_name : "";
        if (object->path.empty()) { object->path = "/proc/self/exe"; }
        object->base = info->dlpi_addr;
        for (size_t i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& part = info->dlpi_phdr[i];
          if (part.p_type != PT_LOAD) { continue; }
          object->begin = std::min<uint64_t>(object->begin, info->dlpi_addr + part.p_vaddr);
          object->end =
              std::max<uint64_t>(object->end, info->dlpi_addr + part.p_vaddr + part.p_memsz);
        }
        objects.push_back(std::move(object));
        return 0;
      },
      &objects_);
}

StackSymbols::~StackSymbols() = default;

std::string StackSymbols::name_of(uint64_t address) {
  for (const std::unique_ptr<Object>& object : objects_) {
    if (!object->has(address)) { continue; }
    if (!object->is_loaded) { object->load(); }
    const char* const symbol = object->find(address);
    if (symbol == nullptr) {
      const size_t slash = object->path.rfind('/');
      return fmt::format("{}+0x{:x}", object->path.substr(slash + 1), address - object->base);
    }
    int status = 0;
    char* const demangled = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
    std::string name = status == 0 && demangled != nullptr ? demangled : symbol;
    std::free(demangled);
    return name;
  }
  return fmt::format("0x{:x}", address);
}

}  // namespace tidewheel
