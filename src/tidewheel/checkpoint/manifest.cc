#include "tidewheel/checkpoint/manifest.h"

#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/checkpoint/manifest.pb.h"
#include "tidewheel/state/byte_cursor.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

// The envelope of `_metadata`.
constexpr std::string_view kMagic = "TWSNAP\r\n";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = 8 + 4 + 4 + 8;  // magic, version, zero, length
constexpr size_t kChecksumBytes = 8;

Status bad_format(std::string_view reason) {
  return data_loss(ErrorId::kSnapshotFormat, "the metadata of a snapshot can't be read: {}",
                   reason);
}

void put_fixed32(std::string& out, uint32_t number) {
  for (int i = 0; i < 4; ++i) { out.push_back(static_cast<char>(number >> (8 * i))); }
}
uint64_t fixed_at(std::string_view bytes, size_t at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) {
    number |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return number;
}

// ---- encoding ----

// The files of a manifest, each once.
class FileTable {
 public:
  explicit FileTable(pb::Manifest& manifest) : manifest_(manifest) {}
  // Its index + 1.
  uint32_t number_of(const std::string& path, uint64_t bytes) {
    const auto [found, is_new] =
        numbers_.try_emplace(path, static_cast<uint32_t>(numbers_.size() + 1));
    if (is_new) {
      pb::File& file = *manifest_.add_files();
      file.set_path(path);
      file.set_bytes(bytes);
    }
    return found->second;
  }

 private:
  pb::Manifest& manifest_;
  std::map<std::string, uint32_t> numbers_;
};

// The states of an operator: subtasks and layers nearly always agree about them.
class StateTable {
 public:
  explicit StateTable(pb::Operator& op) : operator_(op) {}
  uint32_t number_of(const StateMeta& meta) {
    for (auto [at, end] = by_name_.equal_range(meta.name); at != end; ++at) {
      if (*at->second.first == meta) { return at->second.second; }
    }
    const auto number = static_cast<uint32_t>(by_name_.size());
    by_name_.emplace(meta.name, std::pair(&meta, number));
    pb::State& state = *operator_.add_states();
    state.set_name(meta.name);
    state.set_kind(static_cast<uint32_t>(meta.kind));
    state.set_form(meta.form);
    state.set_key_schema(meta.key_schema);
    state.set_namespace_schema(meta.namespace_schema);
    state.set_value_schema(meta.value_schema);
    state.set_unit_has_namespace(meta.unit_has_namespace);
    return number;
  }

 private:
  pb::Operator& operator_;
  std::multimap<std::string_view, std::pair<const StateMeta*, uint32_t>> by_name_;
};

void set_groups(KeyGroupRange range, pb::Groups& groups) {
  groups.set_first(range.first);
  groups.set_count(range.count());
}

void encode_segment(const SegmentRef& from, FileTable& files, StateTable& states,
                    pb::Segment& segment) {
  segment.set_state(states.number_of(from.meta));
  segment.set_content(static_cast<uint32_t>(from.content));
  segment.set_base_checkpoint(from.base_checkpoint);
  set_groups(from.groups, *segment.mutable_groups());
  for (const KeyGroupRange range : from.whole_groups) {
    set_groups(range, *segment.add_whole_groups());
  }
  segment.set_entries(from.entries);
  segment.set_erased(from.erased);
  segment.set_raw_bytes(from.raw_bytes);
  if (from.place.file.empty()) {
    segment.set_inline_bytes(from.place.inline_bytes);
  } else {
    segment.set_file(files.number_of(from.place.file, from.place.file_bytes));
  }
  segment.set_index_offset(from.place.index_offset);
  segment.set_index_bytes(from.place.index_bytes);
  segment.set_index_checksum(from.place.checksum);
  segment.set_length(from.place.length);
  for (const SnapshotFile& file : from.files) {
    pb::NativeFile& native = *segment.add_native();
    native.set_name(file.name);
    native.set_file(files.number_of(file.path, file.bytes));
    native.set_checksum(file.checksum);
  }
}

void encode_operator(const ManifestOperator& from, FileTable& files, pb::Operator& op) {
  op.set_uid(from.uid);
  op.set_name(from.name);
  op.set_parallelism(from.parallelism);
  op.set_max_parallelism(from.max_parallelism);
  op.set_finished(from.finished);
  op.set_coordinator_state(from.coordinator_state);
  StateTable states(op);
  for (const OperatorSnapshot& snapshot : from.subtasks) {
    pb::Subtask& subtask = *op.add_subtasks();
    subtask.set_subtask(snapshot.subtask);
    subtask.set_end_of_data(snapshot.end_of_data);
    if (snapshot.parallelism != from.parallelism) { subtask.set_parallelism(snapshot.parallelism); }
    if (snapshot.max_parallelism != from.max_parallelism) {
      subtask.set_max_parallelism(snapshot.max_parallelism);
    }
    for (const SegmentRef& segment : snapshot.segments) {
      encode_segment(segment, files, states, *subtask.add_segments());
    }
    for (const auto& [name, value] : snapshot.accumulators) {
      pb::Accumulator& accumulator = *subtask.add_accumulators();
      accumulator.set_name(name);
      accumulator.set_value(value);
    }
  }
}

