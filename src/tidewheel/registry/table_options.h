// The options by which tables name a registry of schemas, and how messages name their schemas.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/registry/options.h"

namespace tidewheel::registry {

struct TableSettings {
  Options options;
  // Under which the schema of what is written is registered; "{record}" stands for its full name.
  std::string subject;
  bool registers = true;  // else the schema has to be there already
};

// "<format>.url", ".subject", ".basic-auth.*", ".bearer-auth.*", ".properties.*".
std::vector<TableOption> table_options(const std::string& format);
// Errors are noted in `options`.
TableSettings read_table_options(const std::string& format, TableOptions& options);
// Sets the subject that follows from the topic: "orders-value", or what the strategy that was asked
// for says.
void name_topic(const std::string& format, const std::string& topic, bool of_keys,
                TableOptions& options);

// A message: a byte 0, the id of its schema in 4 bytes, the highest first, and the value.
inline constexpr size_t kFrameBytes = 5;
struct Framed {
  int32_t id = 0;
  std::string_view value;
};
// Nothing: the message is not framed.
std::optional<Framed> unframed(std::string_view message);
void append_frame(std::string& message, int32_t id);

}  // namespace tidewheel::registry
