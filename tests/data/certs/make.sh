#!/bin/sh
# Makes the files of this directory anew: what neither rcgen nor the writers in the tests can make. Needs OpenSSL 3 with its legacy provider.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
days=36500

openssl ecparam -name prime256v1 -genkey -noout -out "$work/ca.key"
openssl req -x509 -new -key "$work/ca.key" -days $days -subj "/CN=Fixture CA" -out ca.pem

# leaf NAME KEYFILE
leaf() {
    openssl req -new -key "$2" -subj "/CN=$1" -out "$work/$1.csr"
    printf 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:%s\n' "$1" > "$work/$1.ext"
    openssl x509 -req -in "$work/$1.csr" -CA ca.pem -CAkey "$work/ca.key" -set_serial "$3" -days $days -extfile "$work/$1.ext" -out "$1.pem"
}

# Keys in every dress: SEC1 with its EC PARAMETERS block, PKCS#1, PKCS#8 plain and encrypted, the password always "fixture".
openssl ecparam -name prime256v1 -genkey -out ec.sec1.pem
openssl genrsa -traditional -out rsa.pkcs1.pem 2048
leaf ec.test ec.sec1.pem 2
leaf rsa.test rsa.pkcs1.pem 3
openssl pkcs8 -topk8 -nocrypt -in ec.sec1.pem -out ec.pkcs8.pem
openssl pkcs8 -topk8 -passout pass:fixture -v2 aes-256-cbc -v2prf hmacWithSHA256 -in ec.sec1.pem -out ec.aes.pem
openssl pkcs8 -topk8 -passout pass:fixture -v2 des3 -v2prf hmacWithSHA1 -in ec.sec1.pem -out ec.3des.pem
openssl pkcs8 -topk8 -passout pass:fixture -scrypt -scrypt_N 1024 -in ec.sec1.pem -out ec.scrypt.pem
openssl pkcs8 -topk8 -passout pass:fixture -provider default -provider legacy -v1 PBE-SHA1-3DES -in ec.sec1.pem -out ec.pbe-sha1-3des.pem
openssl ec -passout pass:fixture -aes128 -in ec.sec1.pem -out ec.traditional.pem
openssl ec -no_public -in ec.sec1.pem -out ec.sec1-without-public-key.pem

# Certificates in every dress.
openssl x509 -in ec.test.pem -trustout -addtrust serverAuth -setalias "fixture" -out ec.trusted.pem
openssl crl2pkcs7 -nocrl -certfile ec.test.pem -certfile ca.pem -outform PEM -out ec.p7b.pem
openssl crl2pkcs7 -nocrl -certfile ec.test.pem -certfile ca.pem -outform DER -out ec.p7b

# PKCS#12: as Windows exported it for twenty years (RC2-40 certificates, 3DES key, SHA-1 MAC), as it does now, and with no password.
openssl pkcs12 -export -legacy -inkey ec.sec1.pem -in ec.test.pem -certfile ca.pem -passout pass:fixture -out ec.legacy.pfx
openssl pkcs12 -export -inkey ec.sec1.pem -in ec.test.pem -certfile ca.pem -passout pass:fixture -out ec.modern.pfx
openssl pkcs12 -export -legacy -inkey ec.sec1.pem -in ec.test.pem -certfile ca.pem -passout pass: -out ec.no-password.pfx
openssl pkcs12 -export -nomac -inkey ec.sec1.pem -in ec.test.pem -certfile ca.pem -passout pass:fixture -out ec.no-mac.pfx
