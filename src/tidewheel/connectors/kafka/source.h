// Kafka topics as streams.
//
//   env.from("trades", tw::kafka::source<Trade>({.brokers = "localhost:9092",
//                                                .topics = {"trades"},
//                                                .start = tw::kafka::Start::earliest()},
//                                               tw::json()))
//       .event_time(&Trade::at, tw::bounded_lateness(2s));
//
// Each partition is a split, with a watermark of its own. Without a time of their own, rows have
// that of their message. `kafka::records(options)` gives messages as they are; a function makes
// rows of a message in any other way:
//
//   tw::kafka::source<Order>(options, [](const tw::kafka::MessageView& message,
//                                        tw::SourceOut<Order>& out) -> tw::Result<bool> {...});
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/connectors/kafka/options.h"
#include "tidewheel/connectors/kafka/source_client.h"
#include "tidewheel/connectors/kafka/splits.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/types/record.h"

namespace tidewheel::kafka {

// Makes rows of messages, in a copy for each subtask: `open` comes first, and `close`, if there is
// one, last. `read` answers as SourceClient::read says; `finish_read(out, begin)`, if there is one,
// comes when a call has added the rows from `begin` on.
template <class D>
concept MessageDecoder = std::copy_constructible<D> &&
    requires(D decoder, SourceContext& context, const MessageView& message,
             SourceOut<typename D::output>& out) {
  { decoder.open(context) } -> std::same_as<Status>;
  { decoder.read(message, out) } -> std::same_as<Result<bool>>;
};

template <MessageDecoder Decoder>
class KafkaSource {
 public:
  using output = typename Decoder::output;
  using Split = PartitionSplit;

  KafkaSource(SourceOptions options, Decoder decoder)
      : options_(std::make_shared<const SourceOptions>(std::move(options))),
        decoder_(std::move(decoder)) {}

  Result<std::vector<Split>> discover(SplitContext& context) {
    return find_splits(*options_, context.is_first());
  }
  // Offsets are not part of what a partition is.
  std::string split_id(const Split& split) const { return split.id(); }
  int64_t discovery_interval_ms() const {
    return options_->is_bounded() ? 0 : to_ms(options_->discovery_every);
  }
  bool is_bounded() const { return options_->is_bounded(); }
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }

  Status open(SourceContext& context) {
    TIDEWHEEL_RETURN_IF_ERROR(decoder_.open(context));
    TIDEWHEEL_ASSIGN_OR_RETURN(client_, SourceClient::open(context, options_));
    return ok_status();
  }
  void close() {
    client_.reset();
    if constexpr (requires { decoder_.close(); }) { decoder_.close(); }
  }
  Status open_split(Split& split) { return client_->open_split(split); }
  void close_split(Split& split) { client_->close_split(split); }
  void checkpoint_complete(std::span<const Split> splits) { client_->checkpoint_complete(splits); }
  ReadResult read(Split& split, SourceOut<output>& out) {
    const uint32_t begin = out.batch().size();
    ReadResult result = client_->read(
        split, out, [&](const MessageView& message) { return decoder_.read(message, out); });
    if constexpr (requires { decoder_.finish_read(out, begin); }) {
      TIDEWHEEL_RETURN_IF_ERROR(decoder_.finish_read(out, begin));
    }
    return result;
  }

 private:
  std::shared_ptr<const SourceOptions> options_;
  Decoder decoder_;
  std::shared_ptr<SourceClient> client_;  // of this copy, from `open` to `close`
};

// ---- Messages as they are

struct RecordHeader {
  Text name;
  std::optional<Text> value;
  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

struct Record {
  Text topic;
  int32_t partition = 0;
  int64_t offset = 0;
  Timestamp time{kNoMessageTime};
  std::optional<Text> key;
  std::optional<Text> value;  // nothing: a tombstone
  std::vector<RecordHeader> headers;
  friend bool operator==(const Record&, const Record&) = default;
};

class RecordDecoder {
 public:
  using output = Record;
  Status open(SourceContext&) { return {}; }
  Result<bool> read(const MessageView& view, SourceOut<Record>& out);

 private:
  std::vector<Header> headers_;
};

inline KafkaSource<RecordDecoder> records(SourceOptions options) {
  return {std::move(options), RecordDecoder()};
}

// ---- Rows of a format

// A format whose records come one by one, such as tw::json().rows<T>(). Messages without a value
// are no rows.
template <class F>
concept MessageFormat = requires(const F& format, std::string_view message, typename F::output& row,
                                 Arena* arena) {
  { (*format.open_messages()).parse(message, row, arena) } -> std::same_as<Status>;
};

template <MessageFormat Format>
class FormatDecoder {
  using Parser = typename decltype(std::declval<const Format&>().open_messages())::value_type;

 public:
  using output = typename Format::output;
  explicit FormatDecoder(Format format) : format_(std::move(format)) {}

  Status open(SourceContext&) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Parser parser, format_.open_messages());
    parser_ = std::make_shared<Parser>(std::move(parser));
    return ok_status();
  }
  Result<bool> read(const MessageView& view, SourceOut<output>& out) {
    const Message& message = view.message();
    if (!message.has_value) { return false; }
    Arena& arena = out.batch().arena();
    std::string_view bytes = message.value;
    if constexpr (has_text_v<output>) { bytes = arena.copy(bytes); }  // to which Text points
    TIDEWHEEL_RETURN_IF_ERROR(parser_->parse(bytes, row_, &arena));
    out.emit(row_, message.timestamp_ms < 0 ? kNoTimestamp : message.timestamp_ms);
    return true;
  }

 private:
  Format format_;
  std::shared_ptr<Parser> parser_;  // of this copy
  output row_{};                    // kept from row to row, for the memory of its fields
};

template <class F, class T>
concept FormatOfAnyMessages = requires(const F& format) {
  { format.template rows<T>() } -> MessageFormat;
};

template <MessageFormat Format>
KafkaSource<FormatDecoder<Format>> source(SourceOptions options, Format format) {
  return {std::move(options), FormatDecoder<Format>(std::move(format))};
}
template <class T, class Format>
requires FormatOfAnyMessages<Format, T>
auto source(SourceOptions options, const Format& format) {
  return source(std::move(options), format.template rows<T>());
}

// ---- Rows by a function

template <class T, class F>
class FunctionDecoder {
 public:
  using output = T;
  explicit FunctionDecoder(F function) : function_(std::move(function)) {}
  Status open(SourceContext&) { return {}; }
  Result<bool> read(const MessageView& message, SourceOut<T>& out) {
    return function_(message, out);
  }

 private:
  F function_;
};

template <class T, class F>
requires std::is_invocable_r_v<Result<bool>, F&, const MessageView&, SourceOut<T>&>
    KafkaSource<FunctionDecoder<T, F>> source(SourceOptions options, F function) {
  return {std::move(options), FunctionDecoder<T, F>(std::move(function))};
}

}  // namespace tidewheel::kafka
