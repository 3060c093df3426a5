// The form of stored keys, and the backend of ordered maps.
#include "tidewheel/state/state_backend.h"

#include <gtest/gtest.h>

#include "tidewheel/state/map_backend.h"

namespace tidewheel {
namespace {

StoreState plain_state(std::string name) {
  StoreState state;
  state.meta.name = std::move(name);
  state.meta.form = "value";
  return state;
}

TEST(StoreKey, comes_apart_again) {
  std::string stored;
  make_store_key(stored, 258, "key");
  EXPECT_EQ(stored, std::string("\x01\x02key", 5));
  StateEntry entry;
  ASSERT_TRUE(split_store_key(stored, false, entry));
  EXPECT_EQ(entry.group, 258);
  EXPECT_EQ(entry.key, "key");
  EXPECT_EQ(entry.name_space, "");

  const std::string long_key(300, 'k');
  make_store_prefix(stored, 65535 / 2, long_key);
  stored += "name";
  ASSERT_TRUE(split_store_key(stored, true, entry));
  EXPECT_EQ(entry.group, 32767);
  EXPECT_EQ(entry.key, long_key);
  EXPECT_EQ(entry.name_space, "name");
}

TEST(StoreKey, damage_is_noticed) {
  StateEntry entry;
  EXPECT_FALSE(split_store_key("a", false, entry));
  EXPECT_FALSE(split_store_key(std::string("\0\0\x05key", 6), true, entry));
}

TEST(StoreKey, groups_are_in_order_of_bytes) {
  EXPECT_LT(store_group_begin(255), store_group_begin(256));
  EXPECT_LT(store_group_begin(127), store_group_begin(128));
}

TEST(MapBackend, writes_are_seen_after_commit_and_views_stay) {
  MapBackend backend({0, 127}, {});
  const StoreId state = backend.open_state(plain_state("a")).value();
  EXPECT_EQ(backend.open_state(plain_state("a")).value(), state);
  backend.put(state, "k1", "v1");
  backend.put(state, "k2", "v2");
  StateBackend::Values values;
  const std::string_view keys[] = {"k1", "k2", "k3"};
  ASSERT_TRUE(backend.find_many(state, keys, values).ok());
  EXPECT_FALSE(values[0].has_value());
  ASSERT_TRUE(backend.commit().ok());
  const auto view = backend.view();
  backend.erase(state, "k1");
  ASSERT_TRUE(backend.commit().ok());
  ASSERT_TRUE(backend.find_many(state, keys, values).ok());
  EXPECT_FALSE(values[0].has_value());
  EXPECT_EQ(values[1], "v2");
  EXPECT_FALSE(values[2].has_value());
  auto cursor = view->scan(state);
  ASSERT_TRUE(cursor->valid());
  EXPECT_EQ(cursor->key(), "k1");
  cursor->seek("k1a");
  EXPECT_EQ(cursor->key(), "k2");
}

}  // namespace
}  // namespace tidewheel
