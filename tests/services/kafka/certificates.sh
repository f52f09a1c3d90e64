#!/bin/sh -e
# Makes in this folder: ca.pem, server.pem, client.pem with client.key, and stranger.pem, an authority
# that signed nothing. Kafka reads keys as PKCS#8 only.
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" 2>/dev/null
}
signed() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.sec1" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
        -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    openssl pkcs8 -topk8 -nocrypt -in "$1.sec1" -out "$1.key"
    cat "$1.key" "$1.crt" ca.pem >"$1.pem"
}
authority ca
authority stranger
signed server DNS:localhost,IP:127.0.0.1
signed client DNS:client
