#!/usr/bin/env bash
# Makes a slim Debian as an archive, for machines that can pull no image: `debian.sh SUITE FILE [OPTION OF MMDEBSTRAP ...]`, as root.
#
# What a slim image leaves out is left out here too, so that sizes compare: documentation, and a Perl that only a package for converting
# old systems wants (the system is merged from the start instead). With SOURCE_DATE_EPOCH the same packages make the same archive.
set -euo pipefail
exec mmdebstrap --quiet --variant=minbase \
  --include=usr-is-merged --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
  "${@:3}" "$1" "$2"
