// Compares records field by field, whether or not they have operator==, and says where they differ.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include "tidewheel/types/print.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

namespace compare_detail {

template <class T>
void find_difference(const T& left, const T& right, const std::string& path, std::string& found);

template <class T>
void report(const T& left, const T& right, const std::string& path, std::string& found) {
  if (!found.empty()) { found += "; "; }
  if (!path.empty()) { found += path + ": "; }
  found += printed(left) + " is not " + printed(right);
}

inline std::string inside(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

template <class T>
void find_in_elements(const T& left, const T& right, const std::string& path, std::string& found) {
  if (left.size() != right.size()) {
    if (!found.empty()) { found += "; "; }
    found += (path.empty() ? "" : path + ": ") + std::to_string(left.size()) + " elements, not " +
             std::to_string(right.size());
  }
  const size_t count = left.size() < right.size() ? left.size() : right.size();
  for (size_t i = 0; i < count; ++i) {
    using Element = typename T::value_type;
    find_difference<Element>(left[i], right[i], path + "[" + std::to_string(i) + "]", found);
  }
}

template <class T>
void find_in_entries(const T& left, const T& right, const std::string& path, std::string& found) {
  for (const auto& [key, mapped] : left) {
    const auto other = right.find(key);
    if (other == right.end()) {
      found += (found.empty() ? "" : "; ") + path + "[" + printed(key) + "]: is on the left only";
    } else {
      find_difference(mapped, other->second, path + "[" + printed(key) + "]", found);
    }
  }
  for (const auto& [key, mapped] : right) {
    if (left.find(key) == left.end()) {
      found += (found.empty() ? "" : "; ") + path + "[" + printed(key) + "]: is on the right only";
    }
  }
}

template <class T>
void find_difference(const T& left, const T& right, const std::string& path, std::string& found) {
  if constexpr (std::is_floating_point_v<T>) {
    if (left != right && (left == left || right == right)) { report(left, right, path, found); }
  } else if constexpr (serde<T>::value || detail::kIsLeaf<T>) {
    if (!(left == right)) { report(left, right, path, found); }
  } else if constexpr (kinds::kOptional<T>) {
    if (left && right) {
      find_difference(*left, *right, path, found);
    } else if (left || right) {
      report(left, right, path, found);
    }
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    find_in_elements(left, right, path, found);
  } else if constexpr (kinds::kMap<T>) {
    find_in_entries(left, right, path, found);
  } else if constexpr (kinds::kTuple<T>) {
    kinds::for_each_index<std::tuple_size_v<T>>([&]<size_t kIndex>() {
      find_difference(std::get<kIndex>(left), std::get<kIndex>(right),
                      inside(path, std::to_string(kIndex)), found);
    });
  } else if constexpr (kinds::kVariant<T>) {
    if (left.index() != right.index()) { return report(left, right, path, found); }
    kinds::for_each_index<std::variant_size_v<T>>([&]<size_t kIndex>() {
      if (left.index() == kIndex) {
        find_difference(*std::get_if<kIndex>(&left), *std::get_if<kIndex>(&right), path, found);
      }
    });
  } else {
    refl::with_fields(left, [&](const auto&... left_fields) {
      refl::with_fields(right, [&](const auto&... right_fields) {
        [[maybe_unused]] constexpr auto kNames = refl::field_names<T>();
        [[maybe_unused]] size_t index = 0;
        (find_difference(left_fields, right_fields, inside(path, kNames[index++]), found), ...);
      });
    });
  }
}

}  // namespace compare_detail

// Where two records differ: "cents: 5 is not 6; at: ... is not ...", in lists of them "[2].cents:
// ...". Empty when they are equal. All NaN are equal.
template <Record T>
std::string difference(const T& left, const T& right) {
  std::string found;
  compare_detail::find_difference(left, right, {}, found);
  return found;
}

template <Record T>
bool equal_records(const T& left, const T& right) {
  return difference(left, right).empty();
}

}  // namespace tidewheel
