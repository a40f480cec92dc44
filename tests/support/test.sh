#!/usr/bin/env bash
# `make test`: every layer in order, then one line of counts at the very end.
#
# Without deps, a build and clean lints there is nothing to test; after that all get to run: one failure should not hide another.
# The counts are printed in either case. A layer that this machine cannot run is a skip; under CI=true it is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Most cases wait for a server or a child, so twice as many as there are cores run at a time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}

records=$(mktemp -d)
export JETWAY_SKIPS="$records/skips"
touch "$JETWAY_SKIPS" "$records/output"
failed=0
layers_skipped=0
images_job=

# The seconds since the start show where the time goes.
step() { printf '\n==> [%d s] %s\n' "$SECONDS" "$*"; }

verb() {
  step "make $1"
  "${MAKE:-make}" --no-print-directory "$1"
}

# Runs one test command, keeps its output for the counts, and remembers a failure.
tests() {
  step "$*"
  "$@" 2>&1 | tee -a "$records/output" || failed=1
}

# A skip of the whole layer. (Tests that skip themselves write a line each into the same file.)
skip() {
  printf 'SKIPPED %s\n' "$1" | tee -a "$JETWAY_SKIPS"
  layers_skipped=$((layers_skipped + 1))
  if [ "${CI:-}" = true ]; then failed=1; fi
}

# Sums the `test result:` lines, which there is one of for each test binary.
summary() {
  local status=$?
  trap - EXIT
  if [ -n "$images_job" ]; then kill -- "-$images_job" 2>/dev/null || true; fi
  local passed failures skipped ignored
  passed=$(count passed)
  failures=$(count failed)
  ignored=$(count ignored)
  skipped=$(($(wc -l <"$JETWAY_SKIPS") + ignored))
  if [ "$status" -ne 0 ] || [ "$failed" -ne 0 ]; then
    status=1
    # A step that is no test (the build, clippy, an image) counts too: nothing failed must mean that nothing failed.
    if [ "$failures" -eq 0 ]; then failures=1; fi
  fi
  # A test that skips itself returns early and so was counted as passed.
  passed=$((passed - ($(wc -l <"$JETWAY_SKIPS") - layers_skipped)))
  if [ "$failures" -gt 0 ]; then quote_failures; fi
  if [ -s "$JETWAY_SKIPS" ]; then
    printf '\nskipped:\n'
    cat "$JETWAY_SKIPS"
  fi
  rm -rf "$records"
  printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failures" "$skipped"
  exit "$status"
}

# What the failed cases said, once more at the end: logs are often kept by their last lines. A case's own output stands between
# `---- NAME stdout ----` and the list of those that failed; stack traces are left out, and of what is long the beginning counts.
quote_failures() {
  awk '
    BEGIN { heading = "\nwhat failed:\n" }
    /^---- .* stdout ----$/ { quoting = 1; lines = 0 }
    /^(failures:|stack backtrace:)$/ { quoting = 0 }
    quoting && NF && ++lines <= 40 { print heading substr($0, 1, 600); heading = "" }
  ' "$records/output"
}

count() {
  { grep -E '^test result: ' "$records/output" || true; } |
    { grep -oE "[0-9]+ $1" || true; } | awk '{ sum += $1 } END { print sum + 0 }'
}

trap summary EXIT

verb deps
images=absent
if docker info >/dev/null 2>&1; then
  # The images are built beside all that needs none, at the lowest priority: most cases wait for a server or a child, so that the release
  # builds take the time that the tests leave.
  images=pending
  # Job control gives it a process group, to end it as a whole. In a session of its own it would not be at a low priority: Linux gives each
  # session the same share of the CPU, whatever its niceness (sched(7), "The autogroup feature").
  set -m
  nice -n 19 "${MAKE:-make}" --no-print-directory images >"$records/images" 2>&1 </dev/null &
  images_job=$!
  set +m
else
  skip 'images: no container engine answers, so that no image was built or tested'
fi
verb build
# The tests run these binaries. Building each package by itself once more, with fewer features, takes minutes; the images have those.
export JETWAY_BINARIES=${CARGO_TARGET_DIR:-$PWD/target}/debug
verb lint

# The cases that need no image run while the images are being built.
with_images=(docker-image images e2e demo)
without_images=()
# An assignment of its own: without names, the script ends here instead of running no tests.
names=$(cargo metadata --locked --no-deps --format-version 1 |
  grep -oE '"kind":\["test"\],"crate_types":\["bin"\],"name":"[^"]+"' | sed 's/.*:"\(.*\)"/\1/')
for name in $names; do
  [[ " ${with_images[*]} " == *" $name "* ]] || without_images+=(--test "$name")
done
# Always the whole workspace, so that nothing is compiled again with other features.
tests cargo test --locked --workspace --no-fail-fast --lib --bins "${without_images[@]}"
tests cargo test --locked --workspace --no-fail-fast --doc
if [ "$images" = pending ]; then
  step 'make images'
  if wait "$images_job"; then images=built; else failed=1; fi
  images_job=
  cat "$records/images"
fi
# Nothing is built beside these cases, which also wait for the container engine.
export RUST_TEST_THREADS=$((RUST_TEST_THREADS * 3 / 2))
tests cargo test --locked --workspace --no-fail-fast "${with_images[@]/#/--test=}"

# Runs cases once more, each verb in a container of the image: $1 is the type, the rest selects the cases by their modules.
image_tests() {
  local kind=$1
  shift
  tests env JETWAY_TEST_RUNNER=image cargo test --locked --workspace --no-fail-fast --test "$kind" -- "$@"
}

# Those of a type that depend on more of the image than its binary: programs, certificates, users, the file system. IMAGE_CASES=all
# runs every case.
image_cases() {
  if [ "${IMAGE_CASES:-}" = all ]; then return; fi
  case $1 in
  docker-image) echo build:: build_engine:: build_kit:: build_options:: check:: formats:: get:: login:: put:: put_archives:: put_tags:: unpack:: ;;
  github-pr) echo check:: content:: get:: put:: real_gitea:: secrets:: tls:: ;;
  github-status) echo app:: check:: get:: put:: real_gitea:: secrets:: tls:: ;;
  helm-release) echo access:: charts:: check:: clouds:: connection:: diff:: get:: given_access:: kubeconfigs:: put:: ;;
  jira) echo check:: get:: official_client:: put:: secrets:: tls:: ;;
  slack) echo alert:: bot:: message:: official_client:: secrets:: tls:: ;;
  esac
}

if [ "$images" = built ]; then
  for kind in docker-image github-pr github-status helm-release jira slack; do
    if [ -f "images/$kind/Dockerfile" ]; then
      # shellcheck disable=SC2046
      image_tests "$kind" $(image_cases "$kind")
    fi
  done
  # Those of git with the git and the ssh that this machine does not have: of Debian 12, and of Debian 13.
  machine=$(git --version | grep -oE '[0-9]+\.[0-9]+' | head -n 1)
  if [ "$machine" != 2.39 ]; then
    step 'git cases with git 2.39'
    image_tests git
  fi
  if [ "$machine" != 2.47 ]; then
    step 'git cases with git 2.47'
    if JETWAY_TAG=trixie JETWAY_BASE=debian:trixie-slim images/build.sh git &&
      docker run --rm jetway/git:trixie git --version | grep -E ' 2\.47'; then
      JETWAY_IMAGE_GIT=jetway/git:trixie image_tests git
    else
      failed=1
    fi
  fi
fi
exit "$failed"
