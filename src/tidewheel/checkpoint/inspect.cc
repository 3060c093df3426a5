#include "tidewheel/checkpoint/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/json_text.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/types/time.h"
#include "tidewheel/types/value_text.h"

namespace tidewheel {
namespace {

constexpr std::string_view kSplitsState = "splits";  // of sources: their positions
constexpr size_t kPositionsMax = 1000;
constexpr size_t kBelowMax = 10;

// One state of an operator over all subtasks.
struct StateSummary {
  StateMeta meta;
  int32_t first_group = INT32_MAX;
  int32_t last_group = -1;
  uint64_t entries = 0;  // in all layers
  uint64_t erased = 0;
  uint64_t raw_bytes = 0;
  uint64_t stored_bytes = 0;
  size_t layers = 0;  // of the subtask that has most
  size_t segments = 0;
  size_t native_files = 0;
};

struct OperatorSummary {
  const ManifestOperator* op = nullptr;
  std::vector<StateSummary> states;
  std::map<std::string, int64_t> accumulators;
  std::vector<std::string> positions;
  size_t positions_left_out = 0;
};

std::string_view kind_name(StateKind kind) {
  switch (kind) {
    case StateKind::kKeyed: return "keyed";
    case StateKind::kTimers: return "timers";
    case StateKind::kSplitList: return "list";
    case StateKind::kUnionList: return "union list";
    case StateKind::kBroadcast: return "broadcast";
    case StateKind::kInFlight: return "in flight";
  }
  return "";
}

std::string schema_text(const std::string& encoded) {
  if (encoded.empty()) { return "-"; }
  const Result<Schema> schema = Schema::parse(encoded);
  return schema.ok() ? schema->to_string() : "unreadable";
}

// 1234567 as "1,234,567".
std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3) { digits.insert(at - 3, ","); }
  return digits;
}

std::string size_text(uint64_t bytes) {
  if (bytes < 10'000) { return fmt::format("{} B", bytes); }
  const auto number = static_cast<double>(bytes);
  if (bytes < 10'000'000) { return fmt::format("{:.0f} KB", number / 1e3); }
  return bytes < 10'000'000'000 ? fmt::format("{:.1f} MB", number / 1e6)
                                : fmt::format("{:.2f} GB", number / 1e9);
}

StateSummary& summary_of(OperatorSummary& op, const StateMeta& meta) {
  for (StateSummary& state : op.states) {
    if (state.meta.name == meta.name) { return state; }
  }
  op.states.emplace_back();
  op.states.back().meta = meta;
  return op.states.back();
}

OperatorSummary summarize(const ManifestOperator& op) {
  OperatorSummary summary;
  summary.op = &op;
  for (const OperatorSnapshot& subtask : op.subtasks) {
    std::map<std::string_view, size_t> layers;
    for (const SegmentRef& segment : subtask.segments) {
      StateSummary& state = summary_of(summary, segment.meta);
      state.layers = std::max(state.layers, ++layers[segment.meta.name]);
      ++state.segments;
      state.entries += segment.entries;
      state.erased += segment.erased;
      state.raw_bytes += segment.raw_bytes;
      state.stored_bytes += segment.stored_bytes();
      state.native_files += segment.files.size();
      if (segment.groups.count() > 0) {
        state.first_group = std::min(state.first_group, segment.groups.first);
        state.last_group = std::max(state.last_group, segment.groups.last);
      }
    }
    for (const auto& [name, value] : subtask.accumulators) { summary.accumulators[name] += value; }
  }
  std::sort(summary.states.begin(), summary.states.end(),
            [](const auto& a, const auto& b) { return a.meta.name < b.meta.name; });
  return summary;
}

// What the splits of a source say, one each.
Status read_positions(const SnapshotSource& source, OperatorSummary& summary) {
  const ManifestOperator& op = *summary.op;
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto reader, source.reader({op.uid, 0, 1, op.max_parallelism}));
  const StateMeta* const meta = reader->find(kSplitsState);
  if (meta == nullptr || meta->value_schema.empty()) { return ok_status(); }
  if (meta->kind != StateKind::kSplitList && meta->kind != StateKind::kUnionList) {
    return ok_status();
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader->read(kSplitsState));
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { return ok_status(); }
    if (summary.positions.size() == kPositionsMax) {
      ++summary.positions_left_out;
    } else {
      summary.positions.push_back(value_text(meta->value_schema, entry.value));
    }
  }
}

// ---- text ----

