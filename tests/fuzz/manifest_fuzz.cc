// Fuzzes `_metadata`: hostile bytes are refused, hostile messages in a right envelope too, and what
// is accepted survives being written and read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/checkpoint/manifest.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/types/hash.h"

namespace {

using namespace tidewheel;

void put_fixed(std::string& out, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) { out.push_back(static_cast<char>(number >> (8 * i))); }
}

std::string in_envelope(std::string_view message) {
  std::string out = "TWSNAP\r\n";
  put_fixed(out, 1, 4);
  put_fixed(out, 0, 4);
  put_fixed(out, message.size(), 8);
  out += message;
  put_fixed(out, hash_bytes(out.data(), out.size()), 8);
  return out;
}

// Opens what is inline, and reads it as far as it can be read.
void read_inline(const Manifest& manifest) {
  for (const ManifestOperator& op : manifest.operators) {
    for (const OperatorSnapshot& subtask : op.subtasks) {
      for (const SegmentRef& ref : subtask.segments) {
        if (!ref.place.file.empty()) { continue; }
        SegmentImage image{ref.place.inline_bytes, ref.place.index_offset, ref.place.checksum};
        const auto bytes = open_image(std::move(image), "fuzz");
        if (!bytes.ok()) { continue; }
        SnapshotSegment segment;
        segment.operator_uid = op.uid;
        segment.meta = ref.meta;
        segment.subtask = subtask.subtask;
        segment.parallelism = subtask.parallelism;
        segment.max_parallelism = subtask.max_parallelism;
        segment.groups = ref.groups;
        segment.entries = ref.entries;
        segment.bytes = *bytes;
        const auto reader =
            SegmentReader::open({op.uid, 0, 1, subtask.max_parallelism},
                                {std::make_shared<SnapshotSegment>(std::move(segment))});
        if (!reader.ok()) { continue; }
        const auto entries = (*reader)->read(ref.meta.name);
        if (!entries.ok()) { continue; }
        StateEntry entry;
        while ((*entries)->next(entry).value_or(false)) {}
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ignore(decode_manifest(bytes).status(), "only a crash is wrong");
  const Result<Manifest> manifest = decode_manifest(in_envelope(bytes));
  if (!manifest.ok()) { return 0; }
  const std::string again = encode_manifest(*manifest);
  const Result<Manifest> back = decode_manifest(again);
  TIDEWHEEL_CHECK(back.ok(), "{}", back.status().to_string());
  TIDEWHEEL_CHECK(encode_manifest(*back) == again);
  TIDEWHEEL_CHECK(files_of(*back) == files_of(*manifest));
  read_inline(*manifest);
  return 0;
}
