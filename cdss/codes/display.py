"""Whether the display of a LOINC code says something other than the code: a sign that one of the two is wrong."""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files

from cdss.codes.loinc import loinc_table

_LONGEST = 256  # of a display that is looked at; the name of a measurement is no longer


def contradicts(code: str, display: str) -> bool:
    """Whether a display names a measurement or a specimen that the reviewed name of a LOINC code does not have.

    Only codes of ``loinc.toml`` and words of ``display.toml`` are judged; what neither holds is never a contradiction.
    """
    named = loinc_table().names.get(code)
    return named is not None and display != named.name and _differ(named.name, display[:_LONGEST])


@lru_cache(maxsize=8192)
def _differ(name: str, display: str) -> bool:
    for words, pattern in _vocabulary():
        meant = frozenset().union(*_meanings(name, words, pattern))
        if meant and any(not meanings & meant for meanings in _meanings(display, words, pattern)):
            return True
    return False


def _meanings(text: str, words: dict[str, frozenset[str]], pattern: re.Pattern[str]) -> list[frozenset[str]]:
    """What each word of a text may mean."""
    return [words[found] for found in pattern.findall(text.casefold())]


@cache
def _vocabulary() -> tuple[tuple[dict[str, frozenset[str]], re.Pattern[str]], ...]:
    """Words and what each may mean, of what is measured and of specimens, and what finds them."""
    raw = tomllib.loads(files(__package__).joinpath("display.toml").read_text("utf-8"))
    found = []
    for part in ("measured", "specimen"):
        meanings: dict[str, set[str]] = {}
        for meaning, words in raw[part].items():
            for word in words:
                meanings.setdefault(word.casefold(), set()).add(meaning)
        longest_first = sorted(meanings, key=lambda word: (-len(word), word))
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
        found.append(({word: frozenset(several) for word, several in meanings.items()}, pattern))
    return tuple(found)
