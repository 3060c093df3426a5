#!/usr/bin/env bash
# Starts or stops one server of ZooKeeper on this machine, by conf/zoo.cfg:
#   zookeeper.sh (start|start-foreground) ID     the server whose line is server.ID
#   zookeeper.sh stop ID | stop-all
# ZooKeeper itself is not part of this: ZOOKEEPER_HOME names an installation (a folder with lib/*.jar), and java runs it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
command=${1:-}
id=${2:-}
zoo_cfg=$TIDEWHEEL_CONF_DIR/zoo.cfg
[[ -r $zoo_cfg ]] || die "$zoo_cfg is not there"
[[ $command == stop-all || $id =~ ^[0-9]+$ ]] ||
  die "usage: zookeeper.sh (start|start-foreground|stop) ID, or stop-all; ID as in the line server.ID of $zoo_cfg"
user=${USER:-$(id -un)}

pid_file() { echo "$pid_dir/tidewheel-$user-zookeeper-$1.pid"; }
is_running() { [[ -s $1 ]] && kill -0 "$(<"$1")" 2>/dev/null; }

jars() {
  local folder
  for folder in "${ZOOKEEPER_HOME:-}"/lib "${ZOOKEEPER_HOME:-}"/libs; do
    compgen -G "$folder/zookeeper-[0-9]*.jar" >/dev/null && echo "$folder/*" && return
  done
  die "ZOOKEEPER_HOME is '${ZOOKEEPER_HOME:-}', which has no lib/zookeeper-*.jar"
}

# Each server has a folder of its own below dataDir, so that several can be on one machine.
prepare() {
  grep -qE "^server\.$id=" "$zoo_cfg" || die "$zoo_cfg has no line server.$id"
  local data
  data=$(sed -n 's/^dataDir=//p' "$zoo_cfg")
  [[ -n $data ]] || die "$zoo_cfg has no dataDir"
  data=$data/server.$id
  mkdir -p "$data"
  echo "$id" >"$data/myid"
  own_cfg=$data/zoo.cfg
  sed "s|^dataDir=.*|dataDir=$data|" "$zoo_cfg" >"$own_cfg"
}

# What runs a server; `prepare` goes before.
server() {
  java_command=(java ${ZOOKEEPER_OPTS:--Xmx512m} -Dorg.slf4j.simpleLogger.defaultLogLevel=info -cp "$class_path"
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$own_cfg")
}

start() {
  local pids log
  pids=$(pid_file "$id")
  is_running "$pids" && die "server $id runs already, as process $(<"$pids")"
  [[ -n $log_dir ]] || log_dir=$(setting env.log.dir)
  log=${log_dir:-$home_dir/log}/tidewheel-$user-zookeeper-$id-$(hostname).log
  mkdir -p "$(dirname "$log")" "$pid_dir"
  setsid "${java_command[@]}" </dev/null >>"$log" 2>&1 &
  echo $! >"$pids"
  sleep 0.5
  is_running "$pids" || die "server $id did not start; see $log"
  echo "Started server $id of ZooKeeper as process $(<"$pids"); its log is $log"
}

# By SIGTERM, and after 10 s by SIGKILL.
stop() {
  local pids=$1 pid tenths
  if ! is_running "$pids"; then
    echo "No server of ZooKeeper runs that $pids names"
    rm -f "$pids"
    return
  fi
  pid=$(<"$pids")
  kill "$pid"
  for ((tenths = 0; tenths < 100; tenths++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$pids"
  echo "Stopped the server of ZooKeeper of process $pid"
}

case $command in
  start | start-foreground)
    class_path=$(jars)
    prepare
    server
    [[ $command == start ]] || exec "${java_command[@]}"
    start
    ;;
  stop) stop "$(pid_file "$id")" ;;
  stop-all)
    for file in "$pid_dir/tidewheel-$user-zookeeper-"*.pid; do [[ -e $file ]] && stop "$file"; done
    ;;
  *) die "there is no command '$command': start, start-foreground, stop or stop-all" ;;
esac
