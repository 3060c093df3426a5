#!/usr/bin/env bash
# Starts the JobManagers of conf/masters and the TaskManagers of conf/workers, on other machines by ssh (where the
# same folder is installed). With high availability each JobManager is told the host and the port of REST that its line
# HOST:PORT names; without, there is one, and the configuration says where it is.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
masters=$TIDEWHEEL_CONF_DIR/masters
lines=$(hosts_of "$masters")
[[ -n $lines ]] || die "$masters names no host"
type=$(setting high-availability.type "$@")
if [[ ${type,,} == none ]]; then
  (($(wc -l <<<"$lines") == 1)) ||
    die "$masters names several JobManagers: only one can be without high availability (high-availability.type)"
  on_hosts "$masters" "$bin_dir/jobmanager.sh" start "$@"
else
  jobs=()
  while read -r host port; do
    on_host "$host" "$bin_dir/jobmanager.sh" start "$host" ${port:+"$port"} "$@" &
    jobs+=($!)
  done <<<"$lines"
  for job in "${jobs[@]}"; do wait "$job"; done
fi
on_hosts "$TIDEWHEEL_CONF_DIR/workers" "$bin_dir/taskmanager.sh" start "$@"
