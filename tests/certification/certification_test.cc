// The tests that the adaptors in this folder run.
#include "tidewheel/testing/certification_tests.h"
