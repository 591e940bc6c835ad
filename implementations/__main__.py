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
        if not path.name.startswith("__"):
            tree = ast.parse(path.read_text(encoding="utf-8"), path.name)
            found[path.stem.replace("_", "-")] = (ast.get_docstring(tree) or "").split("\n", 1)[0]
    return found


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
