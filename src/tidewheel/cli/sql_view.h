// How the results of statements are shown: boxes, CSV, JSON, changes as they come, a table that is
// drawn again and again; and how far a long one is.
#pragma once
#include <cstdint>
#include <string>

#include "tidewheel/base/status.h"
#include "tidewheel/cli/sql_command.h"
#include "tidewheel/sql/session.h"

namespace tidewheel {

class Interruption;  // api/interruption.h
class World;         // base/world.h

// What is set for all statements.
struct SqlViewOptions {
  SqlOutput output = SqlOutput::kBox;
  bool expanded = false;     // a line a column
  bool is_terminal = false;  // of the output
  bool shows_progress = false;
};

void print(const std::string& text);
void print_error(const std::string& text);
// All that was printed is written. Errors: kFileIo, also for what was printed before.
Status flush_output();

void show_listing(const sql::Listing& listing, const SqlViewOptions& options);
// Shows a query's rows until it has ended. `zone` is where TIMESTAMP_LTZ is shown; `interruption`
// ends what is shown, and may be null. Errors: the query's own; kJobCancelled, when not all was
// shown.
Status show_query(World& world, sql::RunningQuery& query, const SqlViewOptions& options,
                  const std::string& zone, const Interruption* interruption);
// Waits for a job, saying how far it is.
void wait_for_job(World& world, JobHandle& job, const SqlViewOptions& options);

}  // namespace tidewheel
