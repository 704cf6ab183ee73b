"""Trees as plain arrays: a second reader of the boosted model, and the bootstrap ensemble behind the interval.

Every tree is padded to a complete binary tree of one depth, so a whole ensemble is walked by a few array look-ups. The
margin read here must equal the one XGBoost gives; a release whose two readings differ is not used.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cdss.errors import IntegrityError

if TYPE_CHECKING:
    import xgboost

_BLOCK = 1 << 22
_FIELDS = {"feature": "<i2", "threshold": "<f4", "left_if_missing": "<u1", "leaf": "<f4"}


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """T trees of depth d over k features.

    `feature`, `threshold` and `left_if_missing` have shape (T, 2**d - 1), in breadth-first order; `leaf` has shape
    (T, 2**d). A row goes left where its value is below the threshold. `base` is the margin with no tree at all.
    """

    depth: int
    base: float
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    left_if_missing: NDArray[np.uint8]
    leaf: NDArray[np.float32]

    def leaves(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Leaf value of every tree for every row, shape (n, T)."""
        narrow = values.astype(np.float32)
        missing = np.isnan(narrow)
        trees = np.arange(len(self.leaf))
        found = np.empty((len(narrow), len(trees)))
        step = max(1, _BLOCK // max(1, len(trees)))
        for start in range(0, len(narrow), step):
            block = slice(start, start + step)
            rows = np.arange(len(narrow[block]))[:, None]
            node = np.zeros((len(narrow[block]), len(trees)), np.int64)
            for _ in range(self.depth):
                feature = self.feature[trees, node]
                absent = missing[block][rows, feature]
                left = np.where(
                    absent,
                    self.left_if_missing[trees, node] == 1,
                    narrow[block][rows, feature] < self.threshold[trees, node],
                )
                node = 2 * node + np.where(left, 1, 2)
            found[block] = self.leaf[trees, node - (2**self.depth - 1)]
        return found

    def margin(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds of each row, shape (n,)."""
        total: NDArray[np.float64] = self.base + self.leaves(values).sum(axis=1)
        return total

    def deepened(self, depth: int) -> Forest:
        """The same trees padded to a greater depth."""
        if depth == self.depth:
            return self
        extra = 2**depth - 2**self.depth
        return Forest(
            depth,
            self.base,
            feature=np.pad(self.feature, ((0, 0), (0, extra))),
            threshold=np.pad(self.threshold, ((0, 0), (0, extra))),
            left_if_missing=np.pad(self.left_if_missing, ((0, 0), (0, extra))),
            leaf=np.repeat(self.leaf, 2 ** (depth - self.depth), axis=1),
        )

    def to_dict(self) -> dict[str, Any]:
        """Numbers as base64 of little-endian arrays."""
        arrays = {
            name: base64.b64encode(np.ascontiguousarray(getattr(self, name), kind).tobytes()).decode()
            for name, kind in _FIELDS.items()
        }
        return {"depth": self.depth, "base": self.base, "trees": len(self.leaf), **arrays}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], features: int) -> Forest:
        """Read `to_dict` again.

        Raises
        ------
        IntegrityError
            If a shape, a feature number or a value is not possible.
        """
        try:
            depth, trees, base = int(stored["depth"]), int(stored["trees"]), float(stored["base"])
            if not 0 <= depth <= 12 or not 0 < trees <= 100_000:
                raise ValueError
            inner, arrays = (trees, 2**depth - 1), {}
            for name, kind in _FIELDS.items():
                flat = np.frombuffer(base64.b64decode(stored[name], validate=True), kind)
                arrays[name] = flat.reshape((trees, 2**depth) if name == "leaf" else inner)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise IntegrityError("forest: not a complete ensemble of trees. Fetch the release again.") from error
        forest = cls(depth, base, **arrays)
        if not ((forest.feature >= 0) & (forest.feature < features)).all():
            raise IntegrityError("forest: names features the model does not have. Fetch the release again.")
        if not all(np.isfinite(part).all() for part in (forest.base, forest.threshold, forest.leaf)):
            raise IntegrityError("forest: holds numbers that are not finite. Fetch the release again.")
        return forest


def forest_of(booster: xgboost.Booster) -> Forest:
    """Read the trees of a booster."""
    model = json.loads(booster.save_raw("json"))["learner"]
    trees = model["gradient_booster"]["model"]["trees"]
    probability = float(str(model["learner_model_param"]["base_score"]).strip("[]"))
    base = float(np.log(probability / (1 - probability)))
    depth = max(_depth(tree) for tree in trees)
    shape = (len(trees), 2**depth - 1)
    feature, threshold = np.zeros(shape, np.int16), np.zeros(shape, np.float32)
    left_if_missing, leaf = np.zeros(shape, np.uint8), np.zeros((len(trees), 2**depth), np.float32)
    for number, tree in enumerate(trees):
        _fill(tree, 0, 0, feature[number], threshold[number], left_if_missing[number], leaf[number])
    return Forest(depth, base, feature, threshold, left_if_missing, leaf)


def joined(forests: Sequence[Forest]) -> Forest:
    """Forests of one number of trees, one after another in the depth of the deepest, with a base margin of 0."""
    depth = max(forest.depth for forest in forests)
    deepened = [forest.deepened(depth) for forest in forests]
    return Forest(
        depth,
        0.0,
        feature=np.concatenate([forest.feature for forest in deepened]),
        threshold=np.concatenate([forest.threshold for forest in deepened]),
        left_if_missing=np.concatenate([forest.left_if_missing for forest in deepened]),
        leaf=np.concatenate([forest.leaf for forest in deepened]),
    )


def _depth(tree: Mapping[str, Sequence[int]], node: int = 0) -> int:
    if tree["left_children"][node] < 0:
        return 0
    return 1 + max(_depth(tree, tree["left_children"][node]), _depth(tree, tree["right_children"][node]))


def _fill(
    tree: Mapping[str, Sequence[Any]],
    node: int,
    place: int,
    feature: NDArray[np.int16],
    threshold: NDArray[np.float32],
    left_if_missing: NDArray[np.uint8],
    leaf: NDArray[np.float32],
) -> None:
    """Copy the tree below a node to a place; a leaf above the last level fills every place below it."""
    inner = len(feature)
    if place >= inner:
        leaf[place - inner] = tree["split_conditions"][node]
        return
    is_leaf = tree["left_children"][node] < 0
    if not is_leaf:
        feature[place] = tree["split_indices"][node]
        threshold[place] = tree["split_conditions"][node]
        left_if_missing[place] = tree["default_left"][node]
    for side, children in ((1, "left_children"), (2, "right_children")):
        child = node if is_leaf else tree[children][node]
        _fill(tree, child, 2 * place + side, feature, threshold, left_if_missing, leaf)
