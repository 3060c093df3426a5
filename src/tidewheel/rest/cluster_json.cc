#include "tidewheel/rest/cluster_json.h"

#include <algorithm>
#include <map>
#include <memory>

#include "tidewheel/base/version.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/json_writer.h"
#include "tidewheel/rest/metrics.h"

namespace tidewheel {
namespace {

int64_t mebibytes(int64_t bytes) { return bytes >> 20; }

void write_resource(JsonBuilder& json, const ResourceAmount& amount) {
  json.begin_object().member("cpuCores", amount.cpu_cores);
  json.member("taskHeapMemory", mebibytes(amount.task_heap_bytes));
  json.member("taskOffHeapMemory", mebibytes(amount.task_off_heap_bytes));
  json.member("managedMemory", mebibytes(amount.managed_bytes));
  json.member("networkMemory", mebibytes(amount.network_bytes));
  json.begin_object("extendedResources").end_object().end_object();
}

// The members, without the braces.
void write_task_manager(JsonBuilder& json, const TaskManagerSummary& one) {
  json.member("id", one.id).member("path", one.address).member("dataPort", one.data_port);
  json.member("jmxPort", -1).member("timeSinceLastHeartbeat", one.last_heartbeat_ms);
  json.member("slotsNumber", one.slots).member("freeSlots", one.free_slots);
  json.key("totalResource");
  write_resource(json, one.total);
  json.key("freeResource");
  write_resource(json, one.free);
  json.begin_object("hardware").member("cpuCores", one.cpu_cores);
  json.member("physicalMemory", one.physical_memory_bytes);
  json.member("freeMemory", one.free_memory_bytes);
  json.member("managedMemory", one.managed_bytes).end_object();
  json.begin_object("memoryConfiguration").member("frameworkHeap", one.framework_heap_bytes);
  json.member("taskHeap", one.task_heap_bytes);
  json.member("frameworkOffHeap", one.framework_off_heap_bytes);
  json.member("taskOffHeap", one.task_off_heap_bytes).member("networkMemory", one.network_bytes);
  json.member("managedMemory", one.managed_bytes).member("jvmMetaspace", 0);
  json.member("jvmOverhead", one.overhead_bytes);
  json.member("totalFlinkMemory", one.total_flink_bytes);
  json.member("totalProcessMemory", one.total_process_bytes).end_object();
}

// What a dashboard shows of a process's memory, under the names of its metrics.
void write_process_metrics(JsonBuilder& json, const MetricTable& table) {
  const auto number = [&](std::string_view key, const char* id) {
    const auto found = table.find(id);
    json.key(key).raw(found == table.end() ||
                              found->second.find_first_not_of("-0123456789") != std::string::npos
                          ? "0"
                          : found->second);
  };
  json.begin_object("metrics");
  number("heapUsed", "Status.JVM.Memory.Heap.Used");
  number("heapCommitted", "Status.JVM.Memory.Heap.Committed");
  number("heapMax", "Status.JVM.Memory.Heap.Max");
  number("nonHeapUsed", "Status.JVM.Memory.NonHeap.Used");
  number("nonHeapCommitted", "Status.JVM.Memory.NonHeap.Committed");
  number("nonHeapMax", "Status.JVM.Memory.NonHeap.Max");
  number("directCount", "Status.JVM.Memory.Direct.Count");
  number("directUsed", "Status.JVM.Memory.Direct.MemoryUsed");
  number("directMax", "Status.JVM.Memory.Direct.TotalCapacity");
  number("mappedCount", "Status.JVM.Memory.Mapped.Count");
  number("mappedUsed", "Status.JVM.Memory.Mapped.MemoryUsed");
  number("mappedMax", "Status.JVM.Memory.Mapped.TotalCapacity");
  number("memorySegmentsAvailable", "Status.Shuffle.Netty.AvailableMemorySegments");
  number("memorySegmentsTotal", "Status.Shuffle.Netty.TotalMemorySegments");
  number("nettyShuffleMemorySegmentsAvailable", "Status.Shuffle.Netty.AvailableMemorySegments");
  number("nettyShuffleMemorySegmentsUsed", "Status.Shuffle.Netty.UsedMemorySegments");
  number("nettyShuffleMemorySegmentsTotal", "Status.Shuffle.Netty.TotalMemorySegments");
  number("nettyShuffleMemoryAvailable", "Status.Shuffle.Netty.AvailableMemory");
  number("nettyShuffleMemoryUsed", "Status.Shuffle.Netty.UsedMemory");
  number("nettyShuffleMemoryTotal", "Status.Shuffle.Netty.TotalMemory");
  json.begin_array("garbageCollectors").end_array().end_object();
}

// Children in the order in which they were first seen.
struct FlameNode {
  std::string name;
  int64_t value = 0;
  std::vector<std::unique_ptr<FlameNode>> children = {};