// "key, namespace -> value", without what there is not.
std::string schemas_text(const StateMeta& meta) {
  std::string out = meta.key_schema.empty() ? "" : schema_text(meta.key_schema);
  if (!meta.namespace_schema.empty()) { out += ", " + schema_text(meta.namespace_schema); }
  if (meta.value_schema.empty()) { return out; }
  return out + (out.empty() ? "" : " -> ") + schema_text(meta.value_schema);
}

// Columns as wide as their widest cell; all but the first three and the last to the right.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  constexpr size_t kTextColumns = 3;
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) { widths[i] = std::max(widths[i], row[i].size()); }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) {
      const bool text = i < kTextColumns || i + 1 == row.size();
      line += text ? fmt::format(" {:<{}}", row[i], widths[i])
                   : fmt::format(" {:>{}}", row[i], widths[i]);
    }
    while (line.back() == ' ') { line.pop_back(); }
    out += line + "\n";
  }
  return out;
}

std::string groups_text(const StateSummary& state) {
  const bool by_group =
      state.meta.kind == StateKind::kKeyed || state.meta.kind == StateKind::kTimers;
  if (!by_group || state.last_group < 0) { return "-"; }
  return fmt::format("{}-{}", state.first_group, state.last_group);
}

std::string operator_text(const OperatorSummary& summary) {
  const ManifestOperator& op = *summary.op;
  std::string out = fmt::format("\noperator {} (uid {}), {} of at most {} subtasks{}\n",
                                op.name.empty() ? "-" : op.name, op.uid, op.parallelism,
                                op.max_parallelism, op.finished ? ", finished" : "");
  if (!op.coordinator_state.empty()) {
    out += fmt::format("  its coordinator has {}\n", size_text(op.coordinator_state.size()));
  }
  std::vector<std::vector<std::string>> rows = {{"state", "kind", "form", "groups", "entries",
                                                 "erased", "layers", "raw", "stored", "schema"}};
  for (const StateSummary& state : summary.states) {
    rows.push_back({state.meta.name, std::string(kind_name(state.meta.kind)), state.meta.form,
                    groups_text(state), grouped(state.entries), grouped(state.erased),
                    std::to_string(state.layers), size_text(state.raw_bytes),
                    size_text(state.stored_bytes), schemas_text(state.meta)});
    if (state.native_files > 0) {
      rows.back()[2] += fmt::format(" ({} files)", state.native_files);
    }
  }
  if (rows.size() > 1) { out += table(rows); }
  for (const auto& [name, value] : summary.accumulators) {
    out += fmt::format("  accumulator {}: {}\n", name, value);
  }
  for (const std::string& position : summary.positions) {
    out += fmt::format("  position {}\n", position);
  }
  if (summary.positions_left_out > 0) {
    out += fmt::format("  and {} more positions\n", summary.positions_left_out);
  }
  return out;
}

struct FileFigures {
  size_t count = 0;
  size_t shared = 0;
  uint64_t bytes = 0;
};
FileFigures figures_of(const Manifest& manifest) {
  FileFigures figures;
  for (const auto& [file, bytes] : files_of(manifest)) {
    ++figures.count;
    figures.shared += file.find('/') != std::string::npos ? 1 : 0;
    figures.bytes += bytes;
  }
  return figures;
}

std::string as_text(const CompletedSnapshot& snapshot,
                    const std::vector<OperatorSummary>& operators, bool checked) {
  const Manifest& manifest = snapshot.manifest;
  const FileFigures files = figures_of(manifest);
  std::string out = fmt::format(
      "{} {} of job `{}` ({})\n"
      "  complete {} UTC, {} after it was triggered, written by tidewheel {}\n"
      "  {} in segments, {} files of {} ({} of them shared)\n",
      manifest.kind == SnapshotKind::kSavepoint ? "savepoint" : "checkpoint", manifest.checkpoint,
      manifest.job_name, manifest.job_id, to_string(Timestamp(manifest.complete_wall_ms)),
      format_duration_ms(
          std::max<int64_t>(0, manifest.complete_wall_ms - manifest.trigger_wall_ms)),
      manifest.written_by, size_text(manifest.size_bytes()), files.count, size_text(files.bytes),
      files.shared);
  if (checked) { out += "  every block was read, none is damaged\n"; }
  for (const OperatorSummary& summary : operators) { out += operator_text(summary); }
  return out;
}

// ---- JSON ----

