// Runs the jobs that are linked into this program or plug-in: what `main` of a job's executable
// does, and what a job's library does for `tidewheel run`.
#pragma once

namespace tidewheel {

// Reads the command line, builds the job by its author's function, and runs it to its end. Returns
// the process's exit status. The command line is the same for both forms of a job:
//   PROGRAM [-p N | --parallelism N] [-Dkey=value]... [--job NAME] [--explain | --explain-json]
//   [--checkpoint-interval TIME] [--checkpoint-dir FOLDER] [--resume] ... [--] [ARGUMENT...]
// What stands behind `--`, and what is not an option of the engine, goes to the job (Env::args()).
int job_main(int argc, const char* const* argv);

}  // namespace tidewheel
