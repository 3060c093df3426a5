// A connector of one's own: a folder as a queue of messages, 'connector' = 'spool'.
//
// What is written is cut at every checkpoint into a file, which gets its name when the checkpoint
// is complete. Names are never used twice, and files with a name never change; so who reads the
// folder sees each message once.
#pragma once
#include <tidewheel/api/table.h>

#include <memory>

std::unique_ptr<tidewheel::TableConnector> spool_table_connector();
