// Makes values for columns of any type: random ones, or numbers in sequence. A value is a pure
// function of the seed, the column and the row's number, so that a replay gives the same rows.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::datagen {

// What values depend on besides their row.
struct Moment {
  uint64_t seed = 0;
  int64_t wall_ms = 0;  // times are drawn from the past of this
  Arena* arena = nullptr;
};

// Immutable: shared by all readers.
class ValueMaker {
 public:
  virtual ~ValueMaker() = default;
  // Writes values [at, at + ids.size()), which the column has room for. An id is a row's number,
  // or, for elements of lists, a number drawn from it.
  virtual void fill(std::span<const uint64_t> ids, const Moment& moment, Column& column,
                    uint32_t at) const = 0;
  // How many rows there are; nothing: no end.
  virtual std::optional<int64_t> rows() const { return std::nullopt; }
};

// The maker of a column by its options 'fields.NAME.*', which become known to `options`. Errors are
// noted there.
std::shared_ptr<const ValueMaker> make_maker(const std::string& name, const LogicalType& type,
                                             TableOptions& options);

}  // namespace tidewheel::datagen
