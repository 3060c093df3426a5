#!/usr/bin/env bash
# What a container runs: container-entrypoint.sh ROLE [-Dkey=value...]
#   jobmanager, taskmanager, historyserver   a process of a cluster, with its log on standard error
#   standalone-job --application FILE ...    a JobManager for one application
# Anything else is a command: `tidewheel list`, `bash`.
# TIDEWHEEL_PROPERTIES (or FLINK_PROPERTIES) has lines `key: value`, which are added to the configuration;
# JOB_MANAGER_RPC_ADDRESS is where the JobManager is, and TASK_MANAGER_NUMBER_OF_TASK_SLOTS how many slots there are.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"

properties=${TIDEWHEEL_PROPERTIES:-${FLINK_PROPERTIES:-}}
settings=()
while IFS= read -r line; do
  line=${line%%#*}
  [[ $line =~ ^[[:space:]]*([A-Za-z0-9._-]+)[[:space:]]*:[[:space:]]*(.*[^[:space:]])[[:space:]]*$ ]] || continue
  settings+=("-D${BASH_REMATCH[1]}=${BASH_REMATCH[2]}")
done <<<"$properties"
if [[ -n ${JOB_MANAGER_RPC_ADDRESS:-} ]]; then
  settings+=("-Djobmanager.rpc.address=$JOB_MANAGER_RPC_ADDRESS" "-Drest.address=$JOB_MANAGER_RPC_ADDRESS")
fi
if [[ -n ${TASK_MANAGER_NUMBER_OF_TASK_SLOTS:-} ]]; then
  settings+=("-Dtaskmanager.numberOfTaskSlots=$TASK_MANAGER_NUMBER_OF_TASK_SLOTS")
fi

role=${1:-help}
shift || true
case $role in
  jobmanager | taskmanager | historyserver) exec "$tidewheel" "$role" "${settings[@]}" "$@" ;;
  standalone-job) exec "$tidewheel" jobmanager "${settings[@]}" "$@" ;;
  help) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" ;;
  *) PATH=$bin_dir:$PATH exec "$role" "$@" ;;
esac
