// What metrics say of a task beyond TaskInfo: what goes through its channels, its mail, barriers.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "tidewheel/base/metrics.h"
#include "tidewheel/dataflow/element.h"

namespace tidewheel {

class Channel;   // dataflow/channel.h
class RowCodec;  // dataflow/row_codec.h

// The newest values of something that happens now and then. One thread adds, any thread reads.
class RecentValues {
 public:
  static constexpr uint32_t kKept = 60;

  void add(int64_t value);
  // From the least to the greatest.
  std::vector<int64_t> sorted() const;

 private:
  std::array<std::atomic<int64_t>, kKept> values_{};
  std::atomic<uint32_t> added_{0};
};

// How many bytes the rows of one edge take when they are encoded. Encoding all of them would cost
// more than moving them: the first rows of a batch are measured now and then, without being
// written. One thread.
class RowSize {
 public:
  // About; `codec` may be null: then it is a share of the memory that the batch holds.
  int64_t bytes_of(const Element& rows, const RowCodec* codec) {
    if (batches_ == next_) [[unlikely]] { measure(rows, codec); }
    ++batches_;
    return static_cast<int64_t>((rows.end - rows.begin) * bytes_per_row_);
  }

 private:
  void measure(const Element& rows, const RowCodec* codec);

  double bytes_per_row_ = 0;
  uint32_t batches_ = 0;
  uint32_t next_ = 0;  // the batch that is measured
};

// What went through some channels. One thread counts, any thread reads.
struct Traffic {
  Counter bytes;
  Counter batches;

  void add(int64_t batch_bytes) {
    bytes.add(batch_bytes);
    batches.add();
  }
};

// How full some channels are. Any thread.
struct QueueLength {
  int64_t elements = 0;
  int64_t capacity = 0;
};
void add_queue(const Channel& channel, QueueLength& length);

// What the next operators, or channel writers, see of what an operator sends. Written on its
// task's thread.
struct SentGauges {
  Gauge* watermark = nullptr;   // null: nobody asks
  Gauge* event_time = nullptr;  // of the latest row that has one; null: the operator is no source

  void note(const Element& element) const {
    if (element.kind == Element::Kind::kWatermark) {
      if (watermark != nullptr) { watermark->set(element.value); }
    } else if (event_time != nullptr && element.kind == Element::Kind::kBatch) {
      note_event_time(element);
    }
  }

 private:
  void note_event_time(const Element& rows) const {
    if (rows.end == rows.begin || rows.batch->timestamps() == nullptr) { return; }
    const int64_t time_ms = rows.batch->timestamps()[rows.end - 1];
    if (time_ms != kNoTimestamp) { event_time->set(time_ms); }
  }
};

// Written by the task as it goes on; any thread reads.
struct TaskGauges {
  Gauge initialization_ns;     // from the first step until it ran
  Gauge alignment_ns;          // of the latest barriers
  Gauge start_delay_ns;        // of the latest checkpoint: from its trigger to the first barrier
  Gauge latest_read_ns;        // when a source had rows, on the monotonic clock; 0: never
  Gauge latest_event_time;     // of a source's rows: SentGauges
  Gauge longest_refusal_ns;    // that a single wait for room took; taken away by who reads it
  Counter mails;               // that were run
  Counter fired_timers;        // of operators that have queues of timers
  RecentValues mail_waits_ns;  // how long the oldest mail of each run had waited
  std::atomic<int64_t> mails_waiting{0};
  std::atomic<int64_t> oldest_mail_ns{0};  // 0: none
};

// As it is now.
struct TaskFigures {
  struct Flow {
    int64_t bytes = 0;
    int64_t batches = 0;
  };
  bool is_source = false;
  Flow in_local;   // from tasks of the same process
  Flow in_remote;  // from others
  Flow out;        // once for each receiver
  QueueLength input;
  QueueLength output;
  int64_t fired_timers = 0;
  int64_t mails = 0;
  int64_t mails_waiting = 0;
  std::vector<int64_t> mail_waits_ns;  // the latest ones, sorted
  int64_t initialization_ns = 0;
  int64_t alignment_ns = 0;
  int64_t start_delay_ns = 0;
  std::optional<int64_t> latest_read_ns;     // of a source
  std::optional<int64_t> latest_event_time;  // of a source's rows, if they have one
};

}  // namespace tidewheel
