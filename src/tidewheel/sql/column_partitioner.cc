#include "tidewheel/sql/column_partitioner.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {
namespace {

bool has_text(const LogicalType& type) {
  return type.physical() == Physical::kText ||
         std::any_of(type.children.begin(), type.children.end(), has_text);
}

class ColumnPartitioner final : public Partitioner {
 public:
  ColumnPartitioner(std::vector<LogicalType> types, std::vector<int32_t> keys)
      : types_(std::move(types)),
        keys_(types_, std::move(keys)),
        has_text_(std::any_of(types_.begin(), types_.end(), has_text)) {}
  ~ColumnPartitioner() override {
    for (ColumnBatch* const lane : lanes_) {
      if (lane != nullptr) { lane->release(); }
    }
  }

  void open(uint32_t channels, int32_t max_parallelism, uint32_t batch_rows,
            MemoryPool* memory) override {
    pool_ = BatchPool::create_for<ColumnRow>(batch_rows, memory, channels);
    lanes_.assign(channels, nullptr);
    begins_.resize(size_t{channels} + 1);
    max_parallelism_ = max_parallelism;
    for (int32_t group = 0; group < max_parallelism; ++group) {
      subtask_of_group_.push_back(static_cast<uint16_t>(
          subtask_of(group, static_cast<int32_t>(channels), max_parallelism)));
    }
  }

  void split(Element& rows) override {
    const uint32_t count = rows.end - rows.begin;
    if (count == 0) { return; }
    const ColumnBatch& batch = ColumnBatch::of(*rows.batch);
    sort_rows(batch, rows.begin, count);
    for (size_t lane = 0; lane < lanes_.size(); ++lane) {
      const std::span<const uint32_t> chosen(order_.data() + begins_[lane],
                                             begins_[lane + 1] - begins_[lane]);
      if (!chosen.empty()) { append(batch, chosen, lane); }
    }
  }
  uint32_t gathered(uint32_t channel) const override {
    return lanes_[channel] == nullptr ? 0 : lanes_[channel]->size();
  }
  BatchRef take(uint32_t channel) override {
    ColumnBatch* const batch = std::exchange(lanes_[channel], nullptr);
    if (batch != nullptr) {
      batch->seal();
      pool_->settle(*batch, batch->memory_bytes());
    }
    return BatchRef::adopt(batch);
  }
  bool has_memory() override { return pool_->has_memory(); }

 private:
  // The rows in the order of their channels; those of channel i are [begins_[i], begins_[i + 1]).
  void sort_rows(const ColumnBatch& batch, uint32_t begin, uint32_t count) {
    hashes_.resize(count);
    targets_.resize(count);
    order_.resize(count);
    keys_.hash32(batch, begin, begin + count, hashes_.data());
    std::fill(begins_.begin(), begins_.end(), 0);
    for (uint32_t i = 0; i < count; ++i) {
      const int32_t group = key_group_of(hashes_[i], max_parallelism_);
      targets_[i] = subtask_of_group_[static_cast<size_t>(group)];
      ++begins_[size_t{targets_[i]} + 1];
    }
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    places_.assign(begins_.begin(), begins_.end() - 1);
    for (uint32_t i = 0; i < count; ++i) { order_[places_[targets_[i]]++] = begin + i; }
  }

  void append(const ColumnBatch& batch, std::span<const uint32_t> rows, size_t lane) {
    if (lanes_[lane] == nullptr) {
      lanes_[lane] = static_cast<ColumnBatch*>(pool_->acquire());
      lanes_[lane]->set_types(types_);
    }
    ColumnBatch& to = *lanes_[lane];
    const uint32_t at = to.size();
    const auto count = static_cast<uint32_t>(rows.size());
    for (size_t c = 0; c < types_.size(); ++c) { gather(batch.view(c), rows, to.column(c), at); }
    if (batch.kinds() != nullptr) {
      RowKind* const kinds = to.make_kinds(at + count) + at;
      for (uint32_t i = 0; i < count; ++i) { kinds[i] = batch.kinds()[rows[i]]; }
    }
    if (batch.timestamps() != nullptr) {
      int64_t* const times = to.make_timestamps(at + count) + at;
      for (uint32_t i = 0; i < count; ++i) { times[i] = batch.timestamps()[rows[i]]; }
    }
    to.set_size(at + count);
    if (has_text_) { to.keep(batch); }
  }

