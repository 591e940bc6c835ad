"""Coarse labels of a folder dataset: classes.yaml, which says for each coarser level which classes each coarse class has."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from implementations.common.errors import Fault

FILE = "classes.yaml"
"""Its name, beside train/ and test/."""
EXAMPLE = "family:\n  finches: [house finch, purple finch]\n  tits: [blue tit, great tit]"


def read(path: Path, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The levels of a classes.yaml, from coarse to fine: the number of each class's coarse class, in the order of `names`.

    Raises Fault, with all that is wrong, each by its line.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)  # with lines, and words as words
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"{path}: can't be read ({error}); expected text in UTF-8, such as\n{EXAMPLE}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Fault(
            f"{path}{f':{mark.line + 1}' if mark else ''}: no YAML ({getattr(error, 'problem', None) or error}); expected such as"
            f"\n{EXAMPLE}"
        ) from error
    found = _Hierarchy(path, names)
    levels = found.levels(root)
    if found.problems:
        raise Fault("\n".join(text for _, text in sorted(found.problems, key=lambda problem: problem[0])))
    return levels


class _Hierarchy:
    """What is read of a file, and what is wrong with it, by line."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names, self.known = path, names, set(names)
        self.problems: list[tuple[int, str]] = []

    def wrong(self, node: yaml.Node | None, problem: str) -> None:
        """Notes a problem at a node."""
        line = node.start_mark.line + 1 if node else 1
        self.problems.append((line, f"{self.path}:{line}: {problem}"))

    def levels(self, root: yaml.Node | None) -> dict[str, tuple[int, ...]]:
        """Level → number of each class's coarse class; anything where problems were noted."""
        if not (isinstance(root, yaml.MappingNode) and root.value):
            self.wrong(root, f"expected levels from coarse to fine, each with its coarse classes, such as\n{EXAMPLE}")
            return {}
        levels: dict[str, tuple[int, ...]] = {}
        for level, key, node in self.entries(root, "level"):
            coarse = list(self.coarse_classes(level, node))
            before = len(self.problems)
            levels[level] = self.parents(level, key, coarse)
            if len(self.problems) == before:
                self.in_one_of_the_level_before(list(levels.items())[-2:], [key for _, key, _ in coarse])
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
            return node.value
        self.wrong(node, f"expected {what}, in one line of text")
        return None

    def coarse_classes(self, level: str, node: yaml.Node) -> Iterator[tuple[str, yaml.Node, list[yaml.Node]]]:
        """Name, key and the classes of each coarse class of a level."""
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{level}: expected coarse classes, each with a list of its classes, such as\n{EXAMPLE}")
            return
        for name, key, classes in self.entries(node, f"class of {level!r}"):
            if isinstance(classes, yaml.SequenceNode) and classes.value:
                yield name, key, classes.value
            else:
                self.wrong(key, f"{name!r} of {level!r}: expected a list of its classes, such as [blue tit, great tit]")

    def parents(self, level: str, key: yaml.Node, coarse: list[tuple[str, yaml.Node, list[yaml.Node]]]) -> tuple[int, ...]:
        """The number of each class's coarse class; notes those that have none or two, and what is no class."""
        own: dict[str, tuple[int, str]] = {}
        for number, (parent, _, classes) in enumerate(coarse):
            for node in classes:
                name = self.word(node, f"a class of {parent!r}")
                if name is None:
                    continue
                if name not in self.known:
                    near = difflib.get_close_matches(name, self.names, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else f"its folders are {', '.join(self.names[:5])}, …"
                    self.wrong(node, f"{name!r} of {parent!r} is no class of train/; {hint}")
                elif name in own:
                    self.wrong(node, f"{name!r} is in {level!r} already, {own[name][1]}; each class has one coarse class a level")
                else:
                    own[name] = number, f"as one of {parent!r} on line {node.start_mark.line + 1}"
        missing = [name for name in self.names if name not in own]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            self.wrong(key, f"{level!r} has no coarse class for {', '.join(map(repr, missing[:5]))}{more}; expected one of each")
        elif len(coarse) < 2:
            self.wrong(key, f"{level!r} has {len(coarse)} coarse class; expected at least 2, or there is nothing to tell apart")
        return tuple(own[name][0] for name in self.names) if not missing else ()

    def in_one_of_the_level_before(self, levels: list[tuple[str, tuple[int, ...]]], keys: list[yaml.Node]) -> None:
        """Notes each coarse class of the last level whose classes lie in several of the level before."""
        if len(levels) < 2 or not levels[0][1]:
            return
        (before, coarser), (level, finer) = levels
        for number, key in enumerate(keys):
            if len({coarser[at] for at, parent in enumerate(finer) if parent == number}) > 1:
                self.wrong(
                    key,
                    f"{key.value!r} of {level!r} lies in several of {before!r}: levels go from coarse to fine, and a class lies"
                    " in one of the level before",
                )
