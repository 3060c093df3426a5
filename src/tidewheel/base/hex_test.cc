#include "tidewheel/base/hex.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

TEST(Hex, two_digits_a_byte) {
  EXPECT_EQ(to_hex(std::string_view("\x00\x7f\x80\xff", 4)), "007f80ff");
  EXPECT_EQ(to_hex(""), "");
}

}  // namespace
}  // namespace tidewheel
