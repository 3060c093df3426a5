// What operators ask of a row's type.
#pragma once
#include <string>

#include "tidewheel/operators/user_failure.h"
#include "tidewheel/types/print.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

// A record for a message: at most some hundred bytes of it.
template <class T>
std::string describe_record(const T& row) {
  return shorten_record(printed(row));
}

}  // namespace tidewheel
