#!/usr/bin/env bash
# Starts the servers of ZooKeeper that conf/zoo.cfg names (server.ID=HOST:PORT:PORT), each on its host, by ssh where that is
# another one. See zookeeper.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/config.sh"
on_zookeeper_servers start
