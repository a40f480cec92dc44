#!/usr/bin/env bash
# Puts what is beside the binary and is no package into the image's file system, $1: git's configuration.
set -euo pipefail
install -D -m 0644 "$(dirname "$0")/gitconfig" "$1/etc/gitconfig"
