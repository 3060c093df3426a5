#include "tidewheel/operators/node_links.h"

namespace tidewheel {

Result<int32_t> NodeLinks::listen(const std::string& tag, const char* type_key,
                                  std::function<std::unique_ptr<SidePort>()> make) {
  for (size_t i = 0; i < side_outputs_.size(); ++i) {
    if (side_outputs_[i].tag != tag) { continue; }
    if (side_outputs_[i].type_key != type_key) {
      return invalid_argument(
          ErrorId::kGraphEdge,
          "a side output is read as two types; give each type a tag of its own: {}", tag);
    }
    return static_cast<int32_t>(i + 1);
  }
  side_outputs_.push_back({tag, type_key, std::move(make)});
  return static_cast<int32_t>(side_outputs_.size());
}

SideOutputs::SideOutputs(const NodeLinks* links) {
  if (links == nullptr) { return; }
  for (const SideOutputNote& note : links->side_outputs()) {
    ports_.push_back({note.tag, note.type_key, note.make()});
  }
}

void SideOutputs::open(OperatorContext& context) {
  for (Port& port : ports_) { port.side->open(context); }
}

SidePort* SideOutputs::find_port(const std::string& tag, const char* type_key) {
  for (Port& port : ports_) {
    if (port.tag == tag && port.type_key == type_key) { return port.side.get(); }
  }
  return nullptr;
}

}  // namespace tidewheel
