"""Seeds for one purpose each, derived from a key: the same key gives the same draws on every machine."""

import hashlib


def seed_for(purpose: str, *key: object) -> int:
    """63-bit seed from the SHA-256 of a purpose ("head_init", "data_order", ...) and a key.

    Two purposes of one key are independent streams, so adding a draw for one purpose moves no other.
    """
    text = "\x1f".join([purpose, *(repr(part) for part in key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def hash_key(*parts: object) -> str:
    """SHA-256 hex digest of the parts: an order that is random to the eye and the same everywhere."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
