#include "tidewheel/dataflow/row_codec.h"

#include "tidewheel/dataflow/batch_pool.h"

namespace tidewheel {

Result<BatchRef> RowCodec::decode(std::string_view schema, std::string_view bytes,
                                  BatchPool& pool) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<RowReader> reader, open_reader(schema));
  Batch* const batch = pool.acquire();
  BatchRef owner = BatchRef::adopt(batch);
  TIDEWHEEL_RETURN_IF_ERROR(reader->read(bytes, false, *batch));
  pool.settle(*batch, batch->memory_bytes());
  return owner;
}

void append_rows(const RowCodec& codec, const Element& rows, std::string& out) {
  EncodedRows bytes;
  codec.encode(rows, bytes);
  out.append(bytes.own());
}

}  // namespace tidewheel
