#!/usr/bin/env bash
# What building and testing need and cargo cannot bring: Debian packages, a Kubernetes and helm, a container engine that
# answers, base images.
#
# `deps.sh PART...` does only those parts: packages, kubernetes, counterparts, engine, images.
#
# It may be run at any time; what is there already is left alone (well under two seconds then). A package that cannot be
# installed fails it. An engine that cannot run here does not: it says why and goes on, because the tests that want one
# are then skipped, counted and shown (and fail under CI=true).
set -euo pipefail

images=$(cd "$(dirname "$0")/../../images" && pwd)
engine_log=${TMPDIR:-/tmp}/jetway-dockerd.log

# One line each, with who wants it.
packages=(
  git               # the resource itself, its test servers (git-http-backend is in it) and the fixtures
  openssh-client    # deploy keys: made by ssh-keygen, used by ssh
  openssh-server    # the ssh test server
  nginx-light       # the web server in front of git, with TLS and passwords
  fcgiwrap          # runs git-http-backend for it
  tinyproxy-bin     # the HTTP proxy that ssh goes by way of
  docker-registry   # the registry that images are fetched from and pushed to
  skopeo            # copies images into registries, and is measured beside a get
  umoci             # makes and unpacks images: the judge of what a get unpacks
  busybox-static    # what the images that tests build stand on, and the containers of the tests' Kubernetes
  apache2-utils     # htpasswd makes the registry's file of users
  ca-certificates   # the authorities in the image of helm-release
  openssl           # the TLS servers with every kind of certificate
  curl              # the benchmark measures one request of it beside a put
  gpg               # makes the keys that commits are signed with, and signs
  gpg-agent         # gpg signs by it alone
  gpgv              # verifies those signatures; apt brings it everywhere
  git-crypt         # decrypts files, in the resource and in its fixtures
  git-lfs           # fetches and uploads large files, in the resource and in its fixtures
  strace            # the benchmark counts started processes with it
  docker.io         # builds and runs the images
  containerd        # runs the containers of the tests' Kubernetes
  runc              # the same, one by one
  iptables          # the engine's bridge network
  mmdebstrap        # makes the base images where none can be pulled
)

say() { printf 'deps: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -n "$@"
  else
    say "needs root or sudo for: $*"
    return 1
  fi
}

install_packages() {
  local missing=() package program
  for package in "${packages[@]}"; do
    # An engine that came from elsewhere is as good as Debian's, and so are its parts.
    case $package in
    docker.io) program=dockerd ;;
    containerd | runc) program=$package ;;
    *) program= ;;
    esac
    if [ -n "$program" ] && PATH=$PATH:/usr/sbin command -v "$program" >/dev/null; then continue; fi
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  as_root apt-get -q -o Acquire::Retries=3 update >&2
  # At run level 1 no package starts its service: the tests start their own.
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -q -y -o Acquire::Retries=3 install --no-install-recommends "${missing[@]}" >&2
}

engine_answers() { timeout 5 docker info >/dev/null 2>&1; }

start_engine() {
  engine_answers && return 0
  if ! command -v dockerd >/dev/null; then
    say "no dockerd on this machine"
    return 1
  fi
  say "no container engine answers: starting dockerd (log: $engine_log; it stays up after this)"
  # A session of its own and no open file of ours: it must outlive make, and not hold make's pipes open.
  as_root setsid nohup dockerd >"$engine_log" 2>&1 </dev/null &
  local dockerd=$! tenths
  for ((tenths = 0; tenths < 300; tenths++)); do
    engine_answers && return 0
    if ! kill -0 "$dockerd" 2>/dev/null; then break; fi
    sleep 0.1
  done
  # `setsid` forks when it leads a process group, so the engine may be up although the child has gone.
  engine_answers && return 0
  say "dockerd does not run here; the end of its log:"
  tail -n 5 "$engine_log" >&2
  return 1
}

# What the images of the types stand on.
base_images() {
  if [ -n "${JETWAY_BASE:-}" ]; then
    echo "$JETWAY_BASE"
  else
    sed -n 's/^ARG BASE=//p' "$images"/*/Dockerfile | sort -u
  fi
}

make_base_image() {
  local base_image=$1
  docker image inspect "$base_image" >/dev/null 2>&1 && return 0
  if timeout 20 docker pull -q "$base_image" >/dev/null 2>&1; then
    say "pulled $base_image"
    return 0
  fi
  local suite=${base_image##*:} root
  suite=${suite%-slim}
  say "$base_image cannot be pulled: making it with mmdebstrap (about half a minute)"
  root=$(mktemp -d)
  if ! as_root "$images/debian.sh" "$suite" "$root/base.tar" >"$root/log" 2>&1; then
    say "mmdebstrap failed:"
    tail -n 5 "$root/log" >&2
    rm -rf "$root"
    return 1
  fi
  docker import --change 'CMD ["bash"]' "$root/base.tar" "$base_image" >/dev/null
  rm -rf "$root"
}

parts=${*:-packages kubernetes counterparts engine images}
wants() { [[ " $parts " == *" $1 "* ]]; }

if wants packages; then install_packages; fi
# It takes minutes once, and nothing but the tests of helm-release waits for it.
if wants kubernetes && ! "$(dirname "$0")/kubernetes/make.sh" start; then
  say "no Kubernetes can be built here: the tests that talk to one will be skipped"
fi
if wants counterparts && ! "$(dirname "$0")/counterparts/make.sh" start; then
  say "no servers and judges can be built here: the tests that talk to them will be skipped"
fi
if ! wants engine && ! wants images; then exit 0; fi
if start_engine; then
  if ! wants images; then exit 0; fi
  # Side by side: making one takes half a minute, and mostly waits for downloads.
  jobs=()
  for image in $(base_images); do
    make_base_image "$image" &
    jobs+=("$!")
  done
  is_complete=true
  for job in "${jobs[@]}"; do wait "$job" || is_complete=false; done
  if $is_complete; then exit 0; fi
fi
say "no images can be built here: the tests of the images layer will be skipped"
