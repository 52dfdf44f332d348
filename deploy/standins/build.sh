#!/usr/bin/env bash
# Builds stand-ins for the images of docker-compose.yml on a machine without an image registry (docs/containers.md).
# Needs root, a running dockerd, debootstrap, and Maven for Kafka and the registry. Everything comes from Debian,
# Maven and Python packages; the stand-ins carry the official names, so that compose and the Dockerfile stay as they are.
#   deploy/standins/build.sh [base] [kafka] [registry] [clickhouse]      (all of them without an argument)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${STANDINS_DIR:-$root/build/standins}
build=(docker build --quiet)
export DOCKER_BUILDKIT=0

# Names and versions are read where they are pinned, never repeated here.
image_of() { sed -n "/^  $1:/,/^  [a-z]*:\$/s/^    image: *//p" "$root/docker-compose.yml"; }
base_name=$(sed -n 's/^ARG BASE=//p' "$root/Dockerfile")

build_base() {
    if [ ! -x "$work/base/usr/bin/python3" ]; then
        mkdir -p "$work"
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
            bookworm "$work/base.part" http://deb.debian.org/debian
        rm -rf "$work/base.part/var/cache/apt/archives" && mkdir -p "$work/base.part/var/cache/apt/archives/partial"
        mv "$work/base.part" "$work/base"
    fi
    # The certificates this machine trusts go into the stand-in only: its package proxy may have one of its own.
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$work/base/etc/ssl/certs/ca-certificates.crt"
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$work/base/etc/pip.conf"
    tar -C "$work/base" --one-file-system -c . | docker import --change 'CMD ["bash"]' - "$base_name"
}

build_kafka() {
    local image; image=$(image_of kafka)
    rm -rf "$work/kafka" && mkdir -p "$work/kafka"
    mvn -q -B -f "$root/devstack/broker/pom.xml" "-Dkafka.version=${image##*:}" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$work/kafka/libs"
    cp "$here"/kafka/{Dockerfile,run,tool} "$work/kafka/"
    "${build[@]}" --build-arg "BASE=$base_name" --tag "$image" "$work/kafka"
}

build_registry() {
    local image; image=$(image_of registry)
    rm -rf "$work/registry" && mkdir -p "$work/registry/app"
    # By coordinates, not by a pom: its parent is not published, so dependencies cannot be resolved (and are inside).
    mvn -q -B dependency:copy "-Dartifact=io.apicurio:apicurio-registry-app:${image##*:}:tar.gz:all" \
        -DoutputDirectory="$work/registry"
    tar -C "$work/registry/app" -xzf "$work/registry/"*.tar.gz && rm "$work/registry/"*.tar.gz
    cp "$here/registry/Dockerfile" "$work/registry/"
    "${build[@]}" --build-arg "BASE=$base_name" --tag "$image" "$work/registry"
}

build_clickhouse() {
    rm -rf "$work/clickhouse" && mkdir -p "$work/clickhouse/app"
    cp -r "$root"/{devstack,runtime,schemas} "$work/clickhouse/app/"
    cp "$root/requirements/dev.txt" "$here"/clickhouse/{Dockerfile,run} "$work/clickhouse/"
    "${build[@]}" --build-arg "BASE=$base_name" --tag "$(image_of clickhouse)" "$work/clickhouse"
}

for part in "${@:-base kafka registry clickhouse}"; do
    for name in $part; do echo "== $name"; "build_$name"; done
done
