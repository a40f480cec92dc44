#!/usr/bin/env bash
# Prints what an image is made of, as CycloneDX 1.5 in JSON: the crates in the binary of type $1 (package $2), and the programs that
# standard input names, a line each: NAME VERSION FILE.
#
# Debian's packages are not in it: an image that has any has their database too, which is where scanners look for them. There is
# no date and no serial number in it, so that the same binary makes the same file.
set -euo pipefail
kind=$1 package=$2
# `build.sh` names the target in JETWAY_TRIPLE.
target=${JETWAY_TRIPLE:-$(rustc -vV | sed -n 's/^host: //p')}
version=$(cargo pkgid --package "$package" | sed 's/.*[#@]//')

programs=
while read -r name number file; do
  [ -n "$name" ] || continue
  sum=$(sha256sum "$file" | cut -d' ' -f1)
  programs+="${programs:+,}"$'\n'"{\"type\":\"application\",\"name\":\"$name\",\"version\":\"$number\","
  programs+="\"hashes\":[{\"alg\":\"SHA-256\",\"content\":\"$sum\"}]}"
done

printf '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"metadata":{"component":'
printf '{"type":"application","name":"jetway-%s","version":"%s"}},"components":[' "$kind" "$version"
cargo tree --locked --package "$package" --edges normal,no-proc-macro --target "$target" --no-dedupe --prefix none \
  --format $'{p}\t{l}' | LC_ALL=C sort -u | awk -F '\t' -v own="$package" '
    {
      split($1, word, " ")
      name = word[1]
      number = substr(word[2], 2)
      if (name == own) next
      # As licences were written before SPDX had expressions.
      gsub("/", " OR ", $2)
      printf "%s\n{\"type\":\"library\",\"name\":\"%s\",\"version\":\"%s\",\"purl\":\"pkg:cargo/%s@%s\"", comma, name, number, name, number
      if ($2 != "") printf ",\"licenses\":[{\"expression\":\"%s\"}]", $2
      printf "}"
      comma = ","
    }'
printf '%s\n]}\n' "${programs:+,$programs}"
