// Messages with the id of their schema before them, whatever format comes behind it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/registry/client.h"
#include "tidewheel/registry/table_options.h"

namespace tidewheel::registry {

// What is registered, and where.
struct Framing {
  RegisteredSchema schema;
  std::string subject;
  bool registers = true;
  Options registry;
};
// Of a table that is written. `record` stands for "{record}" in the subject's name. A subject that
// is missing is an error of `options`.
Framing make_framing(std::string_view format, TableSettings settings, RegisteredSchema schema,
                     std::string_view record, TableOptions& options);

// Asks for the id once, before the first message.
class FramedEncoder : public RowEncoder {
 public:
  // The framing belongs to the encoder's plan, which outlives it.
  explicit FramedEncoder(const Framing& framing) : framing_(framing) {}
  Status open(const FormatContext& context) final;
  Result<bool> ready() final;
  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) final;

 protected:
  // What follows the id.
  virtual Status append(const ColumnBatch& rows, uint32_t row, std::string& message) = 0;

 private:
  const Framing& framing_;
  std::unique_ptr<Client> client_;
  std::optional<int32_t> id_;
};

}  // namespace tidewheel::registry
