#!/usr/bin/env bash
# Stops what start-cluster.sh has started: TaskManagers first.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
on_hosts "$TIDEWHEEL_CONF_DIR/workers" "$bin_dir/taskmanager.sh" stop
on_hosts "$TIDEWHEEL_CONF_DIR/masters" "$bin_dir/jobmanager.sh" stop
