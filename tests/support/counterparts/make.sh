#!/usr/bin/env bash
# Builds servers and judges that this project did not write, from Go modules and npm packages, and keeps them in `.cache/counterparts`.
#
#   make.sh start        build in the background what is missing, and return
#   make.sh wait NAME    wait for NAME, and print the directory that holds its program
#
# NAME is slack-client, jira-client, crane, distribution, gitea, oras or cosign. They are built in this order, one at a time, at the lowest priority.
# A directory is named by the module's version, so that a new version is built anew.
set -euo pipefail
cd "$(dirname "$0")"
script=$PWD/make.sh

# Go: name, module, version, checksum of the module (as in a go.sum), and the package of its program.
# npm: name, `npm`, version, and the folder with package.json and package-lock.json, which pins each package by its checksum.
counterparts=(
  "slack-client npm 8.2.0 ../slack/client"
  "jira-client npm 6.2.0 ../jira/client"
  "crane github.com/google/go-containerregistry v0.22.1 h1:RZuuSYhTvlDvtsK+NkutoCZ//C0X2ebLK8X8l3ULs84= cmd/crane"
  "distribution github.com/distribution/distribution/v3 v3.1.2 h1:/Bv2YIqqSR00HiO49FT93hovy6r9IlrzwUDsJjCN5qg= cmd/registry"
  "gitea code.gitea.io/gitea v1.26.0 h1:fJP9dqLbzKrKWUVnCVTfVersZdVDuyJQLEDzCAOmKKA= ."
  "oras oras.land/oras v1.3.6 h1:Lhsfr2tQLjsu/+CJZp6vYatwKT+62fbIUTlp4lUrfOA= cmd/oras"
  "cosign github.com/sigstore/cosign/v3 v3.1.3 h1:001JQRI/PJ/5T+g/kJ1KTvKFbb322+fomc+pHDZ/6sg= cmd/cosign"
)

cache=$(cd ../../.. && pwd)/.cache/counterparts
# Tests wait no longer than this, in seconds.
patience=1800

say() { printf 'counterparts: %s\n' "$*" >&2; }

# What the machine lacks to build a counterpart; nothing if it can be built.
lacks() {
  local module=$1 programs=(go python3) program
  if [ "$module" = npm ]; then programs=(node npm); fi
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || { echo "there is no $program on this machine"; return; }
  done
  if [ "$module" = npm ] && ! node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)'; then
    echo "Node.js 20 or newer is needed; this is $(node --version)"
  fi
}

# The directory of a counterpart. Another compiler makes another program, and another lock file installs other packages: the Go version
# or the lock file's checksum is part of the name.
directory() {
  local name=$1 module=$2 version=$3 folder=$4 made_by
  if [ "$module" = npm ]; then
    made_by=$(sha256sum <"$folder/package-lock.json" | cut -c 1-12)
  else
    made_by=$(go env GOVERSION)
  fi
  printf '%s/%s-%s-%s' "$cache" "$name" "$version" "$made_by"
}

# Downloads a module, compares its checksum with ours, and prints the directory of its source.
download() {
  local module=$1 version=$2 sum=$3
  (cd / && go mod download -json "$module@$version") | python3 -c '
import json, sys
module = json.load(sys.stdin)
if module.get("Error"):
    sys.exit(module["Error"])
if module["Sum"] != sys.argv[1]:
    sys.exit("the checksum of %s is %s, not %s" % (module["Path"], module["Sum"], sys.argv[1]))
print(module["Dir"])' "$sum"
}

# Installs the packages of a lock file. Their install scripts do not run.
build_npm() {
  local folder=$1 new=$2
  mkdir "$new/done"
  cp "$folder/package.json" "$folder/package-lock.json" "$new/done/"
  (cd "$new/done" && nice -n 19 npm ci --ignore-scripts --no-audit --no-fund --cache "$new/npm" >&2)
}

