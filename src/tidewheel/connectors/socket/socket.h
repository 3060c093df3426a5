// A source of the lines that a server sends over TCP: `env.from("lines",
// tw::socket::lines("localhost", 9999))`. What was sent while the job was away is gone: after a
// failure the stream goes on with what comes then.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/connectors/socket/line_connection.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/types/text.h"

namespace tidewheel::socket {

struct SocketSplit {
  int64_t records = 0;  // read so far
};

// Rows are Text, which points into the bytes as they came, or std::string.
template <class Line>
class LineSource {
  static_assert(std::same_as<Line, Text> || std::same_as<Line, std::string>,
                "lines are tidewheel::Text or std::string");

 public:
  using output = Line;
  using Split = SocketSplit;
  static constexpr int32_t fixed_parallelism = 1;
  static constexpr bool is_bounded() { return false; }

  LineSource(NetworkAddress address, const SocketOptions& options)
      : address_(std::move(address)), options_(options) {}

  Result<std::vector<Split>> discover(SplitContext&) {
    TIDEWHEEL_RETURN_IF_ERROR(options_.validate());
    return std::vector<Split>(1);
  }
  Status open(SourceContext& context) {
    connection_ = std::make_shared<LineConnection>(context, address_, options_);
    return ok_status();
  }
  void close() { connection_.reset(); }

  ReadResult read(Split& split, SourceOut<Line>& out) {
    constexpr int64_t kBatchBytesMax = 1 << 20;
    const Arena* shared = nullptr;
    int64_t bytes = 0;
    std::string_view line;
    while (out.room() > 0 && bytes < kBatchBytesMax) {
      switch (connection_->next(line)) {
        case LineConnection::Next::kLine: break;
        case LineConnection::Next::kEnd: return ReadResult::end();
        case LineConnection::Next::kWait: return ReadResult::wait();
        case LineConnection::Next::kWaitUntil:
          return ReadResult::wait_until(connection_->retry_at_ms());
        case LineConnection::Next::kFailed: return connection_->status();
      }
      bytes += std::ssize(line);
      if constexpr (std::same_as<Line, Text>) {
        if (connection_->chunk().get() != shared) {
          out.share_arena(connection_->chunk());
          shared = connection_->chunk().get();
        }
      }
      out.emit(Line(line));
      ++split.records;
    }
    return ReadResult::more();
  }

 private:
  NetworkAddress address_;
  SocketOptions options_;
  std::shared_ptr<LineConnection> connection_;  // of this copy, from `open` to `close`
};

template <class Line = Text>
LineSource<Line> lines(std::string host, uint16_t port, const SocketOptions& options = {}) {
  return LineSource<Line>({std::move(host), port}, options);
}

}  // namespace tidewheel::socket
