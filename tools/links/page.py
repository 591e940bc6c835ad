"""What a page of HTML says of itself: its title, its anchors, and whether it is one that says that there is none."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from urllib.parse import unquote

from tools.canonical import unescaped

LONGEST_TITLE = 300
"""Characters that are kept of one."""
CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
CHARSETS = re.compile(
    r"utf-?8|us-ascii|iso-?8859-\d+|windows-\d+|cp\d+|gb2312|gbk|gb18030|big5(?:-hkscs)?|euc-\w+|shift[_-]jis|koi8-[ru]"
)
"""Of all that Python can decode, what stands in web pages; some of the others take very long."""
MEANT = {"iso-8859-1": "cp1252", "us-ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""What browsers take a charset for."""
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style|template|noscript)\b[^<>]*+>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
TITLE = re.compile(r"<title\b[^<>]*+>([^<]*+(?:<(?!/?title)[^<]*+)*+)</title", re.IGNORECASE)
# Possessive, so that the time stays in proportion to the page's length, whatever stands there.
TAG = re.compile(r"""<([a-z][a-z0-9:-]*+)((?:[^<>"']|"[^"]*+"|'[^']*+')*+)>""", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""(?<![\w:.-])([a-z_:][\w:.-]*+)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'=<>`]++))""", re.IGNORECASE)
LEAST_TEXT = 200
"""Characters of text, below which a page with scripts is taken for a shell that they fill."""

NOT_FOUND = re.compile(
    r"^\W*(?:error\W*)?404\b(?!\w)|\b404\W+(?:error|(?:page |file )?not found)|\berror 404\b"
    r"|^\W*not found\W*$"
    r"|\b(?:page|file|site|document|resource|url|address)"
    r" (?:(?:was|is|could|can) ?not|(?:was|is|could|ca)n[’']t|not) (?:be )?found\b"
    r"|\b(?:page|file|site) (?:does not|doesn[’']t) exist\b|\bseite nicht gefunden\b|\bpage introuvable\b"
    r"|页面不存在|找不到页面|页面未找到",
    re.IGNORECASE,
)
"""Few, and in titles alone: a paper may be about what isn't found."""
BY_SCRIPT = re.compile(r"L\d+(?:C\d+)?(?:-L?\d+(?:C\d+)?)?|:~:.*|!.*|.*[/=&].*")
"""Fragments that no id stands for: lines of code, words of the text, places in an application."""
SCRIPTED = {"github.com", "gitlab.com", "colab.research.google.com", "docs.google.com", "drive.google.com", "sites.google.com"}
"""Hosts whose pages get their anchors from scripts."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was read of it."""

    title: str | None
    anchors: frozenset[str]
    shell: bool
    """Whether hardly any text stands there, and scripts bring the rest."""

    @property
    def not_found(self) -> bool:
        """Whether the title says that the page isn't there."""
        return self.title is not None and NOT_FOUND.search(self.title) is not None

    def holds(self, fragment: str) -> bool | None:
        """Whether a fragment is there; None where that can't be told from the page's source."""
        names = {fragment, unquote(fragment)}
        if names & self.anchors or {f"user-content-{name}" for name in names} & self.anchors or fragment.lower() == "top":
            return True
        return None if self.shell or BY_SCRIPT.fullmatch(fragment) else False


def read(content: bytes, content_type: str) -> Page:
    """What a page says of itself. Whatever stands there, it raises nothing."""
    source = UNSEEN.sub(" ", text := decoded(content, content_type))
    anchors, named = set(), None
    for tag, inside in TAG.findall(source):
        attributes = {name.lower(): unescaped(a or b or c) for name, a, b, c in ATTRIBUTE.findall(inside)}
        anchors.add(attributes.get("id", ""))
        if tag.lower() == "a":
            anchors.add(attributes.get("name", ""))
        elif tag.lower() == "meta" and attributes.get("name", "").lower() == "citation_title":
            named = named or attributes.get("content")
    title = TITLE.search(source)
    words = "".join(TAG.sub(" ", source).split())
    return Page(
        title=tidy(named or (unescaped(title[1]) if title else "")),
        anchors=frozenset(anchors - {""}),
        shell=len(words) < LEAST_TEXT and "<script" in text.lower(),
    )


def decoded(content: bytes, content_type: str) -> str:
    """The page as text: by its byte order mark, else by the first charset named that can be right."""
    for mark, name in MARKS.items():
        if content.startswith(mark):
            return content.decode(name, errors="replace")
    said = [CHARSET.search(content_type), CHARSET.search(content[:1024].decode("latin-1"))]
    for name in [found[1].lower() for found in said if found] + ["utf-8"]:
        if (text := _strictly(content, name)) is not None:
            return text
    return content.decode("cp1252", errors="replace")


def _strictly(content: bytes, name: str) -> str | None:
    if not CHARSETS.fullmatch(name):
        return None
    try:
        decoder = codecs.getincrementaldecoder(MEANT.get(name, name))("strict")
        return decoder.decode(content)  # what was cut off in mid-character isn't wrong
    except (LookupError, UnicodeDecodeError):
        return None


def tidy(title: str) -> str | None:
    """A title on one line, without characters that would mean something to a terminal; None where nothing is left."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in title).split())[:LONGEST_TITLE] or None
