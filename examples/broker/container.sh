#!/bin/sh
# A rootless podman container whose process gets a token of the broker, and with it loads xdp_count in
# the container's own network namespace. The container has no capability outside and no special mount:
# only the broker's socket.
#
# Not run where this was written: podman was not there. What podman adds to what was run (a user
# namespace, a network namespace, a socket) is its seccomp filter, which must let bpf(2) through:
# podman's default filter does so only for containers with CAP_BPF, inside the user namespace.
set -eu
exec podman run --rm --userns=auto --network=private \
  --cap-add=CAP_BPF --cap-add=CAP_NET_ADMIN \
  --volume /run/skep/broker.sock:/run/skep/broker.sock \
  --volume "$PWD:/skep:ro" --workdir /skep \
  docker.io/denoland/deno:2.9.6 \
  run --allow-ffi --allow-read --allow-net --unstable-net examples/xdp_count/main.ts --inside
