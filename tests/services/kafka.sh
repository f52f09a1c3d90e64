#!/usr/bin/env bash
# Apache Kafka for tests: kafka.sh start|stop|kill|status|tool CLASS [ARGUMENTS]
# 127.0.0.1:19092 plain, 19094 TLS with PLAIN or SCRAM, 19095 TLS with a certificate of the client.
# ASSAY_KAFKA_PORT is another first port of the four, ASSAY_KAFKA_STATE the folder of that node.
# With ASSAY_KAFKA_PROXY the fifth port is plain and tells clients to come to that one instead.
# Exits with 3 when what it needs can't be had.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/kafka" && pwd)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/assay-tools
lib=$tools/kafka-4.3.1/lib
port=${ASSAY_KAFKA_PORT:-19092}
state=${ASSAY_KAFKA_STATE:-$tools/services/kafka}
java_options=(-Djava.awt.headless=true -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
    "-Dlog4j2.configurationFile=$here/log4j2.properties")

missing() {
    echo "skipped: kafka, because $1"
    exit 3
}

install() {
    command -v java >/dev/null || missing "there is no java (17 or newer)"
    [[ -d $lib ]] && return
    command -v mvn >/dev/null || missing "there is no mvn to fetch it from Maven Central"
    echo "fetching Kafka into $lib" >&2
    rm -rf "$lib.new"
    (cd "$here" && mvn -q -B -f pom.xml \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DoutputDirectory="$lib.new" >"$tools/kafka-4.3.1.log" 2>&1) ||
        missing "it can't be fetched from Maven Central, see $tools/kafka-4.3.1.log"
    mv "$lib.new" "$lib"
}

tool() { java -Xmx128m "${java_options[@]}" -Dassay.level=warn -cp "$lib/*" "$@"; }

# The node answers; a bare connection is enough to know.
answers() { (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; }

running() { [[ -f $state/pid ]] && kill -0 "$(cat "$state/pid")" 2>/dev/null; }

prepare() {
    mkdir -p "$state/tls"
    [[ -f $state/tls/client.pem ]] || {
        command -v openssl >/dev/null || missing "there is no openssl to make certificates"
        (cd "$state/tls" && sh "$here/certificates.sh")
    }
    sed -e "s#@DATA@#$state#; s#@PLAIN@#$port#; s#@CONTROLLER@#$((port + 1))#" \
        -e "s#@SASL@#$((port + 2))#; s#@SSL@#$((port + 3))#" "$here/server.properties" >"$state/server.properties"
    if [[ -n ${ASSAY_KAFKA_PROXY:-} ]]; then
        sed -i -e "s#^listeners=.*#&,PROXIED://127.0.0.1:$((port + 4))#" \
            -e "s#^advertised.listeners=.*#&,PROXIED://127.0.0.1:$ASSAY_KAFKA_PROXY#" \
            -e 's#^listener.security.protocol.map=.*#&,PROXIED:PLAINTEXT#' "$state/server.properties"
    fi
    [[ -f $state/data/meta.properties ]] && return
    tool kafka.tools.StorageTool format --standalone -c "$state/server.properties" \
        -t "$(tool kafka.tools.StorageTool random-uuid)" \
        --add-scram 'SCRAM-SHA-512=[name=carol,password=carol-secret]' \
        --add-scram 'SCRAM-SHA-256=[name=carol,password=carol-secret]' >/dev/null
}

start() {
    if answers; then
        echo "kafka runs"
        return
    fi
    mkdir -p "$tools"
    install
    prepare
    java -Xms256m -Xmx512m "${java_options[@]}" -cp "$lib/*" kafka.Kafka \
        "$state/server.properties" >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    disown
    for _ in $(seq 1 600); do
        if grep -q 'Kafka Server started' "$state/log"; then
            echo "kafka started"
            return
        fi
        running || break
        sleep 0.1
    done
    echo "kafka did not start, see $state/log" >&2
    return 1
}

stop() {
    if running; then
        local pid
        pid=$(cat "$state/pid")
        kill "$pid"
        for _ in $(seq 1 200); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    fi
    rm -f "$state/pid"
    echo "kafka stopped"
}

# As a loss of power of the process.
kill_it() {
    running && kill -9 "$(cat "$state/pid")"
    rm -f "$state/pid"
}

status() {
    if answers; then echo "kafka runs at 127.0.0.1:$port, files in $state"; else
        echo "kafka does not run"
        return 1
    fi
}

case ${1:-} in
    start | stop | status) "$1" ;;
    kill) kill_it ;;
    tool) install && tool "${@:2}" ;;
    *) sed -n '2,6p' "${BASH_SOURCE[0]}" && exit 2 ;;
esac
