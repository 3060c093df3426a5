// What a function of one string has given for the strings of lasting tables (types/lasting_text.h):
// a source's dictionary comes by again and again, and is looked up in a few nanoseconds where a
// regular expression takes tens.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/sql/kernel.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/lasting_text.h"

namespace tidewheel::sql {

// A kernel in front of another one, for careful functions that depend on one argument that is a
// string and on constants. A string is known by its address, so only those in `tables` are looked
// up. Gives up for some time where few of them come again. One thread.
class LastingMemo final : public Kernel {
 public:
  // `argument`: the one that is not constant. `tables` outlives the kernel.
  LastingMemo(std::unique_ptr<Kernel> inner, size_t argument, const LastingTexts& tables)
      : inner_(std::move(inner)), argument_(argument), tables_(tables) {}
  // Whether what is given for a type can be remembered.
  static bool can_hold(const LogicalType& result);

  Status run(const KernelCall& call) override;
  // Where remembered strings are that are no part of the argument: for those who keep results.
  // Null: there are none. Another one may be there after the next run.
  const ArenaRef& strings() const { return strings_; }
  uint64_t hits() const { return hits_; }

 private:
  struct Entry {
    const char* data = nullptr;
    uint32_t size = 0;
    bool is_null = false;
    alignas(8) std::array<char, 16> value{};
  };
  // Of two entries, a line of the cache. Some thousand strings hardly ever push each other out.
  static constexpr uint32_t kSets = 16'384;
  static constexpr uint32_t kMissed = UINT32_MAX;
  static constexpr uint32_t kInactive = UINT32_MAX - 1;
  static constexpr size_t kStringBytesMax = 1 << 20;

  static uint32_t set_of(const char* data);
  template <class T>
  void find_rows(const KernelCall& call);
  template <class T>
  void put_found(const KernelCall& call);
  template <class T>
  void remember(const KernelCall& call);
  template <class T>
  T kept(const T& value, const Text& argument);
  void judge();

  const std::unique_ptr<Kernel> inner_;
  const size_t argument_;
  const LastingTexts& tables_;
  std::vector<Entry> entries_;    // made at first use
  std::vector<uint32_t> sets_;    // of each row: where its entry may be
  std::vector<uint32_t> places_;  // of each row: its entry
  std::vector<uint8_t> missed_;   // a byte for each row: it has to be computed
  uint32_t missed_count_ = 0;
  ArenaRef strings_;
  size_t string_bytes_ = 0;
  uint64_t hits_ = 0;
  uint32_t looked_up_ = 0;  // since it was last judged
  uint32_t found_ = 0;
  uint32_t resting_ = 0;  // runs without looking
};

}  // namespace tidewheel::sql
