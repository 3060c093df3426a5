// The lines that come over one connection, made again when it is lost if that was asked for.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "tidewheel/base/network.h"
#include "tidewheel/operators/byte_chunks.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/types/time.h"

namespace tidewheel::socket {

struct SocketOptions {
  char delimiter = '\n';
  // How often in a row it connects again after the connection was refused, was lost or has ended;
  // -1: without limit. With 0 the stream ends when the peer ends it, and fails when the connection
  // does.
  int32_t reconnects_max = 0;
  Duration reconnect_after{500};
  Duration connect_timeout{10'000};
  int64_t record_bytes_max = int64_t{16} << 20;  // a longer line fails the job

  // Errors: kConnectorOption.
  [[nodiscard]] Status validate() const;
};

// Belongs to one subtask. Never blocks.
class LineConnection {
 public:
  enum class Next : uint8_t {
    kLine,
    kEnd,
    kWait,       // the context is woken when there is more
    kWaitUntil,  // nothing before retry_at_ms()
    kFailed,
  };
  LineConnection(SourceContext& context, NetworkAddress address, const SocketOptions& options);

  // The next line, without its delimiter; it lies in chunk(). The first call connects.
  Next next(std::string_view& line);
  const ArenaRef& chunk() const { return cutter_.chunks().chunk(); }
  int64_t retry_at_ms() const { return retry_at_ms_; }  // of the wall clock
  // After kFailed. Errors: kNetworkAddress, kNetworkConnect, kNetworkLost; kRecordMalformed for a
  // line that is too long.
  const Status& status() const { return status_; }

 private:
  void connect();
  Next after_end();
  Next after_failure(Status status);
  Next retry();
  bool may_retry() const {
    return options_.reconnects_max < 0 || attempts_ < options_.reconnects_max;
  }
  Next fail(Status status);

  SourceContext context_;
  const NetworkAddress address_;
  const SocketOptions options_;
  LineCutter cutter_;
  std::unique_ptr<Connection> connection_;  // null before the first, and between two
  int64_t retry_at_ms_ = INT64_MIN;
  int32_t attempts_ = 0;  // to connect again, since bytes came
  bool ended_ = false;    // the peer has: what is behind the last delimiter comes next
  Status status_;
};

}  // namespace tidewheel::socket
