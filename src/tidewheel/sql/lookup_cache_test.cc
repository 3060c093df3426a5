// The partial cache. The operator itself is tested by scripts (tests/slt/join/lookup.slt).
#include <gtest/gtest.h>

#include "tidewheel/sql/lookup_cache.h"

namespace tidewheel::sql {
namespace {

using Kind = LookupCaching::Kind;

TEST(LookupCache, the_least_used_rows_go_first) {
  LookupCaching caching;
  caching.kind = Kind::kPartial;
  caching.rows_max = 2;
  LookupCache cache(caching);
  cache.put("a", {{}, {0}}, 0);
  cache.put("b", {{}, {}}, 0);  // that there is none counts too
  EXPECT_NE(cache.find("a", 1), nullptr);
  cache.put("c", {{}, {0}}, 2);
  EXPECT_EQ(cache.find("b", 3), nullptr);
  EXPECT_NE(cache.find("a", 3), nullptr);
  cache.put("d", {{}, {0, 1, 2}}, 4);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(LookupCache, entries_expire_since_they_were_written_or_used) {
  LookupCaching caching;
  caching.kind = Kind::kPartial;
  caching.expire_after_write = Duration(100);
  caching.expire_after_access = Duration(30);
  LookupCache cache(caching);
  cache.put("a", {{}, {0}}, 0);
  EXPECT_NE(cache.find("a", 29), nullptr);
  EXPECT_NE(cache.find("a", 58), nullptr);
  EXPECT_EQ(cache.find("a", 88), nullptr);
  cache.put("a", {{}, {0}}, 100);
  for (int64_t now_ms = 110; now_ms < 200; now_ms += 10) {
    EXPECT_NE(cache.find("a", now_ms), nullptr) << now_ms;
  }
  EXPECT_EQ(cache.find("a", 200), nullptr);
}

}  // namespace
}  // namespace tidewheel::sql
