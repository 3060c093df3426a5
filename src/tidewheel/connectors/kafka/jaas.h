// Lines of JAAS, in which Kafka's own client is told who logs in:
//   org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";
#pragma once
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"

namespace tidewheel::kafka {

// The same as properties of librdkafka, for modules of PLAIN, SCRAM and Kerberos.
// Errors: kConnectorOption.
Result<Properties> read_jaas(std::string_view line);

}  // namespace tidewheel::kafka
