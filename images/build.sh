#!/usr/bin/env bash
# Builds the image of every folder here that has a Dockerfile: `jetway/TYPE:dev`, from `BASE` (Debian's slim image).
#
# The binary is built on the host (the base is the same Debian, so the C library is the same) and sent with the folder's own
# files as the whole context: the target directory, gigabytes of it, never is.
set -euo pipefail
cd "$(dirname "$0")/.."

base=${JETWAY_BASE:-debian:bookworm-slim}
target=${CARGO_TARGET_DIR:-target}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

for dockerfile in images/*/Dockerfile; do
  folder=$(dirname "$dockerfile")
  kind=$(basename "$folder")
  binary="jetway-$kind"
  cargo build --release --locked --package "$binary"
  mkdir "$context/$kind"
  cp -R "$folder/." "$context/$kind/"
  install -m 0755 "$target/release/$binary" "$context/$kind/$binary"
  version=$(cargo pkgid --package "$binary" | sed 's/.*[#@]//')
  # The classic builder: the other one is a plugin that not every engine's client has.
  if ! DOCKER_BUILDKIT=0 docker build --build-arg "BASE=$base" --build-arg "VERSION=$version" \
    --tag "jetway/$kind:dev" "$context/$kind" >"$context/log" 2>&1; then
    cat "$context/log" >&2
    exit 1
  fi
  bytes=$(docker image inspect --format '{{.Size}}' "jetway/$kind:dev")
  base_bytes=$(docker image inspect --format '{{.Size}}' "$base")
  printf 'image jetway/%s:dev: %d MB, %d MB of it on top of %s\n' \
    "$kind" $((bytes / 1000000)) $(((bytes - base_bytes) / 1000000)) "$base"
done
