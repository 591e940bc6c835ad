"""Coarse labels of a folder dataset: classes.yaml, which says for each coarser level which classes each coarse class has."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from implementations.common.errors import Fault

FILE = "classes.yaml"
"""Its name, beside train/ and test/."""
EXAMPLE = "family:\n  finches: [house finch, purple finch]\n  tits: [blue tit, great tit]"
FORM = (
    f"{FILE} is for coarser labels of the classes in train/; without it training goes on without levels. Expected something such"
    f" as\n{EXAMPLE}"
)


def read(path: Path, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The levels of a classes.yaml, from coarse to fine: the number of each class's coarse class, in the order of `names`.

    Raises Fault, with all that is wrong, each by its line.
    """
    if path.is_symlink() and not path.exists():
        raise Fault(f"{path}: leads nowhere; mend or remove this link")
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)  # with lines, and words as words
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"{path}: can't be read ({error}); expected text in UTF-8\n{FORM}") from error
    except RecursionError as error:
        raise Fault(f"{path}: nested too deeply; expected level → coarse class → list of classes\n{FORM}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Fault(f"{path}{f':{mark.line + 1}' if mark else ''}: {_said(error)}\n{FORM}") from error
    found = _Hierarchy(path, names)
    levels = found.levels(root)
    if found.problems:
        lines = [text for _, text in sorted(found.problems, key=lambda problem: problem[0])]
        raise Fault("\n".join([*lines, FORM] if found.of_another_form else lines))
    return levels


def _said(error: yaml.YAMLError) -> str:
    """What YAML's reader says, in a line."""
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return "a second document starts here; expected one" if said == "but found another document" else f"not valid YAML ({said})"


def listed(names: Sequence[str]) -> str:
    """The first five, and whether there are more."""
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


class _Hierarchy:
    """What is read of a file, and what is wrong with it, by line.

    Names are compared in Unicode's NFC: a file system may have given folders NFD.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, [unicodedata.normalize("NFC", name) for name in names]
        self.known = set(self.names)
        self.problems: list[tuple[int, str]] = []
        self.of_another_form = False

    def wrong(self, node: yaml.Node | None, problem: str, *, form: bool = False) -> None:
        """Notes a problem at a node; `form`: what it is for and how it looks has to be said, too."""
        line = node.start_mark.line + 1 if node else 1
        self.problems.append((line, f"{self.path}:{line}: {problem}"))
        self.of_another_form |= form

    def levels(self, root: yaml.Node | None) -> dict[str, tuple[int, ...]]:
        """Level → number of each class's coarse class; anything where problems were noted."""
        levels: dict[str, tuple[int, ...]] = {}
        if not _has_lists(root):  # it may be another tool's
            expected = "expected levels from coarse to fine, each with coarse classes, each of these with a list of classes"
            self.wrong(root, expected, form=True)
            return levels
        before = None
        for level, key, node in self.entries(root, "level"):
            already = len(self.problems)
            coarse = list(self.coarse_classes(level, node))
            own = self.numbers(level, coarse)
            if len(self.problems) == already:  # else what is missing may be what is wrong
                self.complete(level, key, own, len(coarse))
            if len(self.problems) > already:
                before = None
                continue
            levels[level] = tuple(own[name] for name in self.names)
            if before:
                self.nested((before, levels[before]), (level, levels[level]), key, [key for _, key, _ in coarse])
            before = level
        return levels

    def entries(self, mapping: yaml.MappingNode, what: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Name, key and value of each entry; names are words, each there once."""
        lines: dict[str, int] = {}
        for key, value in mapping.value:
            name = self.word(key, f"the name of a {what}")
            if name in lines:
                self.wrong(key, f"the {what} {name!r} is there already, on line {lines[name]}; put what both have into one")
            elif name is not None:
                lines[name] = key.start_mark.line + 1
                yield name, key, value

    def word(self, node: yaml.Node, what: str) -> str | None:
        """The text of a node; None where it is no printable text."""
        if isinstance(node, yaml.ScalarNode) and node.value and node.value.isprintable():
            return unicodedata.normalize("NFC", node.value)
        self.wrong(node, f"expected {what}, in one line of printable characters")
        return None

    def coarse_classes(self, level: str, node: yaml.Node) -> Iterator[tuple[str, yaml.Node, list[yaml.Node]]]:
        """Name, key and the classes of each coarse class of a level."""
        if not (isinstance(node, yaml.MappingNode) and node.value):
            self.wrong(node, f"{level!r}: expected coarse classes, each with a list of its classes", form=True)
            return
        for name, key, classes in self.entries(node, f"class of {level!r}"):
            if isinstance(classes, yaml.SequenceNode) and classes.value:
                yield name, key, classes.value
            else:
                self.wrong(key, f"{name!r} of {level!r}: expected a list of its classes, such as [blue tit, great tit]")

    def numbers(self, level: str, coarse: list[tuple[str, yaml.Node, list[yaml.Node]]]) -> dict[str, int]:
        """Class → number of its coarse class; notes those that have two, and what is no class."""
        own: dict[str, int] = {}
        lines: dict[str, int] = {}
        for number, (parent, _, classes) in enumerate(coarse):
            for node in classes:
                name = self.word(node, f"a class of {parent!r}")
                if name is None:
                    continue
                if name not in self.known:
                    self.wrong(node, f"{name!r} of {parent!r} is no class of train/; {self.hint(name)}")
                elif name not in own:
                    own[name], lines[name] = number, node.start_mark.line + 1
                elif own[name] == number:
                    self.wrong(node, f"{name!r} is listed twice in {parent!r}, first on line {lines[name]}")
                else:
                    where = f"as one of {coarse[own[name]][0]!r} on line {lines[name]}"
                    self.wrong(node, f"{name!r} is in {level!r} already, {where}; each class has one coarse class a level")
        return own

    def hint(self, name: str) -> str:
        """What may have been meant."""
        for one in self.names:
            if name.isdecimal() and one.isdecimal() and name.lstrip("0") == one.lstrip("0"):
                return f"did you mean {one!r}? Names are written as the folders are, with their zeros"
        near = difflib.get_close_matches(name, self.names, n=1)
        return f"did you mean {near[0]!r}?" if near else f"its folders are {listed(self.names)}"

    def complete(self, level: str, key: yaml.Node, own: dict[str, int], count: int) -> None:
        """Notes classes without a coarse class, and a level with a single one."""
        missing = [name for name in self.names if name not in own]
        if missing:
            those = ", ".join(map(repr, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            self.wrong(key, f"{level!r} has no coarse class for {those}; expected one for each class")
        elif count < 2:
            self.wrong(key, f"{level!r} has one coarse class; expected at least 2, or there is nothing to tell apart")

    def nested(
        self, above: tuple[str, Sequence[int]], own: tuple[str, Sequence[int]], key: yaml.Node, keys: list[yaml.Node]
    ) -> None:
        """Notes each coarse class of a level that lies in several of the level before; once where the two are in the wrong order.

        `above`, `own`: the two levels, each with the number of each class's coarse class; `key`, `keys`: where the level and its
        coarse classes are named.
        """
        (before, coarser), (level, finer) = above, own
        pairs = set(zip(coarser, finer, strict=True))
        torn = [number for number in range(len(keys)) if sum(one == number for _, one in pairs) > 1]
        if torn and len(pairs) == len(set(coarser)):
            self.wrong(key, f"{level!r} is coarser than {before!r}, which stands before it; expected levels from coarse to fine")
            return
        for number in torn:
            self.wrong(
                keys[number],
                f"{keys[number].value!r} of {level!r} lies in several of {before!r}: levels go from coarse to fine, and a class"
                " lies in one of the level before",
            )


def _has_lists(root: yaml.Node | None) -> bool:
    """Whether there is a level with a coarse class with a list, whatever else there is."""
    levels = [node for _, node in root.value if isinstance(node, yaml.MappingNode)] if isinstance(root, yaml.MappingNode) else []
    return any(isinstance(classes, yaml.SequenceNode) for level in levels for _, classes in level.value)
