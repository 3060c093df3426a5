// Places where a test may make something go wrong, and places of interest that tests should reach.
// Both ask the thread's FaultPlan, which only the simulator and debug builds install: elsewhere a
// site costs one test of a thread-local pointer. They stand at rare places, never in per-row code.
#pragma once
#include <string_view>
#include <vector>

namespace tidewheel {

// Decides, from a seed, which faults happen. One thread.
class FaultPlan {
 public:
  virtual ~FaultPlan() = default;
  // Whether the fault at the site `name` happens now.
  virtual bool fires(std::string_view name) = 0;
  // Whether a call that may refuse (an output, a poll, a snapshot) refuses now though it need not.
  virtual bool refuses() = 0;
  // The place of interest `name` was reached.
  virtual void mark(std::string_view name) = 0;

  // The plan of this thread; null in ordinary runs.
  static FaultPlan* current();

  // Installs a plan on this thread for as long as it lives.
  class Scope {
   public:
    explicit Scope(FaultPlan* plan);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    FaultPlan* const before_;
  };
};

namespace fault_detail {
// Initial-exec: one load even in a job's shared library.
extern constinit thread_local FaultPlan* current __attribute__((tls_model("initial-exec")));
}  // namespace fault_detail

inline FaultPlan* FaultPlan::current() { return fault_detail::current; }

// True when whoever asks should refuse, to run the path that resumes.
inline bool refuses_for_test() {
  FaultPlan* const plan = FaultPlan::current();
  return plan != nullptr && plan->refuses();
}

// The names of all marks and all faults that are linked into this program, sorted, each once.
std::vector<std::string_view> all_mark_names();
std::vector<std::string_view> all_fault_names();

}  // namespace tidewheel

// Every site writes its name into a section of the program, so that one that is never reached is
// known.
#define TIDEWHEEL_SITE_(section, name) \
  __asm__ volatile(".pushsection " section ",\"a\",@progbits\n\t.asciz \"" name "\"\n\t.popsection")

// if (TIDEWHEEL_FAULT("checkpoint.before_publish")) { ... }
#define TIDEWHEEL_FAULT(name)                                                             \
  ([]() -> bool {                                                                         \
    TIDEWHEEL_SITE_("tidewheel_faults", name);                                            \
    ::tidewheel::FaultPlan* const tidewheel_plan = ::tidewheel::FaultPlan::current();     \
    return __builtin_expect(tidewheel_plan != nullptr, 0) && tidewheel_plan->fires(name); \
  }())

// TIDEWHEEL_MARK("window.late_row");
#define TIDEWHEEL_MARK(name)                                                            \
  ([]() {                                                                               \
    TIDEWHEEL_SITE_("tidewheel_marks", name);                                           \
    ::tidewheel::FaultPlan* const tidewheel_plan = ::tidewheel::FaultPlan::current();   \
    if (__builtin_expect(tidewheel_plan != nullptr, 0)) { tidewheel_plan->mark(name); } \
  }())
