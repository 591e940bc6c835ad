"""LaTeX, as BibTeX files hold it, to plain text."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import (
    LatexCharsNode,
    LatexGroupNode,
    LatexMacroNode,
    LatexNode,
    LatexSpecialsNode,
    LatexWalker,
    LatexWalkerParseError,
)
from pylatexenc.macrospec import EnvironmentSpec, LatexContextDb, MacroSpec, SpecialsSpec, std_macro

from tools.canonical import characters, unescaped
from tools.schema import UNPRINTABLE

logging.getLogger("pylatexenc").addHandler(logging.NullHandler())

DEEPEST = 40
"""More braces within braces than this are no text."""
WRITTEN = {
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "textbraceleft": "{",
    "textbraceright": "}",
    "lbrace": "{",
    "rbrace": "}",
    "textasciicircum": "^",
    "textasciitilde": "~",
    "textbackslash": "\\",
    "textquotesingle": "'",
    "textquotedbl": '"',
    "textunderscore": "_",
    "textdollar": "$",
    "textperiodcentered": "·",
    "copyright": "©",
    **{name: name for name in ("LaTeX", "TeX", "BibTeX", *"{}&%$#_")},
    **dict.fromkeys(("\\", "newline", "quad", "qquad", *" ,;:\n"), " "),
    **dict.fromkeys("-/!", ""),
}
"""What pylatexenc leaves out, or writes otherwise."""
SPECIALS = {"~": " ", "``": "“", "''": "”", "--": "–", "---": "—", "!`": "¡", "?`": "¿"}
ACCENTS = frozenset("'`^\"~=.uvHcdkrbt")
EMPTY_ACCENTS = {"~": "~", "^": "^"}
CONTENTS = frozenset(
    "emph textit textbf textrm textsc texttt textsf textup textmd textsl textnormal text mbox hbox underline mathrm mathcal"
    " mathbf mathbb mathit mathsf mathtt mathfrak mathscr mathnormal boldsymbol bm ensuremath operatorname url nolinkurl em it"
    " bf rm sc tt sl sf itshape bfseries scshape ttfamily rmfamily sffamily upshape slshape normalfont relax protect left right"
    " displaystyle textstyle NoCaseChange".split()
)
"""Commands that change how their argument, or what follows, looks."""
PLACES = {
    "^": dict(zip("0123456789+-ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", strict=True)),
    "_": dict(zip("0123456789+-ni", "₀₁₂₃₄₅₆₇₈₉₊₋ₙᵢ", strict=True)),
}
SCRIPT = re.compile(r"([\^_])(?:\{([^{}]*)\}|([^\s{}\\]))")
TEXT_SCRIPT = re.compile(r"\\text(super|sub)script\s*\{([^{}]*)\}")
FONT = re.compile(r"\\(?:math[a-z]+|text(?:rm|bf|it|sf|tt|sc|normal|up|md)?|bm|boldsymbol|operatorname)\s*\{([^{}]*)\}")
MATHS = re.compile(r"(?<!\\)\$(?=[^\s$])([^$]*[^\s\\$]|)\$|\\\((.+?)\\\)", re.DOTALL)
BARE = re.compile(r"(?<!\\)((?:\\\\)*)([%$#&])")
ENTITY = re.compile(r"(?<!\\)&(?:[a-zA-Z]+|#\d+|#x[0-9a-fA-F]+);")
LATEX_CHARACTERS = re.compile(r"[\\{}$~`'!?&-]")
UNPRINTABLE_CHARACTER = re.compile(f"[{UNPRINTABLE}\\ud800-\\udfff]")
COMMANDS = LatexContextDb()
"""Only accents take what follows. pylatexenc's own table has arguments in brackets, nested ones of which take it for ever."""
COMMANDS.add_context_category(
    "texts",
    macros=[std_macro(name, "{") for name in sorted(ACCENTS)],
    specials=[SpecialsSpec(sign) for sign in SPECIALS],
)
COMMANDS.set_unknown_macro_spec(MacroSpec(""))
COMMANDS.set_unknown_environment_spec(EnvironmentSpec(""))
SYMBOLS = LatexNodes2Text(math_mode="text", strict_latex_spaces=True)


@dataclass(frozen=True)
class Plain:
    """A text without LaTeX, and which parts of it have no plain form."""

    text: str
    unknown: tuple[str, ...] = ()


