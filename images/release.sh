#!/usr/bin/env bash
# Makes a release: `make release VERSION=x.y.z REGISTRY=host/org [TYPES="git slack"] [PUSH=1]`.
#
#   release.sh VERSION REGISTRY [TYPE ...]
#
# A dry run, which is the default, makes everything in target/releases/VERSION (or in JETWAY_RELEASE) and sends nothing:
#
#   binaries/ARCH/       the binaries; jetway-VERSION-linux-ARCH.tar.gz has those of an architecture
#   layouts/TYPE/        an OCI layout with the index of a type's images, one image for each architecture
#   referrers/           layouts of what belongs to them: bills of materials, signed provenance
#   bundles/ARCH/TYPE/   base types for workers (see bundle.sh)
#   digests              the digest of each index
#   SHA256SUMS           of the archives, and SHA256SUMS.sig, its signature
#
# PUSH=1 sends the indexes and what belongs to them to REGISTRY/jetway-TYPE, by a put of our own registry-image. The same release may be
# pushed again: what is there already is left alone.
#
#   JETWAY_SIGNING_KEY         a file with the private key that signs (ECDSA on P-256, PEM without a passphrase). A push needs one.
#   DOCKER_CONFIG              the directory with the config.json of `docker login`
#   JETWAY_BUILDER             who builds, as a URI, for the provenance
#   JETWAY_RELEASE_PLATFORMS   the architectures: `amd64 arm64`
#   JETWAY_RELEASE_BINARIES    a directory with binaries that were built already: ARCH/jetway-TYPE
#   JETWAY_RELEASE_PROFILE     `quick` builds without optimization, for tests of the release itself
#   JETWAY_PUT                 the binary that puts, instead of this release's registry-image
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

say() { printf 'release: %s\n' "$*" >&2; }
step() { printf '\n==> %s\n' "$*" >&2; }

