#!/bin/sh
# Certificates that rcgen cannot make: a SHA-1 signature, an RSA key of 1024 bits, and a twin of each intermediate that is sound.
# Valid for 100 years. Needs openssl 3; run here.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ca='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
'
printf '%s' "$ca" > "$work/ca"
printf 'subjectAltName=DNS:www.example.test\nextendedKeyUsage=serverAuth\n' > "$work/leaf"

request() { # name, subject, bits
    openssl genrsa -out "$work/$1.key" "$3" 2>/dev/null
    openssl req -new -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr"
}
issue() { # certificate, request, issuer, digest, extensions
    openssl x509 -req -in "$work/$2.csr" -CA "$3.pem" -CAkey "$work/$3.key" -days 36500 -"$4" \
        -extfile "$work/$5" -set_serial "0x$(openssl rand -hex 8)" -out "$1.pem" 2>/dev/null
}

request root Root 2048
openssl x509 -req -in "$work/root.csr" -signkey "$work/root.key" -days 36500 -sha256 -extfile "$work/ca" -out root.pem 2>/dev/null

request strong Intermediate 2048
issue strong strong root sha256 ca
issue sha1 strong root sha1 ca

request leaf www.example.test 2048
issue leaf leaf strong sha256 leaf

request short 'Short key' 1024
issue short short root sha256 ca
issue leaf-of-short leaf short sha256 leaf
