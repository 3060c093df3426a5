#!/usr/bin/env bash
# Starts the JobManagers of conf/masters and the TaskManagers of conf/workers, on other machines by ssh (where the
# same folder is installed).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
on_hosts "$TIDEWHEEL_CONF_DIR/masters" "$bin_dir/jobmanager.sh" start "$@"
on_hosts "$TIDEWHEEL_CONF_DIR/workers" "$bin_dir/taskmanager.sh" start "$@"
