// A catalog in files: a folder for each database, in it a file of SQL for each table and view. What
// is written is there after a crash, whole or not at all; several processes may use a folder at
// once.
//
//   DIR/.lock                    held by who changes something
//   DIR/DATABASE/.database.sql   CREATE DATABASE, where it has a comment or options
//   DIR/DATABASE/OBJECT.sql      CREATE TABLE or CREATE VIEW, then a line with a checksum
//
// Names are written with %XX for all bytes but letters, digits, `_` and `-`. The name of a file
// says what an object is called, not the statement in it. Without the line with the checksum a file
// is taken as it is: so it can be written by hand.
#pragma once
#include <memory>
#include <string>

#include "tidewheel/sql/catalog_store.h"

namespace tidewheel {
class World;  // base/world.h
}

namespace tidewheel::sql {

// Makes the folder, and `first_database` in it, when they are not there. `name` is what the catalog
// is called. The world outlives the catalog.
Result<std::unique_ptr<CatalogStore>> open_file_catalog(World& world, const std::string& directory,
                                                        const std::string& name,
                                                        const std::string& first_database);

}  // namespace tidewheel::sql
