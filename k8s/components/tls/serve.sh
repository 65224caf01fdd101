#!/bin/sh
# Runs HAProxy, and has it read its certificates again when the mounted Secret was replaced. What the old process has
# under way it finishes. Arguments: haproxy.cfg.
set -eu
config=$1
look() { cat "$TLS/tls.crt" "$TLS/tls.key" "$TLS/ca.crt" | sha256sum; }

haproxy -W -db -f "$config" &
proxy=$!
# Soft stop: no new connection, and the end when the last request is answered.
trap 'kill -USR1 "$proxy"' TERM INT
seen=$(look)
while kill -0 "$proxy" 2>/dev/null; do
  sleep "${LOOK_SECONDS:-15}" &
  wait $! || true
  now=$(look) || continue
  if [ "$now" != "$seen" ]; then
    if haproxy -c -q -f "$config"; then
      kill -USR2 "$proxy"
      echo "certificates were replaced: read again"
      seen=$now
    else
      echo "the certificates that are there now cannot be used: those of before stay" >&2
    fi
  fi
done
wait "$proxy"
