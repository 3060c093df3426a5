// `main` of a job's own executable.
#include "tidewheel/api/job_main.h"

int main(int argc, char** argv) { return tidewheel::job_main(argc, argv); }
