#!/bin/sh
# The commands of manage.py for the installed station: `station backup FILE`, `station selftest`, `station help`.
# They run as the user "station": files are written where that user may write.
set -e

start="env STATION_DATA_DIR=/var/lib/station STATION_REDIS_URL=unix:///run/station-redis/redis.sock /opt/station/current/.venv/bin/python /opt/station/current/manage.py"
[ "$(id -un)" = station ] && exec $start "$@"
[ "$(id -u)" = 0 ] || { echo "station: ask as root, or as the user station" >&2; exit 77; }
exec runuser -u station -- $start "$@"
