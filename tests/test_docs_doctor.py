"""docs/doctor.md: every code of every check stands there with its severity and its cure, and no other."""

from __future__ import annotations

import re

from sidecar.core.doctor.catalogue import CATALOGUE
from sidecar.domain.finding import Check, Severity
from tests.test_docs import ROOT, _rows, _section

PAGE = (ROOT / "docs" / "doctor.md").read_text("utf-8")


def test_every_finding_is_in_the_docs_with_its_severity_and_its_cure() -> None:
    told = {}
    for check in Check:
        for code, severity, seen, cure in _rows(_section(PAGE, f"### `{check}`")):
            told[code.strip("`")] = check, severity, cure
            assert seen, code

    assert {kind.code: (kind.check, kind.severity, kind.cure) for kind in CATALOGUE.values()} == told


def test_every_check_and_severity_is_in_the_docs_and_no_other() -> None:
    assert sorted(Check) == sorted(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE))
    assert set(Severity) == {cells[0].strip("`") for cells in _rows(PAGE.partition("## Findings")[0])}
