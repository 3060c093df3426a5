#include "tidewheel/connectors/discard/table.h"

#include <gtest/gtest.h>

#include "tidewheel/testing/table_harness.h"

namespace tidewheel {
namespace {

TEST(BlackholeTable, takes_changes_of_every_kind) {
  const auto connector = blackhole_table_connector();
  const auto table = test::table_of({{"a", LogicalType::of(TypeKind::kInt)}},
                                    {{"connector", "blackhole"}, {"sink.parallelism", "2"}});
  const TableRegistry registry;
  const auto sink = connector->sink({table, registry});
  ASSERT_TRUE(sink.ok());
  EXPECT_EQ((*sink)->changelog(), ChangelogKinds::kRetract);
  const Status status = test::write_table(*connector, table, registry, [](ColumnBatch& rows) {
    rows.ensure_room(2);
    rows.column(0).values<int32_t>()[0] = 1;
    rows.column(0).set_null(1);
    rows.make_kinds(2)[1] = RowKind::kDelete;
    rows.set_size(2);
  });
  EXPECT_TRUE(status.ok()) << status.to_string();
}

TEST(BlackholeTable, refuses_options_that_it_does_not_have) {
  const auto table = test::table_of({}, {{"connector", "blackhole"}, {"format", "json"}});
  EXPECT_EQ(blackhole_table_connector()->sink({table, TableRegistry()}).status().id(),
            ErrorId::kSqlOption);
}

}  // namespace
}  // namespace tidewheel
