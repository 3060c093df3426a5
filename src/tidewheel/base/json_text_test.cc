// Tests of JSON strings.
#include "tidewheel/base/json_text.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

TEST(JsonText, escapes_what_must_be_escaped) {
  EXPECT_EQ(json_text("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json_text("\n\r\t\x01\x7f"), R"("\n\r\t\u0001\u007f")");
  EXPECT_EQ(json_text("größer"), "\"größer\"");
}

TEST(JsonText, bytes_that_are_not_utf8_are_replaced) {
  EXPECT_EQ(json_text("a\xff"
                      "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_EQ(json_text("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");  // an overlong zero
  EXPECT_EQ(json_text("\xe4\xbd"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");  // ends within a letter
}

}  // namespace
}  // namespace tidewheel
