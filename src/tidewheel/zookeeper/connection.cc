#include "tidewheel/zookeeper/connection.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tidewheel/base/world.h"

namespace tidewheel {

using zookeeper::Access;
using zookeeper::Answer;
using zookeeper::ErrorCode;
using zookeeper::Request;
using zookeeper::Watch;

namespace {

Status failure(const char* what, const std::string& path, ErrorCode error) {
  if (error == ErrorCode::kNoNode) {
    return not_found(ErrorId::kFileNotFound, "ZooKeeper has no node {}", path);
  }
  return unavailable(ErrorId::kHighAvailability, "ZooKeeper did not {} {}: {}", what, path,
                     zookeeper::error_text(error));
}

std::optional<Watch> watch_if(bool watches, Watch::What what, const std::string& path) {
  return watches ? std::optional(Watch{what, path}) : std::nullopt;
}

}  // namespace

ZooKeeperConnection::ZooKeeperConnection(World& world, Network& network,
                                         const zookeeper::SessionOptions& options,
                                         bool only_creator, zookeeper::Session::OnEvent on_event)
    : world_(world),
      access_(only_creator ? Access::kCreator : Access::kOpen),
      session_(std::make_unique<zookeeper::Session>(world, network, options, std::move(on_event))) {
}
ZooKeeperConnection::~ZooKeeperConnection() = default;

Result<Answer> ZooKeeperConnection::ask(Request request, std::optional<Watch> watch) {
  const std::shared_ptr<Event> answered = world_.executor().make_event();
  const auto kept = std::make_shared<std::optional<Result<Answer>>>();
  session_->ask(std::move(request), std::move(watch), [answered, kept](Result<Answer> answer) {
    kept->emplace(std::move(answer));
    answered->set();
  });
  answered->wait();
  return std::move(**kept);
}

Result<std::string> ZooKeeperConnection::ask_of(const char* what, const std::string& path,
                                                Request request, std::optional<Watch> watch) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Answer answer,
                             ask(std::move(request), std::move(watch))
                                 .with_context("ZooKeeper did not {} {}", what, path));
  if (answer.error != ErrorCode::kOk) { return failure(what, path, answer.error); }
  return std::move(answer.body);
}

Status ZooKeeperConnection::make_nodes(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    TIDEWHEEL_ASSIGN_OR_RETURN(const Answer answer, ask(zookeeper::create(part, "", access_, 0)));
    if (answer.error != ErrorCode::kOk && answer.error != ErrorCode::kNodeExists) {
      return failure("make", part, answer.error);
    }
    if (end == std::string::npos) { return ok_status(); }
  }
}

Result<ZooKeeperConnection::Node> ZooKeeperConnection::make_candidate(const std::string& prefix,
                                                                      const std::string& data) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::string body,
      ask_of(
          "make", prefix,
          zookeeper::create(prefix, data, access_, zookeeper::kEphemeral | zookeeper::kSequence)));
  TIDEWHEEL_ASSIGN_OR_RETURN(Node node, zookeeper::read_created(body));
  node.data = data;
  return node;
}

Result<std::vector<std::string>> ZooKeeperConnection::children(const std::string& path,
                                                               bool watches) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string body,
                             ask_of("list", path, zookeeper::get_children(path, watches),
                                    watch_if(watches, Watch::What::kChildren, path)));
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<std::string> names, zookeeper::read_children(body));
  std::sort(names.begin(), names.end());
  return names;
}

Result<ZooKeeperConnection::Node> ZooKeeperConnection::read(const std::string& path, bool watches) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string body,
                             ask_of("read", path, zookeeper::get_data(path, watches),
                                    watch_if(watches, Watch::What::kData, path)));
  TIDEWHEEL_ASSIGN_OR_RETURN(Node node, zookeeper::read_get_data(body));
  node.path = path;
  return node;
}

Status ZooKeeperConnection::write_guarded(const std::string& guard, const std::string& path,
                                          const std::string& data) {
  Status set = change(zookeeper::set_data(path, data), guard, path);
  if (set.ok() || set.id() != ErrorId::kFileNotFound) { return set; }
  return change(zookeeper::create(path, data, access_, 0), guard, path);
}

Status ZooKeeperConnection::remove_guarded(const std::string& guard, const std::string& path) {
  Status removed = change(zookeeper::remove(path), guard, path);
  return removed.ok() || removed.id() == ErrorId::kFileNotFound ? ok_status() : removed;
}

// One change, and a check.
Status ZooKeeperConnection::change(Request step, const std::string& guard,
                                   const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::string body,
      ask_of("change", path,
             zookeeper::transaction({zookeeper::check_exists(guard), std::move(step)})));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<ErrorCode> steps, zookeeper::read_transaction(body));
  if (steps.size() != 2) {
    return unavailable(ErrorId::kHighAvailability,
                       "ZooKeeper has answered {} steps of a transaction of 2", steps.size());
  }
  if (steps[0] == ErrorCode::kNoNode) {
    return failed_precondition(ErrorId::kFenced,
                               "this JobManager does not lead any more: ZooKeeper has taken {} "
                               "away",
                               guard);
  }
  for (const ErrorCode error : steps) {
    if (error != ErrorCode::kOk) { return failure("change", path, error); }
  }
  return ok_status();
}

}  // namespace tidewheel
