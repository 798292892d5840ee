#!/bin/sh
# Runs a rootless podman container whose process receives a token from the broker and loads xdp_count in
# the container's network namespace. The container has no capability outside its user namespace and no
# special mount except the broker's socket.
#
# Untested with podman, which was not installed. The tests cover a user namespace, a network namespace
# and the socket. Podman adds a seccomp filter, which must allow bpf(2): its default filter does so only
# for containers with CAP_BPF in their user namespace.
set -eu
exec podman run --rm --userns=auto --network=private \
  --cap-add=CAP_BPF --cap-add=CAP_NET_ADMIN \
  --volume /run/skep/broker.sock:/run/skep/broker.sock \
  --volume "$PWD:/skep:ro" --workdir /skep \
  docker.io/denoland/deno:2.9.6 \
  run --allow-ffi --allow-read --allow-net --unstable-net examples/xdp_count/main.ts --inside
