// What the graph and the operators of one node know in common: its side outputs, and who else reads
// what it reads. Written while the graph is built, read by the operators.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/operators/output_tag.h"

namespace tidewheel {

// A side output of one subtask.
class SidePort {
 public:
  virtual ~SidePort() = default;
  virtual OutputPort& port() = 0;
  virtual void open(OperatorContext& context) = 0;
};

template <class T>
class TypedSidePort final : public SidePort {
 public:
  OutputPort& port() override { return output_; }
  void open(OperatorContext& context) override {
    output_.open(BatchPool::create_for<T>(context.batch_rows(), &context.memory()),
                 context.batch_rows());
  }
  Output<T>& output() { return output_; }

 private:
  Output<T> output_;
};

struct SideOutputNote {
  std::string tag;
  const char* type_key = nullptr;
  std::function<std::unique_ptr<SidePort>()> make;
};

class NodeLinks {
 public:
  // Says that somebody reads the side output `tag`. Returns the number of its port (from 1); fails
  // when the tag is read as another type already.
  template <class T>
  Result<int32_t> listen_to(const OutputTag<T>& tag) {
    return listen(tag.name(), &kTypeKey<T>, [] { return std::make_unique<TypedSidePort<T>>(); });
  }
  const std::vector<SideOutputNote>& side_outputs() const { return side_outputs_; }

  // True when no other operator reads the batches that this one is given, so that it may change
  // them.
  bool owns_input = false;
  // Of a sink's rows; null for other operators.
  const char* row_type_key = nullptr;

 private:
  Result<int32_t> listen(const std::string& tag, const char* type_key,
                         std::function<std::unique_ptr<SidePort>()> make);

  std::vector<SideOutputNote> side_outputs_;
};

// The side outputs of one subtask. Rows for a tag that nobody reads are dropped.
class SideOutputs {
 public:
  explicit SideOutputs(const NodeLinks* links);
  void open(OperatorContext& context);

  template <class T, class U>
  void emit(const OutputTag<T>& tag, U&& row, int64_t timestamp) {
    if (Output<T>* output = find(tag)) { output->emit(std::forward<U>(row), timestamp); }
  }
  // The output of a tag, or null when nobody reads it.
  template <class T>
  Output<T>* find(const OutputTag<T>& tag) {
    SidePort* port = find_port(tag.name(), &kTypeKey<T>);
    return port == nullptr ? nullptr : &static_cast<TypedSidePort<T>*>(port)->output();
  }
  size_t count() const { return ports_.size(); }
  OutputPort& port(size_t index) { return ports_[index].side->port(); }

 private:
  struct Port {
    std::string tag;
    const char* type_key;
    std::unique_ptr<SidePort> side;
  };
  SidePort* find_port(const std::string& tag, const char* type_key);
  std::vector<Port> ports_;
};

}  // namespace tidewheel
