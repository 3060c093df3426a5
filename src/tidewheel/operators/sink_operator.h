// Runs a sink's writers at the end of a chain, and the two phases of its commits.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/operator.h"
#include "tidewheel/operators/record_codec.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/sink.h"

namespace tidewheel {

// The part that knows no row type: what was prepared, by checkpoint, and its way through snapshots.
class SinkOperatorBase : public Operator {
 public:
  std::span<OutputPort* const> outputs() final { return {}; }
  Progress on_watermark(int64_t) final { return Progress::kDone; }
  Progress on_idle(bool) final { return Progress::kDone; }
  Progress on_end_of_input(int32_t input) final;
  Progress snapshot(SnapshotWriter& writer) final;
  Status restore(SnapshotReader& reader) final;
  void on_checkpoint_complete(int64_t checkpoint) final;

 protected:
  virtual Status flush_writer() = 0;
  virtual bool commits() const { return false; }
  // What was written since the last call, each as bytes.
  virtual Result<std::vector<std::string>> prepare(int64_t checkpoint) = 0;
  virtual Status commit(const std::string& pending) = 0;

  OperatorContext& context() { return *context_; }
  Status open_base(OperatorContext& context);
  void fail_unless_ok(const Status& status, std::string_view call);

 private:
  void commit_up_to(int64_t checkpoint);

  OperatorContext* context_ = nullptr;
  int64_t next_checkpoint_ = 1;
  std::multimap<int64_t, std::string> pending_;  // by the checkpoint that prepared it
};

template <class S>
class SinkWriter final : public SinkOperatorBase {
 public:
  using T = typename S::input;
  explicit SinkWriter(S sink) : sink_(std::move(sink)) {}

  Status open(OperatorContext& context) override {
    sink_context_.emplace(context);
    if constexpr (requires { sink_.open(*sink_context_); }) {
      TIDEWHEEL_RETURN_IF_ERROR(sink_.open(*sink_context_)
                                    .with_context("sink '{}' (uid {}), subtask {}", context.name(),
                                                  context.uid(), context.subtask_index() + 1));
    }
    return open_base(context);
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& in = RowBatch<T>::of(*rows.batch);
    try {
      if constexpr (sink_detail::WritesRows<S, T>) {
        const uint32_t begin = std::exchange(cursor, rows.end);
        const Status status =
            sink_.write_rows(std::span<const T>(in.rows() + begin, rows.end - begin),
                             std::span<const int64_t>(in.timestamps() + begin, rows.end - begin));
        if (!status.ok()) { throw_user_failure(context(), "write_rows", status, ""); }
      } else {
        for (; cursor < rows.end; ++cursor) { write_row(in.row(cursor), in.timestamps()[cursor]); }
      }
    } catch (...) {
      rethrow_user_failure(context(), "write",
                           cursor < rows.end ? describe_record(in.row(cursor)) : std::string());
    }
    return Progress::kDone;
  }

  void close(bool finished) override {
    if constexpr (requires {
                    { sink_.close(finished) } -> std::same_as<Status>;
                  }) {
      const Status status = sink_.close(finished);
      // After a failure or a cancellation there is nobody to tell.
      if (finished) { fail_unless_ok(status, "close"); }
    } else if constexpr (requires { sink_.close(finished); }) {
      sink_.close(finished);
    }
    Operator::close(finished);
  }

 protected:
  Status flush_writer() override {
    if constexpr (requires { sink_.flush(); }) {
      return sink_.flush();
    } else {
      return {};
    }
  }
  bool commits() const override { return TwoPhaseSink<S>; }
  Result<std::vector<std::string>> prepare(int64_t checkpoint) override {
    std::vector<std::string> encoded;
    if constexpr (TwoPhaseSink<S>) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<typename S::Pending> pending,
                                 sink_.prepare(checkpoint));
      for (const typename S::Pending& one : pending) { encoded.push_back(encode_record(one)); }
    } else {
      static_cast<void>(checkpoint);
    }
    return encoded;
  }
  Status commit(const std::string& bytes) override {
    if constexpr (TwoPhaseSink<S>) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const typename S::Pending pending,
                                 decode_record<typename S::Pending>(bytes));
      return sink_.commit(pending);
    } else {
      static_cast<void>(bytes);
      return {};
    }
  }

 private:
  void write_row(const T& row, int64_t time_ms) {
    const auto call = [&] {
      if constexpr (sink_detail::WritesTimedRow<S, T>) {
        return sink_.write(row, time_ms);
      } else {
        return sink_.write(row);
      }
    };
    if constexpr (std::is_same_v<decltype(call()), Status>) {
      const Status status = call();
      if (!status.ok()) [[unlikely]] {
        throw_user_failure(context(), "write", status, describe_record(row));
      }
    } else {
      call();
    }
  }

  S sink_;
  std::optional<SinkContext> sink_context_;
};

}  // namespace tidewheel
