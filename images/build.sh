#!/usr/bin/env bash
# Builds the image of every folder here that has a Dockerfile (or of those that are named): `jetway/TYPE:dev`.
#
# The binary is built on the host and sent with the folder's own files as the whole context: the target directory, gigabytes
# of it, never is. A type that needs programs beside it stands on `BASE` (Debian's slim image, the same Debian as the host, so
# that the C library is the same). A type whose Dockerfile says FROM scratch needs none: its binary is static, and it gets
# `rootfs.tar`, which holds that and the little that Concourse and a container runtime look for, and what the folder's `rootfs.sh`
# puts there, if it has one.
set -euo pipefail
cd "$(dirname "$0")/.."

base=${JETWAY_BASE:-debian:bookworm-slim}
target=${CARGO_TARGET_DIR:-target}
host=$(rustc -vV | sed -n 's/^host: //p')
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

# The package that a type's binary comes from. One may be several types, by the name that it is installed under.
package_of() {
  case $1 in
    registry-image) echo jetway-docker-image ;;
    *) echo "jetway-$1" ;;
  esac
}

is_static() { grep -qx 'FROM scratch' "images/$1/Dockerfile"; }

# The whole file system of a static type: $1 is the type, $2 its binary, $3 where the archive goes.
make_rootfs() {
  local root="$context/$1.rootfs" verb
  mkdir -p "$root/usr/local/bin" "$root/opt/resource" "$root/etc/ssl/certs" "$root/tmp" "$root/root"
  install -m 0755 "$2" "$root/usr/local/bin/jetway-$1"
  for verb in check in out; do ln -s "/usr/local/bin/jetway-$1" "$root/opt/resource/$verb"; done
  # Runtimes look the user up; Go's programs, which workers run, take its home from here.
  echo 'root:x:0:0:root:/root:/sbin/nologin' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  if [ -x "images/$1/rootfs.sh" ]; then "images/$1/rootfs.sh" "$root"; fi
  find "$root" -type d -exec chmod 0755 {} +
  chmod 0644 "$root/etc/passwd" "$root/etc/group"
  chmod 0700 "$root/root"
  chmod 1777 "$root/tmp"
  # One owner and one time, so that the same binary makes the same archive.
  tar --create --file "$3" --directory "$root" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name .
}

kinds=("$@")
if [ ${#kinds[@]} -eq 0 ]; then
  for dockerfile in images/*/Dockerfile; do kinds+=("$(basename "$(dirname "$dockerfile")")"); done
fi

for kind in "${kinds[@]}"; do
  binary="jetway-$kind"
  package=$(package_of "$kind")
  mkdir "$context/$kind"
  cp -R "images/$kind/." "$context/$kind/"
  if is_static "$kind"; then
    # With an explicit target the flags are for the binary alone, not for what runs while it is built.
    RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
      cargo build --release --locked --package "$package" --target "$host"
    make_rootfs "$kind" "$target/$host/release/$package" "$context/$kind/rootfs.tar"
  else
    cargo build --release --locked --package "$package"
    install -m 0755 "$target/release/$package" "$context/$kind/$binary"
  fi
  arguments=()
  if grep -q '^ARG HELM_VERSION=' "images/$kind/Dockerfile" && [ -n "${HELM_VERSION:-}" ]; then
    arguments+=(--build-arg "HELM_VERSION=$HELM_VERSION")
  fi
  version=$(cargo pkgid --package "$package" | sed 's/.*[#@]//')
  # The classic builder: the other one is a plugin that not every engine's client has.
  if ! DOCKER_BUILDKIT=0 docker build --build-arg "BASE=$base" --build-arg "VERSION=$version" "${arguments[@]}" \
    --tag "jetway/$kind:dev" "$context/$kind" >"$context/log" 2>&1; then
    cat "$context/log" >&2
    exit 1
  fi
  bytes=$(docker image inspect --format '{{.Size}}' "jetway/$kind:dev")
  if is_static "$kind"; then
    printf 'image jetway/%s:dev: %d KB in all\n' "$kind" $((bytes / 1000))
  else
    base_bytes=$(docker image inspect --format '{{.Size}}' "$base")
    printf 'image jetway/%s:dev: %d MB, %d MB of it on top of %s\n' \
      "$kind" $((bytes / 1000000)) $(((bytes - base_bytes) / 1000000)) "$base"
  fi
done
