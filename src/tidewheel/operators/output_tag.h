// Names a side output of rows of one type: `const tw::OutputTag<Trade> late{"late-trades"};`.
#pragma once
#include <string>
#include <utility>

namespace tidewheel {

template <class T>
class OutputTag {
 public:
  using type = T;
  explicit OutputTag(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

// Tells types apart at run time without RTTI: the address is the type's.
template <class T>
inline constexpr char kTypeKey = 0;

}  // namespace tidewheel
