#include "spool_source.h"

namespace tw = tidewheel;

namespace {
constexpr size_t kChunkBytes = 64 << 10;
}

std::string SpoolSource::path_of(const Split& split) const {
  return tw::join_path(plan_->folder, split.name);
}

// Hidden files are being written. A folder that is not there yet is an empty spool.
tw::Result<std::vector<SpoolSource::Split>> SpoolSource::discover(tw::SplitContext& context) {
  std::vector<Split> splits;
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, context.files().exists(plan_->folder));
  if (!exists) { return splits; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, context.files().list(plan_->folder));
  for (const tw::DirectoryEntry& entry : entries) {
    if (!entry.is_directory && !entry.name.starts_with('.')) { splits.push_back({entry.name}); }
  }
  return splits;
}

tw::Status SpoolSource::open(tw::SourceContext& context) {
  files_ = &context.files();
  decoder_ = plan_->make_decoder();
  errors_ = &context.metrics().counter("numRecordsInErrors");
  return tw::ok_status();
}

tw::Status SpoolSource::open_split(Split& split) {
  TIDEWHEEL_ASSIGN_OR_RETURN(auto file, files_->open_read(path_of(split)));
  reading_[split.name].file = std::move(file);
  return tw::ok_status();
}

tw::Result<bool> SpoolSource::next_line(const Split& split, Reading& reading,
                                        std::string_view& line, size_t& taken) {
  size_t end = reading.bytes.find('\n', reading.begin);
  while (end == std::string::npos && !reading.ended) {
    reading.bytes.erase(0, std::exchange(reading.begin, 0));
    const size_t before = reading.bytes.size();
    reading.bytes.resize(before + kChunkBytes);
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got,
                               reading.file->read_at(split.offset + static_cast<int64_t>(before),
                                                     {reading.bytes.data() + before, kChunkBytes}));
    reading.bytes.resize(before + static_cast<size_t>(got));
    reading.ended = got < static_cast<int64_t>(kChunkBytes);
    end = reading.bytes.find('\n', before);
  }
  if (end == std::string::npos) { end = reading.bytes.size(); }  // a last line without an end
  line = std::string_view(reading.bytes).substr(reading.begin, end - reading.begin);
  taken = std::min(end + 1, reading.bytes.size()) - reading.begin;
  return taken > 0;
}

tw::ReadResult SpoolSource::read(Split& split, tw::SourceOut<tw::ColumnRow>& out) {
  Reading& reading = reading_[split.name];
  tw::ColumnBatch& batch = out.batch();
  if (batch.size() == 0) { batch.set_types(plan_->types); }
  while (out.room() > 0) {
    std::string_view line;
    size_t taken = 0;
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool found, next_line(split, reading, line, taken));
    if (!found) { return tw::ReadResult::end(); }
    batch.ensure_room(1);
    // The row's texts point into the copy, which lives as long as the batch.
    const tw::Result<bool> appended = decoder_->decode(out.intern(line), batch);
    if (!appended.ok()) {
      return appended.status().with_context("{}, byte {}", path_of(split), split.offset);
    }
    errors_->add(decoder_->skipped() - std::exchange(skipped_, decoder_->skipped()));
    reading.begin += taken;
    split.offset += static_cast<int64_t>(taken);
  }
  return tw::ReadResult::more();
}
