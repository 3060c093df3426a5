// Formats on the same rows: Nexmark's bids, decoded into columns and structs and encoded again,
// beside what other libraries take for the same bytes.
#include <benchmark/benchmark.h>
#include <google/protobuf/dynamic_message.h>
#include <simdjson.h>

#include "bid.pb.h"
#ifdef TIDEWHEEL_HAS_LIBAVRO
#include <avro.h>
#endif

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/avro/avro.h"
#include "tidewheel/formats/avro/table.h"
#include "tidewheel/formats/json/json.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/protobuf/table.h"

namespace tidewheel {
namespace {

struct Bid {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  Text channel;
  Text url;
  LocalTimestamp date_time;
  Text extra;
};

constexpr int64_t kRows = 20'000;
constexpr uint32_t kBatchRows = 1024;

RowType bid_type() {
  const LogicalType number = LogicalType::of(TypeKind::kBigint, false);
  const LogicalType text = LogicalType::string(false);
  RowType type;
  type.add("auction", number);
  type.add("bidder", number);
  type.add("price", number);
  type.add("channel", text);
  type.add("url", text);
  type.add("date_time", LogicalType::with(TypeKind::kTimestamp, 3, 0, false));
  type.add("extra", text);
  return type;
}

Bid make_bid(int64_t i, std::string& text) {
  Bid bid;
  bid.auction = 1000 + i % 977;
  bid.bidder = 2000 + i % 1013;
  bid.price = 100 + (i * 7919) % 10'000'000;
  bid.channel = i % 2 == 0 ? "Google" : "channel-4711";
  bid.url = "https://www.nexmark.com/abcd/ef_g/hij/item.htm?query=1&channel_id=379584512";
  bid.date_time = LocalTimestamp(1'795'183'471'000 + i);
  text = "abdjosVQJotcwxljswqvbKWQmfvpgmXYNYOIKSXTXTUTKYJJXQWU" + std::to_string(i);
  bid.extra = text;
  return bid;
}

// The same bids in each form.
struct Data {
  std::string lines;                // of JSON
  std::vector<std::string> protos;  // messages of Protobuf
  size_t proto_bytes = 0;
  std::vector<std::string> messages;  // of Avro
  std::string values;                 // those, one after another
  std::string changes;                // lines of debezium-json
  int64_t avro_bytes = 0;
};
const Data& data() {
  static const Data made = [] {
    Data all;
    std::string text;
    const auto writer = JsonWriter::open({}).value();
    for (int64_t i = 0; i < kRows; ++i) {
      const Bid bid = make_bid(i, text);
      std::string line;
      writer.append_row(line, bid);
      all.lines += line;
      line.pop_back();
      all.changes += "{\"before\":null,\"after\":" + line + ",\"op\":\"c\"}\n";
      avro::append_value(all.messages.emplace_back(), bid);
      all.values += all.messages.back();
    }
    for (int64_t i = 0; i < kRows; ++i) {
      const Bid bid = make_bid(i, text);
      bench::Bid message;
      message.set_auction(bid.auction);
      message.set_bidder(bid.bidder);
      message.set_price(bid.price);
      message.set_channel(bid.channel.str());
      message.set_url(bid.url.str());
      message.set_date_time(1'795'183'471'000 + i);
      message.set_extra(bid.extra.str());
      all.protos.push_back(message.SerializeAsString());
      all.proto_bytes += all.protos.back().size();
    }
    all.avro_bytes = std::ssize(all.values);
    return all;
  }();
  return made;
}

void count(benchmark::State& state, size_t bytes) {
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
  state.counters["per_record"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kRows),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// A table's format, with options.
struct Table {
  explicit Table(std::unique_ptr<TableFormat> made, std::map<std::string, std::string> options = {},
                 RowType columns_type = bid_type())
      : type(std::move(columns_type)),
        format(std::move(made)),
        pool(BatchPool::create_for<ColumnRow>(kBatchRows, nullptr)) {
    options["connector"] = "bench";
    definition.options = std::move(options);
    TableOptions known(definition, format->options());
    std::vector<size_t> columns;
    for (size_t i = 0; i < type.size(); ++i) { columns.push_back(i); }
    make_decoder = format->decoder(DecodedRow::all(type), known).value();
    make_encoder = format->encoder(type, columns, known).value();
    head = format->file_head(type, known);
  }
  ColumnBatch* fresh_batch() const {
    auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
    batch->set_types(type.types);
    return batch;
  }
  RowType type;
  TableDefinition definition;
  std::unique_ptr<TableFormat> format;
  MakeDecoder make_decoder;
  MakeEncoder make_encoder;
  std::string head;
  std::shared_ptr<BatchPool> pool;
};

void decode_stream(benchmark::State& state, const Table& table, const std::string& stream) {
  for (auto _ : state) {
    const auto decoder = table.make_decoder();
    std::string_view rest = stream;
    auto next = RowDecoder::Next::kFull;
    while (next == RowDecoder::Next::kFull) {
      ColumnBatch* const batch = table.fresh_batch();
      size_t taken = 0;
      next = decoder->read(rest, true, taken, *batch, kBatchRows);
      rest.remove_prefix(taken);
      batch->seal();
      benchmark::DoNotOptimize(batch->view(0).values);
      batch->release();
    }
    if (!decoder->status().ok()) { state.SkipWithError(decoder->status().message().c_str()); }
  }
  count(state, stream.size());
}

// ---- JSON

void json_columns(benchmark::State& state) {
  decode_stream(state, Table(json_table_format()), data().lines);
}
void json_struct(benchmark::State& state) {
  for (auto _ : state) {
    auto reader = JsonReader<Bid>::open({}, "bench").value();
    const ArenaRef arena = Arena::create();
    std::string_view rest = data().lines;
    Bid row;
    size_t taken = 0;
    while (reader.next(rest, true, taken, row, arena.get()) == JsonNext::kRow) {
      benchmark::DoNotOptimize(row);
      rest.remove_prefix(taken);
    }
  }
  count(state, data().lines.size());
}
// Its fastest interface; points in time stay text.
void json_simdjson_ondemand(benchmark::State& state) {
  const simdjson::padded_string lines(data().lines);
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    simdjson::ondemand::document_stream stream = parser.iterate_many(lines, 1 << 20);
    for (auto document : stream) {
      Bid row;
      std::string_view text;
      simdjson::ondemand::object object = document.get_object();
      row.auction = object["auction"].get_int64();
      row.bidder = object["bidder"].get_int64();
      row.price = object["price"].get_int64();
      row.channel = std::string_view(object["channel"].get_string());
      row.url = std::string_view(object["url"].get_string());
      text = object["date_time"].get_string();
      row.extra = std::string_view(object["extra"].get_string());
      benchmark::DoNotOptimize(row);
      benchmark::DoNotOptimize(text);
    }
  }
  count(state, data().lines.size());
}
void debezium_columns(benchmark::State& state) {
  decode_stream(state, Table(debezium_json_table_format()), data().changes);
}

// ---- Avro

void avro_columns(benchmark::State& state) {
  const Table table(avro_table_format());
  for (auto _ : state) {
    const auto decoder = table.make_decoder();
    size_t at = 0;
    while (at < data().messages.size()) {
      ColumnBatch* const batch = table.fresh_batch();
      batch->ensure_room(kBatchRows);
      for (uint32_t i = 0; i < kBatchRows && at < data().messages.size(); ++i, ++at) {
        const auto done = decoder->decode(Text(data().messages[at]), *batch);
        if (!done.ok()) { state.SkipWithError(done.status().message().c_str()); }
      }
      batch->seal();
      benchmark::DoNotOptimize(batch->view(0).values);
      batch->release();
    }
  }
  count(state, data().values.size());
}
void avro_struct(benchmark::State& state) {
  for (auto _ : state) {
    auto parser = avro::MessageParser<Bid>::open().value();
    Bid row;
    for (const std::string& message : data().messages) {
      benchmark::DoNotOptimize(parser.parse(message, row).ok());
      benchmark::DoNotOptimize(row);
    }
  }
  count(state, data().values.size());
}
std::string encode_file(const Table& table, bool with_head) {
  std::string file = with_head ? table.head : std::string();
  const auto decoder = table.make_decoder();
  const auto encoder = table.make_encoder();
  for (size_t at = 0; at < data().messages.size();) {
    ColumnBatch* const batch = table.fresh_batch();
    std::vector<uint32_t> indexes;
    for (uint32_t i = 0; i < kBatchRows && at < data().messages.size(); ++i, ++at) {
      static_cast<void>(decoder->decode(Text(data().messages[at]), *batch).ok());
      indexes.push_back(i);
    }
    batch->seal();
    static_cast<void>(encoder->encode_block(*batch, indexes, file).ok());
    batch->release();
  }
  return file;
}
void avro_file(benchmark::State& state, const char* codec) {
  const Table table(avro_table_format(), {{"avro.codec", codec}});
  decode_stream(state, table, encode_file(table, true));
  count(state, data().values.size());  // before they were packed
}
void avro_file_null(benchmark::State& state) { avro_file(state, "null"); }
void avro_file_snappy(benchmark::State& state) { avro_file(state, "snappy"); }

#ifdef TIDEWHEEL_HAS_LIBAVRO
// Apache's library for C, with generic values.
void avro_libavro(benchmark::State& state) {
  const std::string json = avro::schema_for<Bid>().to_json();
  avro_schema_t schema = nullptr;
  if (avro_schema_from_json_length(json.data(), json.size(), &schema) != 0) {
    state.SkipWithError(avro_strerror());
    return;
  }
  avro_value_iface_t* const iface = avro_generic_class_from_schema(schema);
  avro_value_t value;
  avro_generic_value_new(iface, &value);
  avro_reader_t reader = avro_reader_memory(data().values.data(), data().avro_bytes);
  for (auto _ : state) {
    avro_reader_memory_set_source(reader, data().values.data(), data().avro_bytes);
    for (int64_t i = 0; i < kRows; ++i) {
      avro_value_reset(&value);
      if (avro_value_read(reader, &value) != 0) { state.SkipWithError(avro_strerror()); }
      avro_value_t field;
      int64_t auction = 0;
      avro_value_get_by_index(&value, 0, &field, nullptr);
      avro_value_get_long(&field, &auction);
      benchmark::DoNotOptimize(auction);
    }
  }
  count(state, data().values.size());
  avro_reader_free(reader);
  avro_value_decref(&value);
  avro_value_iface_decref(iface);
  avro_schema_decref(schema);
}
BENCHMARK(avro_libavro);
#endif

// ---- Protobuf

constexpr char kBidProto[] =
    "syntax = \"proto3\"; package bench; message Bid { int64 auction = 1; int64 bidder = 2; int64 "
    "price = 3; string channel = 4; string url = 5; int64 date_time = 6; string extra = 7; }";

std::map<std::string, std::string> proto_options() {
  return {{"protobuf.message-class-name", "bench.Bid"}, {"protobuf.schema", kBidProto}};
}
RowType proto_type() {
  RowType type = bid_type();
  type.types[5] = LogicalType::of(TypeKind::kBigint, false);
  return type;
}
void protobuf_columns(benchmark::State& state) {
  const Table table(protobuf_table_format(), proto_options(), proto_type());
  for (auto _ : state) {
    const auto decoder = table.make_decoder();
    size_t at = 0;
    while (at < data().protos.size()) {
      ColumnBatch* const batch = table.fresh_batch();
      batch->ensure_room(kBatchRows);
      for (uint32_t i = 0; i < kBatchRows && at < data().protos.size(); ++i, ++at) {
        const auto done = decoder->decode(Text(data().protos[at]), *batch);
        if (!done.ok()) { state.SkipWithError(done.status().message().c_str()); }
      }
      batch->seal();
      benchmark::DoNotOptimize(batch->view(0).values);
      batch->release();
    }
  }
  count(state, data().proto_bytes);
}
// What protoc has generated for this message, used again for each.
void protobuf_generated(benchmark::State& state) {
  bench::Bid bid;
  for (auto _ : state) {
    for (const std::string& message : data().protos) {
      if (!bid.ParseFromString(message)) { state.SkipWithError("no message"); }
      benchmark::DoNotOptimize(bid);
    }
  }
  count(state, data().proto_bytes);
}
// libprotobuf with a descriptor that is known at run time only, as here.
void protobuf_dynamic(benchmark::State& state) {
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> bid(
      factory.GetPrototype(bench::Bid::descriptor())->New());
  for (auto _ : state) {
    for (const std::string& message : data().protos) {
      if (!bid->ParseFromString(message)) { state.SkipWithError("no message"); }
      benchmark::DoNotOptimize(bid.get());
    }
  }
  count(state, data().proto_bytes);
}
void protobuf_encode_columns(benchmark::State& state) {
  const Table table(protobuf_table_format(), proto_options(), proto_type());
  const auto decoder = table.make_decoder();
  ColumnBatch* const batch = table.fresh_batch();
  for (const std::string& message : data().protos) {
    static_cast<void>(decoder->decode(Text(message), *batch).ok());
  }
  batch->seal();
  std::string message;
  for (auto _ : state) {
    const auto encoder = table.make_encoder();
    for (uint32_t row = 0; row < batch->size(); ++row) {
      message.clear();
      static_cast<void>(encoder->encode(*batch, row, message).ok());
      benchmark::DoNotOptimize(message.data());
    }
  }
  batch->release();
  count(state, data().proto_bytes);
}
void protobuf_encode_generated(benchmark::State& state) {
  std::vector<bench::Bid> bids(data().protos.size());
  for (size_t i = 0; i < bids.size(); ++i) { bids[i].ParseFromString(data().protos[i]); }
  std::string message;
  for (auto _ : state) {
    for (const bench::Bid& bid : bids) {
      bid.SerializeToString(&message);
      benchmark::DoNotOptimize(message.data());
    }
  }
  count(state, data().proto_bytes);
}

// ---- Encoding

void encode_columns(benchmark::State& state, const Table& table) {
  const Table source(avro_table_format());
  const auto decoder = source.make_decoder();
  ColumnBatch* const batch = source.fresh_batch();
  for (const std::string& message : data().messages) {
    static_cast<void>(decoder->decode(Text(message), *batch).ok());
  }
  batch->seal();
  std::string message;
  size_t bytes = 0;
  for (auto _ : state) {
    const auto encoder = table.make_encoder();
    bytes = 0;
    for (uint32_t row = 0; row < batch->size(); ++row) {
      message.clear();
      static_cast<void>(encoder->encode(*batch, row, message).ok());
      bytes += message.size();
      benchmark::DoNotOptimize(message.data());
    }
  }
  batch->release();
  count(state, bytes);
}
void json_encode_columns(benchmark::State& state) {
  encode_columns(state, Table(json_table_format()));
}
void avro_encode_columns(benchmark::State& state) {
  encode_columns(state, Table(avro_table_format()));
}
void avro_encode_struct(benchmark::State& state) {
  std::string text;
  std::vector<Bid> bids;
  const ArenaRef arena = Arena::create();
  for (int64_t i = 0; i < kRows; ++i) {
    bids.push_back(make_bid(i, text));
    bids.back().extra = arena->copy(text);
  }
  std::string message;
  for (auto _ : state) {
    for (const Bid& bid : bids) {
      message.clear();
      avro::append_value(message, bid);
      benchmark::DoNotOptimize(message.data());
    }
  }
  count(state, data().values.size());
}

BENCHMARK(json_columns);
BENCHMARK(json_struct);
BENCHMARK(json_simdjson_ondemand);
BENCHMARK(json_encode_columns);
BENCHMARK(debezium_columns);
BENCHMARK(avro_columns);
BENCHMARK(avro_struct);
BENCHMARK(avro_file_null);
BENCHMARK(avro_file_snappy);
BENCHMARK(avro_encode_columns);
BENCHMARK(avro_encode_struct);
BENCHMARK(protobuf_columns);
BENCHMARK(protobuf_generated);
BENCHMARK(protobuf_dynamic);
BENCHMARK(protobuf_encode_columns);
BENCHMARK(protobuf_encode_generated);

}  // namespace
}  // namespace tidewheel

BENCHMARK_MAIN();
