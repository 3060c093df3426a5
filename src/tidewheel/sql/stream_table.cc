#include "tidewheel/sql/stream_table.h"

#include <utility>

namespace tidewheel::sql {
namespace {

class StreamTableSource final : public TableSource {
 public:
  StreamTableSource(const StreamTable& stream, size_t columns) : stream_(stream) {
    for (size_t i = 0; i < columns; ++i) { columns_.push_back(i); }
  }
  ChangelogKinds changelog() const override { return stream_.changelog; }
  // A stream does not say whether it will end.
  bool is_bounded() const override { return false; }
  bool project(const std::vector<size_t>& columns) override {
    columns_ = columns;
    return true;
  }
  Result<Stream<ColumnRow>> add_to(Env&, const std::string& name, const std::string&) override {
    return stream_.make(columns_).name(name);
  }

 private:
  const StreamTable stream_;
  std::vector<size_t> columns_;
};

class StreamTableConnector final : public TableConnector {
 public:
  explicit StreamTableConnector(std::shared_ptr<const std::vector<StreamTable>> streams)
      : streams_(std::move(streams)) {}
  std::string_view name() const override { return kStreamConnector; }
  std::vector<TableOption> options() const override {
    return {{.key = "stream", .required = true, .description = "its number in the job"}};
  }
  bool can_write() const override { return false; }
  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    const int64_t number =
        options.number("stream", -1, 0, static_cast<int64_t>(streams_->size()) - 1);
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    return std::unique_ptr<TableSource>(std::make_unique<StreamTableSource>(
        (*streams_)[static_cast<size_t>(number)], context.table.columns.size()));
  }

 private:
  const std::shared_ptr<const std::vector<StreamTable>> streams_;
};

}  // namespace

std::unique_ptr<TableConnector> stream_table_connector(
    std::shared_ptr<const std::vector<StreamTable>> streams) {
  return std::make_unique<StreamTableConnector>(std::move(streams));
}

}  // namespace tidewheel::sql
