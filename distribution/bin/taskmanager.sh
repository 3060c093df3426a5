#!/usr/bin/env bash
# Starts or stops a TaskManager on this machine:
#   taskmanager.sh (start|start-foreground) [-Dkey=value...]
#   taskmanager.sh (stop|stop-all)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
command=${1:-}
want_command "$command" start start-foreground stop stop-all
shift
exec "$bin_dir/tidewheel-daemon.sh" "$command" taskmanager "$@"
