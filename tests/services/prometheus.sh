#!/usr/bin/env bash
# Prometheus with Pushgateway and Alertmanager for tests: prometheus.sh start|stop|status|install|path
# 127.0.0.1:19190 Prometheus, 19191 Pushgateway, 19193 Alertmanager, with the files of alerts/.
# install only fetches them, from Debian, and needs no root; path says where their programs are.
# Exits with 3 when they can't be had.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/assay-tools
bin=$tools/prometheus/usr/bin
state=$tools/services/prometheus
packages=(prometheus prometheus-pushgateway prometheus-alertmanager)

missing() {
    echo "skipped: prometheus, because $1"
    exit 3
}

# Packages are unpacked, not installed: nothing starts by itself, and no other file changes.
install() {
    [[ -x $bin/promtool && -x $bin/amtool && -x $bin/prometheus-pushgateway ]] && return
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || missing "this is no Debian"
    local folder=$tools/prometheus.new
    rm -rf "$folder" && mkdir -p "$folder"
    (cd "$folder" && { apt-get download "${packages[@]}" || { apt-get update &&
        apt-get download "${packages[@]}"; }; } && for package in *.deb; do dpkg -x "$package" .; done) \
        >"$tools/prometheus.log" 2>&1 || missing "Debian's packages can't be had, see $tools/prometheus.log"
    rm -f "$folder"/*.deb
    bring_templates "$folder/usr/bin"
    rm -rf "$tools/prometheus" && mv "$folder" "$tools/prometheus"
}

# Debian's Alertmanager reads its templates from /usr/share, where an unpacked package has put nothing:
# it is told a path of the same length beside itself, and started from there.
bring_templates() {
    local program=$1/prometheus-alertmanager
    LC_ALL=C sed 's#/usr/share/prometheus/alertmanager#../share/prometheus/alertmanager//#g' \
        "$program" >"$program.here"
    printf '%s\n' '#!/bin/sh' 'cd "$(dirname "$0")" && exec ./prometheus-alertmanager.here "$@"' >"$program"
    chmod +x "$program" "$program.here"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Starts one program with its log and pid in the state folder.
begin() {
    local name=$1 port=$2
    "${@:3}" >"$state/$name.log" 2>&1 </dev/null &
    echo $! >"$state/$name.pid"
    disown
    for _ in $(seq 1 100); do
        answers "$port" && return
        kill -0 "$(cat "$state/$name.pid")" 2>/dev/null || break
        sleep 0.1
    done
    echo "$name did not start, see $state/$name.log" >&2
    return 1
}

start() {
    if answers 19190 && answers 19191 && answers 19193; then
        echo "prometheus runs"
        return
    fi
    mkdir -p "$state"
    install
    # The same files as in production, with the places of this machine.
    rm -rf "$state/alerts" && cp -r "$root/alerts" "$state/alerts"
    sed -i -e 's#pushgateway:9091#127.0.0.1:19191#; s#alertmanager:9093#127.0.0.1:19193#' \
        -e 's#prometheus:9090#127.0.0.1:19190#' "$state/alerts/prometheus.yml"
    begin pushgateway 19191 "$bin/prometheus-pushgateway" --web.listen-address=127.0.0.1:19191 \
        "--persistence.file=$state/pushed.db"
    begin alertmanager 19193 "$bin/prometheus-alertmanager" --web.listen-address=127.0.0.1:19193 \
        "--config.file=$state/alerts/alertmanager.yml" "--storage.path=$state/alertmanager" \
        --cluster.listen-address=
    begin prometheus 19190 "$bin/prometheus" --web.listen-address=127.0.0.1:19190 \
        "--config.file=$state/alerts/prometheus.yml" "--storage.tsdb.path=$state/series" \
        --web.enable-lifecycle
    echo "prometheus started"
}

stop() {
    local name pid
    for name in prometheus alertmanager pushgateway; do
        [[ -f $state/$name.pid ]] || continue
        pid=$(cat "$state/$name.pid")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 1 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        rm -f "$state/$name.pid"
    done
    echo "prometheus stopped"
}

status() {
    if answers 19190 && answers 19191 && answers 19193; then
        echo "prometheus runs at 127.0.0.1:19190, pushgateway at 19191, alertmanager at 19193"
    else
        echo "prometheus does not run"
        return 1
    fi
}

case ${1:-} in
    start | stop | status | install) "$1" ;;
    path) install && echo "$bin" ;;
    *) sed -n '2,5p' "${BASH_SOURCE[0]}" && exit 2 ;;
esac
