// The files that are being written for one checkpoint. Each is named here before its first byte, so
// that none is left behind whenever its writer, or the checkpoint, comes to an end.
#pragma once
#include <string>
#include <vector>

#include "tidewheel/base/leaf_lock.h"

namespace tidewheel {

// Any thread.
class NewFiles {
 public:
  explicit NewFiles(bool over = false) : over_(over) {}
  // False when the checkpoint is over: the file is not to be made.
  bool add(std::string path);
  // The checkpoint is over; what was named so far. Whoever makes a file asks `is_over` afterwards,
  // and removes it himself when it is.
  std::vector<std::string> end();
  bool is_over();
  std::vector<std::string> paths();

 private:
  LeafLock lock_;  // guards the rest
  std::vector<std::string> paths_;
  bool over_;
};

}  // namespace tidewheel
