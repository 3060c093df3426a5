# What the scripts of this folder share; sourced by them.
# TIDEWHEEL_CONF_DIR, TIDEWHEEL_LOG_DIR and TIDEWHEEL_PID_DIR say where things are; without them they are conf and log
# beside bin, and /tmp, unless the configuration says otherwise (env.log.dir, env.pid.dir).

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# How the script that was called is used: the comment at its beginning.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# Of a script whose first argument is one of these words: shows its use, and ends, where it is none.
want_command() {
  local given=$1 word
  shift
  for word in "$@"; do [[ $given != "$word" ]] || return 0; done
  if [[ $given == --help || $given == -h || $given == help ]]; then
    usage
    exit 0
  fi
  [[ -z $given ]] || echo "$(basename "$0"): there is no command '$given'" >&2
  usage >&2
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
# What runs can be stopped whatever has become of the configuration.
pid_dir=${TIDEWHEEL_PID_DIR:-$(setting env.pid.dir || echo /tmp)}

# The lines of a file of conf, `HOST PORT`, the port as in HOST:PORT or missing. A last line without an end is one too.
hosts_of() {
  local file=$1 host
  [[ -r $file ]] || die "$file is not there"
  while read -r host _ || [[ -n $host ]]; do
    host=${host%%#*}
    [[ -n $host ]] || continue
    if [[ $host == *:* ]]; then echo "${host%:*} ${host##*:}"; else echo "$host"; fi
  done <"$file"
}

# Runs a command on a host: on this one without ssh.
on_host() {
  local host=$1
  shift
  if [[ $host == localhost || $host == 127.0.0.1 || $host == "$(hostname)" ]]; then
    "$@" </dev/null
  else
    # shellcheck disable=SC2029  # the command is put together here
    ssh -n ${TIDEWHEEL_SSH_OPTS:-$(setting env.ssh.opts)} "$host" \
      "TIDEWHEEL_CONF_DIR='$TIDEWHEEL_CONF_DIR' $(printf '%q ' "$@")"
  fi
}

# Runs a command on each host of a file of conf, at the same time, and waits for all of them.
on_hosts() {
  local file=$1 host failed=0 hosts jobs=()
  shift
  hosts=$(hosts_of "$file")
  while read -r host _; do
    [[ -n $host ]] || continue
    on_host "$host" "$@" &
    jobs+=($!)
  done <<<"$hosts"
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return $failed
}

# Has zookeeper.sh start or stop each server that conf/zoo.cfg names, on its host, one after another.
on_zookeeper_servers() {
  local verb=$1 id host failed=0 zoo_cfg=$TIDEWHEEL_CONF_DIR/zoo.cfg
  [[ -r $zoo_cfg ]] || die "$zoo_cfg is not there"
  grep -qE '^server\.[0-9]+=' "$zoo_cfg" || die "$zoo_cfg names no servers: server.1=localhost:2888:3888"
  while read -r id host || [[ -n $id ]]; do
    if [[ $host == localhost || $host == 127.0.0.1 || $host == "$(hostname)" ]]; then
      "$bin_dir/zookeeper.sh" "$verb" "$id" || failed=1
    else
      # shellcheck disable=SC2029  # the command is put together here
      ssh -n ${TIDEWHEEL_SSH_OPTS:-$(setting env.ssh.opts)} "$host" \
        "TIDEWHEEL_CONF_DIR='$TIDEWHEEL_CONF_DIR' ZOOKEEPER_HOME='${ZOOKEEPER_HOME:-}' '$bin_dir/zookeeper.sh' $verb $id" || failed=1
    fi
  done < <(sed -nE 's/^server\.([0-9]+)=([^:]+).*/\1 \2/p' "$zoo_cfg")
  return $failed
}