  const std::vector<LogicalType> types_;
  KeyReader keys_;
  const bool has_text_;
  std::shared_ptr<BatchPool> pool_;
  int32_t max_parallelism_ = 1;
  std::vector<uint16_t> subtask_of_group_;
  std::vector<ColumnBatch*> lanes_;  // one reference each is ours
  std::vector<uint32_t> hashes_;
  std::vector<uint16_t> targets_;
  std::vector<uint32_t> order_;
  std::vector<uint32_t> begins_;
  std::vector<uint32_t> places_;
};

// ---- The codec

constexpr uint8_t kVersion = 1;
constexpr uint8_t kHasKinds = 1;
constexpr uint8_t kHasTimes = 2;
constexpr uint64_t kRowsMax = uint64_t{1} << 28;

// The types of a list's columns of elements.
std::vector<LogicalType> element_types(const LogicalType& type) {
  if (type.kind == TypeKind::kMultiset) {
    return {type.children[0], LogicalType::of(TypeKind::kInt, false)};
  }
  return type.children;
}

void write_column(const LogicalType& type, const ColumnView& column, uint32_t begin, uint32_t end,
                  EncodedRows& out);

void write_validity(const ColumnView& column, uint32_t begin, uint32_t end, Writer& out) {
  out.fixed(static_cast<uint8_t>(column.validity != nullptr ? 1 : 0));
  if (column.validity == nullptr) { return; }
  const size_t bytes = (size_t{end - begin} + 7) / 8;
  char* const bits = out.claim(bytes);
  std::memset(bits, 0, bytes);
  for (uint32_t row = begin; row < end; ++row) {
    if (!column.is_null(row)) {
      const uint32_t i = row - begin;
      bits[i / 8] = static_cast<char>(bits[i / 8] | (1 << (i % 8)));
    }
  }
}

void write_texts(const ColumnView& column, uint32_t begin, uint32_t end, Writer& out) {
  uint32_t size = 0;
  char* to = out.claim(size_t{end - begin} * sizeof size);
  for (uint32_t row = begin; row < end; ++row) {
    if (!column.is_null(row)) { size += static_cast<uint32_t>(column.at<Text>(row).size()); }
    std::memcpy(to, &size, sizeof size);
    to += sizeof size;
  }
  to = out.claim(size);
  for (uint32_t row = begin; row < end; ++row) {
    if (column.is_null(row)) { continue; }
    const Text& text = column.at<Text>(row);
    if (text.size() != 0) { std::memcpy(to, text.data(), text.size()); }
    to += text.size();
  }
}

void write_list(const LogicalType& type, const ColumnView& column, uint32_t begin, uint32_t end,
                EncodedRows& out) {
  const std::vector<LogicalType> types = element_types(type);
  uint32_t size = 0;
  const auto at = [&](uint32_t row) { return column.is_constant ? 0 : row; };
  for (uint32_t row = begin; row < end; ++row) {
    if (!column.is_null(row)) { size += column.offsets[at(row) + 1] - column.offsets[at(row)]; }
    out.writer().fixed(size);
  }
  std::vector<uint32_t> elements;
  for (uint32_t row = begin; row < end; ++row) {
    if (column.is_null(row)) { continue; }
    for (uint32_t e = column.offsets[at(row)]; e < column.offsets[at(row) + 1]; ++e) {
      elements.push_back(e);
    }
  }
  // Side by side, whatever lies between them. The columns are gone behind this call, so nothing of
  // them may stay where it is.
  for (size_t c = 0; c < types.size(); ++c) {
    Column gathered(types[c]);
    gather(column.children[c], elements, gathered, 0);
    EncodedRows copied;
    write_column(types[c], gathered.view(), 0, size, copied);
    out.writer().raw(copied.own().data(), copied.own().size());
  }
}

template <class T>
void write_values(const ColumnView& column, uint32_t begin, uint32_t end, EncodedRows& out) {
  if (column.validity == nullptr && !column.is_constant) {
    if (begin != end) { out.range(&column.at<T>(begin), size_t{end - begin} * sizeof(T)); }
    return;
  }
  char* to = out.writer().claim(size_t{end - begin} * sizeof(T));
  for (uint32_t row = begin; row < end; ++row) {
    const T value = column.is_null(row) ? T{} : column.at<T>(row);
    std::memcpy(to, &value, sizeof value);
    to += sizeof value;
  }
}

void write_column(const LogicalType& type, const ColumnView& column, uint32_t begin, uint32_t end,
                  EncodedRows& out) {
  write_validity(column, begin, end, out.writer());
  switch (type.physical()) {
    case Physical::kText: return write_texts(column, begin, end, out.writer());
    case Physical::kList: return write_list(type, column, begin, end, out);
    case Physical::kStruct:
      for (size_t c = 0; c < type.children.size(); ++c) {
        ColumnView child = column.children[c];
        child.is_constant |= column.is_constant;
        write_column(type.children[c], child, begin, end, out);
      }
      return;
    default: break;
  }
  with_physical(type.physical(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, Text>) { write_values<T>(column, begin, end, out); }
  });
}

