// What the plug-in adds: add_tidewheel_plugin in CMakeLists.txt names the same.
#include "spool.h"

void tidewheel_plugin(tidewheel::TableRegistry& tables) { tables.add(spool_table_connector()); }
