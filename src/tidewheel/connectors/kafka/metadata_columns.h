// What a Kafka message says besides its key and value, as columns.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/connectors/kafka/source_client.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::kafka {

// 'topic', 'partition', 'headers', 'leader-epoch', 'offset', 'timestamp', 'timestamp-type', with
// their types.
RowType message_metadata();

// One of them in a column of the batch.
struct MetadataColumn {
  enum class What : uint8_t {
    kTopic,
    kPartition,
    kHeaders,
    kLeaderEpoch,
    kOffset,
    kTimestamp,
    kTimestampType,
  };
  What what = What::kTopic;
  size_t column = 0;  // of the batch
  LogicalType type;
};

// Errors: kSqlOption for a key that there is not, with those there are; kSqlType.
Result<MetadataColumn> metadata_column(const TableColumn& column, size_t batch_column);

// Writes it for row `row` of the batch.
void put_metadata(const MetadataColumn& to, const MessageView& view, ColumnBatch& batch,
                  uint32_t row, std::vector<Header>& scratch);

}  // namespace tidewheel::kafka
