// The connector 'script': tables whose rows stand in the test.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/slt/runner/script.h"
#include "tidewheel/api/table.h"
#include "tidewheel/sql/values_source.h"

namespace tidewheel::slt {

// What the tables of the query at hand are fed. Filled before the query is planned.
struct ScriptFeeds {
  std::map<std::string, std::vector<Feed>> by_table;
  std::shared_ptr<sql::SourcePause> pause;  // of the next job; null: its sources read on
  bool is_slow = false;  // the first rows come one by one, each some time after the last
};

std::unique_ptr<TableConnector> make_script_connector(std::shared_ptr<const ScriptFeeds> feeds);

}  // namespace tidewheel::slt
