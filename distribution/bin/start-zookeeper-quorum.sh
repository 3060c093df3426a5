#!/usr/bin/env bash
# Starts the servers of ZooKeeper that conf/zoo.cfg names (server.ID=HOST:PORT:PORT), each on its host, by ssh where that is
# another one. See zookeeper.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
zoo_cfg=$TIDEWHEEL_CONF_DIR/zoo.cfg
[[ -r $zoo_cfg ]] || die "$zoo_cfg is not there"
grep -qE '^server\.[0-9]+=' "$zoo_cfg" || die "$zoo_cfg names no servers: server.1=localhost:2888:3888"
failed=0
while read -r id host; do
  if [[ $host == localhost || $host == 127.0.0.1 || $host == "$(hostname)" ]]; then
    "$bin_dir/zookeeper.sh" start "$id" || failed=1
  else
    # shellcheck disable=SC2029  # the command is put together here
    ssh -n ${TIDEWHEEL_SSH_OPTS:-} "$host" \
      "TIDEWHEEL_CONF_DIR='$TIDEWHEEL_CONF_DIR' ZOOKEEPER_HOME='${ZOOKEEPER_HOME:-}' '$bin_dir/zookeeper.sh' start $id" || failed=1
  fi
done < <(sed -nE 's/^server\.([0-9]+)=([^:]+).*/\1 \2/p' "$zoo_cfg")
exit $failed
