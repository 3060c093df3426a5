#include "tidewheel/checkpoint/restart_strategy.h"
