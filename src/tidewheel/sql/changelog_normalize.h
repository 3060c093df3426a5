// Turns upserts into a changelog that says what each row was before: keeps the last row of each
// primary key.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// A row that says what the last one of its key said gives nothing, nor does the deletion of a key
// that has no row; of a deletion only the key is looked at.
struct ChangelogNormalizeSpec {
  RowType input;
  std::vector<int32_t> keys;  // columns of the primary key
  int64_t ttl_ms = 0;         // since a row of the key came; 0: for ever
};

Result<std::unique_ptr<Operator>> make_changelog_normalize(ChangelogNormalizeSpec spec);

}  // namespace tidewheel::sql
