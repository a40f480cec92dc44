#!/usr/bin/env bash
# Builds and runs the fuzz targets of `resources/*/fuzz` with libFuzzer.
#
#   fuzz.sh build    build them all
#   fuzz.sh run      run each for FUZZ_SECONDS (60); one that finds a fault fails, and its input is in target/fuzz/artifacts
#
# `cargo fuzz` needs a nightly compiler for the address sanitizer alone. The coverage that libFuzzer follows is an LLVM pass that
# the stable compiler has too, and our code has no `unsafe` for a sanitizer to look into.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')
# libFuzzer's own needs: counters at each edge, their table, and the operands of comparisons.
# https://llvm.org/docs/SanitizerCoverage.html
flags="--cfg fuzzing -C debug-assertions -C overflow-checks -C passes=sancov-module
  -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters
  -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares"

# The name of a target's program: two crates may have targets of one name.
program_of() { echo "$(basename "$(dirname "$1")")-$2"; }

# `--target` keeps the flags away from build scripts and macros. Each fuzz workspace starts with the versions in our `Cargo.lock`.
build() {
  local workspace name
  mkdir -p "$target/bin"
  for workspace in resources/*/fuzz; do
    cp Cargo.lock "$workspace/Cargo.lock"
    RUSTFLAGS="${RUSTFLAGS:-} ${flags//$'\n'/ }" "$cargo" build --release --manifest-path "$workspace/Cargo.toml" \
      --target "$triple" --target-dir "$target"
    for name in $(targets_of "$workspace"); do
      cp "$target/$triple/release/$name" "$target/bin/$(program_of "$workspace" "$name")"
    done
  done
}

targets_of() {
  local file
  for file in "$1"/fuzz_targets/*.rs; do basename "$file" .rs; done
}

run() {
  local seconds=${FUZZ_SECONDS:-60} program name failed=0 workspace
  for workspace in resources/*/fuzz; do
    for name in $(targets_of "$workspace"); do
      program=$(program_of "$workspace" "$name")
      mkdir -p "$target/corpus/$program" "$target/artifacts"
      echo "==> $program: $seconds s"
      "$target/bin/$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_funcs=0 -print_final_stats=1 \
        -artifact_prefix="$target/artifacts/$program-" "$target/corpus/$program" || failed=1
    done
  done
  return "$failed"
}

case ${1:-} in
build) build ;;
run) build && run ;;
*)
  echo 'usage: fuzz.sh build|run' >&2
  exit 2
  ;;
esac
