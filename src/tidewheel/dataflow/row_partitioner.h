// Partitioners for rows of one C++ type: by key group, or by the user's function.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/partitioner.h"
#include "tidewheel/state/key_group.h"

namespace tidewheel {

// Scatters rows over gathered batches, one a channel. `Targets` chooses the channels of a batch's
// rows.
template <class T>
class RowPartitioner : public Partitioner {
 public:
  void open(uint32_t channels, int32_t max_parallelism, uint32_t batch_rows,
            MemoryPool* memory) override {
    pool_ = BatchPool::create_for<T>(batch_rows, memory, channels);
    lanes_.resize(channels);
    on_open(channels, max_parallelism);
  }
  ~RowPartitioner() override {
    for (Lane& lane : lanes_) {
      if (lane.batch != nullptr) { lane.batch->release(); }
    }
  }
  void split(Element& rows) final {
    const uint32_t count = rows.end - rows.begin;
    if (count == 0) { return; }
    if (targets_.size() < count) { targets_.resize(count); }
    const RowBatch<T>& batch = RowBatch<T>::of(*rows.batch);
    choose(batch.rows() + rows.begin, count, targets_.data());
    scatter(rows, count);
  }
  uint32_t gathered(uint32_t channel) const final {
    const Lane& lane = lanes_[channel];
    return lane.batch == nullptr ? 0 : lane.batch->size();
  }
  BatchRef take(uint32_t channel) final {
    RowBatch<T>* const batch = std::exchange(lanes_[channel].batch, nullptr);
    if (batch != nullptr) { pool_->settle(*batch, batch->memory_bytes()); }
    return BatchRef::adopt(batch);
  }
  bool has_memory() final { return pool_->has_memory(); }

 protected:
  virtual void on_open(uint32_t channels, int32_t max_parallelism) = 0;
  // Writes the channel of each row to `targets`.
  virtual void choose(const T* rows, uint32_t count, uint16_t* targets) = 0;

 private:
  struct Lane {
    RowBatch<T>* batch = nullptr;  // one reference is ours
    T* rows = nullptr;             // of the batch
    int64_t* timestamps = nullptr;
    uint32_t size = 0;  // rows of the batch, while a batch is being split
  };
  // Four sets, so that rows of one channel do not wait for each other's increment.
  static constexpr uint32_t kCountSets = 4;

  void scatter(Element& rows, uint32_t count) {
    const auto channels = static_cast<uint32_t>(lanes_.size());
    count_targets(count, channels);
    for (uint32_t i = 0; i < channels; ++i) {
      uint32_t incoming = 0;
      for (uint32_t set = 0; set < kCountSets; ++set) { incoming += counts_[set * channels + i]; }
      if (incoming == 0) { continue; }
      Lane& lane = lanes_[i];
      if (lane.batch == nullptr) { lane.batch = static_cast<RowBatch<T>*>(pool_->acquire()); }
      lane.batch->ensure_room(incoming);
      lane.batch->share_arenas(*rows.batch);
      lane.rows = lane.batch->rows();
      lane.timestamps = lane.batch->timestamps();
      lane.size = lane.batch->size();
    }
    auto& from = const_cast<RowBatch<T>&>(RowBatch<T>::of(*rows.batch));
    if constexpr (std::is_trivially_copyable_v<T>) {
      copy_rows<false>(from, rows.begin, count);
    } else if (rows.batch->is_unique()) {
      copy_rows<true>(from, rows.begin, count);  // nobody else sees the rows
    } else {
      copy_rows<false>(from, rows.begin, count);
    }
    for (Lane& lane : lanes_) {
      if (lane.batch != nullptr) { lane.batch->set_size(lane.size); }
    }
  }
  void count_targets(uint32_t count, uint32_t channels) {
    counts_.assign(size_t{kCountSets} * channels, 0);
    uint32_t* const counts = counts_.data();
    const uint16_t* const targets = targets_.data();
    uint32_t i = 0;
    for (; i + kCountSets <= count; i += kCountSets) {
      for (uint32_t set = 0; set < kCountSets; ++set) {
        ++counts[set * channels + targets[i + set]];
      }
    }
    for (; i < count; ++i) { ++counts[targets[i]]; }
  }
  template <bool kMove>
  void copy_rows(RowBatch<T>& from, uint32_t begin, uint32_t count) {
    Lane* const lanes = lanes_.data();
    const uint16_t* const targets = targets_.data();
    T* const rows = from.rows() + begin;
    const int64_t* const timestamps = from.timestamps() + begin;
    for (uint32_t i = 0; i < count; ++i) {
      Lane& lane = lanes[targets[i]];
      const uint32_t to = lane.size++;
      if constexpr (kMove) {
        new (lane.rows + to) T(std::move(rows[i]));
      } else {
        new (lane.rows + to) T(static_cast<const T&>(rows[i]));
      }
      lane.timestamps[to] = timestamps[i];
    }
  }

