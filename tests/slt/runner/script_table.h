// The connector 'script': tables whose rows stand in the test.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/slt/runner/script.h"
#include "tidewheel/api/table.h"

namespace tidewheel::slt {

// Has sources wait in the middle of their feeds, for as long as their job runs. Any thread.
struct Pause {
  std::atomic<int32_t> sources{0};  // of the job
  std::atomic<int32_t> waiting{0};  // of them
};

// What the tables of the query at hand are fed. Filled before the query is planned.
struct ScriptFeeds {
  std::map<std::string, std::vector<Feed>> by_table;
  std::shared_ptr<Pause> pause;  // of the next job; null: its sources read on
  bool is_slow = false;          // the first rows come one by one, each some time after the last
};

std::unique_ptr<TableConnector> make_script_connector(std::shared_ptr<const ScriptFeeds> feeds);

}  // namespace tidewheel::slt
