// Kafka's topics as sources and sinks. Included by jobs that use them: tidewheel.h does not.
#pragma once
#include "tidewheel/connectors/kafka/options.h"
#include "tidewheel/connectors/kafka/sink.h"
#include "tidewheel/connectors/kafka/sink_options.h"
#include "tidewheel/connectors/kafka/source.h"
