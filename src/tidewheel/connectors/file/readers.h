// What a source of files keeps in a subtask: a reader for each split that it reads.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/connectors/file/splits.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::file {

// So many bytes are put into one batch, whatever the number of records.
inline constexpr int64_t kBatchBytesMax = 1 << 20;

// One thread at a time. Tells the metric pendingBytes, of the splits whose end is known: a
// compressed file's, or that of one that is followed, is not.
template <class Reader>
class Readers {
 public:
  explicit Readers(SourceContext& context) : files_(&context.files()), clock_(&context.clock()) {
    // A read that is under way on the pool may outlive the task with its metrics.
    context.metrics().gauge("pendingBytes", [pending = pending_bytes_] {
      return pending->load(std::memory_order_relaxed);
    });
  }
  // The split's reader; `make(files)` opens it at first.
  template <class Make>
  Result<Reader*> of(const FileSplit& split, Make&& make) {
    Open& open = readers_[split.id()];
    if (open.reader == nullptr) { TIDEWHEEL_ASSIGN_OR_RETURN(open.reader, make(*files_)); }
    note(split, open);
    return open.reader.get();
  }
  // Says how far the split has been read.
  void note(const FileSplit& split) { note(split, readers_[split.id()]); }
  void remove(const FileSplit& split) {
    const auto found = readers_.find(split.id());
    if (found == readers_.end()) { return; }
    set_pending(found->second, 0);
    readers_.erase(found);
  }
  Clock& clock() { return *clock_; }

 private:
  struct Open {
    std::unique_ptr<Reader> reader;
    int64_t pending_bytes = 0;
  };

  // A line that ends behind the split's end is read with it.
  void note(const FileSplit& split, Open& open) {
    if (split.end == kToTheEnd) { return; }
    set_pending(open, std::max<int64_t>(0, split.end - std::max(split.begin, split.next)));
  }
  void set_pending(Open& open, int64_t bytes) {
    pending_bytes_->fetch_add(bytes - std::exchange(open.pending_bytes, bytes),
                              std::memory_order_relaxed);
  }

  FileSystem* files_;
  Clock* clock_;
  const std::shared_ptr<std::atomic<int64_t>> pending_bytes_ =
      std::make_shared<std::atomic<int64_t>>(0);
  std::map<std::string, Open> readers_;  // by the split's id
};

}  // namespace tidewheel::file
