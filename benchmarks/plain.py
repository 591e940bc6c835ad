"""The text of our pages as plain Markdown, as somebody would write it who keeps such a catalog by hand.

Our pages are HTML blocks between Markdown headings. Here a table is a Markdown table, a list a list, a link a link, and every
other block a paragraph; tooltips, drawings and marks for style and scripts are left out, since they are no text.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import yaml

HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
UNSEEN = {"svg", "script", "style", "template", "button", "select", "option"}
INLINE = set("a span b i strong em code del ins small output label input img br abbr time dt dd".split())
PARTS = {"td", "th", "tr", "li", "thead", "tbody"}
VOID = {"input", "img", "br", "hr", "meta", "link"}
MARKS = {"strong": "**", "em": "*", "code": "`"}
KEPT = ("title", "description", "hide")
"""Of a page's front matter: what any page has."""


def plain_docs(rendered: Path, out: Path) -> None:
    """Writes the pages of a docs folder as plain Markdown into another."""
    for page in sorted(rendered.rglob("*.md")):
        file = out / page.relative_to(rendered)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(plain(page.read_text(encoding="utf-8")), encoding="utf-8")


def plain(page: str) -> str:
    """One page."""
    _, meta, body = page.split("---\n", 2) if page.startswith("---\n") else ("", "{}", page)
    kept = {name: value for name, value in (yaml.safe_load(meta) or {}).items() if name in KEPT}
    writer = Writer()
    writer.feed(body)
    writer.close()
    text = re.sub(r"\n{3,}", "\n\n", "".join(writer.out))
    return f"---\n{yaml.safe_dump(kept, allow_unicode=True)}---\n\n{text.strip()}\n"


class Writer(HTMLParser):
    """Collects a page's text; what stands outside of all elements is Markdown already, and stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] | None = None
        self.links: list[str] = []

    def write(self, text: str) -> None:
        """Adds text to the page, or to the table's cell that is being read."""
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += text.replace("|", "\\|").replace("\n", " ")
        elif self.rows is None:
            self.out.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if not UNSEEN.intersection(self.open):
            self.begin(tag, dict(attrs))

    def begin(self, tag: str, attrs: dict[str, str | None]) -> None:
        """Writes what stands before the text of an element."""
        if tag == "table":
            self.rows = []
        elif tag == "tr" and self.rows is not None:
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        elif tag == "a":
            self.links.append(attrs.get("href") or "")
            self.write("[")
        elif tag in MARKS:
            self.write(MARKS[tag])
        elif tag == "pre":
            self.write("\n\n```\n")
        elif tag == "li":
            self.write("\n- ")
        elif tag not in INLINE:
            self.write(f"\n\n{HEADINGS[tag]} " if tag in HEADINGS else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.open:
            return
        seen = not UNSEEN.intersection(self.open)
        while self.open.pop() != tag:
            pass
        if seen:
            self.end(tag)

    def end(self, tag: str) -> None:
        """Writes what stands behind it."""
        if tag == "table":
            rows, self.rows = self.rows or [], None
            self.write(_table([[" ".join(cell.split()) for cell in row] for row in rows if row]))
        elif tag == "a":
            self.write(f"]({self.links.pop()})")
        elif tag in MARKS:
            self.write(MARKS[tag])
        elif tag == "pre":
            self.write("\n```\n\n")
        elif tag not in INLINE and tag not in PARTS:
            self.write("\n\n")

    def handle_data(self, data: str) -> None:
        if not self.open or "pre" in self.open:
            self.write(data)
        elif not UNSEEN.intersection(self.open):
            text = re.sub(r"([\[\]*`])", r"\\\1", html.escape(re.sub(r"\s+", " ", data), quote=False))
            self.write(text.lstrip() if self.out and self.out[-1].endswith("\n") else text)


def _table(rows: list[list[str]]) -> str:
    """A Markdown table; its first row is its head."""
    width = max(map(len, rows), default=0)
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in rows]
    return "\n\n" + "\n".join([*lines[:1], "|" + " --- |" * width, *lines[1:]]) + "\n\n"
