#include "tidewheel/taskmanager/program_cache.h"

#include "tidewheel/cluster/manager.pb.h"
#include "tidewheel/jobmanager/program_store.h"

namespace tidewheel {
namespace {

// Makes the file of a fetched program of its parts; checked before anybody runs it.
Status publish(FileSystem& files, const std::string& part, const std::string& sha256,
               const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string hash, sha256_of_file(files, part));
  if (hash != sha256) {
    ignore(files.remove(part), "it is written anew by the next fetch");
    return data_loss(ErrorId::kArtifact, "the program {} has come damaged, with the hash {}",
                     sha256, hash);
  }
  return files.rename(part, path);
}

}  // namespace

std::string ProgramCache::path_of(const std::string& sha256) const {
  return join_path(directory_, sha256);
}

void ProgramCache::get(const std::string& sha256, const RpcClient& job_manager, Done done) {
  if (!is_sha256(sha256)) {
    return done(invalid_argument(ErrorId::kArtifact, "'{}' is no program's SHA-256", sha256));
  }
  Fetch& fetch = fetches_[sha256];
  fetch.waiting.push_back(std::move(done));
  fetch.from = job_manager;
  if (fetch.waiting.size() > 1) { return; }
  files_.run([this, sha256] {
    Result<bool> exists = world_.files().exists(path_of(sha256));
    if (exists.ok() && !*exists) {
      Status made = world_.files().make_directories(directory_);
      if (made.ok()) { made = world_.files().remove_all(path_of(sha256) + ".part"); }
      if (!made.ok()) { exists = std::move(made); }
    }
    loop_.post([this, sha256, exists] {
      if (!exists.ok() || *exists) { return finish(sha256, exists.status()); }
      fetch_next(sha256);
    });
  });
}

void ProgramCache::fetch_next(const std::string& sha256) {
  const Fetch& fetch = fetches_.at(sha256);
  if (!fetch.from) {
    return finish(sha256, unavailable(ErrorId::kProcessLost,
                                      "there is no JobManager to fetch the "
                                      "program from"));
  }
  pb::FetchProgramRequest request;
  request.set_sha256(sha256);
  request.set_offset(fetch.have_bytes);
  fetch.from.call<pb::FetchProgramResponse>(
      "FetchProgram", request, [this, sha256](Result<pb::FetchProgramResponse> answer) {
        if (!answer.ok()) { return finish(sha256, answer.status()); }
        append(sha256, answer->piece(), answer->size_bytes());
      });
}

void ProgramCache::append(const std::string& sha256, std::string piece, int64_t size_bytes) {
  Fetch& fetch = fetches_.at(sha256);
  fetch.have_bytes += static_cast<int64_t>(piece.size());
  const bool is_whole = piece.empty() || fetch.have_bytes >= size_bytes;
  files_.run([this, sha256, piece = std::move(piece), is_whole] {
    const std::string part = path_of(sha256) + ".part";
    Status status = ok_status();
    auto file = world_.files().open_write(part, WriteMode::kAppend);
    status = file.ok() ? (*file)->append(piece) : file.status();
    if (status.ok()) { status = (*file)->close(); }
    if (status.ok() && is_whole) {
      status = publish(world_.files(), part, sha256, path_of(sha256));
    }
    loop_.post([this, sha256, status, is_whole] {
      if (!status.ok() || is_whole) { return finish(sha256, status); }
      fetch_next(sha256);
    });
  });
}

void ProgramCache::finish(const std::string& sha256, const Status& status) {
  const auto node = fetches_.extract(sha256);
  for (const Done& done : node.mapped().waiting) {
    done(status.ok() ? Result<std::string>(path_of(sha256)) : Result<std::string>(status));
  }
}

}  // namespace tidewheel