// ---- decoding ----

// A plain name, or one below shared/: nothing that leaves the snapshot's folders.
bool is_file_path(std::string_view path) {
  constexpr std::string_view kShared = "shared/";
  if (path.starts_with(kShared)) { path.remove_prefix(kShared.size()); }
  return !path.empty() && path.find('/') == std::string_view::npos && path != "." && path != ".." &&
         path.find('\0') == std::string_view::npos;
}

Status check_files(const pb::Manifest& manifest) {
  std::set<std::string_view> paths;
  for (const pb::File& file : manifest.files()) {
    if (!is_file_path(file.path())) { return bad_format("it names a file outside of its folder"); }
    if (!paths.insert(file.path()).second) { return bad_format("it lists a file twice"); }
  }
  return {};
}

bool decode_groups(const pb::Groups& from, KeyGroupRange& groups) {
  if (from.first() < 0 || from.count() < 0 || from.count() > kMaxParallelismLimit ||
      from.first() > kMaxParallelismLimit - from.count()) {
    return false;
  }
  groups = {from.first(), from.first() + from.count() - 1};
  return true;
}

bool decode_state(const pb::State& from, StateMeta& meta) {
  if (from.kind() < 1 || from.kind() > static_cast<uint32_t>(StateKind::kInFlight)) {
    return false;
  }
  meta.name = from.name();
  meta.kind = static_cast<StateKind>(from.kind());
  meta.form = from.form();
  meta.key_schema = from.key_schema();
  meta.namespace_schema = from.namespace_schema();
  meta.value_schema = from.value_schema();
  meta.unit_has_namespace = from.unit_has_namespace();
  return true;
}

bool decode_native(const pb::Manifest& manifest, const pb::Segment& from, SegmentRef& segment) {
  for (const pb::NativeFile& native : from.native()) {
    if (native.file() == 0 || native.file() > static_cast<uint32_t>(manifest.files_size())) {
      return false;
    }
    const pb::File& file = manifest.files(static_cast<int>(native.file()) - 1);
    segment.files.push_back({native.name(), file.path(), file.bytes(), native.checksum()});
  }
  return true;
}

bool decode_segment(const pb::Manifest& manifest, const std::vector<StateMeta>& states,
                    const pb::Segment& from, SegmentRef& segment) {
  if (from.state() >= states.size() || from.content() < 1 || from.content() > 2 ||
      from.file() > static_cast<uint32_t>(manifest.files_size()) ||
      !decode_groups(from.groups(), segment.groups)) {
    return false;
  }
  segment.meta = states[from.state()];
  segment.content = static_cast<StateContent>(from.content());
  segment.base_checkpoint = from.base_checkpoint();
  for (const pb::Groups& groups : from.whole_groups()) {
    if (!decode_groups(groups, segment.whole_groups.emplace_back())) { return false; }
  }
  segment.entries = from.entries();
  segment.erased = from.erased();
  segment.raw_bytes = from.raw_bytes();
  SegmentPlace& place = segment.place;
  uint64_t room = from.inline_bytes().size();
  if (from.file() > 0) {
    const pb::File& file = manifest.files(static_cast<int>(from.file()) - 1);
    place.file = file.path();
    place.file_bytes = file.bytes();
    room = file.bytes();
  } else {
    place.inline_bytes = from.inline_bytes();
  }
  place.index_offset = from.index_offset();
  place.index_bytes = from.index_bytes();
  place.checksum = from.index_checksum();
  place.length = from.length();
  return place.index_bytes <= room && place.index_offset <= room - place.index_bytes &&
         decode_native(manifest, from, segment);
}

