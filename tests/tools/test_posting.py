"""A stranger's words are quoted, and do nothing. What posts by git and gh is tested where it is used."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from tools.posting import LONGEST_QUOTE, quoted

STRANGE = [
    "@everyone closes #1, see https://example.org",
    "```\n@everyone\n```",
    "````\n```\n`````text\n@everyone",
    "~~~\n@everyone\n~~~",
    "</code></pre><img src=x onerror=alert(1)> <!-- ",
    "    indented\n# heading\n- [ ] box\n| a | b |",
    "`" * 200,
    "\r\n```\r@everyone",
    "\u2028```\u2028@everyone\x0b```\x0c```\x85```",
    "\x1b[2J\u202eevil\x00",
    "",
]


@pytest.mark.parametrize("text", STRANGE)
def test_a_quote_is_one_block_of_code_whatever_stands_in_it(text):
    tokens = MarkdownIt("commonmark").parse(f"Before.\n\n{quoted(text)}\n\nAfter.")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close", "fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[1].content + tokens[5].content == "Before.After."
    assert all(character.isprintable() or character == "\n" for character in tokens[3].content)


def test_a_quote_keeps_the_words_and_lines():
    assert quoted("one\n\ttwo  `three`\n\n") == "```text\none\n two  `three`\n```"


def test_a_long_message_is_cut_and_says_so():
    shown = quoted("x" * (LONGEST_QUOTE + 1_234))
    assert shown.endswith("x\n(and 1,234 characters more)\n```")
    assert len(shown) < 21_000