std::string state_json(const StateSummary& state) {
  return fmt::format(
      "{{\"name\":{},\"kind\":{},\"form\":{},\"keySchema\":{},\"namespaceSchema\":{},"
      "\"valueSchema\":{},\"firstKeyGroup\":{},\"lastKeyGroup\":{},\"entries\":{},\"erased\":{},"
      "\"layers\":{},\"segments\":{},\"rawBytes\":{},\"storedBytes\":{},\"nativeFiles\":{}}}",
      json_text(state.meta.name), json_text(kind_name(state.meta.kind)), json_text(state.meta.form),
      json_text(schema_text(state.meta.key_schema)),
      json_text(schema_text(state.meta.namespace_schema)),
      json_text(schema_text(state.meta.value_schema)),
      state.last_group < 0 ? -1 : state.first_group, state.last_group, state.entries, state.erased,
      state.layers, state.segments, state.raw_bytes, state.stored_bytes, state.native_files);
}

template <class Items, class Format>
std::string json_list(const Items& items, Format format) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) { out += ','; }
    out += format(item);
  }
  return out + "]";
}

std::string operator_json(const OperatorSummary& summary) {
  const ManifestOperator& op = *summary.op;
  std::string accumulators = "{";
  for (const auto& [name, value] : summary.accumulators) {
    if (accumulators.size() > 1) { accumulators += ','; }
    accumulators += fmt::format("{}:{}", json_text(name), value);
  }
  return fmt::format(
      "{{\"uid\":{},\"name\":{},\"parallelism\":{},\"maxParallelism\":{},\"finished\":{},"
      "\"coordinatorBytes\":{},\"states\":{},\"accumulators\":{}}},\"positions\":{}}}",
      json_text(op.uid), json_text(op.name), op.parallelism, op.max_parallelism, op.finished,
      op.coordinator_state.size(), json_list(summary.states, state_json), accumulators,
      json_list(summary.positions, [](const std::string& text) { return json_text(text); }));
}

std::string as_json(const CompletedSnapshot& snapshot,
                    const std::vector<OperatorSummary>& operators) {
  const Manifest& manifest = snapshot.manifest;
  const FileFigures files = figures_of(manifest);
  return fmt::format(
             "{{\"path\":{},\"kind\":{},\"checkpoint\":{},\"jobId\":{},\"jobName\":{},"
             "\"triggerMs\":{},\"completeMs\":{},\"writtenBy\":{},\"storedBytes\":{},\"files\":{},"
             "\"sharedFiles\":{},\"fileBytes\":{},\"operators\":{}}}",
             json_text(snapshot.path),
             manifest.kind == SnapshotKind::kSavepoint ? "\"savepoint\"" : "\"checkpoint\"",
             manifest.checkpoint, json_text(manifest.job_id), json_text(manifest.job_name),
             manifest.trigger_wall_ms, manifest.complete_wall_ms, json_text(manifest.written_by),
             manifest.size_bytes(), files.count, files.shared, files.bytes,
             json_list(operators, operator_json)) +
         "\n";
}

// Snapshots that are in the folder, or in folders of jobs in it.
std::vector<std::string> snapshots_below(FileSystem& files, const std::string& path, int depth) {
  std::vector<std::string> found;
  const auto entries = files.list(path);
  if (!entries.ok()) { return found; }
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.is_directory || found.size() >= kBelowMax) { continue; }
    const std::string below = join_path(path, entry.name);
    if (files.exists(join_path(below, kMetadataName)).value_or(false)) {
      found.push_back(below);
    } else if (depth > 0) {
      const auto deeper = snapshots_below(files, below, depth - 1);
      found.insert(found.end(), deeper.begin(), deeper.end());
    }
  }
  return found;
}

}  // namespace

Result<std::string> inspect_snapshot(World& world, const InspectOptions& options) {
  Result<CompletedSnapshot> snapshot = load_snapshot(world, options.path);
  if (!snapshot.ok()) {
    const std::vector<std::string> below = snapshots_below(world.files(), options.path, 1);
    if (snapshot.status().id() != ErrorId::kSnapshotMissing || below.empty()) {
      return std::move(snapshot).status();
    }
    return not_found(ErrorId::kSnapshotMissing, "{} is no snapshot, but these are:\n  {}",
                     options.path, fmt::join(below, "\n  "));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto source, open_snapshot(world, *snapshot));
  if (options.check) { TIDEWHEEL_RETURN_IF_ERROR(verify_snapshot(world, *snapshot, nullptr)); }
  std::vector<OperatorSummary> operators;
  for (const ManifestOperator& op : snapshot->manifest.operators) {
    operators.push_back(summarize(op));
    TIDEWHEEL_RETURN_IF_ERROR(read_positions(*source, operators.back()));
  }
  return options.json ? as_json(*snapshot, operators)
                      : as_text(*snapshot, operators, options.check);
}

}  // namespace tidewheel
