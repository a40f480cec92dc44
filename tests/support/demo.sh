#!/usr/bin/env bash
# `make demo`: builds what the next chapter of the story needs, and tells it.
#
#   demo.sh         the story: first with git, the rest is built when the story gets there
#   demo.sh rest    called by the story: builds the other types and, if a Kubernetes is wanted, the images
#
# Everything is built once, in one profile: the images hold the binaries that the other chapters run. They are static, because
# some of the images have no C library. `QUICK=1` leaves out what needs a Kubernetes, which takes the longest to build.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'demo: %s\n' "$*" >&2; }

cargo=${CARGO:-cargo}
if ! command -v "$cargo" >/dev/null; then
  say "there is no cargo on this machine; install Rust by rustup (https://rustup.rs), then run \`make demo\` again"
  exit 1
fi
triple=$(rustc -vV | sed -n 's/^host: //p')
binaries=${CARGO_TARGET_DIR:-$PWD/target}/$triple/debug
quick=${QUICK:-}

# The features of what is built are those of the whole workspace each time, so that nothing is compiled twice.
build() {
  local bins=() name
  for name in "$@"; do bins+=(--bin "$name"); done
  RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" "$cargo" build --locked --workspace --target "$triple" "${bins[@]}"
}

# What the machine lacks, and what that costs the story.
say_what_is_missing() {
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    say 'neither root nor sudo: Debian packages cannot be installed; what is there is used'
  fi
  if [ "$quick" = 1 ]; then return; fi
  if ! command -v go >/dev/null; then
    say 'there is no Go (https://go.dev/dl): no Kubernetes is built, and the chapters helm and delivery are left out'
  fi
  if ! command -v dockerd >/dev/null && ! docker info >/dev/null 2>&1; then
    say 'there is no container engine (Debian: docker.io): the chapter delivery is left out unless it can be installed'
  fi
}

if [ "${1:-}" = rest ]; then
  if [ "$quick" != 1 ]; then tests/support/deps.sh engine images & fi
  types=()
  for dockerfile in images/*/Dockerfile; do types+=("$(basename "$(dirname "$dockerfile")")"); done
  names=()
  for kind in "${types[@]}" registry-image; do
    [[ " ${names[*]} " == *" jetway-$kind "* ]] || names+=("jetway-$kind")
  done
  build "${names[@]}"
  if [ "$quick" = 1 ]; then exit 0; fi
  wait
  if ! docker info >/dev/null 2>&1; then exit 0; fi
  # Side by side: building one mostly waits for the engine, and at first for downloads.
  jobs=()
  for kind in "${types[@]}"; do
    JETWAY_TAG=demo JETWAY_BINARY="$binaries/jetway-$kind" images/build.sh "$kind" >&2 &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  exit 0
fi

say_what_is_missing
chapters=()
if [ "$quick" = 1 ]; then
  chapters=(git command types)
  tests/support/deps.sh packages || say 'going on with what is installed'
else
  tests/support/deps.sh packages || say 'going on with what is installed'
  # In the background from here on, at the lowest priority.
  tests/support/deps.sh kubernetes
fi
build jetway-demo jetway-git jetway
# The images of the story, beside those that `make images` has made.
for dockerfile in images/*/Dockerfile; do
  kind=$(basename "$(dirname "$dockerfile")")
  variable=JETWAY_IMAGE_$(tr 'a-z-' 'A-Z_' <<<"$kind")
  export "$variable=jetway/$kind:demo"
done
export JETWAY_BINARIES=$binaries JETWAY_DEMO_BUILD=$PWD/tests/support/demo.sh
exec "$binaries/jetway-demo" "${chapters[@]}"
