// A plug-in that can't make its connectors.
#include <stdexcept>

#include "tidewheel/api/table.h"

void tidewheel_plugin(tidewheel::TableRegistry&) {
  throw std::runtime_error("there is no licence");
}
