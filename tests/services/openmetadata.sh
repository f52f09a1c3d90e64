#!/usr/bin/env bash
# The JSON schemas of OpenMetadata 1.4.0, from Maven Central; prints the folder that holds them.
# Exits with 3 when they can't be had.
set -euo pipefail

tools=${XDG_CACHE_HOME:-$HOME/.cache}/assay-tools
version=1.4.0
home=$tools/openmetadata-spec-$version

missing() {
    echo "skipped: the schemas of OpenMetadata, because $1"
    exit 3
}

if [[ ! -d $home ]]; then
    command -v mvn >/dev/null || missing "there is no mvn to fetch them from Maven Central"
    command -v unzip >/dev/null || missing "there is no unzip"
    mkdir -p "$tools"
    new=$(mktemp -d "$tools/openmetadata-spec.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    timeout 120 mvn -q -B -ntp dependency:copy \
        -Dartifact="org.open-metadata:openmetadata-spec:$version" -DoutputDirectory="$new" \
        >"$tools/openmetadata-spec.log" 2>&1 ||
        missing "they can't be fetched from Maven Central, see $tools/openmetadata-spec.log"
    (cd "$new" && unzip -qo ./*.jar 'json/schema/*' && rm -f ./*.jar)
    mv -T "$new" "$home" 2>/dev/null || true
fi
echo "$home/json/schema"
