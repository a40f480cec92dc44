#!/usr/bin/env bash
# Makes base resource types of the images: a folder for each in target/bundles (or in the one that `JETWAY_BUNDLES` names), which goes to
# where a worker keeps its types (`/usr/local/concourse/resource-types`, say) and takes the place of the one of that name there:
#
#   TYPE/rootfs.tgz              the image's file system
#   TYPE/resource_metadata.json  what the worker is to know of it
#
#   bundle.sh [TYPE ...]               of the images `jetway/TYPE:dev`: of the types that a worker has by itself, or of those named
#   bundle.sh --file-system TAR TYPE   of an archive of a file system, as `images/release.sh` makes it
#
# The same image makes the same bundle. A worker keeps the base type that it has unpacked until the path or the version changes. So
# the version of a development build names its content: 0.1.0-dev.1f2e3d4c5b6a. JETWAY_VERSION is the version of a release.
set -euo pipefail
cd "$(dirname "$0")/.."

bundles=${JETWAY_BUNDLES:-${CARGO_TARGET_DIR:-target}/bundles}
base=${JETWAY_BASE:-debian:bookworm-slim}
container=
work=$(mktemp -d)
trap 'rm -rf "$work"; [ -z "$container" ] || docker rm "$container" >/dev/null' EXIT

# The file system of the image of the type $1, in $work/rootfs.tgz.
pack_image() {
  container=$(docker create --entrypoint /none "jetway/$1:dev")
  docker export --output "$work/rootfs.tar" "$container"
  docker rm "$container" >/dev/null
  container=
  # In a container, so that owners are what they are without being root here. Devices and the files of the engine's own are left
  # out, since a worker brings its own; names are in order and times are one time, so that nothing differs by when it was made.
  docker run --rm --network none --volume "$work:/made" --env "TIME=@${SOURCE_DATE_EPOCH:-0}" "$base" sh -ec '
    mkdir /root/fs
    cd /root/fs
    tar --extract --preserve-permissions --numeric-owner --xattrs --xattrs-include="*" --file /made/rootfs.tar \
      --exclude="dev/*" --exclude=.dockerenv --exclude=etc/hostname --exclude=etc/hosts --exclude=etc/resolv.conf --exclude=etc/mtab
    tar --create --sort=name --mtime="$TIME" --numeric-owner --xattrs \
      --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime . | gzip -4 --no-name >/made/rootfs.tgz'
}

# Makes the bundle of the type $1 from $work/rootfs.tgz. A development build has a version that begins with $2.
bundle() {
  local kind=$1 version=${JETWAY_VERSION:-} privileged=false
  if [ -z "$version" ]; then version="$2-dev.$(sha256sum <"$work/rootfs.tgz" | cut -c 1-12)"; fi
  # Only a build by an engine of its own needs privilege.
  if [ "$kind" = docker-image ]; then privileged=true; fi
  mkdir -p "$bundles/$kind"
  mv --force "$work/rootfs.tgz" "$bundles/$kind/rootfs.tgz"
  printf '{"type":"%s","version":"%s","privileged":%s,"unique_version_history":false}\n' \
    "$kind" "$version" "$privileged" >"$bundles/$kind/resource_metadata.json"
  printf 'bundle %s/%s: %d MB, version %s\n' "$bundles" "$kind" \
    $(($(stat --format %s "$bundles/$kind/rootfs.tgz") / 1000000)) "$version"
}

if [ "${1:-}" = --file-system ]; then
  gzip -4 --no-name <"$2" >"$work/rootfs.tgz"
  bundle "$3" "${JETWAY_VERSION:?}"
  exit
fi

kinds=("$@")
if [ ${#kinds[@]} -eq 0 ]; then kinds=(git docker-image registry-image); fi
for kind in "${kinds[@]}"; do
  pack_image "$kind"
  bundle "$kind" "$(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.version"}}' "jetway/$kind:dev")"
done
