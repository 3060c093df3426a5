#include "tidewheel/sql/distinct_set.h"

#include <algorithm>

#include "tidewheel/types/serde.h"

namespace tidewheel::sql {

Schema DistinctSetLayout::schema() const {
  Schema schema;
  schema.kind = Kind::kRow;
  for (const std::string& call : calls_) {
    schema.names.push_back(call);
    schema.children.push_back(schema_of<bool>());
  }
  return schema;
}

void DistinctSetLayout::encode(uint64_t bits, Writer& out) const {
  for (size_t i = 0; i < calls_.size(); ++i) { out.fixed(static_cast<uint8_t>((bits >> i) & 1)); }
}

Status DistinctSetLayout::open_restore(const StateMeta& meta) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Schema old, Schema::parse(meta.value_schema));
  restored_.clear();
  uint64_t found = 0;
  for (const std::string& name : old.names) {
    const auto at =
        static_cast<size_t>(std::find(calls_.begin(), calls_.end(), name) - calls_.begin());
    restored_.push_back(at == calls_.size() ? 0 : uint64_t{1} << at);
    found |= restored_.back();
  }
  for (size_t i = 0; i < calls_.size(); ++i) {
    if ((found >> i & 1) != 0) { continue; }
    return failed_precondition(ErrorId::kSchemaMismatch,
                               "state {} has no values of {}: which of them came before is not "
                               "known (to add a call with DISTINCT, begin without state)",
                               meta.name, calls_[i]);
  }
  return {};
}

uint64_t DistinctSetLayout::decode(Reader& in) const {
  uint64_t bits = 0;
  for (const uint64_t bit : restored_) {
    if (in.flag()) { bits |= bit; }
  }
  return bits;
}

}  // namespace tidewheel::sql
