"""The tree against the reference vectors of RFC 6962, and against its definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.ledger import tree

LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A, B, C = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
D, E = (
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
)
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"


class Log:
    """Leaves and complete subtrees, as the store keeps them."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = [tree.leaf_hash(leaf) for leaf in leaves]
        self.nodes: dict[tuple[int, int], bytes] = {}
        for index, leaf in enumerate(self.leaves):
            self.nodes[0, index] = leaf
            self.nodes |= {(level, place): value for level, place, value in tree.grown(index, leaf, self.read)}

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


def definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:k]) + definition(leaves[k:])).digest()


def test_roots_of_the_reference_log():
    log = Log(LEAVES)
    assert [tree.root(size, log.read).hex() for size in range(1, 9)] == ROOTS
    assert tree.root(0, log.read).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("leaf", "size", "path"),
    [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [D, E, ROOTS[3]]), (3, 3, [ROOTS[1]]), (2, 5, [ROOTS[0], B, D])],
)
def test_inclusion_paths_of_the_reference_log(leaf, size, path):
    assert [step.hex() for step in tree.inclusion(leaf - 1, size, Log(LEAVES).read)] == path


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[3]]), (2, 5, [B, D])],
)
def test_consistency_paths_of_the_reference_log(first, second, path):
    assert [step.hex() for step in tree.consistency(first, second, Log(LEAVES).read)] == path


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=70), st.data())
def test_every_proof_holds_and_no_other_does(leaves, data):
    log, size = Log(leaves), len(leaves)
    expected = definition(leaves)
    assert tree.root(size, log.read) == expected
    assert {level for level, _ in log.nodes} == set(range(size.bit_length())), "complete subtrees only"
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size, log.read)
    assert tree.included(log.leaves[index], index, size, path, expected)
    assert not tree.included(log.leaves[index], index, size, [*path, expected], expected)
    assert not tree.included(tree.leaf_hash(b"other"), index, size, path, expected)
    assert not path or not tree.included(log.leaves[index], index, size, path[1:], expected)
    first = data.draw(st.integers(1, size))
    old = definition(leaves[:first])
    proof = tree.consistency(first, size, log.read)
    assert tree.consistent(first, size, proof, old, expected)
    assert not tree.consistent(first, size, proof, tree.leaf_hash(b"other"), expected)
    assert first == size or not tree.consistent(first, size, [*proof, old], old, expected)