if [ $# -lt 2 ] || [ -z "$1" ] || [ -z "$2" ]; then
  say 'usage: make release VERSION=x.y.z REGISTRY=host/org [TYPES="git slack"] [PUSH=1]'
  exit 2
fi
version=$1 registry=${2%/}
kinds=("${@:3}")
# Only a whole release has the `jetway` command, and is a release of the crate.
is_whole=false
if [ ${#kinds[@]} -eq 0 ]; then
  is_whole=true
  for dockerfile in images/*/Dockerfile; do kinds+=("$(basename "$(dirname "$dockerfile")")"); done
fi
read -ra platforms <<<"${JETWAY_RELEASE_PLATFORMS:-amd64 arm64}"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
output=$(realpath -m "${JETWAY_RELEASE:-$target/releases/$version}")
key=${JETWAY_SIGNING_KEY:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $(uname -m) in
  x86_64) native=amd64 ;;
  aarch64) native=arm64 ;;
  *) native= ;;
esac

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

triple() {
  case $1 in
    amd64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    *) say "unknown architecture '$1'"; exit 2 ;;
  esac
}

# The name of the cross compiler's programs for an architecture.
gnu() { triple "$1" | sed 's/-unknown//'; }

# Prints the problems that block this release, one on each line.
problems() {
  local stated heading tagged
  [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || echo "\`$version\` is not a version: MAJOR.MINOR.PATCH"
  stated=$(cargo pkgid --package jetway | sed 's/.*[#@]//')
  [ "$stated" = "$version" ] || echo "the version in Cargo.toml is $stated"
  heading=$(grep -m 1 '^## ' CHANGELOG.md)
  [[ $heading =~ ^##\ ${version//./\\.}\ \([0-9]{4}-[0-9]{2}-[0-9]{2}\)$ ]] ||
    echo "CHANGELOG.md begins with \`$heading\`, not with \`## $version (DATE)\`"
  if ! git rev-parse --quiet --verify HEAD >/dev/null 2>&1; then
    echo "this is no checkout of git"
  else
    [ -z "$(git status --porcelain)" ] || echo "the work tree has changes (\`git status\`)"
    tagged=$(git rev-parse --quiet --verify "refs/tags/v$version^{commit}" || true)
    [ -z "$tagged" ] || [ "$tagged" = "$(git rev-parse HEAD)" ] || echo "the tag v$version is on another commit"
  fi
  if [ -n "$key" ]; then
    openssl pkey -in "$key" -passin pass: -noout -text 2>/dev/null | grep prime256v1 >/dev/null ||
      echo "JETWAY_SIGNING_KEY, \`$key\`, is not a private key for ECDSA on P-256 in PEM form without a passphrase"
  elif [ "${PUSH:-}" = 1 ]; then
    echo "JETWAY_SIGNING_KEY does not name the key to sign with"
  fi
}

# The directory of a Rust toolchain for an architecture other than this machine's: `host` if the compiler here has its target, else the
# name of an image of the container engine with Debian's compilers.
find_compiler() {
  local arch=$1 image=jetway/cross-$1:forky root validity
  if command -v "$(gnu "$arch")-gcc" >/dev/null && command -v rustup >/dev/null; then
    if rustup target list --installed | grep -qx "$(triple "$arch")" ||
      timeout 60 rustup target add "$(triple "$arch")" >&2; then
      echo host
      return
    fi
    say "rustup brings no compiler for $arch within 60 s: taking Debian's"
  fi
  if ! docker image inspect "$image" >/dev/null 2>&1; then
    say "making $image, a Debian with compilers for $arch, by mmdebstrap (about two minutes)"
    root=$work/cross.tar
    # The index of Debian testing expires after a week, also that of a mirror's snapshot. The machine's own apt says whether that is accepted.
    validity=$(apt-config dump Acquire::Check-Valid-Until)
    as_root mmdebstrap --quiet --variant=minbase --architectures="$native,$arch" \
      ${validity:+--aptopt="$validity"} \
      --include="cargo,rustc,libstd-rust-dev,libstd-rust-dev:$arch,gcc,libc6-dev,gcc-$(gnu "$arch" | sed 's/x86_64/x86-64/'),libc6-dev-$arch-cross" \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      forky "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; return 1; }
    docker import "$root" "$image" >/dev/null
    rm -f "$root"
  fi
  echo "$image"
}

# Builds a program for an architecture other than this machine's: $1 is the architecture, $2 the compiler, $3 the type or `cli`.
cross_build() {
  local arch=$1 compiler=$2 kind=$3 home=${CARGO_HOME:-$HOME/.cargo} linker
  linker=CARGO_TARGET_$(triple "$arch" | tr 'a-z-' 'A-Z_')_LINKER=$(gnu "$arch")-gcc
  if [ "$compiler" = host ]; then
    env "$linker" JETWAY_ARCH="$arch" images/build.sh --binary "$kind"
    return
  fi
  cargo fetch --locked --target "$(triple "$arch")" >&2
  mkdir -p "$target/cross-debian" "$home/registry"
  # Nothing is downloaded in there: crates are those that this machine's cargo has fetched.
  docker run --rm --network none --user "$(id -u):$(id -g)" --workdir /jetway --tmpfs /cargo:mode=1777 \
    --volume "$PWD:/jetway:ro" --volume "$target/cross-debian:/target" --volume "$home/registry:/cargo/registry" \
    --env HOME=/cargo --env CARGO_HOME=/cargo --env CARGO_NET_OFFLINE=true --env CARGO_TARGET_DIR=/target \
    --env "$linker" --env JETWAY_ARCH="$arch" --env CARGO_BUILD_JOBS \
    --env CARGO_PROFILE_RELEASE_LTO --env CARGO_PROFILE_RELEASE_OPT_LEVEL --env CARGO_PROFILE_RELEASE_CODEGEN_UNITS \
    "$compiler" images/build.sh --binary "$kind" | sed "s|^/target|$target/cross-debian|"
}

# Puts the binaries of an architecture into binaries/ARCH, and says by which compiler they were built.
build_binaries() {
  local arch=$1 compiler=host kind binary name
  mkdir -p "$output/binaries/$arch"
  for kind in "${programs[@]}"; do
    name=jetway-$kind
    if [ "$kind" = cli ]; then name=jetway; fi
    binary=${JETWAY_RELEASE_BINARIES:-/nonexistent}/$arch/$name
    if [ ! -f "$binary" ]; then
      if [ "$arch" = "$native" ]; then
        binary=$(images/build.sh --binary "$kind")
      else
        if [ "$compiler" = host ]; then compiler=$(find_compiler "$arch"); fi
        say "building $name for $arch"
        binary=$(cross_build "$arch" "$compiler" "$kind")
      fi
    fi
    install -m 0755 "$binary" "$output/binaries/$arch/$name"
  done
  if [ "$compiler" = host ]; then
    rustc --version
  else
    docker run --rm --network none "$compiler" rustc --version
  fi | sed "s/$/, $arch/"
}

# The system that the image of a type stands on, with what its recipe installs, as one archive.
make_system() {
  local kind=$1 arch=$2 file=$3 suite
  suite=$(sed -n 's/^ARG BASE=debian:\(.*\)-slim$/\1/p' "images/$kind/Dockerfile")
  say "making Debian $suite for $kind on $arch"
  images/layout.py recipe "images/$kind/Dockerfile" >"$work/recipe"
  if ! as_root env SOURCE_DATE_EPOCH="$time" images/debian.sh "$suite" "$file" --architectures="$arch" --skip=output/dev \
    --customize-hook="copy-in $work/recipe /tmp" --customize-hook='chroot "$1" sh -e /tmp/recipe' \
    --customize-hook='rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/cache/apt/*.bin "$1"/tmp/recipe' \
    >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    say "there is no Debian $suite for $arch (another architecture needs the packages qemu-user-static, binfmt-support and arch-test, and \`update-binfmts --enable\`)"
    return 1
  fi
}

# A static busybox of an architecture: Debian's.
find_busybox() {
  local file=$work/busybox-$1
  if [ ! -x "$file" ]; then
    as_root mmdebstrap --quiet --variant=extract --architectures="$1" --include=busybox-static trixie "$work/busybox.tar" >"$work/log" 2>&1 ||
      { tail -n 5 "$work/log" >&2; return 1; }
    tar --extract --to-stdout --file "$work/busybox.tar" --wildcards './*bin/busybox' >"$file"
    chmod 0755 "$file"
  fi
  echo "$file"
}

# Makes the image of a type for an architecture, in $work/images, its base type, and its bill of materials.
make_image() {
  local kind=$1 arch=$2 layers=() place=$work/images/$1-$2 labels busybox=
  local system=$place.system.tar
  mkdir -p "$work/images" "$output/sboms"
  if grep -q '^ARG HELM_VERSION=' "images/$kind/Dockerfile"; then busybox=$(find_busybox "$arch"); fi
  if ! grep -qx 'FROM scratch' "images/$kind/Dockerfile"; then
    make_system "$kind" "$arch" "$system"
    layers+=("$system")
  fi
  JETWAY_ARCH=$arch JETWAY_BINARY=$output/binaries/$arch/jetway-$kind JETWAY_VERSION=$version JETWAY_BUSYBOX=$busybox \
    images/build.sh --archive "$place.tar" "$kind"
  layers+=("$place.tar")
  labels=$(images/layout.py labels "images/$kind/Dockerfile" "VERSION=$version" "org.opencontainers.image.revision=$commit" \
    "org.opencontainers.image.created=$created")
  images/layout.py image "$place" "$arch" "$created" "$labels" "${layers[@]}"
  tar --extract --to-stdout --file "$place.tar" "./usr/local/share/sbom/jetway-$kind.cdx.json" >"$work/bill"
  images/layout.py sbom "$output/sboms/jetway-$kind-$version-linux-$arch.cdx.json" "$work/bill" "${layers[@]:0:${#layers[@]}-1}"
  images/layout.py referrer "$output/referrers/$kind-$arch-sbom" "$place" sbom "$output/sboms/jetway-$kind-$version-linux-$arch.cdx.json"
  images/layout.py merge "$place.merged.tar" "${layers[@]}"
  JETWAY_BUNDLES=$output/bundles/$arch JETWAY_VERSION=$version images/bundle.sh --file-system "$place.merged.tar" "$kind" >&2
  rm -f "$system" "$place.tar" "$place.merged.tar"
}

# Makes the index of a type, and the statement of how it was made.
make_index() {
  local kind=$1 arch images=()
  for arch in "${platforms[@]}"; do
    make_image "$kind" "$arch"
    images+=("$work/images/$kind-$arch")
  done
  images/layout.py index "$output/layouts/$kind" "${images[@]}"
  rm -rf "${images[@]}"
  printf '%s %s\n' "$kind" "$(images/layout.py digest "$output/layouts/$kind")" | tee -a "$output/digests" >&2
  mkdir -p "$output/provenance"
  images/layout.py statement "$output/provenance/jetway-$kind.json" "$registry/jetway-$kind" "$output/layouts/$kind" \
    "version=$version" "type=$kind" "platforms=$(printf 'linux/%s ' "${platforms[@]}")" "compilers=$compilers" \
    "source=$source" "commit=$commit" "lock=$(sha256sum <Cargo.lock | cut -d ' ' -f 1)" "builder=${JETWAY_BUILDER:-urn:jetway:builder:local}"
  if [ -n "$key" ]; then
    images/layout.py envelope "$work/jetway-$kind.intoto.json" "$output/provenance/jetway-$kind.json" "$key"
    images/layout.py referrer "$output/referrers/$kind-provenance" "$output/layouts/$kind" provenance "$work/jetway-$kind.intoto.json"
  fi
}

# Packs a directory with one owner and one time: $1 is the archive, $2 the directory, $3 its name in there.
pack() {
  tar --create --directory "$2" --transform "s|^\.|$3|" --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw . |
    gzip -9 --no-name >"$output/$1"
}

make_archives() {
  local arch
  for arch in "${platforms[@]}"; do
    pack "jetway-$version-linux-$arch.tar.gz" "$output/binaries/$arch" "jetway-$version-linux-$arch"
    pack "jetway-bundles-$version-linux-$arch.tar.gz" "$output/bundles/$arch" "jetway-bundles-$version-linux-$arch"
  done
  cp "$output"/sboms/*.cdx.json "$output/"
  (cd "$output" && sha256sum -- *.tar.gz *.cdx.json >SHA256SUMS)
  if [ -n "$key" ]; then
    openssl dgst -sha256 -sign "$key" "$output/SHA256SUMS" | base64 --wrap=0 >"$output/SHA256SUMS.sig"
  fi
}

# A check or a put (`out`) of our own type: $1 is the verb, the rest is the request. The request has secrets, so it goes by standard
# input, and the key and the logins go into it from their files.
registry_image() {
  local arguments=("$1") login=()
  if [ "$1" = out ]; then arguments+=(.); fi
  if [ -f "${DOCKER_CONFIG:-$HOME/.docker}/config.json" ]; then login=("source.docker_config=@${DOCKER_CONFIG:-$HOME/.docker}/config.json"); fi
  images/layout.py request "${login[@]}" "${@:2}" | (cd "$output" && "$put" "${arguments[@]}")
}

push() {
  local kind=$1 arch subject digest repository=$registry/jetway-$1
  digest=$(images/layout.py digest "$output/layouts/$kind")
  step "push $repository@$digest"
  registry_image out "source.repository=$repository" "source.cosign.key=@$key" "params.image=layouts/$kind" \
    "params.version=$version" 'params.bump_aliases=:true' 'params.tags=:["dev"]' >/dev/null
  for arch in "${platforms[@]}"; do
    # Every put needs a tag. This is the one under which older clients look for a bill of materials.
    subject=$(images/layout.py subject "$output/referrers/$kind-$arch-sbom")
    registry_image out "source.repository=$repository" "source.tag=${subject/:/-}.sbom" "source.cosign.key=@$key" \
      "params.image=referrers/$kind-$arch-sbom" >/dev/null
  done
  # A signature is another one each time, so what is attested is left alone.
  if [ "$(registry_image check "source.repository=$repository" "source.tag=${digest/:/-}.att")" = '[]' ]; then
    registry_image out "source.repository=$repository" "source.tag=${digest/:/-}.att" "params.image=referrers/$kind-provenance" >/dev/null
  fi
}

step 'check the tree, CHANGELOG.md and the key'
found=$(problems)
if [ -n "$found" ]; then
  while read -r problem; do say "$problem"; done <<<"$found"
  if [ "${PUSH:-}" = 1 ]; then exit 1; fi
  say 'a push would be refused; this dry run goes on'
fi
commit=$(git rev-parse HEAD 2>/dev/null || echo 0000000000000000000000000000000000000000)
time=$(git log -1 --format=%ct 2>/dev/null || echo 0)
created=$(date --utc --date="@$time" +%Y-%m-%dT%H:%M:%SZ)
# Without a login, should there be one in it.
source=git+$(git remote get-url origin 2>/dev/null | sed 's|://[^/@]*@|://|' | grep . || echo file:///jetway)
if [ "${JETWAY_RELEASE_PROFILE:-}" = quick ]; then
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
fi
if $is_whole; then
  step 'cargo publish --dry-run --package jetway'
  cargo publish --dry-run --locked --package jetway >&2
fi

rm -rf "$output"
mkdir -p "$output/layouts" "$output/referrers" "$output/bundles"
programs=("${kinds[@]}")
if $is_whole; then programs+=(cli); fi
compilers=
for arch in "${platforms[@]}"; do
  step "binaries for linux/$arch"
  compilers+="${compilers:+; }$(build_binaries "$arch")"
done
for kind in "${kinds[@]}"; do
  step "image, base type, bill of materials and provenance of $kind"
  make_index "$kind"
done
step 'archives and their checksums'
make_archives
cat "$output/SHA256SUMS" >&2

put=$(realpath -m "${JETWAY_PUT:-$output/binaries/$native/jetway-registry-image}")
if [ "${PUSH:-}" != 1 ]; then
  step "dry run: nothing was pushed; PUSH=1 pushes these to $registry"
  for kind in "${kinds[@]}"; do say "$registry/jetway-$kind: $version, its aliases and dev"; done
  exit
fi
if [ ! -x "$put" ]; then
  say "there is no registry-image to push with: name it in TYPES, or its binary in JETWAY_PUT"
  exit 1
fi
for kind in "${kinds[@]}"; do push "$kind"; done
if $is_whole; then step 'the crate is published by `cargo publish --package jetway`'; fi
