#!/usr/bin/env bash
# Starts and stops processes of a cluster on this machine: tidewheel-daemon.sh COMMAND ROLE [ARGUMENT...]
#   start             in the background, with log files and a line in a file of process ids
#   start-foreground  here, with the log on standard error
#   stop              the one that was started last, and waits for its end
#   stop-all          all of them
# ROLE is jobmanager, taskmanager or historyserver, with arguments of `tidewheel ROLE`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"

command=${1:-}
role=${2:-}
[[ $role == jobmanager || $role == taskmanager || $role == historyserver ]] ||
  die "what to start is a jobmanager, a taskmanager or a historyserver, not '$role'"
shift 2
user=${USER:-$(id -un)}
pids=$pid_dir/tidewheel-$user-$role.pid

is_running() { kill -0 "$1" 2>/dev/null; }

# Older files keep their numbers: .1 is the newest of them.
rotate() {
  local file=$1 number
  [[ -e $file ]] || return 0
  for ((number = log_files_max - 1; number >= 1; number--)); do
    [[ -e $file.$number ]] && mv "$file.$number" "$file.$((number + 1))"
  done
  mv "$file" "$file.1"
}

# The file of process ids is changed by one at a time.
with_pids() {
  mkdir -p "$pid_dir"
  (
    flock 9
    "$@"
  ) 9>"$pids.lock"
}

start() {
  local number=0 pid log_files_max
  [[ -n $log_dir ]] || log_dir=$(setting env.log.dir "$@")
  [[ -n $log_dir ]] || log_dir=$home_dir/log
  log_files_max=$(setting env.log.max "$@")
  touch "$pids"
  # A number for each that runs: the first that no running one has.
  while read -r pid taken; do
    is_running "$pid" && echo "$pid $taken"
  done <"$pids" >"$pids.new" || true
  mv "$pids.new" "$pids"
  while grep -q " $number\$" "$pids"; do number=$((number + 1)); done
  mkdir -p "$log_dir"
  local name=$log_dir/tidewheel-$user-$role-$number-$(hostname)
  rotate "$name.log"
  rotate "$name.out"
  setsid "$tidewheel" "$role" "-Denv.log.dir=$log_dir" "$@" </dev/null >"$name.out" 2>"$name.log" 9>&- &
  pid=$!
  # One that can't run says so at once.
  for _ in 1 2 3 4 5; do
    sleep 0.05
    is_running "$pid" || break
    grep -q "is ready" "$name.log" && break
  done
  if ! is_running "$pid"; then
    echo "The $role did not start; $name.log says:" >&2
    tail -5 "$name.log" >&2
    exit 1
  fi
  echo "$pid $number" >>"$pids"
  echo "Started the $role as process $pid; its log is $name.log"
}

# By SIGTERM, and after 30 s by SIGKILL.
stop_process() {
  local pid=$1 tenths
  if ! is_running "$pid"; then
    echo "The $role of process $pid had ended before"
    return
  fi
  kill "$pid"
  for ((tenths = 0; tenths < 300; tenths++)); do
    is_running "$pid" || break
    sleep 0.1
  done
  is_running "$pid" && kill -9 "$pid"
  echo "Stopped the $role of process $pid"
}

stop() {
  local how_many=$1 pid
  if [[ ! -s $pids ]]; then
    echo "No $role runs that was started here"
    return
  fi
  if [[ $how_many == all ]]; then
    while read -r pid _; do stop_process "$pid"; done <"$pids"
    rm -f "$pids"
  else
    read -r pid _ < <(tail -1 "$pids")
    stop_process "$pid"
    sed -i '$d' "$pids"
    [[ -s $pids ]] || rm -f "$pids"
  fi
}

case $command in
  start) with_pids start "$@" ;;
  start-foreground) exec "$tidewheel" "$role" "$@" ;;
  stop) with_pids stop last ;;
  stop-all) with_pids stop all ;;
  *) die "usage: $(basename "$0") (start|start-foreground|stop|stop-all) ROLE [ARGUMENT...]" ;;
esac
