// Certifies how options are judged by connectors that are not certified otherwise: what they write
// to has nothing to be read back, or is the process's own streams.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tidewheel/tables/table_registry.h"
#include "tidewheel/testing/certification.h"

namespace tidewheel::certification {
namespace {

class TableSubject final : public Subject {
 public:
  TableSubject(std::map<std::string, std::string> options, std::vector<std::string> free)
      : options_(std::move(options)), free_(std::move(free)) {}
  const TableConnector& connector() const override {
    return **registry_->connector(options_.at("connector"));
  }
  const TableRegistry& registry() const override { return *registry_; }
  TableDefinition table() const override { return numbered_table(options_); }
  std::vector<std::string> free_options() const override { return free_; }

 private:
  const std::unique_ptr<TableRegistry> registry_ = make_table_registry();
  const std::map<std::string, std::string> options_;
  const std::vector<std::string> free_;
};

TEST(OptionCertification, of_connectors_that_only_write) {
  EXPECT_EQ(check_options(TableSubject({{"connector", "blackhole"}}, {})), "");
  EXPECT_EQ(check_options(TableSubject({{"connector", "print"}}, {"print-identifier"})), "");
}

}  // namespace
}  // namespace tidewheel::certification
