#!/usr/bin/env bash
# `make release-test`: makes a release of TYPES (default: slack) twice for amd64 and arm64, as a dry run, and judges it:
#
#   - the two have the same digests and checksums, although each was compiled in a target directory of its own;
#   - each binary runs, the one for the other architecture by qemu, and is static.
#
# JETWAY_RELEASE_PROFILE=full builds as for users; the default, `quick`, builds without optimization.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ $# -gt 0 ]; then kinds=("$@"); else kinds=(slack); fi
profile=${JETWAY_RELEASE_PROFILE:-quick}
version=$(cargo pkgid --package jetway | sed 's/.*[#@]//')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'release-test: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

missing=()
for package in gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static mmdebstrap; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] || fail "these Debian packages are missing: ${missing[*]}"

# Prints the command that runs a program of an architecture.
runner() {
  case $1/$(uname -m) in
    amd64/x86_64 | arm64/aarch64) echo env ;;
    amd64/*) echo qemu-x86_64-static ;;
    arm64/*) echo qemu-aarch64-static ;;
  esac
}

for number in first second; do
  say "the $number release of ${kinds[*]}"
  JETWAY_RELEASE=$work/$number JETWAY_RELEASE_PROFILE=$profile CARGO_TARGET_DIR=$work/target-$number \
    images/release.sh "$version" registry.example.com/org "${kinds[@]}"
done
for file in digests SHA256SUMS; do
  cmp "$work/first/$file" "$work/second/$file" || fail "\`$file\` of the two releases differ"
done
say 'both releases have the same digests and checksums'

for architecture in amd64 arm64; do
  for kind in "${kinds[@]}"; do
    binary=$work/first/binaries/$architecture/jetway-$kind
    outcome=0
    messages=$(echo '{"source": {"unknown_key": true}}' | "$(runner "$architecture")" "$binary" check 2>&1 >/dev/null) || outcome=$?
    if [ "$outcome" -ne 1 ] || [[ $messages != *unknown_key* ]]; then
      fail "jetway-$kind for $architecture exits with $outcome and prints: $messages"
    fi
    ! readelf --program-headers "$binary" | grep -q INTERP || fail "jetway-$kind for $architecture is not static"
    say "jetway-$kind for $architecture runs, and is static"
  done
done
