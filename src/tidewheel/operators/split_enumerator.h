// The part of a source that exists once for the job: finds splits, and gives them to the readers.
// Also the event-time alignment of a group of sources.
//
// Events, each a letter and its bytes:
//   to the enumerator  R            the reader wants a split
//                      M<int64>     the reader's watermark (kMaxWatermark: idle), for alignment
//   to a reader        S<split>     a split
//                      W            there is none now; one may come
//                      N            none will come any more
//                      A<int64>     splits ahead of this watermark pause
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/dataflow/source_coordinator.h"
#include "tidewheel/operators/record_codec.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/operators/watermark.h"

namespace tidewheel {

std::string encode_event(char kind, int64_t value);
// The number behind the letter; kMinWatermark when the event is damaged.
int64_t decode_event_value(std::string_view event);

// The sources of one job that keep together in event time. Used by coordinators only, which share
// one thread.
class AlignmentGroup {
 public:
  // Notes a reader's watermark; returns the one above which it pauses.
  int64_t report(int32_t source, int32_t subtask, int64_t watermark, int64_t drift_ms);
  void forget(int32_t source);

 private:
  std::map<std::pair<int32_t, int32_t>, int64_t> watermarks_;
};

// How a source's splits are dealt with, as the graph knows it.
struct EnumeratorOptions {
  std::string name;  // of the source, for messages
  SplitAssignment assignment = SplitAssignment::kOnRequest;
  int64_t discovery_interval_ms = 0;  // 0: once
  bool is_bounded = true;             // as its splits are: the source says whether they end
  std::shared_ptr<AlignmentGroup> alignment = nullptr;
  int64_t alignment_drift_ms = 0;
  int32_t source_id = 0;  // tells the group's sources apart
};

// How the source's splits are written, so that they can be read after their struct was edited.
struct SplitCodec {
  std::string schema = {};
  // A split, written with another schema, as it is written now.
  std::function<Result<std::string>(const std::string& schema, std::string_view bytes)> migrate =
      nullptr;
  bool ids_are_splits = false;
};

struct FoundSplit {
  std::string id;
  std::string bytes;
};

class SplitEnumerator final : public SourceCoordinator {
 public:
  // `discover` runs on the blocking pool, one call at a time; it may outlive the enumerator by a
  // call.
  using Discover = std::function<Result<std::vector<FoundSplit>>(SplitContext&)>;
  SplitEnumerator(EnumeratorOptions options, Discover discover, SplitCodec codec = {});
  ~SplitEnumerator() override;

  bool is_bounded() const override { return options_.is_bounded && !is_continuous(); }
  Status start(CoordinatorContext& context) override;
  void on_subtask_ready(int32_t subtask) override;
  void on_event(int32_t subtask, std::string_view event) override;
  void on_timer() override;
  Result<std::string> snapshot(int64_t checkpoint) override;
  void on_checkpoint_complete(int64_t checkpoint) override;
  void on_subtask_reset(int32_t subtask, int64_t checkpoint) override;
  Status restore(std::string_view state) override;
  void close() override;

 private:
  void begin_discovery();
  void on_discovered(Result<std::vector<FoundSplit>> found);
  void assign();
  void answer_requests();
  void send(int32_t subtask, std::string event);
  void deliver(int32_t subtask, std::string event);
  bool is_continuous() const { return options_.discovery_interval_ms > 0; }

  const EnumeratorOptions options_;
  const std::shared_ptr<Discover> discover_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  const SplitCodec codec_;
  CoordinatorContext* context_ = nullptr;
  bool discovered_once_ = false;
  int64_t next_reader_ = 0;     // for kSpread
  std::set<std::string> seen_;  // ids of all splits ever found
  std::deque<std::string> unassigned_;
  std::deque<int32_t> requests_;  // readers that want a split, in order
  std::set<int32_t> told_to_wait_;
  std::set<int32_t> ready_;
  std::map<int32_t, std::vector<std::string>> held_;  // events for readers that are not ready yet
  // Splits that were sent, by reader and by the newest checkpoint that was begun then: those that
  // the reader's state in a complete checkpoint may lack.
  std::map<int32_t, std::multimap<int64_t, std::string>> sent_;
  int64_t newest_checkpoint_ = 0;
};

// Makes the enumerator of a source; `source` is a prototype.
template <class S>
std::unique_ptr<OperatorCoordinator> make_enumerator(S source, EnumeratorOptions options) {
  if constexpr (requires { source.assignment(); }) { options.assignment = source.assignment(); }
  if constexpr (requires { source.discovery_interval_ms(); }) {
    options.discovery_interval_ms = source.discovery_interval_ms();
  }
  if constexpr (requires { source.is_bounded(); }) { options.is_bounded = source.is_bounded(); }
  using Split = typename S::Split;
  SplitCodec codec;
  codec.schema = encoded_schema<Split>();
  codec.migrate = [](const std::string& schema, std::string_view bytes) {
    return migrate_record<Split>("splits", schema, bytes);
  };
  codec.ids_are_splits = !requires(const S& asked, const Split& split) { asked.split_id(split); };
  return std::make_unique<SplitEnumerator>(
      std::move(options),
      [source =
           std::move(source)](SplitContext& context) mutable -> Result<std::vector<FoundSplit>> {
        TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<typename S::Split> splits,
                                   source.discover(context));
        std::vector<FoundSplit> found;
        for (const typename S::Split& split : splits) {
          std::string bytes = encode_record(split);
          if constexpr (requires { source.split_id(split); }) {
            found.push_back({source.split_id(split), std::move(bytes)});
          } else {
            std::string id = bytes;
            found.push_back({std::move(id), std::move(bytes)});
          }
        }
        return found;
      },
      std::move(codec));
}

}  // namespace tidewheel
