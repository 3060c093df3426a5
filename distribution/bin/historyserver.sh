#!/usr/bin/env bash
# Starts or stops a history server on this machine, which shows jobs that have ended:
#   historyserver.sh (start|start-foreground) [-Dkey=value...]
#   historyserver.sh (stop|stop-all)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
command=${1:-}
want_command "$command" start start-foreground stop stop-all
shift
exec "$bin_dir/tidewheel-daemon.sh" "$command" historyserver "$@"
