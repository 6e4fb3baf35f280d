#!/usr/bin/env python3
"""A leaf whose ECDSA signature verifies under two keys: that of its issuer, and one computed from the signature.

Public key recovery (SEC 1 section 4.1.6): for a signature (r, s) of the digest z, with R either point of abscissa r, the key
r^-1 (sR - zG) verifies it. One of the two is the issuer's; a certificate for the other, with the issuer's name and key id, is the
trap. Valid around the day it is run. Needs the package cryptography; run here.
"""
import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

# P-256, FIPS 186-4 appendix D.1.2.3.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
NOW = datetime.datetime.now(datetime.timezone.utc)


def add(left, right):
    if left is None or right is None:
        return left or right
    if left[0] == right[0] and (left[1] + right[1]) % P == 0:
        return None
    if left == right:
        slope = (3 * left[0] ** 2 + A) * pow(2 * left[1], -1, P)
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, P)
    x = (slope**2 - left[0] - right[0]) % P
    return x, (slope * (left[0] - x) - left[1]) % P


def multiply(factor, point):
    result = None
    while factor:
        if factor & 1:
            result = add(result, point)
        point = add(point, point)
        factor >>= 1
    return result


def certificate(subject, key, issuer, issuer_key, days, key_id=None, authority=True, names=None):
    name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=days[0]))
        .not_valid_after(NOW + datetime.timedelta(days=days[1]))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    else:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        own = x509.SubjectKeyIdentifier(key_id) if key_id else x509.SubjectKeyIdentifier.from_public_key(key)
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
        builder = builder.add_extension(usage, True).add_extension(own, False)
    if authority:
        of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(of_issuer, False)
    return builder.sign(issuer_key, hashes.SHA256())


def second_key(leaf, issuer_key):
    r, s = decode_dss_signature(leaf.signature)
    digest = int.from_bytes(hashlib.sha256(leaf.tbs_certificate_bytes).digest(), "big")
    y = pow((r**3 + A * r + B) % P, (P + 1) // 4, P)
    issuer = issuer_key.public_numbers()
    for ordinate in (y, P - y):
        point = multiply(pow(r, -1, N), add(multiply(s, (r, ordinate)), multiply(-digest % N, G)))
        if point != (issuer.x, issuer.y):
            return ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()


def main():
    root_key, issuer_key, leaf_key, other_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    issuer_public = issuer_key.public_key()
    leaf = certificate("www.example.test", leaf_key.public_key(), "I1", issuer_key, (-10, 90), names=["www.example.test"])
    trap = second_key(leaf, issuer_public)
    trap.verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    key_id = x509.SubjectKeyIdentifier.from_public_key(issuer_public).digest
    files = {
        "root": certificate("R", root_key.public_key(), "R", root_key, (-100, 900)),
        "intermediate": certificate("I1", issuer_public, "R", root_key, (-100, 800)),
        "leaf": leaf,
        "second-key": certificate("I1", trap, "R", other_key, (-1, 900), key_id, authority=False),
    }
    for name, made in files.items():
        with open(f"{name}.pem", "wb") as file:
            file.write(made.public_bytes(serialization.Encoding.PEM))


main()
