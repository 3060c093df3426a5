// Questions to brokers, and topics made, by librdkafka.
#pragma once
#include <memory>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"

namespace tidewheel::kafka {

Result<std::unique_ptr<Admin>> open_admin(const Properties& properties, Duration timeout);

}  // namespace tidewheel::kafka
