#!/usr/bin/env bash
# Starts or stops a JobManager for one application, with which the cluster ends:
#   standalone-job.sh (start|start-foreground) --application FILE [--entry NAME] [--job-id ID]
#       [--fromSavepoint PATH] [-Dkey=value...] [-- ARGUMENT...]
#   standalone-job.sh (stop|stop-all)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
command=${1:-}
want_command "$command" start start-foreground stop stop-all
shift
if [[ $command == start* ]]; then
  application=
  for word in "$@"; do
    [[ $word != -- ]] || break
    [[ $word != --application && $word != --application=?* ]] || application=given
  done
  [[ -n $application ]] || die "--application FILE says what is to run (see $(basename "$0") --help)"
fi
exec "$bin_dir/tidewheel-daemon.sh" "$command" jobmanager "$@"
