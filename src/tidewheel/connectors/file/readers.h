// What a source of files keeps in a subtask: a reader for each split that it reads.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/connectors/file/splits.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::file {

// So many bytes are put into one batch, whatever the number of records.
inline constexpr int64_t kBatchBytesMax = 1 << 20;

// One thread at a time.
template <class Reader>
class Readers {
 public:
  explicit Readers(SourceContext& context) : files_(&context.files()), clock_(&context.clock()) {}
  // The split's reader; `make(files)` opens it at first.
  template <class Make>
  Result<Reader*> of(const FileSplit& split, Make&& make) {
    std::unique_ptr<Reader>& reader = readers_[split.id()];
    if (reader == nullptr) { TIDEWHEEL_ASSIGN_OR_RETURN(reader, make(*files_)); }
    return reader.get();
  }
  void remove(const FileSplit& split) { readers_.erase(split.id()); }
  Clock& clock() { return *clock_; }

 private:
  FileSystem* files_;
  Clock* clock_;
  std::map<std::string, std::unique_ptr<Reader>> readers_;  // by the split's id
};

}  // namespace tidewheel::file