// ---- Reading: bytes may be damaged.

// What a batch is read from, and where its strings go.
struct ColumnInput {
  Reader in;
  const char* end = nullptr;  // of its bytes
  Arena* arena = nullptr;     // null: they stay in the bytes
  const char* here() const { return end - in.remaining(); }
};

void read_column(const LogicalType& type, uint32_t count, ColumnInput& input, Column& to);

// Room for `count` rows, of which each takes `bytes` at least.
bool make_room(uint32_t count, size_t bytes, Reader& in, Column& to) {
  if (in.remaining() / bytes < count) { in.fail("a column is cut off"); }
  if (in.ok()) { to.ensure(count); }
  return in.ok();
}

// False when the bytes are damaged.
bool read_validity(uint32_t count, Reader& in, std::vector<uint8_t>& bits) {
  bits.clear();
  if (!in.flag()) { return in.ok(); }
  const size_t bytes = (size_t{count} + 7) / 8;
  if (in.remaining() < bytes) { in.fail("a bitmap is cut off"); }
  if (!in.ok()) { return false; }
  bits.resize(bytes);
  return in.raw(bits.data(), bytes);
}

// Ends of strings or lists, which only grow.
bool read_ends(uint32_t count, Reader& in, std::vector<uint32_t>& ends) {
  ends.resize(count);
  if (!in.raw(ends.data(), count * sizeof(uint32_t))) { return false; }
  if (!std::is_sorted(ends.begin(), ends.end())) { in.fail("an end lies before the one before"); }
  return in.ok();
}

void read_texts(uint32_t count, ColumnInput& input, Column& to) {
  Reader& in = input.in;
  if (!make_room(count, sizeof(uint32_t), in, to) || count == 0) { return; }
  const char* const ends = input.here();
  in.skip(count * sizeof(uint32_t));
  const auto end_of = [ends](uint32_t i) {
    uint32_t end = 0;
    std::memcpy(&end, ends + i * sizeof end, sizeof end);
    return end;
  };
  const uint32_t total = end_of(count - 1);
  if (in.remaining() < total) { return in.fail("strings are cut off"); }
  const char* bytes = input.here();
  if (input.arena == nullptr) {
    in.skip(total);
  } else {
    char* const copy = input.arena->allocate(total);
    in.raw(copy, total);
    bytes = copy;
  }
  Text* const texts = to.values<Text>();
  uint32_t begin = 0;
  bool grows = true;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t end = end_of(i);
    grows &= begin <= end && end <= total;
    texts[i] = grows ? Text(bytes + begin, end - begin) : Text();
    begin = end;
  }
  if (!grows) { in.fail("an end lies before the one before"); }
}

void read_list(const LogicalType& type, uint32_t count, ColumnInput& input, Column& to) {
  std::vector<uint32_t> ends;
  if (!make_room(count, sizeof(uint32_t), input.in, to) || !read_ends(count, input.in, ends)) {
    return;
  }
  const uint32_t total = count == 0 ? 0 : ends.back();
  const std::vector<LogicalType> types = element_types(type);
  for (size_t c = 0; c < types.size() && input.in.ok(); ++c) {
    read_column(types[c], total, input, to.child(c));
  }
  if (!input.in.ok() || count == 0) { return; }
  to.offsets()[0] = 0;
  std::copy(ends.begin(), ends.end(), to.offsets() + 1);
  to.set_child_rows(total);
}

void read_values(const LogicalType& type, uint32_t count, ColumnInput& input, Column& to) {
  Reader& in = input.in;
  switch (type.physical()) {
    case Physical::kText: return read_texts(count, input, to);
    case Physical::kList: return read_list(type, count, input, to);
    case Physical::kStruct:
      for (size_t c = 0; c < type.children.size() && in.ok(); ++c) {
        read_column(type.children[c], count, input, to.child(c));
      }
      return;
    default: break;
  }
  with_physical(type.physical(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, Text>) {
      if (!make_room(count, sizeof(T), in, to)) { return; }
      in.raw(to.values<T>(), count * sizeof(T));
      if (type.physical() == Physical::kBool &&
          std::any_of(to.values<T>(), to.values<T>() + count, [](T v) { return v > T{1}; })) {
        in.fail("a truth value is neither 0 nor 1");
      }
    }
  });
}

void read_column(const LogicalType& type, uint32_t count, ColumnInput& input, Column& to) {
  std::vector<uint8_t> bits;
  if (!read_validity(count, input.in, bits)) { return; }
  read_values(type, count, input, to);
  if (!input.in.ok() || bits.empty()) { return; }
  to.ensure(count);
  uint64_t* const words = to.validity();
  for (uint32_t i = 0; i < count; ++i) {
    if ((bits[i / 8] >> (i % 8) & 1) == 0) { words[i / 64] &= ~(uint64_t{1} << (i % 64)); }
  }
}

