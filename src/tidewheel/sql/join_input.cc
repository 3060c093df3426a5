#include "tidewheel/sql/join_input.h"

namespace tidewheel::sql {

Result<bool> join_keys_are_int(const RowType& left, const std::vector<int32_t>& left_keys,
                               const RowType& right, const std::vector<int32_t>& right_keys) {
  const KeyReader ours(left.types, left_keys);
  const KeyReader theirs(right.types, right_keys);
  if (ours.describe() == theirs.describe()) { return ours.is_int(); }
  return invalid_argument(ErrorId::kSqlType,
                          "the keys of a join have to be of the same types: {} and {}",
                          ours.describe(), theirs.describe());
}

}  // namespace tidewheel::sql
