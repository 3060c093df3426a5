#include "tidewheel/sql/mini_batch.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/clock.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/gathers_rows.h"

namespace tidewheel::sql {
namespace {

class MiniBatch final : public Operator, public GathersRows {
 public:
  MiniBatch(MiniBatchSpec spec, std::unique_ptr<Operator> inner)
      : spec_(std::move(spec)), inner_(std::move(inner)) {}
  ~MiniBatch() override {
    if (rows_ != nullptr) { rows_->release(); }
  }

  Status open(OperatorContext& context) override {
    context_ = &context;
    pool_ = BatchPool::create_for<ColumnRow>(context.batch_rows(), &context.memory());
    return inner_->open(context);
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (given_.batch && give() == Progress::kBlocked) { return Progress::kBlocked; }
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      const auto room = static_cast<uint32_t>(spec_.rows_max - size());
      const uint32_t end = cursor + std::min(rows.end - cursor, room);
      keep(in, cursor, end);
      cursor = end;
      if (size() >= spec_.rows_max && give() == Progress::kBlocked) { return Progress::kBlocked; }
    }
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    return after_rows([&] { return inner_->on_watermark(time_ms); });
  }
  Progress on_idle(bool idle) override {
    return after_rows([&] { return inner_->on_idle(idle); });
  }
  Progress on_epoch(int64_t epoch) override {
    return after_rows([&] { return inner_->on_epoch(epoch); });
  }
  Progress on_end_of_input(int32_t input) override {
    return after_rows([&] { return inner_->on_end_of_input(input); });
  }
  Progress on_processing_time(int64_t now_ms) override {
    const bool is_due = size() > 0 && now_ms >= due_ms_;
    if ((is_due || given_.batch) && give() == Progress::kBlocked) { return Progress::kBlocked; }
    const Progress progress = inner_->on_processing_time(now_ms);
    // One request is kept: this one is asked for again when it was for the operator itself.
    if (size() > 0) { context_->wake_at_wall_ms(due_ms_); }
    return progress;
  }

  // ---- What has nothing to do with rows that wait.

  void on_input_watermark(int32_t input, int64_t time_ms) override {
    inner_->on_input_watermark(input, time_ms);
  }
  Progress on_wake() override { return inner_->on_wake(); }
  std::optional<int64_t> waits_until_ns() const override { return inner_->waits_until_ns(); }
  Progress on_latency_marker(const Element& marker) override {
    return inner_->on_latency_marker(marker);
  }
  void on_coordinator_event(std::string_view event) override {
    inner_->on_coordinator_event(event);
  }
  void begin_snapshot(const SnapshotStart& start) override {
    TIDEWHEEL_CHECK(size() == 0 && !given_.batch, "a barrier ends a mini-batch");
    inner_->begin_snapshot(start);
  }
  Progress snapshot(SnapshotWriter& writer) override { return inner_->snapshot(writer); }
  bool snapshots_in_background() const override { return inner_->snapshots_in_background(); }
  void abort_snapshot() override { inner_->abort_snapshot(); }
  Status restore(SnapshotReader& reader) override { return inner_->restore(reader); }
  void on_checkpoint_complete(int64_t checkpoint) override {
    inner_->on_checkpoint_complete(checkpoint);
  }
  void on_checkpoint_aborted(int64_t checkpoint) override {
    inner_->on_checkpoint_aborted(checkpoint);
  }
  bool may_end() override { return inner_->may_end(); }
  void close(bool finished) override { inner_->close(finished); }
  std::span<OutputPort* const> outputs() override { return inner_->outputs(); }

 private:
  int64_t size() const { return rows_ == nullptr ? 0 : rows_->size(); }

  template <class Then>
  Progress after_rows(Then then) {
    return give() == Progress::kBlocked ? Progress::kBlocked : then();
  }

  void keep(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    if (rows_ == nullptr) {
      rows_ = static_cast<ColumnBatch*>(pool_->acquire());
      rows_->set_types(spec_.types);
    }
    const uint32_t at = rows_->size();
    const uint32_t count = end - begin;
    if (at == 0) {
      due_ms_ = context_->clock().wall_ms() + spec_.latency_ms;
      context_->wake_at_wall_ms(due_ms_);
    }
    rows_->ensure_room(count);
    for (size_t i = 0; i < spec_.types.size(); ++i) {
      copy_rows(in.view(i), begin, end, rows_->column(i), at, &rows_->arena());
    }
    if (in.kinds() != nullptr || rows_->kinds() != nullptr) {
      RowKind* const kinds = rows_->make_kinds(at + count);
      for (uint32_t i = 0; i < count; ++i) { kinds[at + i] = in.kind(begin + i); }
    }
    rows_->set_size(at + count);
  }

  // Gives the operator what was kept. Goes on where it was blocked.
  Progress give() {
    if (!given_.batch) {
      if (size() == 0) { return Progress::kDone; }
      rows_->seal();
      pool_->settle(*rows_, rows_->memory_bytes());
      given_ = Element::rows(BatchRef::adopt(std::exchange(rows_, nullptr)));
      cursor_ = given_.begin;
    }
    if (inner_->on_rows(0, given_, cursor_) == Progress::kBlocked) { return Progress::kBlocked; }
    given_ = Element();
    return Progress::kDone;
  }

  const MiniBatchSpec spec_;
  const std::unique_ptr<Operator> inner_;
  OperatorContext* context_ = nullptr;
  std::shared_ptr<BatchPool> pool_;
  ColumnBatch* rows_ = nullptr;  // one reference is ours
  int64_t due_ms_ = 0;           // of rows_, when they are given at the latest
  Element given_;                // what the operator is being given
  uint32_t cursor_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_mini_batch(MiniBatchSpec spec, std::unique_ptr<Operator> inner) {
  return std::make_unique<MiniBatch>(std::move(spec), std::move(inner));
}

}  // namespace tidewheel::sql
