#include "tidewheel/base/leaf_lock.h"

namespace tidewheel {

void LeafLock::lock() { mutex_.lock(); }
void LeafLock::unlock() { mutex_.unlock(); }

}  // namespace tidewheel
