#include "tidewheel/rest/files.h"

#include <memory>
#include <utility>

#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

constexpr int64_t kPieceBytes = 256 * 1024;

std::string_view content_type_of(std::string_view path) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=UTF-8"},
      {".js", "application/javascript; charset=UTF-8"},
      {".css", "text/css; charset=UTF-8"},
      {".json", "application/json; charset=UTF-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".woff", "font/woff"},
      {".ttf", "font/ttf"},
      {".txt", "text/plain; charset=UTF-8"}};
  for (const auto& [end, type] : kTypes) {
    if (path.ends_with(end)) { return type; }
  }
  return "application/octet-stream";
}

class FileSource final : public HttpBodySource, public std::enable_shared_from_this<FileSource> {
 public:
  FileSource(World& world, std::unique_ptr<ReadableFile> file)
      : world_(world), file_(std::move(file)) {}
  void next(std::function<void(Result<std::string>)> done) override {
    world_.executor().run_blocking([self = shared_from_this(), done = std::move(done)] {
      std::string piece(static_cast<size_t>(kPieceBytes), '\0');
      const Result<int64_t> got = self->file_->read(piece);
      if (!got.ok()) {
        done(got.status());
        return;
      }
      piece.resize(static_cast<size_t>(*got));
      done(std::move(piece));
    });
  }

 private:
  World& world_;
  const std::unique_ptr<ReadableFile> file_;
};

class LogSource final : public HttpBodySource, public std::enable_shared_from_this<LogSource> {
 public:
  LogSource(ClusterGateway& gateway, ProcessName process, std::string name, std::string first)
      : gateway_(gateway),
        process_(std::move(process)),
        name_(std::move(name)),
        first_(std::move(first)) {}
  void next(std::function<void(Result<std::string>)> done) override {
    if (!first_.empty()) {
      offset_ = static_cast<int64_t>(first_.size());
      done(std::exchange(first_, {}));
      return;
    }
    gateway_.read_log(process_, name_, offset_, kPieceBytes,
                      [self = shared_from_this(), done = std::move(done)](Result<LogPiece> piece) {
                        if (!piece.ok()) {
                          done(piece.status());
                          return;
                        }
                        self->offset_ += static_cast<int64_t>(piece->bytes.size());
                        done(std::move(piece->bytes));
                      });
  }

 private:
  ClusterGateway& gateway_;
  const ProcessName process_;
  const std::string name_;
  std::string first_;
  int64_t offset_ = 0;
};

}  // namespace

void answer_file(World& world, const RestCallRef& call, const std::string& path,
                 const std::string& missing) {
  world.executor().run_blocking([&world, call, path, missing] {
    const Result<FileInfo> info = world.files().info(path);
    Result<std::unique_ptr<ReadableFile>> file =
        info.ok() && !info->is_directory ? world.files().open_read(path)
                                         : Status(not_found(ErrorId::kFileNotFound, "{}", path));
    if (!file.ok()) {
      call->fail(404, missing);
      return;
    }
    HttpResponse response;
    response.headers.add("Content-Type", std::string(content_type_of(path)));
    response.source = std::make_shared<FileSource>(world, std::move(file).value());
    call->answer(std::move(response));
  });
}

void answer_log(ClusterGateway& gateway, const RestCallRef& call, const ProcessName& process,
                const std::string& name) {
  // The first piece says whether there is such a file.
  gateway.read_log(
      process, name, 0, kPieceBytes, [&gateway, call, process, name](Result<LogPiece> piece) {
        if (!piece.ok()) {
          call->fail(piece.status());
          return;
        }
        HttpResponse response;
        response.headers.add("Content-Type", "text/plain; charset=UTF-8");
        if (piece->total_bytes <= static_cast<int64_t>(piece->bytes.size())) {
          response.body = std::move(piece->bytes);
        } else {
          response.source =
              std::make_shared<LogSource>(gateway, process, name, std::move(piece->bytes));
        }
        call->answer(std::move(response));
      });
}

}  // namespace tidewheel