# Builds a Go program.
build_go() {
  local name=$1 module=$2 version=$3 sum=$4 package=$5 new=$6 source
  source=$(download "$module" "$version" "$sum")
  # Some modules have `replace` directives, which `go install MODULE@VERSION` refuses. A build in a copy of the source does not.
  cp -r --no-preserve=mode "$source" "$new/source"
  local cgo=0 tags=
  # Gitea's SQLite driver is written in C.
  if [ "$name" = gitea ]; then cgo=1 tags=sqlite,sqlite_unlock_notify; fi
  (cd "$new/source/$package" &&
    nice -n 19 env CGO_ENABLED=$cgo GOTOOLCHAIN=local GOWORK=off \
      go build -mod=mod -trimpath -buildvcs=false -tags "$tags" -ldflags '-s -w' -o "$new/program" .)
  mkdir "$new/done"
  mv "$new/program" "$new/done/$name"
  # Gitea reads its templates and translations at run time.
  if [ "$name" = gitea ]; then
    for folder in templates options public custom; do
      if [ -d "$new/source/$folder" ]; then mv "$new/source/$folder" "$new/done/$folder"; fi
    done
  fi
}

# Builds one counterpart into a new directory, which gets its name when it is complete.
build() {
  local name=$1 module=$2 version=$3 target new=$cache/new
  target=$(directory "${@:1:4}")
  [ ! -d "$target" ] || return 0
  say "building $name $version"
  rm -rf "$new" && mkdir -p "$new"
  if [ "$module" = npm ]; then build_npm "$4" "$new"; else build_go "$@" "$new"; fi
  find "$cache" -mindepth 1 -maxdepth 1 -type d -name "$name-*" -exec rm -rf {} +
  mv "$new/done" "$target"
  rm -rf "$new"
}

build_all() {
  local counterpart fields
  for counterpart in "${counterparts[@]}"; do
    read -r -a fields <<<"$counterpart"
    [ -z "$(lacks "${fields[1]}")" ] || continue
    # A process of its own: bash ignores `set -e` in a function that is part of a condition.
    "$script" build "${fields[@]}" || say "${fields[0]} cannot be built"
  done
}

mkdir -p "$cache"
# `build_all` calls this, and holds the lock.
if [ "${1:-}" = build ]; then
  build "${@:2}"
  exit
fi
exec 9>"$cache/lock"
log=$cache/make.log

case ${1:-} in
start)
  missing=
  for counterpart in "${counterparts[@]}"; do
    read -r -a fields <<<"$counterpart"
    reason=$(lacks "${fields[1]}")
    if [ -n "$reason" ]; then
      say "${fields[0]} cannot be built: $reason"
    elif [ ! -d "$(directory "${fields[@]:0:4}")" ]; then
      missing=1
    fi
  done
  [ -n "$missing" ] || exit 0
  # Another run builds them already.
  flock --nonblock 9 || exit 0
  say "building servers and judges for the tests in the background (log: $log)"
  # The child inherits the lock, which ends with it.
  (build_all) >"$log" 2>&1 </dev/null &
  ;;
wait)
  for counterpart in "${counterparts[@]}"; do
    read -r -a fields <<<"$counterpart"
    name=${fields[0]}
    [ "$name" = "${2:-}" ] || continue
    reason=$(lacks "${fields[1]}")
    if [ -n "$reason" ]; then
      say "$name cannot be built: $reason"
      exit 1
    fi
    target=$(directory "${fields[@]:0:4}")
    deadline=$((SECONDS + patience))
    # The lock is free when nothing is being built.
    until [ -d "$target" ]; do
      if flock --nonblock 9; then
        [ ! -d "$target" ] || break
        say "$name was not built (\`make deps\` does that); the end of $log:"
        tail -n 3 "$log" >&2 || true
        exit 1
      fi
      if [ $SECONDS -ge $deadline ]; then
        say "$name is still being built after $patience s (log: $log)"
        exit 1
      fi
      sleep 1
    done
    echo "$target"
    exit 0
  done
  say "unknown counterpart '${2:-}'"
  exit 2
  ;;
*)
  say "usage: make.sh start|wait NAME"
  exit 2
  ;;
esac
