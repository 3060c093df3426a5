// Definitions of tables that are made of others: CREATE TABLE .. LIKE and .. AS, ALTER TABLE. What
// comes out is made of parts of several texts; `rewritten` (catalog_store.h) gives it one.
#pragma once
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/catalog_store.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// `text` is what the statement's places refer to, in all of these. Errors: kSqlQuery, kSqlName.

// The table of a statement with LIKE, `source` being the one that it names.
Result<CreateTable> merge_like(std::string_view text, const CreateTable& statement,
                               CreateTable source);
// The table of a statement with AS: what it declares, then the columns of its query that it does
// not name.
Result<CreateTable> merge_query(std::string_view text, const CreateTable& statement,
                                const RowType& query);
// A table after ALTER TABLE, but for RENAME TO.
Result<CreateTable> altered(std::string_view text, const Alter& statement, CreateTable table);

// Keys, partitions and the columns that they name.
Status check_definition(const CatalogObject& object);

// A primary key that was declared at its column stands behind the columns.
void gather_primary_key(CreateTable& table);

}  // namespace tidewheel::sql
