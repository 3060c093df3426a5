// Batches as bytes, for rows that are in flight while a snapshot is taken. Type-erased: the typed
// part is made where the edge's type is known.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/element.h"

namespace tidewheel {

class BatchPool;   // dataflow/batch_pool.h
class MemoryPool;  // base/memory_pool.h

// Shared by all subtasks: any thread, no state.
class RowCodec {
 public:
  virtual ~RowCodec() = default;
  // The rows' schema, as encoded by types/schema.h.
  virtual std::string schema() const = 0;
  // Appends rows [begin, end) of the element with their timestamps.
  virtual void encode(const Element& rows, std::string& out) const = 0;
  // A pool that `decode` takes its batches from.
  virtual std::shared_ptr<BatchPool> make_pool(uint32_t batch_rows, MemoryPool* memory) const = 0;
  // One batch of what was encoded with `schema`. Errors: kSnapshotFormat, kStateSchema.
  virtual Result<BatchRef> decode(std::string_view schema, std::string_view bytes,
                                  BatchPool& pool) const = 0;
};

}  // namespace tidewheel
