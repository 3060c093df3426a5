// Rows of an edge as bytes, for those that are in flight while a snapshot is taken.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/types/record.h"
#include "tidewheel/types/schema.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {

// A number of rows, their timestamps (8 bytes each), then the rows as types/serde.h writes them.
template <class T>
class RecordRowCodec final : public RowCodec {
 public:
  std::string schema() const override { return schema_of<T>().encode(); }

  void encode(const Element& rows, std::string& out) const override {
    const auto& batch = RowBatch<T>::of(*rows.batch);
    Writer writer;
    writer.varint(rows.end - rows.begin);
    writer.raw(batch.timestamps() + rows.begin, (rows.end - rows.begin) * sizeof(int64_t));
    for (uint32_t i = rows.begin; i < rows.end; ++i) { tidewheel::encode(writer, batch.row(i)); }
    out.append(writer.view());
  }

  std::shared_ptr<BatchPool> make_pool(uint32_t batch_rows, MemoryPool* memory) const override {
    return BatchPool::create_for<T>(batch_rows, memory);
  }

  Result<BatchRef> decode(std::string_view schema, std::string_view bytes,
                          BatchPool& pool) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(Schema old_schema, Schema::parse(schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto decoder, SchemaDecoder<T>::open(std::move(old_schema)));
    auto* const batch = static_cast<RowBatch<T>*>(pool.acquire());
    BatchRef owner = BatchRef::adopt(batch);
    Arena* arena = nullptr;
    if constexpr (has_text_v<T>) { arena = &batch->arena(); }
    Reader times(bytes);
    const size_t count = times.count();
    const std::string_view rest = bytes.substr(bytes.size() - times.remaining());
    if (!times.ok() || rest.size() / sizeof(int64_t) < count) {
      return data_loss(ErrorId::kSnapshotFormat, "rows in flight: a batch is cut off");
    }
    Reader rows(rest.substr(count * sizeof(int64_t)), arena);
    for (size_t i = 0; i < count; ++i) {
      T row{};
      decoder.read(rows, row);
      batch->append(std::move(row), times.fixed<int64_t>());
    }
    TIDEWHEEL_RETURN_IF_ERROR(rows.finish());
    pool.settle(*batch, batch->memory_bytes());
    return owner;
  }
};

// Null for rows that can't be encoded: barriers do not overtake them.
template <class T>
std::shared_ptr<const RowCodec> row_codec_of() {
  if constexpr (Record<T> && std::is_default_constructible_v<T> &&
                requires(RowBatch<T> & batch, T row) { batch.append(std::move(row), int64_t{}); }) {
    return std::make_shared<RecordRowCodec<T>>();
  } else {
    return nullptr;
  }
}

}  // namespace tidewheel
