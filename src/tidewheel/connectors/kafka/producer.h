// A producer of librdkafka's.
#pragma once
#include <memory>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"

namespace tidewheel::kafka {

Result<std::unique_ptr<Producer>> open_producer(const Properties& properties,
                                                const ClientContext& context);

}  // namespace tidewheel::kafka
