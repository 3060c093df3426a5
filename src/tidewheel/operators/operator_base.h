// What operators with typed outputs share: a main output, side outputs and their context.
#pragma once
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/operator.h"
#include "tidewheel/operators/node_links.h"

namespace tidewheel {

// The part that knows no row type. Port 0 is the main output, those after it are side outputs.
class OperatorBase : public Operator {
 public:
  std::span<OutputPort* const> outputs() override { return ports_; }

 protected:
  explicit OperatorBase(std::shared_ptr<const NodeLinks> links);
  void add_main_port(OutputPort& port) { ports_.insert(ports_.begin(), &port); }
  void open_base(OperatorContext& context) {
    context_ = &context;
    sides_.open(context);
  }

  OperatorContext& context() { return *context_; }
  const OperatorContext& context() const { return *context_; }
  SideOutputs& sides() { return sides_; }
  const NodeLinks* links() const { return links_.get(); }
  // Whether snapshots may be incremental, so that state has to remember what was changed.
  bool keeps_changes() const;
  // For `snapshot` that is not done. When the writer would take more, it was only time for
  // something else: the task is woken to go on.
  Progress snapshot_blocked(const SnapshotWriter& writer);
  // The same for state in front of a backend, which may have to be waited for.
  template <class Store>
  Progress snapshot_blocked(const Store& store, const SnapshotWriter& writer) {
    return store.waits_for_backend() ? Progress::kBlocked : snapshot_blocked(writer);
  }
  // Has a KeyedStore read its state, from memory's or its backend's snapshot; `reader` may be null.
  template <class Store>
  Status open_store(Store& store, SnapshotReader* reader) {
    TIDEWHEEL_ASSIGN_OR_RETURN(StateBackend* const backend, context_->state_backend());
    if (backend == nullptr) { return reader == nullptr ? Status() : store.read(*reader); }
    return store.open_backend(*backend, reader, [context = context_] { context->wake(); });
  }

 private:
  const std::shared_ptr<const NodeLinks> links_;
  SideOutputs sides_;
  std::vector<OutputPort*> ports_;
  OperatorContext* context_ = nullptr;
};

// With a main output of rows of type Out. Subclasses call OutputOperator::open first in their
// `open`.
template <class Out>
class OutputOperator : public OperatorBase {
 public:
  Status open(OperatorContext& context) override {
    open_base(context);
    output_.open(BatchPool::create_for<Out>(context.batch_rows(), &context.memory()),
                 context.batch_rows());
    return {};
  }

 protected:
  explicit OutputOperator(std::shared_ptr<const NodeLinks> links = nullptr)
      : OperatorBase(std::move(links)) {
    add_main_port(output_);
  }
  Output<Out>& output() { return output_; }
  // Whether the next row may be taken. Looks at the side outputs only when there are any.
  bool ready() { return output_.ready() && (sides().count() == 0 || outputs_ready()); }

 private:
  Output<Out> output_;
};

}  // namespace tidewheel