class ColumnReader final : public RowReader {
 public:
  explicit ColumnReader(const RowType& rows) : rows_(rows) {}

  Status read(std::string_view bytes, bool in_arena, Batch& to) override {
    auto& batch = static_cast<ColumnBatch&>(to);
    ColumnInput input{Reader(bytes), bytes.data() + bytes.size(),
                      in_arena ? nullptr : &batch.arena()};
    fill(input, batch);
    if (const Status status = input.in.finish(); !status.ok()) {
      return data_loss(ErrorId::kSnapshotFormat, "rows in flight: {}", status.message());
    }
    batch.seal();
    return ok_status();
  }

 private:
  void fill(ColumnInput& input, ColumnBatch& batch) const {
    Reader& in = input.in;
    batch.set_types(rows_.types);
    const auto version = in.fixed<uint8_t>();
    const uint64_t rows = in.varint();
    const auto flags = in.fixed<uint8_t>();
    if (version != kVersion || rows > kRowsMax || flags > (kHasKinds | kHasTimes)) {
      return in.fail("the head is not one of this version");
    }
    const auto count = static_cast<uint32_t>(rows);
    if ((flags & kHasKinds) != 0) { read_kinds(in, batch, count); }
    if ((flags & kHasTimes) != 0 && in.remaining() / sizeof(int64_t) >= count) {
      in.raw(batch.make_timestamps(count), count * sizeof(int64_t));
    } else if ((flags & kHasTimes) != 0) {
      return in.fail("timestamps are cut off");
    }
    for (size_t c = 0; c < rows_.size() && in.ok(); ++c) {
      read_column(rows_.types[c], count, input, batch.column(c));
    }
    if (in.ok()) { batch.set_size(count); }
  }
  static void read_kinds(Reader& in, ColumnBatch& batch, uint32_t count) {
    if (in.remaining() < count) { return in.fail("kinds of rows are cut off"); }
    RowKind* const kinds = batch.make_kinds(count);
    in.raw(kinds, count);
    if (std::any_of(kinds, kinds + count, [](RowKind kind) { return kind > RowKind::kDelete; })) {
      in.fail("a row is of no kind that there is");
    }
  }

  const RowType rows_;
};

class ColumnCodec final : public RowCodec {
 public:
  explicit ColumnCodec(RowType rows) : rows_(std::move(rows)), schema_(schema_of_row(rows_)) {}

  std::string schema() const override { return schema_.encode(); }

  void encode(const Element& rows, EncodedRows& out) const override {
    const ColumnBatch& batch = ColumnBatch::of(*rows.batch);
    const uint32_t count = rows.end - rows.begin;
    Writer& writer = out.writer();
    writer.fixed(kVersion);
    writer.varint(count);
    writer.fixed(static_cast<uint8_t>((batch.kinds() != nullptr ? kHasKinds : 0) |
                                      (batch.timestamps() != nullptr ? kHasTimes : 0)));
    if (batch.kinds() != nullptr) { out.range(batch.kinds() + rows.begin, count); }
    if (batch.timestamps() != nullptr) {
      out.range(batch.timestamps() + rows.begin, count * sizeof(int64_t));
    }
    for (size_t c = 0; c < rows_.size(); ++c) {
      write_column(rows_.types[c], batch.view(c), rows.begin, rows.end, out);
    }
  }

  std::shared_ptr<BatchPool> make_pool(uint32_t batch_rows, MemoryPool* memory) const override {
    return BatchPool::create_for<ColumnRow>(batch_rows, memory);
  }

  Result<std::unique_ptr<RowReader>> open_reader(std::string_view schema) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Schema old_schema, Schema::parse(schema));
    if (!(old_schema == schema_)) {
      return failed_precondition(
          ErrorId::kSchemaMismatch,
          "rows in flight are of another query: they were {} and are now {}; restore a savepoint, "
          "or a checkpoint that is aligned",
          old_schema.to_string(), schema_.to_string());
    }
    return std::unique_ptr<RowReader>(std::make_unique<ColumnReader>(rows_));
  }

 private:
  const RowType rows_;
  const Schema schema_;
};

}  // namespace

std::unique_ptr<Partitioner> make_column_partitioner(std::vector<LogicalType> types,
                                                     std::vector<int32_t> keys) {
  return std::make_unique<ColumnPartitioner>(std::move(types), std::move(keys));
}

std::shared_ptr<const RowCodec> make_column_codec(RowType rows) {
  return std::make_shared<ColumnCodec>(std::move(rows));
}

}  // namespace tidewheel::sql
