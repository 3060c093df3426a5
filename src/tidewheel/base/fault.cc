#include "tidewheel/base/fault.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "tidewheel/base/mutant.h"

// The linker gives these to sections whose names are C identifiers; none, when no site is linked.
extern "C" {
extern const char __start_tidewheel_marks[] __attribute__((weak, visibility("hidden")));
extern const char __stop_tidewheel_marks[] __attribute__((weak, visibility("hidden")));
extern const char __start_tidewheel_faults[] __attribute__((weak, visibility("hidden")));
extern const char __stop_tidewheel_faults[] __attribute__((weak, visibility("hidden")));
extern const char __start_tidewheel_mutants[] __attribute__((weak, visibility("hidden")));
extern const char __stop_tidewheel_mutants[] __attribute__((weak, visibility("hidden")));
}

namespace tidewheel {

namespace fault_detail {
constinit thread_local FaultPlan* current __attribute__((tls_model("initial-exec"))) = nullptr;
}  // namespace fault_detail

namespace {

std::vector<std::string_view> names_between(const char* begin, const char* end) {
  std::vector<std::string_view> names;
  for (const char* at = begin; at < end;) {
    const std::string_view name(at);
    if (!name.empty()) { names.push_back(name); }
    at += name.size() + 1;
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

FaultPlan::Scope::Scope(FaultPlan* plan) : before_(fault_detail::current) {
  fault_detail::current = plan;
}

FaultPlan::Scope::~Scope() { fault_detail::current = before_; }

std::vector<std::string_view> all_mark_names() {
  return names_between(__start_tidewheel_marks, __stop_tidewheel_marks);
}

std::vector<std::string_view> all_fault_names() {
  return names_between(__start_tidewheel_faults, __stop_tidewheel_faults);
}

namespace {
// Written once, before other threads start.
std::string& chosen_mutant() {
  static std::string name;
  return name;
}
}  // namespace

void choose_mutant(std::string_view name) { chosen_mutant() = name; }
bool mutant_is_chosen(std::string_view name) { return chosen_mutant() == name; }

bool has_mutants() {
#if defined(TIDEWHEEL_MUTANTS) || defined(TIDEWHEEL_DEBUG)
  return true;
#else
  return false;
#endif
}

std::vector<std::string_view> all_mutant_names() {
  return names_between(__start_tidewheel_mutants, __stop_tidewheel_mutants);
}

}  // namespace tidewheel
