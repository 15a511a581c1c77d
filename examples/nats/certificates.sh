#!/bin/sh
# Makes what the Secret nats-tls of values.yaml holds: an authority, and a certificate by it with the
# names of a release named nats in the namespace nats. For trying out: nobody renews it (90 days).
#
#   examples/nats/certificates.sh DIRECTORY [FURTHER NAME]...
#   kubectl --namespace nats create secret generic nats-tls --type kubernetes.io/tls \
#     --from-file=DIRECTORY/ca.crt --from-file=DIRECTORY/tls.crt --from-file=DIRECTORY/tls.key
set -eu

directory=${1:?"name the directory for ca.crt, tls.crt and tls.key"}
shift
days=90
umask 077
mkdir -p "$directory"
cd "$directory"

openssl ecparam -name prime256v1 -genkey -noout -out ca.key
cat > ca.cnf <<EOF
[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
EOF
openssl req -x509 -new -config ca.cnf -key ca.key -days "$days" -subj "/CN=nats-ca" -out ca.crt

names=DNS:nats
for name in nats.nats nats.nats.svc nats.nats.svc.cluster.local '*.nats-headless' \
    '*.nats-headless.nats.svc' '*.nats-headless.nats.svc.cluster.local' "$@"; do
    names="$names, DNS:$name"
done
cat > names.cnf <<EOF
subjectAltName = $names
extendedKeyUsage = serverAuth, clientAuth
keyUsage = critical, digitalSignature
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
EOF
openssl ecparam -name prime256v1 -genkey -noout -out tls.key
openssl req -new -key tls.key -subj "/CN=nats" -out tls.csr
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days "$days" \
    -extfile names.cnf -out tls.crt

# Whoever has the authority's key can make servers that are trusted.
rm -f ca.key ca.srl ca.cnf tls.csr names.cnf
