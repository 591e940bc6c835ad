"""`python -m implementations --list`: which papers are implemented; the files are read, not imported."""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

HERE = Path(__file__).parent


def implemented() -> dict[str, str]:
    """Each implementation's paper id and the first line of its file."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), path.name)
        if any(_names_its_paper(node) for node in tree.body):
            found[path.stem.replace("_", "-")] = (ast.get_docstring(tree) or "").split("\n", 1)[0]
    return found


def _names_its_paper(node: ast.stmt) -> bool:
    """Whether this is a method's class, which says `paper = …`."""
    assigned = [target for line in getattr(node, "body", ()) if isinstance(line, ast.Assign) for target in line.targets]
    return isinstance(node, ast.ClassDef) and any(getattr(target, "id", None) == "paper" for target in assigned)


def main() -> int:
    """Prints the list."""
    parser = argparse.ArgumentParser(
        prog="python -m implementations", description="The papers that Finch implements, a file each."
    )
    parser.add_argument("--list", action="store_true", required=True, help="list them")
    parser.parse_args()
    papers = implemented()
    width = max(map(len, papers))
    for paper, line in papers.items():
        print(f"{paper:{width}}  {line}")
    print(
        "\nmake demo PAPER=NAME runs one; python -m implementations.NAME --help tells more (api-net is implementations.api_net)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
