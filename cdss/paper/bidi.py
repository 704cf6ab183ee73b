"""Right-to-left text without a shaping engine: letters in their joined forms, and the order they are drawn in.

Explicit direction marks are not obeyed: `fonts` shows them as code points, so nothing typed can turn other text around.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">", "«": "»", "\u2039": "\u203a"}
MIRRORED = _PAIRS | {close: opening for opening, close in _PAIRS.items()}
_BRACKETS = {opening: _PAIRS[opening] for opening in "([{"}
_TATWEEL, _LAM, JOINER, NON_JOINER = "\u0640", "\u0644", "\u200d", "\u200c"
_STRONG = {"L": "L", "R": "R", "EN": "R", "AN": "R"}  # what a neutral beside it takes it for


@cache
def _forms() -> dict[str, dict[str, str]]:
    """Letter, or lam with alef, to its isolated, final, initial and medial forms, from the Unicode database."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFC00), *range(0xFE80, 0xFEFD)):
        tag, *parts = unicodedata.decomposition(chr(code)).split() or [""]
        letters = "".join(chr(int(part, 16)) for part in parts)
        if tag.startswith("<") and (len(letters) == 1 or letters[0] == _LAM):
            forms.setdefault(letters, {}).setdefault(tag.strip("<>"), chr(code))
    return forms


def is_mark(char: str) -> bool:
    """Whether a character, or the first of several, sits on the one before it."""
    return unicodedata.category(char[0]) in ("Mn", "Me")


def _joins_next(char: str) -> bool:
    return char in (_TATWEEL, JOINER) or "initial" in _forms().get(char, {})


def _joins_previous(char: str) -> bool:
    return char in (_TATWEEL, JOINER) or "final" in _forms().get(char, {})


def shape(text: str) -> list[tuple[str, str]]:
    """Give each letter the form its neighbours ask for.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of (str, str)
        What was typed, and what is drawn for it; together the first parts are `text`.
    """
    letters = [at for at, char in enumerate(text) if not is_mark(char)]
    after = dict(pairwise(letters))
    before = {later: earlier for earlier, later in after.items()}
    shaped: list[tuple[str, str]] = []
    skip = -1
    for at, char in enumerate(text):
        if at == skip:
            continue
        previous, following = text[before[at]] if at in before else "", text[after[at]] if at in after else ""
        typed = char
        if char == _LAM and following == text[at + 1 : at + 2] != "" and char + following in _forms():
            typed, skip, following = char + following, at + 1, ""
        forms = _forms().get(typed)
        if forms is None:
            shaped.append((typed, typed))
            continue
        joined = bool(previous) and _joins_next(previous) and _joins_previous(char)
        goes_on = bool(following) and _joins_previous(following) and "initial" in forms
        name = ("medial" if joined else "initial") if goes_on else ("final" if joined else "isolated")
        alone = name == "isolated" and len(typed) == 1  # drawn as typed
        shaped.append((typed, typed if alone else forms.get(name, typed)))
    return shaped


def levels(chars: Sequence[str]) -> list[int]:
    """Embedding levels of one paragraph that runs from left to right.

    Parameters
    ----------
    chars : sequence of str
        One character each; a longer text counts as a neutral sign.

    Returns
    -------
    list of int
        0 and 2 are drawn from left to right, 1 from right to left.

    References
    ----------
    Unicode Standard Annex 9, rules W1 to W7, N0 to N2, I1 and I2.
    """
    first = [unicodedata.bidirectional(char) or "L" if len(char) == 1 else "ON" for char in chars]
    if not any(kind in ("R", "AL", "AN") for kind in first):
        return [0] * len(first)
    kinds = _weak(first)
    _brackets(chars, kinds, first)
    _neutral(kinds)
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in kinds]


def _weak(first: Sequence[str]) -> list[str]:
    kinds = list(first)
    previous = strong = "L"
    for at, kind in enumerate(kinds):  # W1, W2
        kinds[at] = kind = previous if kind == "NSM" else kind
        previous = kind
        strong = kind if kind in ("L", "R", "AL") else strong
        if kind == "EN" and strong == "AL":
            kinds[at] = "AN"
    kinds = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for at in range(1, len(kinds) - 1):  # W4
        left, right = kinds[at - 1], kinds[at + 1]
        between = {"EN": ("ES", "CS"), "AN": ("CS",)}.get(left, ())
        if left == right and kinds[at] in between:
            kinds[at] = left
    for start, end in _stretches(kinds, lambda kind: kind == "ET"):  # W5
        if "EN" in (kinds[start - 1] if start else "", kinds[end] if end < len(kinds) else ""):
            kinds[start:end] = ["EN"] * (end - start)
    kinds = ["ON" if kind in ("ES", "ET", "CS") else kind for kind in kinds]  # W6
    strong = "L"
    for at, kind in enumerate(kinds):  # W7
        strong = kind if kind in ("L", "R") else strong
        if kind == "EN" and strong == "L":
            kinds[at] = "L"
    return kinds


def _stretches(kinds: Sequence[str], wanted: Callable[[str], bool]) -> list[tuple[int, int]]:
    found, start = [], None
    for at, kind in enumerate([*kinds, ""]):
        if at < len(kinds) and wanted(kind):
            start = at if start is None else start
        elif start is not None:
            found.append((start, at))
            start = None
    return found


def _brackets(chars: Sequence[str], kinds: list[str], first: Sequence[str]) -> None:
    """A pair of brackets goes with what it holds (N0)."""
    stack: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for at, char in enumerate(chars):
        if kinds[at] != "ON":
            continue
        if char in _BRACKETS:
            stack.append((_BRACKETS[char], at))
            if len(stack) > 63:
                return
        elif any(close == char for close, _ in stack):
            while stack:
                close, start = stack.pop()
                if close == char:
                    pairs.append((start, at))
                    break
    for start, end in sorted(pairs):
        inside = {_STRONG[kind] for kind in kinds[start + 1 : end] if kind in _STRONG}
        if not inside:
            continue
        before = next((_STRONG[kind] for kind in reversed(kinds[:start]) if kind in _STRONG), "L")
        kind = "L" if "L" in inside else before
        for at in (start, end):
            kinds[at] = kind
            follower = at + 1
            while follower < len(kinds) and first[follower] == "NSM":
                kinds[follower] = kind
                follower += 1


def _neutral(kinds: list[str]) -> None:
    for start, end in _stretches(kinds, lambda kind: kind not in _STRONG):  # N1, N2
        before = _STRONG[kinds[start - 1]] if start else "L"
        after = _STRONG[kinds[end]] if end < len(kinds) else "L"
        kinds[start:end] = [before if before == after else "L"] * (end - start)


def visual(line: Sequence[int]) -> list[int]:
    """Places of one line's levels in the order they are drawn, left to right (L2)."""
    order = list(range(len(line)))
    for level in range(max(line, default=0), 0, -1):
        reached = ["x" if line[at] >= level else "" for at in order]
        for start, end in _stretches(reached, bool):
            order[start:end] = order[start:end][::-1]
    return order
