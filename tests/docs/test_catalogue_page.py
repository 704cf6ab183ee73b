"""The catalogue of inputs is published and proven: every row has a test, and its page says what the tests show."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from test_docs_complete import documented_reasons

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "catalogue.md"
FILES, SERVERS = range(1, 67), range(67, 72)
NOT_YET = "servers: not yet"
_ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)


def marked() -> dict[int, list[str]]:
    """The tests that carry `pytest.mark.catalogue`, by row; found without importing any."""
    tests: dict[int, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.catalogue":
                    for row in mark.args:
                        tests.setdefault(ast.literal_eval(row), []).append(node.name)
    return tests


TESTS = marked()
ROWS = {int(number): rest for number, *rest in _ROW.findall(PAGE.read_text("utf-8"))}


def test_every_row_of_files_has_a_test_and_no_test_names_a_row_that_is_none() -> None:
    assert set(FILES) - set(TESTS) == set()
    assert set(TESTS) <= {*FILES, *SERVERS}


def test_the_page_has_every_row_once_and_in_order() -> None:
    numbers = [int(row[0]) for row in _ROW.findall(PAGE.read_text("utf-8"))]
    assert numbers == [*FILES, *SERVERS]


@pytest.mark.parametrize("number", FILES)
def test_a_row_of_the_page_says_how_many_tests_prove_it_and_names_one(number: int) -> None:
    """To mend: the last cell is the number of tests that carry the row's mark, and the name of one of them."""
    assert number in ROWS, f"the page has no row {number}"
    count, name = re.fullmatch(r"(\d+): `(\w+)`", ROWS[number][2]).groups()  # type: ignore[union-attr]
    assert name in TESTS[number]
    assert int(count) == len(TESTS[number])


@pytest.mark.parametrize("number", FILES)
def test_the_codes_of_a_row_are_documented_reasons(number: int) -> None:
    assert set(re.findall(r"`([^`]+)`", ROWS[number][1])) - documented_reasons() == set()


@pytest.mark.parametrize("number", SERVERS)
def test_a_row_about_servers_promises_nothing(number: int) -> None:
    assert ROWS[number][1] == NOT_YET
    assert number not in TESTS
