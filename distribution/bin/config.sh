# What the scripts of this folder share; sourced by them.
# TIDEWHEEL_CONF_DIR, TIDEWHEEL_LOG_DIR and TIDEWHEEL_PID_DIR say where things are; without them they are conf and log
# beside bin, and /tmp.

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

bin_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
home_dir=$(dirname "$bin_dir")
export TIDEWHEEL_CONF_DIR=${TIDEWHEEL_CONF_DIR:-$home_dir/conf}
tidewheel=${TIDEWHEEL_PROGRAM:-$bin_dir/tidewheel}
[[ -x $tidewheel ]] || die "$tidewheel is not there"

# The value of a key of the configuration; what is set by -D among the other arguments goes before.
setting() {
  local key=$1
  shift
  local settings=() argument
  for argument in "$@"; do
    [[ $argument == -D?* ]] && settings+=("$argument")
  done
  "$tidewheel" config --value "$key" "${settings[@]}"
}

log_dir=${TIDEWHEEL_LOG_DIR:-}
pid_dir=${TIDEWHEEL_PID_DIR:-/tmp}
log_files_max=10

# Runs a command on each host of a file of conf; on this one without ssh.
# Hosts are run at the same time, and all of them are waited for.
on_hosts() {
  local file=$1 host failed=0
  shift
  [[ -r $file ]] || die "$file is not there"
  local jobs=()
  while read -r host _; do
    host=${host%%#*}
    [[ -n $host ]] || continue
    host=${host%%:*}
    if [[ $host == localhost || $host == 127.0.0.1 || $host == "$(hostname)" ]]; then
      "$@" &
    else
      # shellcheck disable=SC2029  # the command is put together here
      ssh -n ${TIDEWHEEL_SSH_OPTS:-} "$host" "TIDEWHEEL_CONF_DIR='$TIDEWHEEL_CONF_DIR' $(printf '%q ' "$@")" &
    fi
    jobs+=($!)
  done <"$file"
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return $failed
}

# Has zookeeper.sh start or stop each server that conf/zoo.cfg names, on its host, one after another.
on_zookeeper_servers() {
  local verb=$1 id host failed=0 zoo_cfg=$TIDEWHEEL_CONF_DIR/zoo.cfg
  [[ -r $zoo_cfg ]] || die "$zoo_cfg is not there"
  grep -qE '^server\.[0-9]+=' "$zoo_cfg" || die "$zoo_cfg names no servers: server.1=localhost:2888:3888"
  while read -r id host; do
    if [[ $host == localhost || $host == 127.0.0.1 || $host == "$(hostname)" ]]; then
      "$bin_dir/zookeeper.sh" "$verb" "$id" || failed=1
    else
      # shellcheck disable=SC2029  # the command is put together here
      ssh -n ${TIDEWHEEL_SSH_OPTS:-} "$host" \
        "TIDEWHEEL_CONF_DIR='$TIDEWHEEL_CONF_DIR' ZOOKEEPER_HOME='${ZOOKEEPER_HOME:-}' '$bin_dir/zookeeper.sh' $verb $id" || failed=1
    fi
  done < <(sed -nE 's/^server\.([0-9]+)=([^:]+).*/\1 \2/p' "$zoo_cfg")
  return $failed
}
