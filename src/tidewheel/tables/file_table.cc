#include "tidewheel/tables/file_table.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/api/bulk_format.h"
#include "tidewheel/base/check.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/connectors/file/input_stream.h"
#include "tidewheel/formats/avro/infer.h"
#include "tidewheel/formats/csv/infer.h"
#include "tidewheel/formats/json/infer.h"

namespace tidewheel {
namespace {

constexpr size_t kSampleBytes = size_t{1} << 20;

// The name without what says how it is compressed.
std::string_view plain_name(std::string_view path) {
  for (const std::string_view suffix : {".gz", ".zst"}) {
    if (path.ends_with(suffix)) { return path.substr(0, path.size() - suffix.size()); }
  }
  return path;
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}
bool is_csv(std::string_view path) { return ends_with_any(plain_name(path), {".csv", ".tsv"}); }
bool is_json(std::string_view path) {
  return ends_with_any(plain_name(path), {".json", ".jsonl", ".ndjson"});
}

bool is_avro(std::string_view path) { return plain_name(path).ends_with(".avro"); }
bool is_parquet(std::string_view path) { return path.ends_with(".parquet"); }
bool is_known(std::string_view path) {
  return is_csv(path) || is_json(path) || is_avro(path) || is_parquet(path);
}

struct Sample {
  std::string bytes;
  bool whole = false;
};
Result<Sample> read_sample(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto stream,
                             file::InputStream::open(files, path, file::Compression::kByName, 0));
  Sample sample;
  sample.bytes.resize(kSampleBytes);
  size_t size = 0;
  while (size < kSampleBytes) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const int64_t count,
        stream->read(std::span(sample.bytes.data() + size, kSampleBytes - size)));
    if (count == 0) {
      sample.whole = true;
      break;
    }
    size += static_cast<size_t>(count);
  }
  sample.bytes.resize(size);
  return sample;
}

// The file itself, or the first one of the folder that has a known format.
Result<std::string> find_example(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, files.info(path));
  if (!info.is_directory) { return path; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list(path));
  for (const DirectoryEntry& entry : entries) {
    const bool hidden = entry.name.starts_with('.') || entry.name.starts_with('_');
    if (entry.is_directory || hidden) { continue; }
    if (is_known(entry.name)) { return join_path(path, entry.name); }
  }
  return invalid_argument(
      ErrorId::kSqlOption,
      "no file in this folder is .csv, .tsv, .json, .jsonl, .ndjson, .avro or .parquet: {}", path);
}

}  // namespace

Result<std::shared_ptr<const TableDefinition>> make_file_table(FileSystem& files,
                                                               const TableRegistry& tables,
                                                               const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string example, find_example(files, path));
  auto table = std::make_shared<TableDefinition>();
  table->path = path;
  RowType type;
  if (is_csv(example)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Sample sample, read_sample(files, example));
    const bool tabs = plain_name(example).ends_with(".tsv");
    TIDEWHEEL_ASSIGN_OR_RETURN(
        csv::Inferred found,
        csv::infer(sample.bytes, sample.whole, tabs ? '\t' : '\0').with_context("{}", example));
    type = std::move(found.type);
    table->options = std::move(found.options);
    table->options["format"] = "csv";
  } else if (is_json(example)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Sample sample, read_sample(files, example));
    TIDEWHEEL_ASSIGN_OR_RETURN(JsonInferred found,
                               infer_json(sample.bytes, sample.whole).with_context("{}", example));
    type = std::move(found.type);
    table->options = std::move(found.options);
    table->options["format"] = "json";
  } else if (is_avro(example)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Sample sample, read_sample(files, example));
    TIDEWHEEL_ASSIGN_OR_RETURN(avro::Inferred found,
                               avro::infer(sample.bytes).with_context("{}", example));
    type = std::move(found.type);
    table->options["format"] = "avro";
    table->options["avro.schema"] = std::move(found.schema);
  } else if (is_parquet(example)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format, tables.format("parquet"));
    const BulkTableFormat* const bulk = as_bulk(*format);
    TIDEWHEEL_CHECK(bulk != nullptr, "the format parquet is none of whole files");
    TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, files.open_read(example));
    TIDEWHEEL_ASSIGN_OR_RETURN(type, bulk->columns_of(std::move(file)).with_context("{}", example));
    table->options["format"] = "parquet";
  } else {
    return invalid_argument(
        ErrorId::kSqlOption,
        "what a file holds is told by its ending: .csv, .tsv, .json, .jsonl, .ndjson or .avro, and "
        ".gz or .zst behind it, or .parquet; for others declare a table: {}",
        path);
  }
  if (example != path) {
    const std::string_view plain = plain_name(example);
    table->options["source.path.regex-pattern"] =
        ".*[.]" + std::string(plain.substr(plain.rfind('.') + 1)) + "([.]gz|[.]zst)?";
  }
  table->options["connector"] = "filesystem";
  table->options["path"] = path;
  for (size_t i = 0; i < type.size(); ++i) {
    table->columns.push_back({type.names[i], type.types[i], "", false});
  }
  return std::shared_ptr<const TableDefinition>(std::move(table));
}

}  // namespace tidewheel