  std::shared_ptr<BatchPool> pool_;
  std::vector<Lane> lanes_;
  std::vector<uint16_t> targets_;
  std::vector<uint32_t> counts_;
};

// By key group. `KeyHash` gives a row's 32-bit key hash (types/hash.h): uint32_t(const T&).
template <class T, class KeyHash>
class HashPartitioner final : public RowPartitioner<T> {
  static_assert(std::is_invocable_r_v<uint32_t, const KeyHash&, const T&>);

 public:
  explicit HashPartitioner(KeyHash hash = KeyHash()) : hash_(std::move(hash)) {}

 protected:
  void on_open(uint32_t channels, int32_t max_parallelism) override {
    subtask_of_group_.resize(static_cast<size_t>(max_parallelism));
    for (int32_t group = 0; group < max_parallelism; ++group) {
      subtask_of_group_[static_cast<size_t>(group)] =
          static_cast<uint16_t>(subtask_of(group, static_cast<int32_t>(channels), max_parallelism));
    }
  }
  // In two loops, so that the first can be vectorized.
  void choose(const T* rows, uint32_t count, uint16_t* targets) override {
    constexpr uint32_t kChunk = 256;
    uint32_t hashes[kChunk];
    const auto groups = static_cast<uint32_t>(subtask_of_group_.size());
    const uint16_t* const subtasks = subtask_of_group_.data();
    const bool masked = (groups & (groups - 1)) == 0;
    for (uint32_t begin = 0; begin < count; begin += kChunk) {
      const uint32_t size = std::min(count - begin, kChunk);
      for (uint32_t i = 0; i < size; ++i) { hashes[i] = mix_key_hash(hash_(rows[begin + i])); }
      if (masked) {
        for (uint32_t i = 0; i < size; ++i) {
          targets[begin + i] = subtasks[hashes[i] & (groups - 1)];
        }
      } else {
        for (uint32_t i = 0; i < size; ++i) { targets[begin + i] = subtasks[hashes[i] % groups]; }
      }
    }
  }

 private:
  const KeyHash hash_;
  std::vector<uint16_t> subtask_of_group_;
};

// By the user's function: (row, number of channels) -> channel.
template <class T, class Choose>
class CustomPartitioner final : public RowPartitioner<T> {
  static_assert(std::is_invocable_v<const Choose&, const T&, int32_t>);

 public:
  explicit CustomPartitioner(Choose choose) : choose_(std::move(choose)) {}

 protected:
  void on_open(uint32_t channels, int32_t) override { channels_ = static_cast<int32_t>(channels); }
  void choose(const T* rows, uint32_t count, uint16_t* targets) override {
    for (uint32_t i = 0; i < count; ++i) {
      const auto channel = static_cast<int64_t>(std::invoke(choose_, rows[i], channels_));
      if (channel < 0 || channel >= channels_) [[unlikely]] {
        throw std::out_of_range("a custom partitioner chose channel " + std::to_string(channel) +
                                "; there are " + std::to_string(channels_) + ", from 0");
      }
      targets[i] = static_cast<uint16_t>(channel);
    }
  }

 private:
  const Choose choose_;
  int32_t channels_ = 0;
};

}  // namespace tidewheel
