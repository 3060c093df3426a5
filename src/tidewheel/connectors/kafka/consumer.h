// A consumer of librdkafka's, which is told which partitions to read: no group is joined.
#pragma once
#include <memory>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"

namespace tidewheel::kafka {

Result<std::unique_ptr<Consumer>> open_consumer(const Properties& properties,
                                                const ClientContext& context);

}  // namespace tidewheel::kafka
