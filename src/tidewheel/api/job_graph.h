// The graph of a job while its author's code adds to it. Shared by an Env and the streams made from
// it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/graph.h"
#include "tidewheel/operators/node_links.h"
#include "tidewheel/operators/split_enumerator.h"

namespace tidewheel {

// Where a stream comes from, and how its rows are to be spread over whatever reads them.
struct StreamEnd {
  int32_t node = -1;
  int32_t port = 0;
  EdgeKind kind = EdgeKind::kForward;
  bool kind_chosen = false;
  std::function<std::unique_ptr<Partitioner>()> make_partitioner = nullptr;
  std::shared_ptr<const RowCodec> row_codec = nullptr;
};
using StreamEnds = std::vector<StreamEnd>;  // several: a union

class Env;  // api/env.h
template <class T>
class Stream;  // api/stream.h

// What tests put in the place of a job's sources and sinks, by their names.
class Replacements {
 public:
  template <class T>
  using MakeStream = std::function<Stream<T>(Env&, const std::string& name)>;
  using MakeSink = std::function<std::unique_ptr<Operator>()>;

  template <class T>
  void replace_source(const std::string& name, MakeStream<T> make) {
    sources_[name] = {&kTypeKey<T>, std::make_shared<MakeStream<T>>(std::move(make)), false};
  }
  // `make` gives a sink for rows of type T.
  template <class T>
  void replace_sink(const std::string& name, MakeSink make) {
    sinks_[name] = {&kTypeKey<T>, std::move(make), false};
  }
  // The stream for a source, or null when it stays as it is. Fails when it has rows of another
  // type.
  template <class T>
  Result<const MakeStream<T>*> find_source(const std::string& name) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const void* make, take_source(name, &kTypeKey<T>));
    return static_cast<const MakeStream<T>*>(make);
  }
  Result<const MakeSink*> find_sink(const std::string& name, const char* type_key);
  // Fails when something was to be replaced that the job does not have.
  Status check_all_used() const;

 private:
  struct Source {
    const char* type_key;
    std::shared_ptr<void> make;
    bool used;
  };
  struct SinkEntry {
    const char* type_key;
    MakeSink make;
    bool used;
  };
  Result<const void*> take_source(const std::string& name, const char* type_key);

  std::map<std::string, Source> sources_;
  std::map<std::string, SinkEntry> sinks_;
};

// Mistakes are kept until `finish`, because calls that build a job give streams, not results; the
// first one is reported.
class JobGraph {
 public:
  using Make = std::function<Result<std::unique_ptr<Operator>>(std::shared_ptr<const NodeLinks>)>;

  // Adds a node; `make` is given the node's links.
  int32_t add_node(GraphNode node, Make make);
  void connect(const StreamEnds& ends, int32_t to, int32_t to_input);
  GraphNode& node(int32_t id) { return graph_.nodes[static_cast<size_t>(id)]; }
  NodeLinks& links(int32_t id) { return *links_[static_cast<size_t>(id)]; }
  bool is_read(int32_t id) const;
  bool is_empty() const { return graph_.nodes.empty(); }
  std::shared_ptr<AlignmentGroup> alignment_group(const std::string& name);
  // Keeps `thing` for as long as the graph, and every job that was made of it.
  void keep(std::shared_ptr<const void> thing);

  void fail(Status status);
  // Keeps a status that is a failure.
  void note(Status status) {
    if (!status.ok()) { fail(std::move(status)); }
  }

  // For tests; nothing is replaced unless they say so.
  Replacements& replacements() { return replacements_; }

  // The graph as it is now, ready to be chained.
  Result<LogicalGraph> finish(const std::string& job_name);

 private:
  LogicalGraph graph_;
  std::vector<std::shared_ptr<NodeLinks>> links_;  // by node
  std::map<std::string, std::shared_ptr<AlignmentGroup>> alignment_groups_;
  Status failure_;
  Replacements replacements_;
};

// What can be said of the operator that made a stream, or of a sink. `Self` has `graph()` and
// `node_id()`.
template <class Self>
class NodeSettings {
 public:
  // The name in plans, messages and metrics.
  Self name(std::string name) const {
    node().name = std::move(name);
    return self();
  }
  // What state is found by in later versions of the job.
  Self uid(std::string uid) const {
    node().uid = std::move(uid);
    return self();
  }
  Self uid_hash(std::string hex) const {
    node().uid_hash = std::move(hex);
    return self();
  }
  Self description(std::string text) const {
    node().description = std::move(text);
    return self();
  }
  Self parallelism(int32_t count) const {
    self().graph()->note(check_parallelism("parallelism", count, node().name));
    node().parallelism = count;
    return self();
  }
  Self max_parallelism(int32_t count) const {
    self().graph()->note(check_parallelism("max parallelism", count, node().name));
    node().max_parallelism = count;
    return self();
  }
  Self slot_sharing_group(std::string group) const {
    node().slot_sharing_group = std::move(group);
    return self();
  }
  // Not fused with its input.
  Self start_new_chain() const {
    node().chaining = ChainingStrategy::kHead;
    return self();
  }
  // Fused with nothing.
  Self disable_chaining() const {
    node().chaining = ChainingStrategy::kNever;
    return self();
  }
  // How long its rows wait at most for their batch to fill; 0: not at all.
  Self buffer_timeout(Duration timeout) const {
    node().buffer_timeout_ms = to_ms(timeout);
    return self();
  }

 private:
  static Status check_parallelism(std::string_view what, int32_t count, const std::string& node);
  const Self& self() const { return static_cast<const Self&>(*this); }
  GraphNode& node() const { return self().graph()->node(self().node_id()); }
};

Status check_parallelism_range(std::string_view what, int32_t count, const std::string& node);

template <class Self>
Status NodeSettings<Self>::check_parallelism(std::string_view what, int32_t count,
                                             const std::string& node) {
  return check_parallelism_range(what, count, node);
}

}  // namespace tidewheel
