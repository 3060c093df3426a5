// Rows of an edge as bytes: for another process, and those that are in flight while a snapshot is
// taken.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
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

namespace detail {

// Fields whose bytes can be written without asking for room each time, since what they take at most
// is known before.
template <class T>
constexpr bool is_bounded() {
  if constexpr (serde<T>::value) {
    return false;
  } else if constexpr (kIsBlock<T> || std::is_same_v<T, bool> || kinds::kDecimal<T> ||
                       std::is_same_v<T, std::string> || std::is_same_v<T, Text>) {
    return true;
  } else if constexpr (kinds::kOptional<T>) {
    return is_bounded<typename T::value_type>();
  } else if constexpr (kinds::kVector<T> || kinds::kMap<T> || kinds::kVariant<T> ||
                       kinds::kArray<T> || kinds::kTuple<T> || kIsLeaf<T>) {
    return false;
  } else if constexpr (refl::Reflected<T>) {
    if constexpr (refl::count<T>() == 0) {
      return false;
    } else {
      return []<size_t... kIndex>(std::index_sequence<kIndex...>) {
        return (is_bounded<refl::FieldType<T, kIndex>>() && ...);
      }
      (std::make_index_sequence<refl::count<T>()>());
    }
  } else {
    return false;
  }
}

template <class T>
size_t bytes_max_of(const T& value) {
  if constexpr (kIsBlock<T> || std::is_same_v<T, bool> || kinds::kDecimal<T>) {
    return sizeof(T);
  } else if constexpr (kIsLeaf<T>) {
    return 10 + value.size();
  } else if constexpr (kinds::kOptional<T>) {
    return 1 + (value ? bytes_max_of(*value) : 0);
  } else {
    size_t bytes = 0;
    refl::for_each_field(value, [&bytes](const auto& one) { bytes += bytes_max_of(one); });
    return bytes;
  }
}

// Writes what `encode` of types/serde.h would, to where there is room; returns the end.
template <class T>
char* put_bounded(char* to, const T& value) {
  const auto put = [&to](const auto& number) {
    std::memcpy(to, &number, sizeof number);
    to += sizeof number;
  };
  if constexpr (kIsBlock<T>) {
    put(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    put(static_cast<uint8_t>(value ? 1 : 0));
  } else if constexpr (kinds::kDecimal<T>) {
    put(value.unscaled());
  } else if constexpr (kIsLeaf<T>) {
    size_t size = value.size();
    for (; size >= 0x80; size >>= 7) { *to++ = static_cast<char>(size | 0x80); }
    *to++ = static_cast<char>(size);
    if (value.size() != 0) { std::memcpy(to, value.data(), value.size()); }
    to += value.size();
  } else if constexpr (kinds::kOptional<T>) {
    put(static_cast<uint8_t>(value ? 1 : 0));
    if (value) { to = put_bounded(to, *value); }
  } else {
    refl::for_each_field(value, [&to](const auto& one) { to = put_bounded(to, one); });
  }
  return to;
}

}  // namespace detail

template <class T>
class RecordRowReader final : public RowReader {
 public:
  explicit RecordRowReader(SchemaDecoder<T> decoder) : decoder_(std::move(decoder)) {}

  Status read(std::string_view bytes, bool in_arena, Batch& to) override {
    auto& batch = static_cast<RowBatch<T>&>(to);
    Arena* arena = nullptr;
    if constexpr (has_text_v<T>) {
      if (!in_arena) { arena = &batch.arena(); }
    }
    Reader head(bytes);
    const size_t count = head.count();
    const std::string_view rest = bytes.substr(bytes.size() - head.remaining());
    if (!head.ok() || rest.size() / sizeof(int64_t) < count) {
      return data_loss(ErrorId::kSnapshotFormat, "rows in flight: a batch is cut off");
    }
    const char* const times = rest.data();
    const std::string_view row_bytes = rest.substr(count * sizeof(int64_t));
    if constexpr (detail::kIsBlock<T>) {
      if (decoder_.is_same()) { return read_block(times, row_bytes, count, batch); }
    }
    Reader rows(row_bytes, arena);
    for (size_t i = 0; i < count && rows.ok(); ++i) {
      int64_t time = 0;
      std::memcpy(&time, times + i * sizeof time, sizeof time);
      decoder_.read(rows, batch.append(T{}, time));
    }
    return rows.finish();
  }

 private:
  static Status read_block(const char* times, std::string_view rows, size_t count,
                           RowBatch<T>& batch) {
    if (rows.size() != count * sizeof(T)) {
      return data_loss(ErrorId::kSnapshotFormat, "rows in flight: {} rows take {} bytes", count,
                       rows.size());
    }
    if (count == 0) { return ok_status(); }
    batch.ensure_room(static_cast<uint32_t>(count));
    std::memcpy(batch.timestamps(), times, count * sizeof(int64_t));
    std::memcpy(static_cast<void*>(batch.rows()), rows.data(), rows.size());
    batch.set_size(static_cast<uint32_t>(count));
    return ok_status();
  }

  const SchemaDecoder<T> decoder_;
};

// A number of rows, their timestamps (8 bytes each), then the rows as types/serde.h writes them.
template <class T>
class RecordRowCodec final : public RowCodec {
 public:
  std::string schema() const override { return schema_of<T>().encode(); }

  void encode(const Element& rows, EncodedRows& out) const override {
    const auto& batch = RowBatch<T>::of(*rows.batch);
    const uint32_t count = rows.end - rows.begin;
    Writer& writer = out.writer();
    writer.varint(count);
    out.range(batch.timestamps() + rows.begin, count * sizeof(int64_t));
    if constexpr (detail::kIsBlock<T>) {
      out.range(batch.rows() + rows.begin, count * sizeof(T));
    } else if constexpr (detail::is_bounded<T>()) {
      for (uint32_t i = rows.begin; i < rows.end; ++i) {
        const T& row = batch.row(i);
        const size_t start = writer.size();
        char* const to = writer.claim(detail::bytes_max_of(row));
        writer.truncate(start + static_cast<size_t>(detail::put_bounded(to, row) - to));
      }
    } else {
      for (uint32_t i = rows.begin; i < rows.end; ++i) { tidewheel::encode(writer, batch.row(i)); }
    }
  }

  std::shared_ptr<BatchPool> make_pool(uint32_t batch_rows, MemoryPool* memory) const override {
    return BatchPool::create_for<T>(batch_rows, memory);
  }

  Result<std::unique_ptr<RowReader>> open_reader(std::string_view schema) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(Schema old_schema, Schema::parse(schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, SchemaDecoder<T>::open(std::move(old_schema)));
    return std::unique_ptr<RowReader>(std::make_unique<RecordRowReader<T>>(std::move(decoder)));
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
