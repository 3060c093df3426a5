#include "tidewheel/connectors/kafka/client.h"

#include "tidewheel/connectors/kafka/admin.h"
#include "tidewheel/connectors/kafka/consumer.h"
#include "tidewheel/connectors/kafka/producer.h"

namespace tidewheel::kafka {
namespace {

class RealClient final : public Client {
 public:
  Result<std::unique_ptr<Consumer>> consumer(const Properties& properties,
                                             const ClientContext& context) const override {
    return open_consumer(properties, context);
  }
  Result<std::unique_ptr<Producer>> producer(const Properties& properties,
                                             const ClientContext& context) const override {
    return open_producer(properties, context);
  }
  Result<std::unique_ptr<Admin>> admin(const Properties& properties,
                                       Duration timeout) const override {
    return open_admin(properties, timeout);
  }
};

}  // namespace

std::shared_ptr<const Client> real_client() { return std::make_shared<const RealClient>(); }

}  // namespace tidewheel::kafka
