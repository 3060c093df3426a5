// How often the queries of WITH, and views, are named: those that are named several times are made
// once (Plan::is_shared).
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/query.h"

namespace tidewheel::sql {

class TableUses {
 public:
  // Counts what a query names, and what that names, each looked into once. The query has to outlive
  // this. Names that mean nothing are left to whoever binds them.
  TableUses(const Catalog& catalog, const Query& query);

  bool is_shared(const CommonTable& table) const {
    const auto it = commons_.find(&table);
    return it != commons_.end() && it->second > 1;
  }
  bool is_shared(const ObjectPath& view) const {
    const auto it = views_.find(view);
    return it != views_.end() && it->second > 1;
  }

 private:
  class Walk;
  std::map<const CommonTable*, int32_t> commons_;
  std::map<ObjectPath, int32_t> views_;
};

}  // namespace tidewheel::sql
