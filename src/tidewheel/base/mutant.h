// Known bugs that a build can put back, one at a time, to prove that the simulator finds them:
//
//   if (!TIDEWHEEL_MUTANT("sync_error_ignored")) { TIDEWHEEL_RETURN_IF_ERROR(file->sync()); }
//
// They are there in builds with assertions and in those configured with -DTIDEWHEEL_MUTANTS=ON, and
// off until `tidewheel_sim --mutant NAME` chooses one. Elsewhere the condition is the constant
// false.
#pragma once
#include <string_view>
#include <vector>

#include "tidewheel/base/fault.h"

namespace tidewheel {

// Before anything else runs. Empty: none.
void choose_mutant(std::string_view name);
bool mutant_is_chosen(std::string_view name);
// Whether this build has them; and the names of all that are linked into this program, sorted.
bool has_mutants();
std::vector<std::string_view> all_mutant_names();

}  // namespace tidewheel

#if defined(TIDEWHEEL_MUTANTS) || defined(TIDEWHEEL_DEBUG)
#define TIDEWHEEL_MUTANT(name)                  \
  ([]() -> bool {                               \
    TIDEWHEEL_SITE_("tidewheel_mutants", name); \
    return ::tidewheel::mutant_is_chosen(name); \
  }())
#else
#define TIDEWHEEL_MUTANT(name) (false)
#endif
