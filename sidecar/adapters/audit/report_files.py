"""The evidence of a period as files: a sheet (CSV) for each table, and one page (HTML) that needs nothing else.

Nothing that stands in a record becomes a formula in a spreadsheet or markup in a browser.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from sidecar.adapters.audit.record import plain
from sidecar.adapters.audit.report import Row, Table

MOST_SHOWN = 1000
"""Rows of a table on the page; the sheet has all."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #1d2530; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin: .5rem 0 2rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #d5dae1;
  overflow-wrap: anywhere; }
thead { display: table-header-group; } th { background: #f2f4f7; }
.held, .broken { padding: .8rem 1rem; border-left: 6px solid; } .held { border-color: #1f7a3d; background: #eaf6ee; }
.broken { border-color: #b3261e; background: #fdecea; } .meaning { color: #4a5563; max-width: 60rem; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What the page says before its tables.

    Attributes:
        facts: Period, when it was made, by which version, from which files.
        held: Whether the trail is as it was written.
        verdict: The same in a sentence, with the first fault.
        notes: What the trail itself says is missing.
    """

    facts: Mapping[str, str]
    held: bool
    verdict: str
    notes: Iterable[str] = ()


def files(cover: Cover, tables: Iterable[Table]) -> dict[str, bytes]:
    """All files by name; `SHA256SUMS` names the others as `sha256sum --check` wants it."""
    sheets = list(tables)
    found = {f"{table.name}.csv": sheet(table).encode() for table in sheets}
    found["index.html"] = page(cover, sheets).encode()
    sums = "".join(f"{sha256(body).hexdigest()}  {name}\n" for name, body in sorted(found.items()))
    return {**found, "SHA256SUMS": sums.encode()}


def sheet(table: Table) -> str:
    """A table as CSV (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(table.columns)
    writer.writerows([cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def cell(value: str) -> str:
    """A value that no spreadsheet takes for a formula: an apostrophe before what could begin one."""
    text = plain(value)
    # Some programs read full-width signs, and blanks of other widths, as the plain ones.
    seen = unicodedata.normalize("NFKC", value).lstrip(" ")
    return f"'{text}" if seen.startswith(_FORMULA) else text


def page(cover: Cover, tables: Iterable[Table]) -> str:
    """The readable page."""
    sheets = list(tables)
    facts = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in cover.facts.items())
    counts = "".join(f'<li><a href="#{one.name}">{_text(one.title)}</a>: {len(one.rows)}</li>' for one in sheets)
    notes = "".join(f"<li>{_text(note)}</li>" for note in cover.notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Evidence of access</title><style>{_STYLE}</style></head><body><h1>Evidence of access</h1>"
        f'<p class="{"held" if cover.held else "broken"}">{_text(cover.verdict)}</p>'
        f"{f'<p>The trail itself says:</p><ul>{notes}</ul>' if notes else ''}"
        f"<table>{facts}</table><ul>{counts}</ul>{''.join(map(_section, sheets))}</body></html>\n"
    )


def _section(table: Table) -> str:
    shown = table.rows[:MOST_SHOWN]
    more = len(table.rows) - len(shown)
    rest = f"<p>{more} more rows are in {table.name}.csv.</p>" if more else ""
    head = f"<thead>{_row('th', table.columns)}</thead>"
    rows = (
        f"<table>{head}<tbody>{''.join(_row('td', row) for row in shown)}</tbody></table>" if shown else "<p>None.</p>"
    )
    return f'<h2 id="{table.name}">{_text(table.title)}</h2><p class="meaning">{_text(table.meaning)}</p>{rows}{rest}'


def _row(tag: str, cells: Row) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(text)}</{tag}>' for text in cells)}</tr>"


def _text(value: str) -> str:
    return escape(plain(value), quote=True)