  FlameNode& child(const std::string& frame) {
    for (const auto& one : children) {
      if (one->name == frame) { return *one; }
    }
    children.push_back(std::make_unique<FlameNode>());
    children.back()->name = frame;
    return *children.back();
  }
  // NOLINTNEXTLINE(misc-no-recursion): as deep as a stack is sampled.
  void write(JsonBuilder& json) const {
    json.begin_object().member("name", name).member("value", value).begin_array("children");
    for (const auto& one : children) { one->write(json); }
    json.end_array().end_object();
  }
};

}  // namespace

std::string overview_json(const ClusterOverview& overview, const std::vector<JobSummary>& jobs) {
  int32_t running = 0;
  int32_t finished = 0;
  int32_t cancelled = 0;
  int32_t failed = 0;
  for (const JobSummary& job : jobs) {
    switch (job.status) {
      case ClusterJobStatus::kFinished: ++finished; break;
      case ClusterJobStatus::kCanceled: ++cancelled; break;
      case ClusterJobStatus::kFailed: ++failed; break;
      default: ++running;
    }
  }
  JsonBuilder json;
  json.begin_object().member("taskmanagers", overview.task_managers);
  json.member("slots-total", overview.slots).member("slots-available", overview.free_slots);
  json.member("jobs-running", running).member("jobs-finished", finished);
  json.member("jobs-cancelled", cancelled).member("jobs-failed", failed);
  json.member("flink-version", kFlinkVersion).member("flink-commit", kVersion);
  return json.end_object().take();
}

bool is_secret_key(std::string_view key) {
  std::string lower(key);
  for (char& c : lower) { c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
  static constexpr std::string_view kParts[] = {
      "password",     "secret",      "token",      "apikey",      "fs.azure.account.key",
      "auth-params",  "service-key", "basic-auth", "jaas.config", "http-headers",
      "authorization"};
  return std::any_of(std::begin(kParts), std::end(kParts),
                     [&](std::string_view part) { return lower.find(part) != std::string::npos; });
}

std::string settings_json(const Settings& settings) {
  JsonBuilder json;
  json.begin_array();
  for (const auto& [key, value] : settings) {
    json.begin_object().member("key", key);
    json.member("value", is_secret_key(key) ? "******" : value).end_object();
  }
  return json.end_array().take();
}

std::string task_managers_json(const std::vector<TaskManagerSummary>& task_managers) {
  JsonBuilder json;
  json.begin_object().begin_array("taskmanagers");
  for (const TaskManagerSummary& one : task_managers) {
    json.begin_object();
    write_task_manager(json, one);
    json.end_object();
  }
  return json.end_array().end_object().take();
}

std::string task_manager_json(const std::vector<TaskManagerSummary>& task_managers,
                              std::string_view id, const pb::MetricReport& metrics) {
  const auto found = std::find_if(task_managers.begin(), task_managers.end(),
                                  [&](const TaskManagerSummary& one) { return one.id == id; });
  if (found == task_managers.end()) { return {}; }
  JsonBuilder json;
  json.begin_object();
  write_task_manager(json, *found);
  json.begin_array("allocatedSlots");
  for (const TaskManagerSummary::AllocatedSlot& slot : found->allocated) {
    json.begin_object().member("jobId", slot.job_id).key("resource");
    write_resource(json, slot.resource);
    json.end_object();
  }
  json.end_array();
  write_process_metrics(json, process_metrics(metrics));
  return json.end_object().take();
}

std::string log_files_json(const std::vector<LogFileInfo>& files) {
  JsonBuilder json;
  json.begin_object().begin_array("logs");
  for (const LogFileInfo& file : files) {
    json.begin_object().member("name", file.name).member("size", file.bytes);
    json.member("mtime", file.modified_ms).end_object();
  }
  return json.end_array().end_object().take();
}

std::string thread_dump_json(const std::vector<ThreadStack>& threads) {
  JsonBuilder json;
  json.begin_object().begin_array("threadInfos");
  for (const ThreadStack& thread : threads) {
    json.begin_object().member("threadName", thread.name);
    json.member("stringifiedThreadInfo", thread.text).end_object();
  }
  return json.end_array().end_object().take();
}

std::string programs_json(const std::vector<ProgramInfo>& programs, const std::string& address) {
  std::vector<const ProgramInfo*> newest_first;
  for (const ProgramInfo& one : programs) { newest_first.push_back(&one); }
  std::stable_sort(
      newest_first.begin(), newest_first.end(),
      [](const ProgramInfo* a, const ProgramInfo* b) { return a->uploaded_ms > b->uploaded_ms; });
  JsonBuilder json;
  json.begin_object().member("address", address).begin_array("files");
  for (const ProgramInfo* const one : newest_first) {
    json.begin_object().member("id", one->id).member("name", one->name);
    json.member("uploaded", one->uploaded_ms).begin_array("entry");
    for (const std::string& entry : one->entries) {
      json.begin_object().member("name", entry).null_member("description").end_object();
    }
    json.end_array().end_object();
  }
  return json.end_array().end_object().take();
}

std::string requirements_json(const std::vector<ParallelismBounds>& bounds) {
  JsonBuilder json;
  json.begin_object();
  for (const ParallelismBounds& one : bounds) {
    json.begin_object(one.vertex_id).begin_object("parallelism");
    json.member("lowerBound", one.lower).member("upperBound", one.upper);
    json.end_object().end_object();
  }
  return json.end_object().take();
}

std::string flame_graph_json(const std::vector<SampledStack>& stacks, int64_t end_ms) {
  FlameNode root{.name = "root"};
  for (const SampledStack& stack : stacks) {
    FlameNode* node = &root;
    node->value += stack.count;
    for (const std::string& frame : stack.frames) {
      node = &node->child(frame);
      node->value += stack.count;
    }
  }
  JsonBuilder json;
  json.begin_object().member("endTimestamp", end_ms).key("data");
  root.write(json);
  return json.end_object().take();
}

}  // namespace tidewheel
