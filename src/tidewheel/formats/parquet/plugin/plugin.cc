// The plug-in of the format `parquet`: apart from the engine, since Arrow's libraries are large and
// not there on every machine.
#include "tidewheel/api/table.h"
#include "tidewheel/formats/parquet/table.h"

void tidewheel_plugin(tidewheel::TableRegistry& tables) {
  tables.add(tidewheel::parquet_table_format());
}
