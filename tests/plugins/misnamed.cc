// A plug-in that has something else than its note says.
#include "tidewheel/connectors/discard/table.h"

void tidewheel_plugin(tidewheel::TableRegistry& tables) {
  tables.add(tidewheel::blackhole_table_connector());
}
