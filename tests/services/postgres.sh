#!/usr/bin/env bash
# PostgreSQL for tests: postgres.sh start|stop|kill|status
# 127.0.0.1:19150, user postgres, no password. Exits with 3 when what it needs can't be had.
# ASSAY_POSTGRES_PORT is another port, ASSAY_POSTGRES_STATE the folder of that server, which also has
# certificates (ca.pem, stranger.pem), and ASSAY_POSTGRES_OPTIONS are options of its own (-c ssl=on).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/assay-tools
port=${ASSAY_POSTGRES_PORT:-19150}
state=${ASSAY_POSTGRES_STATE:-$tools/services/postgres}

missing() {
    echo "skipped: postgres, because $1"
    exit 3
}

binaries() { find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1; }

install() {
    [[ -n $(binaries) ]] && return
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null ||
        missing "it is not installed: apt-get install postgresql"
    (apt-get update && apt-get install -y --no-install-recommends postgresql) >/dev/null 2>&1 ||
        missing "Debian's package can't be installed"
}

# It refuses to run as root, and its own user must reach its files.
folder() {
    if [[ -z ${ASSAY_POSTGRES_STATE:-} && $(id -u) == 0 ]]; then
        echo /var/lib/postgresql/assay-tests
    else
        echo "$state"
    fi
}

as_postgres() {
    if [[ $(id -u) == 0 ]]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp "$@")
    else
        "$@"
    fi
}

answers() { (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; }

start() {
    if answers; then
        echo "postgres runs"
        return
    fi
    install
    local data
    data=$(folder)
    if [[ ! -f $data/PG_VERSION ]]; then
        mkdir -p "$data"
        [[ $(id -u) == 0 ]] && chown postgres "$data"
        as_postgres "$(binaries)/initdb" -D "$data" -U postgres --auth=trust --no-sync -E UTF8 \
            --locale=C.UTF-8 >/dev/null
        as_postgres tee -a "$data/postgresql.conf" >/dev/null <<TEXT
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
shared_buffers = 64MB
TEXT
        [[ -z ${ASSAY_POSTGRES_STATE:-} ]] || certify "$data"
    fi
    as_postgres "$(binaries)/pg_ctl" -D "$data" -l "$data/server.log" -w \
        -o "${ASSAY_POSTGRES_OPTIONS:-}" start >/dev/null
    echo "postgres started"
}

certify() {
    command -v openssl >/dev/null || missing "there is no openssl to make certificates"
    (cd "$1" && sh "$here/kafka/certificates.sh" 2>/dev/null)
    [[ $(id -u) == 0 ]] && chown postgres "$1/server.key" "$1/server.crt"
    chmod 600 "$1/server.key"
}

stop() { end fast; }

# As a loss of power of the process.
kill_it() { end immediate; }

end() {
    local data
    data=$(folder)
    [[ -f $data/postmaster.pid ]] &&
        as_postgres "$(binaries)/pg_ctl" -D "$data" -m "$1" -w stop >/dev/null
    echo "postgres stopped"
}

status() {
    if answers; then echo "postgres runs at 127.0.0.1:$port, files in $(folder)"; else
        echo "postgres does not run"
        return 1
    fi
}

case ${1:-} in
    start | stop | status) "$1" ;;
    kill) kill_it ;;
    *) sed -n '2,5p' "${BASH_SOURCE[0]}" && exit 2 ;;
esac
