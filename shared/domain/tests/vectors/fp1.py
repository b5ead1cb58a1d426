#!/usr/bin/env python3
"""Writes the frozen vectors of scheme fp1 with nothing but the standard library: `fp1.py > fp1.json`."""
import hashlib, hmac, json, struct

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def prefixed(text):
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def base32(data):
    bits = int.from_bytes(data, "big") << 2
    return "".join(ALPHABET[(bits >> shift) & 31] for shift in range(125, -1, -5))


def token(root, epoch, org, salt, kind, id):
    org_key = mac(root, b"friction/fp1/org-key\0" + prefixed(org) + salt + struct.pack(">I", epoch))
    kind_key = mac(org_key, b"friction/fp1/" + kind.encode() + b"\x01")
    digest = mac(kind_key, b"fp1\0" + kind.encode() + b"\0" + prefixed(org) + prefixed(id))
    return f"{kind[0]}1.{epoch}.{base32(digest[:16])}"


def connector(org, event):
    return "evt_" + hashlib.sha256(prefixed(org) + prefixed(event)).hexdigest()[:16]


ROOT, OTHER = bytes(range(32)), bytes(range(255, 223, -1))
SALT, OTHER_SALT = bytes([0x5A] * 31 + [1]), bytes([0xA5] * 31 + [2])
cases = [
    (ROOT, 1, "acme", SALT, "user", "42", "42"),
    (ROOT, 1, "acme", SALT, "session", "42", "42"),
    (ROOT, 1, "acme", SALT, "device", "42", "42"),
    (ROOT, 1, "acme", SALT, "object", "42", "42"),
    (ROOT, 2, "acme", SALT, "user", "42", "42"),
    (ROOT, 1, "acme2", SALT, "user", "42", "42"),
    (ROOT, 1, "acme", OTHER_SALT, "user", "42", "42"),
    (OTHER, 1, "acme", SALT, "user", "42", "42"),
    (ROOT, 0, "a", SALT, "user", " Ann.Lee+News@Example.ORG ", "ann.lee+news@example.org"),
    (ROOT, 4294967295, "A-b_9", SALT, "user", "\u00c4NNE@example.org", "\u00e4nne@example.org"),
    (ROOT, 7, "acme", SALT, "session", "  Sess/\u20ac 1 ", "Sess/\u20ac 1"),
    (ROOT, 7, "x" * 64, SALT, "object", "", ""),
    (ROOT, 7, "acme", SALT, "object", "y" * 300, "y" * 300),
]
tokens = [
    {"root": r.hex(), "epoch": e, "org": o, "salt": s.hex(), "kind": k, "raw": raw, "normalised": n,
     "token": token(r, e, o, s, k, n)}
    for r, e, o, s, k, raw, n in cases
]
events = [
    {"org": o, "event": e, "connector": connector(o, e)}
    for o, e in [("acme", "0190163d-8694-739b-aea5-966c26f8ad91"), ("acme", "e1"), ("acm", "ee1"), ("o" * 64, "e" * 64)]
]
print(json.dumps({"scheme": "fp1", "tokens": tokens, "connectorEvents": events}, indent=2))
