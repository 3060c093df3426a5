// Certifies the connector of files.
#include <string>

#include "tidewheel/connectors/file/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/certification_suite.h"

namespace tidewheel::certification {
namespace {

// Of both directions.
template <class Base>
class FilesystemSubject : public Base {
 public:
  FilesystemSubject() : connector_(file::filesystem_table_connector()) {
    registry_.add(json_table_format());
  }
  const TableConnector& connector() const override { return *connector_; }
  const TableRegistry& registry() const override { return registry_; }
  TableDefinition table() const override {
    return numbered_table({{"connector", "filesystem"}, {"path", "/data"}, {"format", "json"}});
  }
  std::vector<std::string> free_options() const override {
    return {"path", "partition.default-name", "sink.partition-commit.success-file.name"};
  }
  std::vector<WrongOption> wrong_options() const override {
    return {{"format", "jsn", "json"}, {"scan.parallelism", "0", "1"}};
  }

 private:
  std::unique_ptr<TableConnector> connector_;
  TableRegistry registry_;
};

class FilesSubject : public FilesystemSubject<SourceSubject> {
 public:
  void fill(SimWorld& host, int64_t first, int64_t count) override {
    constexpr int64_t kFiles = 5;
    for (int64_t i = 0; i < kFiles; ++i) {
      const int64_t begin = first + count * i / kFiles;
      const int64_t end = first + count * (i + 1) / kFiles;
      put_json_file(host, "/data/" + std::to_string(begin), begin, end - begin);
    }
  }
  bool put_bad_record(SimWorld& host) override {
    return write_all_durably(host.files(), "/data/bad", "{\"n\":1\n").ok();
  }
  std::pair<std::string, std::string> skip_option() const override {
    return {"json.ignore-parse-errors", "true"};
  }
};

// A folder that is watched, without an end.
class WatchedFilesSubject final : public FilesSubject {
 public:
  Result<std::unique_ptr<TableSource>> source(const TableDefinition& table,
                                              SimProcess& process) const override {
    TableDefinition watched = table;
    watched.options["source.monitor-interval"] = "10 ms";
    return FilesSubject::source(watched, process);
  }
  bool is_bounded() const override { return false; }
};

class PartFilesSubject final : public FilesystemSubject<SinkSubject> {
 public:
  TableDefinition table() const override {
    TableDefinition table = FilesystemSubject::table();
    table.options["sink.rolling-policy.rollover-interval"] = "5 ms";
    table.options["sink.rolling-policy.check-interval"] = "1 ms";
    return table;
  }
  std::vector<int64_t> visible(SimWorld& host) override { return numbers_in(host, "/data"); }
};

INSTANTIATE_TEST_SUITE_P(filesystem, SourceCertification, certified_source<FilesSubject>());
INSTANTIATE_TEST_SUITE_P(watched_filesystem, SourceCertification,
                         certified_source<WatchedFilesSubject>());
INSTANTIATE_TEST_SUITE_P(filesystem, SinkCertification, certified_sink<PartFilesSubject>());

}  // namespace
}  // namespace tidewheel::certification
