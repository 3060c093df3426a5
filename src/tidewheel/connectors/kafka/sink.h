// Sinks that write rows as messages of a topic:
//
//   orders.to(tw::kafka::sink({.brokers = "host:9092", .topic = "orders"},
//                             [](const Order& order, tw::kafka::MessageBuilder& message) {
//                               message.key().append(order.customer);
//                               append_json(message.value(), order);
//                             }));
//   lines.to(tw::kafka::sink({..}));                             // text as it is, without a key
//   orders.to(tw::kafka::sink({..}, tw::json()));  // a format of values
//
// A function that writes a message may answer Status, or nothing. What it does not say of the time
// is the row's event time, if it has one.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/connectors/kafka/message_writer.h"
#include "tidewheel/connectors/kafka/sink_options.h"
#include "tidewheel/operators/sink.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel::kafka {

// One message that is being put together. Used for all rows, one after the other.
class MessageBuilder {
 public:
  // The key and the value, empty at first, to be appended to. Without a call of `key` there is no
  // key; without one of `value`, as after `tombstone`, the message says that the key is gone.
  std::string& key() {
    has_key_ = true;
    return key_;
  }
  std::string& value() {
    has_value_ = true;
    return value_;
  }
  void tombstone() {
    has_value_ = false;
    value_.clear();
  }
  void header(std::string_view name, std::optional<std::string_view> value);
  // Instead of the partitioner's choice.
  void partition(int32_t partition) { message_.partition = partition; }
  void timestamp_ms(int64_t time) { message_.timestamp_ms = time; }
  // Of the topic, for those who choose a partition.
  int32_t partition_count() const { return partition_count_; }

  // ---- For sinks.
  void begin(int32_t partition_count, int64_t timestamp_ms);
  // Valid until the next call of `begin`.
  const OutgoingMessage& finish();
  void drop_line_feed();

 private:
  struct OwnHeader {
    std::string name;
    std::optional<std::string> value;
  };
  std::string key_;
  std::string value_;
  bool has_key_ = false;
  bool has_value_ = false;
  int32_t partition_count_ = 0;
  std::vector<OwnHeader> own_headers_;
  std::vector<Header> headers_;
  OutgoingMessage message_;
};

// Text as the value.
struct PlainValue {
  template <std::convertible_to<std::string_view> T>
  void operator()(const T& row, MessageBuilder& message) const {
    message.value().append(std::string_view(row));
  }
  void operator()(const Text& row, MessageBuilder& message) const {
    message.value().append(row.view());
  }
};

namespace sink_detail {
template <class F, class T>
concept WritesMessage = std::is_invocable_v<const F&, const T&, MessageBuilder&>;
template <class F>
concept OpensWriter = requires(const F& format) {
  format.open().value();
};
}  // namespace sink_detail

// The sink of one row type. F writes messages, or is a format of values (connectors/file/sink.h).
template <class T, class F>
class MessageSink {
 public:
  using input = T;
  using Pending = PendingTransaction;
  static constexpr bool blocking_commits = true;

  MessageSink(SinkOptions options, F format)
      : options_(std::move(options)), format_(std::move(format)) {}

  Status open(SinkContext& context) {
    TIDEWHEEL_ASSIGN_OR_RETURN(writer_, MessageWriter::open(context, options_));
    if constexpr (!sink_detail::WritesMessage<F, T>) {
      TIDEWHEEL_ASSIGN_OR_RETURN(auto rows, format_.open());
      row_writer_ = std::make_shared<const typename RowWriter<F>::type>(std::move(rows));
    }
    return ok_status();
  }
  Status recover(const MessageWriter::Recovery& recovery) {
    writer_->recover(recovery);
    return ok_status();
  }
  bool ready() { return writer_->ready(); }
  Status write_rows(std::span<const T> rows, std::span<const int64_t> timestamps) {
    for (size_t i = 0; i < rows.size(); ++i) {
      message_.begin(writer_->partition_count(),
                     timestamps[i] == kNoTimestamp ? kNoMessageTime : timestamps[i]);
      TIDEWHEEL_RETURN_IF_ERROR(put_message(rows[i]));
      TIDEWHEEL_RETURN_IF_ERROR(writer_->write(message_.finish()));
    }
    return ok_status();
  }
  Status end_of_input() {
    writer_->end_of_input();
    return ok_status();
  }
  Result<PrepareJob<Pending>> prepare(int64_t checkpoint) { return writer_->prepare(checkpoint); }
  Status commit(const Pending& pending) const { return writer_->committer()->commit(pending); }
  Status close(bool) {
    if (writer_ != nullptr) { writer_->close(); }
    return ok_status();
  }

 private:
  template <class U>
  struct RowWriter {
    struct type {};
  };
  template <sink_detail::OpensWriter U>
  struct RowWriter<U> {
    using type = typename decltype(std::declval<const U&>().open())::value_type;
  };

  Status put_message(const T& row) {
    if constexpr (sink_detail::WritesMessage<F, T>) {
      return status_of([&] { return std::as_const(format_)(row, message_); });
    } else {
      TIDEWHEEL_RETURN_IF_ERROR(
          status_of([&] { return row_writer_->append_row(message_.value(), row); }));
      message_.drop_line_feed();
      return ok_status();
    }
  }
  template <class Call>
  static Status status_of(Call&& call) {
    if constexpr (std::same_as<decltype(call()), Status>) {
      return call();
    } else {
      call();
      return ok_status();
    }
  }

  SinkOptions options_;
  F format_;
  MessageBuilder message_;
  // Of this copy, from `open` on.
  std::shared_ptr<const typename RowWriter<F>::type> row_writer_;
  std::shared_ptr<MessageWriter> writer_;
};

// Makes the sink for the rows of the stream that it is given to.
template <class F>
class MessageSinks {
 public:
  MessageSinks(SinkOptions options, F format)
      : options_(std::move(options)), format_(std::move(format)) {}
  template <class T>
  MessageSink<T, F> bind() const {
    static_assert(sink_detail::WritesMessage<F, T> || sink_detail::OpensWriter<F>,
                  "kafka::sink needs a const function of (const T& row, MessageBuilder&), or a "
                  "format with open(); rows of text need neither");
    return {options_, format_};
  }

 private:
  SinkOptions options_;
  F format_;
};

template <class F = PlainValue>
MessageSinks<F> sink(SinkOptions options, F format = {}) {
  return {std::move(options), std::move(format)};
}

}  // namespace tidewheel::kafka
