#!/usr/bin/env bash
# Starts or stops a JobManager on this machine:
#   jobmanager.sh (start|start-foreground) [HOST] [REST PORT] [-Dkey=value...]
#   jobmanager.sh (stop|stop-all)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
command=${1:-}
want_command "$command" start start-foreground stop stop-all
shift
arguments=()
if [[ ${1:-} != -* && -n ${1:-} ]]; then
  arguments+=("-Djobmanager.rpc.address=$1" "-Drest.address=$1")
  shift
fi
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  arguments+=("-Drest.port=$1")
  shift
fi
exec "$bin_dir/tidewheel-daemon.sh" "$command" jobmanager "${arguments[@]}" "$@"