Result<ManifestOperator> decode_operator(const pb::Manifest& manifest, const pb::Operator& from) {
  ManifestOperator op;
  op.uid = from.uid();
  op.name = from.name();
  op.parallelism = from.parallelism();
  op.max_parallelism = from.max_parallelism();
  op.finished = from.finished();
  op.coordinator_state = from.coordinator_state();
  if (op.parallelism < 1 || op.max_parallelism < op.parallelism ||
      op.max_parallelism > kMaxParallelismLimit) {
    return bad_format("an operator's parallelism is out of range");
  }
  std::vector<StateMeta> states(static_cast<size_t>(from.states_size()));
  for (size_t i = 0; i < states.size(); ++i) {
    if (!decode_state(from.states(static_cast<int>(i)), states[i])) {
      return bad_format("a state is of a kind that this version does not know");
    }
  }
  for (const pb::Subtask& subtask : from.subtasks()) {
    OperatorSnapshot& snapshot = op.subtasks.emplace_back();
    snapshot.uid = op.uid;
    snapshot.name = op.name;
    snapshot.subtask = subtask.subtask();
    snapshot.end_of_data = subtask.end_of_data();
    snapshot.parallelism = subtask.parallelism() == 0 ? op.parallelism : subtask.parallelism();
    snapshot.max_parallelism =
        subtask.max_parallelism() == 0 ? op.max_parallelism : subtask.max_parallelism();
    if (snapshot.parallelism < 1 || snapshot.max_parallelism < snapshot.parallelism ||
        snapshot.max_parallelism > kMaxParallelismLimit || snapshot.subtask < 0 ||
        snapshot.subtask >= snapshot.parallelism) {
      return bad_format("a subtask is out of range");
    }
    for (const pb::Segment& segment : subtask.segments()) {
      if (!decode_segment(manifest, states, segment, snapshot.segments.emplace_back())) {
        return bad_format("a segment has values that can't be");
      }
    }
    for (const pb::Accumulator& accumulator : subtask.accumulators()) {
      snapshot.accumulators[accumulator.name()] = accumulator.value();
    }
  }
  return op;
}

}  // namespace

const ManifestOperator* Manifest::find(std::string_view uid) const {
  for (const ManifestOperator& op : operators) {
    if (op.uid == uid) { return &op; }
  }
  return nullptr;
}

uint64_t Manifest::size_bytes() const {
  uint64_t bytes = 0;
  for (const ManifestOperator& op : operators) {
    for (const OperatorSnapshot& subtask : op.subtasks) {
      for (const SegmentRef& segment : subtask.segments) { bytes += segment.stored_bytes(); }
    }
  }
  return bytes;
}

std::string encode_manifest(const Manifest& manifest) {
  pb::Manifest message;
  message.set_checkpoint(manifest.checkpoint);
  message.set_kind(static_cast<uint32_t>(manifest.kind));
  message.set_job_id(manifest.job_id);
  message.set_job_name(manifest.job_name);
  message.set_trigger_wall_ms(manifest.trigger_wall_ms);
  message.set_complete_wall_ms(manifest.complete_wall_ms);
  message.set_written_by(manifest.written_by);
  FileTable files(message);
  for (const ManifestOperator& op : manifest.operators) {
    encode_operator(op, files, *message.add_operators());
  }
  std::string body;
  TIDEWHEEL_CHECK(message.SerializeToString(&body), "a manifest of more than 2 GB");
  std::string out(kMagic);
  out.reserve(kHeadBytes + body.size() + kChecksumBytes);
  put_fixed32(out, kVersion);
  put_fixed32(out, 0);
  put_fixed64(out, body.size());
  out += body;
  put_fixed64(out, hash_bytes(out.data(), out.size()));
  return out;
}

Result<Manifest> decode_manifest(std::string_view bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kHeadBytes) {
    return bad_format("it does not begin as one does, so this is another file or it was damaged");
  }
  if (const uint64_t version = fixed_at(bytes, 8, 4); version != kVersion) {
    return data_loss(ErrorId::kSnapshotFormat,
                     "the snapshot has version {} of the format, this engine reads version {}: a "
                     "newer one is needed",
                     version, kVersion);
  }
  const uint64_t length = fixed_at(bytes, 16, 8);
  if (bytes.size() < kHeadBytes + kChecksumBytes ||
      length != bytes.size() - kHeadBytes - kChecksumBytes) {
    return data_loss(ErrorId::kSnapshotChecksum,
                     "the metadata of the snapshot is cut: it says it has {} bytes, and has {}",
                     length, bytes.size());
  }
  const size_t end = kHeadBytes + length;
  if (hash_bytes(bytes.data(), end) != fixed_at(bytes, end, kChecksumBytes)) {
    return data_loss(ErrorId::kSnapshotChecksum,
                     "the metadata of the snapshot is damaged, its checksum does not match");
  }
  pb::Manifest message;
  if (length > INT32_MAX ||
      !message.ParseFromArray(bytes.data() + kHeadBytes, static_cast<int>(length))) {
    return bad_format("it is not the message that it should be");
  }
  Manifest manifest;
  manifest.checkpoint = message.checkpoint();
  if (message.kind() > 1) { return bad_format("it is of a kind that this version does not know"); }
  manifest.kind = static_cast<SnapshotKind>(message.kind());
  manifest.job_id = message.job_id();
  manifest.job_name = message.job_name();
  manifest.trigger_wall_ms = message.trigger_wall_ms();
  manifest.complete_wall_ms = message.complete_wall_ms();
  manifest.written_by = message.written_by();
  TIDEWHEEL_RETURN_IF_ERROR(check_files(message));
  for (const pb::Operator& op : message.operators()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(manifest.operators.emplace_back(), decode_operator(message, op));
  }
  return manifest;
}

}  // namespace tidewheel
