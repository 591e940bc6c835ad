r"""LaTeX in titles and names that are plain text otherwise, as arXiv and Crossref have them: \'e is é, $k$ is k.

Only what is plainly LaTeX is touched, so that "50% of R&D ~ 3_4" stays as it is.
"""

from __future__ import annotations

import re

from tools.adding.latex import plain

ACCENT = (
    r"""\\[`'"^~=.]\s*(?:\{\\?[A-Za-z]\}|\\[ij](?![A-Za-z])|[A-Za-z])"""
    r"|\\[uvHckbdrt](?:\{\\?[A-Za-z]\}|\s+[A-Za-z](?![A-Za-z]))"
)
LETTER = r"\\(?:ss|ae|AE|oe|OE|aa|AA|o|O|l|L|i|j)(?![A-Za-z])(?:\{\}|[ \t])?"
COMMAND = r"\\[A-Za-z]+(?:\{[^{}\\$]*\})?|\\[&%$#_{}]"
MATHS = r"\$(?![\s$])[^$]*(?<![\s\\])\$(?!\d)"
PIECE = re.compile(rf"\{{(?:{ACCENT}|{LETTER})\}}|{MATHS}|{ACCENT}|{LETTER}|{COMMAND}")


def decoded(text: str) -> str:
    """Text without LaTeX. A command that isn't known stays as it is, backslash and all, for a person to look at."""
    return PIECE.sub(lambda found: _decoded_piece(found[0]), text) if "\\" in text or "$" in text else text


def _decoded_piece(piece: str) -> str:
    read = plain(piece)
    return piece if read.unknown or not read.text else read.text
