"""The page that tries a file says of each hostile file what the command says: counts, reasons, refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from browser.desk import Desk
from cdss.domain.instant import parse_index_time
from cdss.errors import InputRefusedError
from cdss.fhir.read import read
from cdss.workflow.reading import read_report

AS_OF = "2025-09-03T15:00:00-04:00"
HOSTILE = 46


def test_a_tester_with_a_folder_of_odd_files_finds_nothing_silently_wrong(
    sit_down: Callable[..., Desk], data_set: Callable[[str], Path]
) -> None:
    desk = sit_down("marlow")
    desk.go("/try")
    desk.heading("Try a file")
    desk.write("Index time, with offset", AS_OF)
    desk.write("Patient, if there are several", "ok27")
    files = [file for file in sorted(data_set("hostile-fhir").iterdir()) if file.name.startswith("d0")]
    assert len(files) == HOSTILE
    for file in files:
        desk.page.locator("input[type=file]").set_input_files(file)
        expect(desk.page.get_by_test_id("stFileUploader")).to_contain_text(file.name[:4])
        desk.button("Read it").click()
        card = desk.page.locator(".st-key-card-try-result")
        expect(card.locator(".meta")).to_have_text(file.name)
        desk.still()
        try:
            when = parse_index_time(AS_OF)
            report = read_report(
                read(file, subject="ok27", index_time=when), subject="ok27", index_time=when, lookback=None
            )
        except InputRefusedError as error:
            expect(card).to_contain_text("Refused as a whole.")
            expect(card).to_contain_text(error.reason)
            continue
        numbers = [report[name] for name in ("resources", "used", "not_needed", "put_aside", "refused")]
        shown = [int(text.replace(",", "")) for text in re.findall(r"[\d,]+", card.locator(".equation").inner_text())]
        assert shown == numbers, file.name
        reasons = [one["reason"] for one in (*report["blocked"], *report["rejections"])][:200]
        listed = desk.page.locator(".st-key-card-try-findings tbody th").all_inner_texts()
        assert listed == reasons, file.name
        expect(card).to_contain_text("No estimate")
