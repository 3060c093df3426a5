#include "tidewheel/sql/lasting_memo.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidewheel/types/hash.h"

namespace tidewheel::sql {

bool LastingMemo::can_hold(const LogicalType& result) {
  const Physical physical = result.physical();
  return physical != Physical::kList && physical != Physical::kStruct;
}

uint32_t LastingMemo::set_of(const char* data) {
  return static_cast<uint32_t>(mix64(reinterpret_cast<uintptr_t>(data)) % kSets);
}

Status LastingMemo::run(const KernelCall& call) {
  if (tables_.empty() || call.arguments[argument_].is_constant) { return inner_->run(call); }
  if (resting_ > 0) {
    --resting_;
    return inner_->run(call);
  }
  if (entries_.empty() || string_bytes_ > kStringBytesMax) {
    entries_.assign(size_t{2} * kSets, {});
    strings_ = ArenaRef();
    string_bytes_ = 0;
  }
  find_rows(call);
  if (missed_count_ > 0) {
    KernelCall missed = call;
    missed.active = missed_.data();
    TIDEWHEEL_RETURN_IF_ERROR(inner_->run(missed));
  }
  with_physical(call.result->physical(), [&]<class T>() {
    put_found<T>(call);
    if (missed_count_ > 0) { remember<T>(call); }
  });
  judge();
  return {};
}

void LastingMemo::find_rows(const KernelCall& call) {
  constexpr uint32_t kAhead = 12;
  places_.resize(call.rows);
  missed_.resize((size_t{call.rows} + 63) / 64 * 64);
  const Text* const texts = call.arguments[argument_].as<Text>();
  missed_count_ = 0;
  uint32_t found = 0;
  uint32_t active = 0;
  for (uint32_t row = 0; row < call.rows; ++row) {
    if (row + kAhead < call.rows) {
      __builtin_prefetch(&entries_[size_t{2} * set_of(texts[row + kAhead].data())]);
    }
    missed_[row] = 0;
    if (!call.is_active(row)) {
      places_[row] = kInactive;
      continue;
    }
    ++active;
    const Text& text = texts[row];
    uint32_t at = 2 * set_of(text.data());
    const auto is_at = [&](const Entry& entry) {
      return entry.data == text.data() && entry.size == text.size();
    };
    if (!is_at(entries_[at]) && !is_at(entries_[++at])) {
      at = kMissed;
      missed_[row] = 1;
      ++missed_count_;
    }
    found += at != kMissed ? 1 : 0;
    places_[row] = at;
  }
  looked_up_ += active;
  found_ += found;
  hits_ += found;
}

template <class T>
void LastingMemo::put_found(const KernelCall& call) {
  static_assert(sizeof(T) <= sizeof(Entry::value));
  T* const out = call.result->values<T>();
  uint64_t* validity = nullptr;  // made when there is a NULL
  for (uint32_t row = 0; row < call.rows; ++row) {
    const uint32_t place = places_[row];
    if (place == kMissed) { continue; }
    if (place == kInactive) {
      out[row] = T{};
      continue;
    }
    const Entry& entry = entries_[place];
    std::memcpy(&out[row], entry.value.data(), sizeof(T));
    if (entry.is_null) {
      if (validity == nullptr) { validity = call.result->validity(); }
      validity[row / kValidityBits] &= ~(uint64_t{1} << (row % kValidityBits));
    }
  }
}

// The older one of a set goes.
template <class T>
void LastingMemo::remember(const KernelCall& call) {
  const Text* const texts = call.arguments[argument_].as<Text>();
  T* const out = call.result->values<T>();
  for (uint32_t row = 0; row < call.rows; ++row) {
    if (missed_[row] == 0 || !tables_.holds(texts[row])) { continue; }
    const size_t at = size_t{2} * set_of(texts[row].data());
    Entry& entry = entries_[at];
    if (entry.data == texts[row].data() && entry.size == texts[row].size()) { continue; }
    entries_[at + 1] = entry;
    entry.data = texts[row].data();
    entry.size = static_cast<uint32_t>(texts[row].size());
    entry.is_null = call.result->is_null(row);
    const T value = entry.is_null ? T{} : kept(out[row], texts[row]);
    std::memcpy(entry.value.data(), &value, sizeof(T));
  }
}

// A value that outlives the run: strings that are no part of the argument are copied.
template <class T>
T LastingMemo::kept(const T& value, const Text& argument) {
  if constexpr (std::is_same_v<T, Text>) {
    const auto begin = reinterpret_cast<uintptr_t>(argument.data());
    const auto at = reinterpret_cast<uintptr_t>(value.data());
    if (value.empty()) { return {}; }
    if (at - begin <= argument.size() && at - begin + value.size() <= argument.size()) {
      return value;
    }
    if (!strings_) { strings_ = Arena::create(); }
    string_bytes_ += value.size();
    return strings_->copy(value.view());
  } else {
    return value;
  }
}

void LastingMemo::judge() {
  constexpr uint32_t kJudgedRows = 4 * 2 * kSets;
  constexpr uint32_t kRestingRuns = 1000;
  if (looked_up_ < kJudgedRows) { return; }
  if (found_ * 2 < looked_up_) { resting_ = kRestingRuns; }
  looked_up_ = 0;
  found_ = 0;
}

}  // namespace tidewheel::sql
