#include "tidewheel/rest/triggers.h"

#include "tidewheel/base/clock.h"
#include "tidewheel/rest/java_throwable.h"
#include "tidewheel/rest/json_writer.h"

namespace tidewheel {

bool RestTriggers::begin(const Key& key) {
  forget_old();
  if (!operations_.try_emplace(key).second) { return false; }
  owed_.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

void RestTriggers::complete(const Key& key, std::string operation) {
  const auto found = operations_.find(key);
  if (found == operations_.end()) { return; }
  found->second.outcome = std::move(operation);
  found->second.ended_ns = clock_.now_ns();
}

std::optional<std::string> RestTriggers::outcome_json(const Key& key) {
  forget_old();
  const auto found = operations_.find(key);
  if (found == operations_.end()) { return std::nullopt; }
  Operation& operation = found->second;
  JsonBuilder json;
  json.begin_object().begin_object("status");
  json.member("id", operation.outcome.has_value() ? "COMPLETED" : "IN_PROGRESS").end_object();
  json.key("operation").raw(operation.outcome.value_or("null"));
  if (operation.outcome.has_value() && !operation.was_fetched) {
    operation.was_fetched = true;
    owed_.fetch_sub(1, std::memory_order_acq_rel);
  }
  return json.end_object().take();
}

void RestTriggers::forget_old() {
  const int64_t oldest_ns = clock_.now_ns() - store_ms_ * 1'000'000;
  for (auto at = operations_.begin(); at != operations_.end();) {
    const Operation& operation = at->second;
    if (!operation.outcome.has_value() || operation.ended_ns > oldest_ns) {
      ++at;
      continue;
    }
    if (!operation.was_fetched) { owed_.fetch_sub(1, std::memory_order_acq_rel); }
    at = operations_.erase(at);
  }
}

std::string failure_cause_json(const Status& status) {
  JsonBuilder json;
  const std::string name =
      fmt::format("TW{} {}", static_cast<int>(status.id()), error_name(status.id()));
  json.begin_object().member("class", name).member("stack-trace", status.to_string());
  json.member("serialized-throwable", serialized_throwable(name, status.to_string()));
  return json.end_object().take();
}

}  // namespace tidewheel
