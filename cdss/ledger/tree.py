"""The Merkle tree of RFC 9162 (RFC 6962): hashes, roots and proofs over stored complete subtrees.

A complete subtree is named by its level and index: level 0 are the leaves, (level, index) covers the leaves
index * 2^level up to, but not with, (index + 1) * 2^level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

Node = tuple[int, int, bytes]
Reader = Callable[[int, int], bytes]

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    """The hash of one entry."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grown(index: int, leaf: bytes, read: Reader) -> Iterator[Node]:
    """The subtrees above the leaves that the leaf at `index` completes."""
    level, current = 0, leaf
    while index & 1:
        current = node_hash(read(level, index - 1), current)
        level, index = level + 1, index >> 1
        yield level, index, current


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _subtree(start: int, count: int, read: Reader) -> bytes:
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return read(level, start >> level)
    left = _split(count)
    return node_hash(_subtree(start, left, read), _subtree(start + left, count - left, read))


def root(size: int, read: Reader) -> bytes:
    """The root over the first `size` leaves."""
    return _subtree(0, size, read) if size else EMPTY_ROOT


def inclusion(index: int, size: int, read: Reader) -> list[bytes]:
    """The path that proves the leaf at `index` to be under the root at `size`."""
    if not 0 <= index < size:
        raise ValueError("a leaf outside the tree has no proof")
    path: list[bytes] = []
    start, count = 0, size
    while count > 1:
        left = _split(count)
        if index - start < left:
            path.append(_subtree(start + left, count - left, read))
            count = left
        else:
            path.append(_subtree(start, left, read))
            start, count = start + left, count - left
    return path[::-1]


def consistency(first: int, second: int, read: Reader) -> list[bytes]:
    """The path that proves the tree of `first` leaves to be the beginning of that of `second`."""
    if not 0 < first <= second:
        raise ValueError("consistency wants 0 < first <= second")
    path: list[bytes] = []
    start, count, whole = 0, second, True
    while first != count:
        left = _split(count)
        if first <= left:
            path.append(_subtree(start + left, count - left, read))
            count = left
        else:
            path.append(_subtree(start, left, read))
            start, first, count, whole = start + left, first - left, count - left, False
    if not whole:
        path.append(_subtree(start, count, read))
    return path[::-1]


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Whether `path` proves the leaf (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, current = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            current = node_hash(sibling, current)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and current == expected


def consistent(first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether `path` proves that the first tree is the beginning of the second (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    steps = list(path) if first & (first - 1) else [first_root, *path]
    if not steps:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, step)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
