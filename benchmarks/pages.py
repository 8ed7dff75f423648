"""Tables of results in docs/, between marks that scripts find again."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def write_between(page: str, name: str, lines: list[str]) -> Path:
    """Put lines between ``<!-- NAME: begin -->`` and ``end`` of a page that has these marks."""
    path = DOCS / page
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{path} lacks the marks {begin} and {end}")
    path.write_text("\n".join([before + begin, "", *lines, "", end + after]))
    return path


def markdown(rows: list[dict[str, str]], titles: dict[str, str] | None = None) -> list[str]:
    """Rows with the same keys as a markdown table."""
    heads = [(titles or {}).get(key, key) for key in rows[0]]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return [*lines, *("| " + " | ".join(row.values()) + " |" for row in rows)]
