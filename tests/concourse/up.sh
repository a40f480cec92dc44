#!/usr/bin/env bash
# `make concourse`: a real Concourse from its official images, our types on its worker, our images in a registry, and pipelines set.
#
# Without VARS the pipeline is smoke.yml, which needs no other server. With VARS (see vars.example.yml) it is also those of
# tests/pipelines; the images go to JETWAY_REGISTRY then, which has to be the `registry.host` of that file and one that
# `docker push` may push to. `make concourse-down` ends it and removes its data.
set -euo pipefail
cd "$(dirname "$0")"
root=../..
port=${CONCOURSE_PORT:-8080}
fly=$root/target/concourse/fly

say() { printf 'concourse: %s\n' "$*" >&2; }

if ! docker compose version >/dev/null 2>&1; then
  say "docker has no compose here (Debian's package is docker-compose, elsewhere docker-compose-plugin)"
  exit 1
fi
if [ "${1:-}" = down ]; then
  exec docker compose down --volumes --remove-orphans
fi
docker compose up --detach --wait --wait-timeout 300

# The smoke pipeline takes them from the registry beside Concourse, the others from the one that their vars name.
for registry in "localhost:${REGISTRY_PORT:-5000}" ${JETWAY_REGISTRY:+"$JETWAY_REGISTRY"}; do
  for dockerfile in "$root"/images/*/Dockerfile; do
    kind=$(basename "$(dirname "$dockerfile")")
    for tag in dev latest; do
      docker tag "jetway/$kind:dev" "$registry/jetway-$kind:$tag"
      docker push --quiet "$registry/jetway-$kind:$tag"
    done
  done
done

# The web node needs a moment after its container is up.
deadline=$((SECONDS + 60))
until curl --fail --silent --max-time 5 --output /dev/null "http://localhost:$port/api/v1/info"; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    say "nothing answers at http://localhost:$port after a minute; what it says: docker compose logs concourse"
    exit 1
  fi
  sleep 0.2
done
mkdir -p "$(dirname "$fly")"
arch=amd64
if [ "$(uname -m)" = aarch64 ]; then arch=arm64; fi
curl --fail --silent --show-error --max-time 120 --output "$fly" "http://localhost:$port/api/v1/cli?arch=$arch&platform=linux"
chmod +x "$fly"
"$fly" --target jetway login --concourse-url "http://localhost:$port" --username test --password test

set_pipeline() {
  "$fly" --target jetway set-pipeline --non-interactive --pipeline "$1" --config "$2" "${@:3}"
  "$fly" --target jetway unpause-pipeline --pipeline "$1"
}
set_pipeline smoke smoke.yml --var registry=registry:5000
if [ -n "${VARS:-}" ]; then
  for pipeline in "$root"/tests/pipelines/{base-types,delivery,legacy}.yml; do
    set_pipeline "$(basename "$pipeline" .yml)" "$pipeline" --load-vars-from "$VARS"
  done
fi
"$fly" --target jetway trigger-job --job smoke/smoke --watch
say "http://localhost:$port (user test, password test); \`make concourse-down\` ends it"
