// GoogleTest's suites for connectors (certification.h), to be instantiated in any source file of a
// test binary, one of which includes certification_tests.h:
//
//   INSTANTIATE_TEST_SUITE_P(spool, SourceCertification, certified_source<SpoolSubject>());
//   INSTANTIATE_TEST_SUITE_P(spool, SinkCertification, certified_sink<SpoolSinkSubject>());
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tidewheel/testing/certification.h"

namespace tidewheel::certification {

// How an adaptor is made. Printed without its address, which would be a part of the test's name.
template <class Subject>
struct Make {
  std::function<std::unique_ptr<Subject>()> make;
};
template <class Subject>
void PrintTo(const Make<Subject>&, std::ostream* out) {
  *out << "adaptor";
}
using MakeSource = Make<SourceSubject>;
using MakeSink = Make<SinkSubject>;

template <class S>
auto certified_source() {
  return ::testing::Values(MakeSource{[] { return std::make_unique<S>(); }});
}
template <class S>
auto certified_sink() {
  return ::testing::Values(MakeSink{[] { return std::make_unique<S>(); }});
}

class SourceCertification : public ::testing::TestWithParam<MakeSource> {
 protected:
  std::unique_ptr<SourceSubject> make() const { return GetParam().make(); }
  std::vector<std::string> expected() const {
    const auto rows = rows_of(*make(), {});
    EXPECT_TRUE(rows.ok()) << rows.status().to_string();
    return rows.ok() ? *rows : std::vector<std::string>();
  }
};

class SinkCertification : public ::testing::TestWithParam<MakeSink> {
 protected:
  std::unique_ptr<SinkSubject> make() const { return GetParam().make(); }
};

}  // namespace tidewheel::certification
