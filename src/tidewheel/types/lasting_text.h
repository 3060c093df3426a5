// Text that needs no copy when it is kept: the entries of tables that live as long as the job, such
// as a source's dictionary. Who keeps such Text keeps the table instead.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tidewheel/types/arena.h"
#include "tidewheel/types/text.h"

namespace tidewheel {

// The lasting arenas (Arena::mark_lasting) that rows have come with so far. There are few of them.
// One thread; must outlive everything that keeps Text which `holds` is true of.
class LastingTexts {
 public:
  // Keeps `arena` alive if it is a lasting one.
  void keep(const ArenaRef& arena) {
    if (arena->is_lasting() && !knows(arena)) { add(arena); }
  }
  bool holds(const Text& text) const {
    const auto address = reinterpret_cast<uintptr_t>(text.data());
    for (const Range& range : ranges_) {
      if (address - range.begin < range.size) { return true; }
    }
    return false;
  }
  bool empty() const { return ranges_.empty(); }
  const std::vector<ArenaRef>& arenas() const { return arenas_; }

 private:
  struct Range {
    uintptr_t begin;
    size_t size;
  };
  bool knows(const ArenaRef& arena) const {
    for (const ArenaRef& known : arenas_) {
      if (known == arena) { return true; }
    }
    return false;
  }
  void add(const ArenaRef& arena) {
    arenas_.push_back(arena);
    arena->for_each_chunk([this](const char* bytes, size_t size) {
      ranges_.push_back({reinterpret_cast<uintptr_t>(bytes), size});
    });
  }

  std::vector<ArenaRef> arenas_;
  std::vector<Range> ranges_;
};

}  // namespace tidewheel
