#include "tidewheel/operators/split_enumerator.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "tidewheel/base/executor.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/dataflow/coordinator_metrics.h"

namespace tidewheel {

namespace split_enumerator_detail {

// What a checkpoint keeps of an enumerator; behind its own schema.
struct EnumeratorState {
  bool discovered_once = false;
  int64_t next_reader = 0;
  std::vector<std::string> seen;
  std::vector<std::string> unassigned;
  std::string split_schema;
};

}  // namespace split_enumerator_detail
using split_enumerator_detail::EnumeratorState;

namespace {

void note_unassigned(CoordinatorContext* context, size_t splits) {
  set_coordinator_gauge(context, "enumerator", "unassignedSplits", static_cast<int64_t>(splits));
}

}  // namespace

std::string encode_event(char kind, int64_t value) {
  std::string event(1, kind);
  event.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return event;
}

int64_t decode_event_value(std::string_view event) {
  int64_t value = kMinWatermark;
  if (event.size() == 1 + sizeof(value)) { std::memcpy(&value, event.data() + 1, sizeof(value)); }
  return value;
}

int64_t AlignmentGroup::report(int32_t source, int32_t subtask, int64_t watermark,
                               int64_t drift_ms) {
  watermarks_[{source, subtask}] = watermark;
  int64_t least = kMaxWatermark;
  for (const auto& [member, reported] : watermarks_) { least = std::min(least, reported); }
  return least == kMinWatermark ? kMaxWatermark : saturating_add(least, drift_ms);
}

void AlignmentGroup::forget(int32_t source) {
  std::erase_if(watermarks_, [source](const auto& one) { return one.first.first == source; });
}

SplitEnumerator::SplitEnumerator(EnumeratorOptions options, Discover discover, SplitCodec codec)
    : options_(std::move(options)),
      discover_(std::make_shared<Discover>(std::move(discover))),
      codec_(std::move(codec)) {}

SplitEnumerator::~SplitEnumerator() { gate_->close(); }

Status SplitEnumerator::start(CoordinatorContext& context) {
  context_ = &context;
  if (discovered_once_) { assign(); }  // what a snapshot has
  if (!discovered_once_ || is_continuous()) { begin_discovery(); }
  return {};
}

void SplitEnumerator::close() {
  gate_->close();
  if (options_.alignment != nullptr) { options_.alignment->forget(options_.source_id); }
}

void SplitEnumerator::begin_discovery() {
  auto split_context = std::make_shared<SplitContext>(*context_, !discovered_once_);
  context_->executor().run_blocking([this, gate = gate_, discover = discover_, split_context] {
    auto found = std::make_shared<Result<std::vector<FoundSplit>>>(std::vector<FoundSplit>());
    try {
      *found = (*discover)(*split_context);
    } catch (const std::exception& exception) {
      *found = user_error(ErrorId::kUserCodeThrew, "discover threw: {}", exception.what());
    } catch (...) {
      *found = user_error(ErrorId::kUserCodeThrew, "discover threw something unknown");
    }
    if (!gate->enter()) { return; }
    context_->post([this, gate, found] {
      if (!gate->enter()) { return; }
      gate->leave();
      on_discovered(std::move(*found));
    });
    gate->leave();
  });
}

void SplitEnumerator::on_discovered(Result<std::vector<FoundSplit>> found) {
  if (!found.ok()) {
    context_->fail(std::move(found).status().with_context("source '{}', looking for its splits",
                                                          options_.name));
    return;
  }
  for (FoundSplit& split : *found) {
    if (seen_.insert(std::move(split.id)).second) { unassigned_.push_back(std::move(split.bytes)); }
  }
  discovered_once_ = true;
  assign();
  if (is_continuous()) {
    context_->wake_at_ns(context_->clock().now_ns() + options_.discovery_interval_ms * 1'000'000);
  }
}

void SplitEnumerator::on_timer() { begin_discovery(); }

void SplitEnumerator::assign() {
  if (options_.assignment == SplitAssignment::kSpread) {
    while (!unassigned_.empty()) {
      const auto reader = static_cast<int32_t>(next_reader_++ % context_->parallelism());
      send(reader, "S" + unassigned_.front());
      unassigned_.pop_front();
    }
  }
  answer_requests();
  note_unassigned(context_, unassigned_.size());
}

void SplitEnumerator::answer_requests() {
  while (!requests_.empty() && !unassigned_.empty()) {
    told_to_wait_.erase(requests_.front());
    send(requests_.front(), "S" + unassigned_.front());
    requests_.pop_front();
    unassigned_.pop_front();
  }
  if (!discovered_once_) { return; }
  if (!is_continuous()) {
    for (const int32_t reader : requests_) { send(reader, "N"); }
    requests_.clear();
    return;
  }
  for (const int32_t reader : requests_) {
    if (told_to_wait_.insert(reader).second) { send(reader, "W"); }
  }
}

void SplitEnumerator::on_subtask_ready(int32_t subtask) {
  ready_.insert(subtask);
  for (std::string& event : held_[subtask]) { deliver(subtask, std::move(event)); }
  held_.erase(subtask);
}

void SplitEnumerator::on_event(int32_t subtask, std::string_view event) {
  if (event == "R") {
    requests_.push_back(subtask);
    answer_requests();
    note_unassigned(context_, unassigned_.size());
  } else if (event.starts_with('M') && options_.alignment != nullptr) {
    const int64_t allowed = options_.alignment->report(
        options_.source_id, subtask, decode_event_value(event), options_.alignment_drift_ms);
    send(subtask, encode_event('A', allowed));
  }
}

void SplitEnumerator::send(int32_t subtask, std::string event) {
  if (!ready_.contains(subtask)) {
    held_[subtask].push_back(std::move(event));
    return;
  }
  deliver(subtask, std::move(event));
}

void SplitEnumerator::deliver(int32_t subtask, std::string event) {
  if (event.starts_with('S')) { sent_[subtask].emplace(newest_checkpoint_, event.substr(1)); }
  context_->send_to_subtask(subtask, std::move(event));
}

// Every split is either here or in the state of one reader: what was sent before reaches its reader
// before the barrier, what is sent from now on is in nobody's state.
Result<std::string> SplitEnumerator::snapshot(int64_t checkpoint) {
  newest_checkpoint_ = std::max(newest_checkpoint_, checkpoint);
  EnumeratorState state{.discovered_once = discovered_once_,
                        .next_reader = next_reader_,
                        .seen = {seen_.begin(), seen_.end()},
                        .unassigned = {unassigned_.begin(), unassigned_.end()},
                        .split_schema = codec_.schema};
  for (const auto& [subtask, events] : held_) {
    for (const std::string& event : events) {
      if (event.starts_with('S')) { state.unassigned.push_back(event.substr(1)); }
    }
  }
  // Sent, but no reader has it before this checkpoint's barrier.
  for (const auto& [subtask, event] : context_->held_back()) {
    if (!event.starts_with('S')) { continue; }
    TIDEWHEEL_MARK("split_enumerator.split_held_back");
    std::string split = event.substr(1);
    auto& sent = sent_[subtask];
    const auto found = std::find_if(sent.begin(), sent.end(),
                                    [&](const auto& one) { return one.second == split; });
    if (found != sent.end()) { sent.erase(found); }
    sent.emplace(newest_checkpoint_, split);
    state.unassigned.push_back(std::move(split));
  }
  Writer writer;
  writer.text(encoded_schema<EnumeratorState>());
  encode(writer, state);
  return writer.str();
}

Status SplitEnumerator::restore(std::string_view state) {
  Reader reader(state);
  const std::string schema(reader.bytes_view());
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::string bytes,
      migrate_record<EnumeratorState>("the enumerator of '" + options_.name + "'", schema,
                                      state.substr(reader.position())));
  TIDEWHEEL_ASSIGN_OR_RETURN(EnumeratorState restored, decode_record<EnumeratorState>(bytes));
  if (codec_.migrate != nullptr && restored.split_schema != codec_.schema) {
    const auto migrate = [&](std::string& split) -> Status {
      TIDEWHEEL_ASSIGN_OR_RETURN(split, codec_.migrate(restored.split_schema, split));
      return {};
    };
    for (std::string& split : restored.unassigned) { TIDEWHEEL_RETURN_IF_ERROR(migrate(split)); }
    if (codec_.ids_are_splits) {
      for (std::string& id : restored.seen) { TIDEWHEEL_RETURN_IF_ERROR(migrate(id)); }
    }
  }
  discovered_once_ = restored.discovered_once;
  next_reader_ = restored.next_reader;
  seen_ = {restored.seen.begin(), restored.seen.end()};
  unassigned_ = {restored.unassigned.begin(), restored.unassigned.end()};
  return {};
}

void SplitEnumerator::on_checkpoint_complete(int64_t checkpoint) {
  for (auto& [subtask, splits] : sent_) {
    splits.erase(splits.begin(), splits.lower_bound(checkpoint));
  }
}

// What the reader got after the checkpoint's cut is not in its state: it is to be assigned again.
void SplitEnumerator::on_subtask_reset(int32_t subtask, int64_t checkpoint) {
  TIDEWHEEL_MARK("split_enumerator.takes_splits_back");
  ready_.erase(subtask);
  told_to_wait_.erase(subtask);
  std::erase(requests_, subtask);
  auto& sent = sent_[subtask];
  for (auto it = sent.lower_bound(checkpoint); it != sent.end(); it = sent.erase(it)) {
    unassigned_.push_back(std::move(it->second));
  }
  for (std::string& event : std::exchange(held_[subtask], {})) {
    if (event.starts_with('S')) { unassigned_.push_back(event.substr(1)); }
  }
  if (discovered_once_) { assign(); }
}

}  // namespace tidewheel
