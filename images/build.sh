#!/usr/bin/env bash
# Builds the image of every folder here that has a Dockerfile (or of those that are named): `jetway/TYPE:dev`, or with the tag in
# `JETWAY_TAG`.
#
# The binary is built on the host, and static. All that this project adds is in one archive, `rootfs.tar`, with one owner and one time,
# so that the same binary makes the same layer. The archive and the folder's own files are the whole context: the target
# directory, gigabytes of it, never is. A type that needs programs beside it stands on the `BASE` of its Dockerfile, a slim image of
# Debian; `JETWAY_BASE` replaces it. A type whose Dockerfile says FROM scratch needs none: the archive has the little that Concourse and a
# container runtime look for. In either case it has what the folder's `rootfs.sh` puts there, if there is one.
#
# `--archive FILE TYPE` makes that archive and nothing else, `--binary TYPE` only the binary, whose path it prints. `images/release.sh` sets:
#
#   JETWAY_ARCH     the architecture of the archive, `amd64` or `arm64`, if it is not this machine's
#   JETWAY_BINARY   the binary to put into the archive, instead of building it
#
# `JETWAY_VERSION` is the version that the image states, instead of the package's.
set -euo pipefail
# What fails in `$(...)` fails.
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
tag=${JETWAY_TAG:-dev}
host=$(rustc -vV | sed -n 's/^host: //p')
case ${JETWAY_ARCH:-} in
  '') export JETWAY_TRIPLE=$host ;;
  amd64) export JETWAY_TRIPLE=x86_64-unknown-linux-gnu ;;
  arm64) export JETWAY_TRIPLE=aarch64-unknown-linux-gnu ;;
  *) echo "images/build.sh: unknown architecture '$JETWAY_ARCH'" >&2; exit 2 ;;
esac
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

# The package that a type's binary comes from. One has the binaries of two types. `cli` is the `jetway` command, and no type.
package_of() {
  case $1 in
    registry-image) echo jetway-docker-image ;;
    *) echo "jetway-$1" ;;
  esac
}

# What the image of the type $1 stands on.
base_of() { echo "${JETWAY_BASE:-$(sed -n 's/^ARG BASE=//p' "images/$1/Dockerfile")}"; }

is_from_scratch() { grep -qx 'FROM scratch' "images/$1/Dockerfile"; }

# What an image gets from here: $1 is the type, $2 its binary, $3 where the archive goes.
make_rootfs() {
  local root="$context/$1.rootfs" verb programs=
  mkdir -p "$root/usr/local/bin" "$root/usr/local/share/sbom" "$root/opt/resource"
  install -m 0755 "$2" "$root/usr/local/bin/jetway-$1"
  for verb in check in out; do ln -s "/usr/local/bin/jetway-$1" "$root/opt/resource/$verb"; done
  if is_from_scratch "$1"; then
    mkdir -p "$root/etc/ssl/certs" "$root/tmp" "$root/root"
    # Runtimes look the user up; Go's programs, which workers run, take its home from here.
    echo 'root:x:0:0:root:/root:/sbin/nologin' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    chmod 0644 "$root/etc/passwd" "$root/etc/group"
  fi
  if [ -x "images/$1/rootfs.sh" ]; then programs=$("images/$1/rootfs.sh" "$root"); fi
  images/sbom.sh "$1" "$(package_of "$1")" <<<"$programs" >"$root/usr/local/share/sbom/jetway-$1.cdx.json"
  chmod 0644 "$root/usr/local/share/sbom/jetway-$1.cdx.json"
  find "$root" -type d -exec chmod 0755 {} +
  if is_from_scratch "$1"; then
    chmod 0700 "$root/root"
    chmod 1777 "$root/tmp"
  fi
  tar --create --file "$3" --directory "$root" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name .
}

# Builds the binary of the type $1, and prints where it is.
build_binary() {
  local package name=jetway-$1
  if [ -n "${JETWAY_BINARY:-}" ]; then
    echo "$JETWAY_BINARY"
    return
  fi
  package=$(package_of "$1")
  # Where it was built says nothing of what it does: the same sources are to make the same binary in any directory.
  local flags="${RUSTFLAGS:-} --remap-path-prefix=$PWD=/jetway --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  # Static: a binary needs no C library of its image, or of the machine that a script runs it on, and starts without a dynamic linker.
  # Only the last step knows it, so that all types share what they are made of. With an explicit target, flags are not for what runs
  # while it is built.
  if [ "$1" = cli ]; then name=jetway; fi
  RUSTFLAGS="$flags" cargo rustc --release --locked --package "$package" --bin "$name" --target "$JETWAY_TRIPLE" -- -C target-feature=+crt-static >&2
  echo "$target/$JETWAY_TRIPLE/release/$name"
}

if [ "${1:-}" = --binary ]; then
  build_binary "$2"
  exit
fi
if [ "${1:-}" = --archive ]; then
  binary=$(build_binary "$3")
  make_rootfs "$3" "$binary" "$2"
  exit
fi

kinds=("$@")
if [ ${#kinds[@]} -eq 0 ]; then
  for dockerfile in images/*/Dockerfile; do kinds+=("$(basename "$(dirname "$dockerfile")")"); done
fi

for kind in "${kinds[@]}"; do
  mkdir "$context/$kind"
  cp -R "images/$kind/." "$context/$kind/"
  binary=$(build_binary "$kind")
  make_rootfs "$kind" "$binary" "$context/$kind/rootfs.tar"
  arguments=()
  if grep -q '^ARG HELM_VERSION=' "images/$kind/Dockerfile" && [ -n "${HELM_VERSION:-}" ]; then
    arguments+=(--build-arg "HELM_VERSION=$HELM_VERSION")
  fi
  base=$(base_of "$kind")
  version=${JETWAY_VERSION:-$(cargo pkgid --package "$(package_of "$kind")" | sed 's/.*[#@]//')}
  # The classic builder: the other one is a plugin that not every engine's client has.
  if ! DOCKER_BUILDKIT=0 docker build --build-arg "BASE=$base" --build-arg "VERSION=$version" "${arguments[@]}" \
    --tag "jetway/$kind:$tag" "$context/$kind" >"$context/log" 2>&1; then
    cat "$context/log" >&2
    exit 1
  fi
  bytes=$(docker image inspect --format '{{.Size}}' "jetway/$kind:$tag")
  if is_from_scratch "$kind"; then
    printf 'image jetway/%s:%s: %d KB in all\n' "$kind" "$tag" $((bytes / 1000))
  else
    base_bytes=$(docker image inspect --format '{{.Size}}' "$base")
    printf 'image jetway/%s:%s: %d MB, %d MB of it on top of %s\n' \
      "$kind" "$tag" $((bytes / 1000000)) $(((bytes - base_bytes) / 1000000)) "$base"
  fi
done
