#include "tidewheel/checkpoint/checkpoint_store.h"