def plain(latex: str) -> Plain:
    r"""A text as it is read: accents over their letters, quotes, dashes and maths as characters, no braces, blanks single.

    What can't be written in plain characters is named in `unknown` and left out, but for its argument: \foo{bar} is bar.
    """
    if not LATEX_CHARACTERS.search(latex):
        return _printable(latex, ())
    reader = _Reader()
    text = ENTITY.sub(lambda entity: unescaped(entity[0]), latex)
    text = MATHS.sub(lambda found: reader.maths(found[1] or found[2] or ""), text)
    text = BARE.sub(r"\1\\\2", TEXT_SCRIPT.sub(lambda found: reader.script("^" if found[1] == "super" else "_", found[2]), text))
    return _printable(reader.read(text), tuple(dict.fromkeys(reader.unknown)))


def depth(text: str) -> int:
    """How many braces stand within each other."""
    deepest = here = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        here += 1 if brace == "{" else -1
        deepest = max(deepest, here)
    return deepest


def _printable(text: str, unknown: tuple[str, ...]) -> Plain:
    """With single blanks, in the catalog's characters, without those that no text of it may have."""
    text = " ".join(characters(text).split())
    found = dict.fromkeys(f"U+{ord(character):04X}" for character in UNPRINTABLE_CHARACTER.findall(text))
    return Plain(" ".join(UNPRINTABLE_CHARACTER.sub(" ", text).split()) if found else text, (*unknown, *found))


@dataclass
class _Reader:
    unknown: list[str] = field(default_factory=list)

    def read(self, text: str) -> str:
        if depth(text) > DEEPEST:
            self.unknown.append(f"{depth(text)} braces within each other")
            return re.sub(r"[\\{}]", "", text)
        try:
            return self._text(LatexWalker(text, latex_context=COMMANDS, tolerant_parsing=True).get_latex_nodes()[0])
        except (LatexWalkerParseError, RecursionError):  # braces aren't all that nests: \(\(\(
            self.unknown.append(text[:40])
            return re.sub(r"[\\{}]", "", text)

    def maths(self, formula: str) -> str:
        """A formula as text that still has its commands for symbols: S^3 is S³."""
        formula = re.sub(r"\\([A-Za-z]+)\s+", r"\\\1{}", FONT.sub(r"\1", formula))
        formula = SCRIPT.sub(lambda found: self.script(found[1], found[2] or found[3] or ""), formula)
        return f"{{{formula}}}"

    def script(self, sign: str, raised: str) -> str:
        """Characters that are raised or lowered; as they are, and unknown, where Unicode has no such ones."""
        raised = raised.strip()
        if all(character in PLACES[sign] for character in raised):
            return "".join(PLACES[sign][character] for character in raised)
        self.unknown.append(f"{sign}{raised}")
        return f"{sign}{raised}" if sign == "^" else f"\\_{raised}"

    def _text(self, nodes: Iterable[LatexNode | None]) -> str:
        return "".join(self._node(node) for node in nodes if node is not None)

    def _node(self, node: LatexNode) -> str:
        match node:
            case LatexCharsNode():
                return node.chars
            case LatexSpecialsNode():
                return SPECIALS.get(node.specials_chars, node.specials_chars)
            case LatexGroupNode():
                return self._text(node.nodelist)
            case LatexMacroNode():
                return self._command(node)
        self.unknown.append(node.latex_verbatim()[:40])
        return self._text(getattr(node, "nodelist", None) or ())

    def _command(self, node: LatexMacroNode) -> str:
        name = node.macroname
        if name in WRITTEN:
            return WRITTEN[name]
        inside = self._text(node.nodeargd.argnlist if node.nodeargd and node.nodeargd.argnlist else ())
        if name in CONTENTS:
            return inside
        written = EMPTY_ACCENTS.get(name, "") if name in ACCENTS and not inside else _symbol(node)
        if not written:
            self.unknown.append(f"\\{name}")
        return written or inside


def _symbol(node: LatexMacroNode) -> str:
    """An accent over its letter, or a letter or sign that has a name; nothing for what is neither."""
    spec = SYMBOLS.latex_context.get_macro_spec(node.macroname)
    has_name = spec is not None and isinstance(spec.simplify_repl, str) and "%" not in spec.simplify_repl
    if not has_name and node.macroname not in ACCENTS:
        return ""
    written = SYMBOLS.node_to_text(node)
    return "" if "\n" in written or (written.startswith("<") and len(written) > 1) else written.strip()
