// Rows for the caller: `auto rows = stream.collect(); env.execute(); use(rows.get());`
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/api/stream.h"
#include "tidewheel/types/arena.h"

namespace tidewheel {

// The rows of one subtask, with their times and the bytes of their Text.
template <class T>
struct CollectedPart {
  int32_t subtask = 0;
  std::vector<T> rows;
  std::vector<int64_t> timestamps;
  ArenaRef arena;
  CollectedPart* next = nullptr;
};

// Appends rows, and copies the bytes of their Text.
template <class T>
void collect_rows(CollectedPart<T>& part, std::span<const T> rows,
                  std::span<const int64_t> timestamps) {
  const size_t before = part.rows.size();
  part.rows.insert(part.rows.end(), rows.begin(), rows.end());
  part.timestamps.insert(part.timestamps.end(), timestamps.begin(), timestamps.end());
  if constexpr (has_text_v<T>) {
    for (size_t i = before; i < part.rows.size(); ++i) {
      relocate_texts_into(part.rows[i], *part.arena);
    }
  } else {
    static_cast<void>(before);
  }
}

// Where the subtasks leave what they have, once each, when they end. Any thread; without a lock
// because parts are only ever added.
template <class T>
class CollectedParts {
 public:
  ~CollectedParts() {
    for (CollectedPart<T>* part = first_.load(); part != nullptr;) {
      delete std::exchange(part, part->next);
    }
  }
  void add(std::unique_ptr<CollectedPart<T>> part) {
    CollectedPart<T>* const added = part.release();
    added->next = first_.load();
    while (!first_.compare_exchange_weak(added->next, added)) {}
  }
  // In the order of subtasks.
  std::vector<const CollectedPart<T>*> all() const {
    std::vector<const CollectedPart<T>*> parts;
    for (const CollectedPart<T>* part = first_.load(); part != nullptr; part = part->next) {
      parts.push_back(part);
    }
    std::sort(parts.begin(), parts.end(),
              [](const auto* a, const auto* b) { return a->subtask < b->subtask; });
    return parts;
  }

 private:
  std::atomic<CollectedPart<T>*> first_{nullptr};
};

// What Stream::collect gives; empty until the job has ended. Text in the rows lives as long as any
// copy of this object.
template <class T>
class Collected : public NodeSettings<Collected<T>> {
 public:
  Collected(SinkEnd end, std::shared_ptr<CollectedParts<T>> parts)
      : end_(std::move(end)), parts_(std::move(parts)) {}

  // All rows: those of each subtask in their order, subtask after subtask.
  std::vector<T> get() const {
    std::vector<T> rows;
    for (const CollectedPart<T>* part : parts_->all()) {
      rows.insert(rows.end(), part->rows.begin(), part->rows.end());
    }
    return rows;
  }
  // In order of the rows themselves, for comparisons that do not depend on parallelism.
  std::vector<T> sorted() const {
    std::vector<T> rows = get();
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  // The times of get()'s rows, in ms.
  std::vector<int64_t> timestamps() const {
    std::vector<int64_t> times;
    for (const CollectedPart<T>* part : parts_->all()) {
      times.insert(times.end(), part->timestamps.begin(), part->timestamps.end());
    }
    return times;
  }

  const std::shared_ptr<JobGraph>& graph() const { return end_.graph(); }
  int32_t node_id() const { return end_.node_id(); }

 private:
  SinkEnd end_;
  std::shared_ptr<CollectedParts<T>> parts_;
};

template <class T>
class CollectSink {
 public:
  using input = T;
  explicit CollectSink(std::shared_ptr<CollectedParts<T>> parts) : parts_(std::move(parts)) {}
  CollectSink(const CollectSink& other) : parts_(other.parts_) {}

  Status open(SinkContext& context) {
    part_ = std::make_unique<CollectedPart<T>>();
    part_->subtask = context.subtask_index();
    part_->arena = Arena::create();
    return {};
  }
  Status write_rows(std::span<const T> rows, std::span<const int64_t> timestamps) {
    collect_rows(*part_, rows, timestamps);
    return {};
  }
  void close(bool /*finished*/) {
    if (part_ != nullptr) { parts_->add(std::move(part_)); }
  }

 private:
  std::shared_ptr<CollectedParts<T>> parts_;
  std::unique_ptr<CollectedPart<T>> part_;
};

template <class T>
Collected<T> Stream<T>::collect() const {
  auto parts = std::make_shared<CollectedParts<T>>();
  return Collected<T>(to(CollectSink<T>(parts)).name("collect"), parts);
}

}  // namespace tidewheel
