// Certifies the spool: tidewheel/testing/certification.h says what every connector has to do.
#include <tidewheel/formats/json/table.h>
#include <tidewheel/testing/certification_tests.h>

#include "spool.h"

namespace tw = tidewheel;
using namespace tidewheel::certification;

namespace {

template <class Base>
class SpoolSubject : public Base {
 public:
  SpoolSubject() : connector_(spool_table_connector()) { registry_.add(tw::json_table_format()); }
  const tw::TableConnector& connector() const override { return *connector_; }
  const tw::TableRegistry& registry() const override { return registry_; }
  tw::TableDefinition table() const override {
    return numbered_table({{"connector", "spool"},
                           {"path", "/spool"},
                           {"format", "json"},
                           {"scan.interval", "10 ms"}});
  }
  std::vector<std::string> free_options() const override { return {"path"}; }
  std::vector<WrongOption> wrong_options() const override {
    return {{"scan.mode", "sometimes", "bounded"}, {"scan.interval", "0 ms", "at least 1 ms"}};
  }

 private:
  std::unique_ptr<tw::TableConnector> connector_;
  tw::TableRegistry registry_;
};

class SpoolReading final : public SpoolSubject<SourceSubject> {
 public:
  void fill(tw::SimWorld& host, int64_t first, int64_t count) override {
    constexpr int64_t kFileRows = 25;
    for (int64_t n = first; n < first + count; n += kFileRows) {
      put_json_file(host, "/spool/" + std::to_string(n), n, std::min(kFileRows, first + count - n));
    }
  }
  bool is_bounded() const override { return false; }
  bool put_bad_record(tw::SimWorld& host) override {
    return write_all_durably(host.files(), "/spool/bad", "{\"n\":1\n").ok();
  }
  std::pair<std::string, std::string> skip_option() const override {
    return {"json.ignore-parse-errors", "true"};
  }
};

class SpoolWriting final : public SpoolSubject<SinkSubject> {
 public:
  std::vector<int64_t> visible(tw::SimWorld& host) override { return numbers_in(host, "/spool"); }
};

}  // namespace

namespace tidewheel::certification {
INSTANTIATE_TEST_SUITE_P(spool, SourceCertification, certified_source<SpoolReading>());
INSTANTIATE_TEST_SUITE_P(spool, SinkCertification, certified_sink<SpoolWriting>());
}  // namespace tidewheel::certification
