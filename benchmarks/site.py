"""What the site costs to build, as ratios to MkDocs Material building pages of the same text; and how soon a save is seen.

    .venv/bin/python -m benchmarks.site [--sizes 300 1000] [--serve-only]

Ours is `mkdocs build` with the repository's own mkdocs.yml, hook and theme, over a synthetic catalog. There are two references,
both without the hook, with the same plugins, extensions and navigation:

- plain: the same pages as plain Markdown, tables as Markdown tables (see benchmarks/plain.py). This is the fair one: it is what
  the site would be without Finch. That our pages are HTML, with tooltips and data for scripts, counts as ours.
- rendered: our own pages, as tools.render writes them. What is left is the hook: loading the catalog, and the templates.

Every build is a process of its own, and the three take turns; their times are the processor's. Then the site is served, as
`make serve` does, one paper's file is saved, and the clock is read until the page has the change: for the real catalog, and for
the largest synthetic one.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.plain import plain_docs
from benchmarks.synthetic import write_catalog
from benchmarks.timing import exponent, medians, print_table, ratio, turns, working
from tools.catalog import ROOT

NEEDED = ("site", "tools", "implementations", "mkdocs.yml", "pyproject.toml")
"""Of the repository, beside the catalog: the hook finds the catalog by its own place, so another one needs a copy of it."""
ENVIRONMENT = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
INDEX = Path("search") / "search_index.json"
PATIENCE = 300
"""So many seconds a served page may take to change."""


def copied(folder: Path, papers: int | None) -> Path:
    """The repository with so many synthetic papers in place of its own; None: with its own, and their runs' records."""
    root = folder / "finch"
    root.mkdir()
    if papers is None:
        shutil.copytree(ROOT / "catalog", root / "catalog")
        shutil.copy(ROOT / "catalog.yaml", root)
    else:
        write_catalog(root, papers)
    left_out = shutil.ignore_patterns("records", "weights") if papers is not None else None
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, root)
    return root


def run(root: Path, *module: str) -> None:
    """Runs a module in a folder; shows what it said only where it failed."""
    done = subprocess.run([sys.executable, "-m", *module], cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"python -m {' '.join(module)} failed:\n{done.stdout}{done.stderr}")


# ------------------------------------------------------------------------------------------------------------- the builds


def write_references(root: Path) -> list[Path]:
    """The configurations of both references, plain and rendered, beside the folders of their pages."""
    folder = root / "references"
    run(root, "tools.render", "--out", str(folder / "rendered"))
    shutil.copytree(folder / "rendered" / "assets", folder / "plain" / "assets")
    plain_docs(folder / "rendered", folder / "plain")
    # For a generator without our hook tools.render writes the configuration too.
    config = yaml.safe_load((folder / "mkdocs.yml").read_text(encoding="utf-8"))
    # Links between plain pages are ours, to addresses and not to files: MkDocs is to leave them as they are.
    plain = config | {
        "theme": {name: value for name, value in config["theme"].items() if name != "custom_dir"},
        "validation": {"links": {"unrecognized_links": "ignore", "anchors": "ignore"}},
    }
    files = []
    for name, chosen in (("plain", plain), ("rendered", config)):
        files.append(folder / f"{name}.yml")
        chosen |= {"docs_dir": name, "site_dir": str(root / "build" / name)}
        files[-1].write_text(yaml.safe_dump(chosen, sort_keys=False), encoding="utf-8")
    return files


def measure_builds(sizes: list[int], count: int) -> None:
    """Prints a row a size, the growth, and the search index."""
    rows, indices, taken = [], [], []
    for papers in sizes:
        with tempfile.TemporaryDirectory(prefix="finch-") as folder:
            with working(f"{papers:,} papers: writing and rendering them"):
                root = copied(Path(folder), papers)
                references = write_references(root)
            configs = [root / "mkdocs.yml", *references]
            builds = [
                lambda file=file, root=root: run(root, "mkdocs", "build", "--clean", "--quiet", "-f", str(file))
                for file in configs
            ]
            with working(f"{papers:,} papers: {count} × (ours, plain, rendered)"):
                found = turns(*builds, count=count)
            indices.append([f"{papers:,}", *_index(root / "build" / "site"), *_index(root / "build" / "plain")])
        taken.append(medians(found))
        ratios = f"{ratio(found, 1):.2f}", f"{ratio(found, 2):.2f}"
        rows.append([f"{papers:,}", *(f"{one:.1f}" for one in taken[-1]), *ratios, str(len(found))])
    print_table("papers", "ours (s)", "plain (s)", "rendered (s)", "ours / plain", "ours / rendered", "turns", rows=rows)
    grown = [exponent(sizes, times) for times in zip(*taken, strict=True)]
    if not math.isnan(grown[0]):
        print(f"\nGrowth: ours with papers^{grown[0]:.2f}, plain with ^{grown[1]:.2f}, rendered with ^{grown[2]:.2f}.")
    print("\nThe search index, which a visitor's first search loads (kB):\n")
    print_table("papers", "ours", "gzipped", "plain", "gzipped", rows=indices)


def _index(site: Path) -> list[str]:
    """The size of a site's search index in kB, as it is and gzipped."""
    content = (site / INDEX).read_bytes()
    return [f"{len(content) / 1000:,.0f}", f"{len(gzip.compress(content)) / 1000:,.0f}"]


# ----------------------------------------------------------------------------------------------------------------- serving


def measure_saves(sizes: list[int | None], count: int) -> None:
    """Prints a row a size: the seconds from a save to the page that shows it."""
    rows = []
    for papers in sizes:
        with tempfile.TemporaryDirectory(prefix="finch-") as folder:
            root = copied(Path(folder), papers)
            files = sorted((root / "catalog" / "papers").glob("*.yaml"))
            name = f"{len(files):,}" + (" (the real ones)" if papers is None else "")
            with working(f"{name} papers: starting the server"), served(root) as address:
                wait_for(address, "</html>")
                with working(f"{name} papers: {count} saves"):
                    found = [save(files[index % len(files)], address, f"Saved{index}") for index in range(count)]
        rows.append([name, f"{statistics.median(found):.1f}", f"{min(found):.1f}–{max(found):.1f}", str(count)])
    print("\nFrom a save to the page that shows it, while the site is served:\n")
    print_table("papers", "median (s)", "from–to", "saves", rows=rows)


def save(file: Path, address: str, word: str) -> float:
    """Puts a word into a paper's title, and waits for its page to have it."""
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r'^(title: ".*)"$', rf'\1 {word}"', text, count=1, flags=re.MULTILINE), encoding="utf-8")
    began = time.monotonic()
    wait_for(f"{address}papers/{file.stem}/", word)
    return time.monotonic() - began


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serves a copy as `make serve` does; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mkdocs", "serve", "--livereload", "--quiet", "--dev-addr", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, cwd=root, env=ENVIRONMENT, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


def wait_for(address: str, word: str) -> None:
    """Asks for a page until it has the word."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                if word in answer.read().decode():
                    return
        except OSError:
            pass  # the server builds the site before it listens
        time.sleep(0.02)
    raise SystemExit(f"{address} never had {word!r}")


def main() -> int:
    """All tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.site", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000], help="numbers of papers (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="builds of each a size (default: %(default)s)")
    parser.add_argument("--saves", type=int, default=5, help="a size (default: %(default)s)")
    parser.add_argument("--serve-only", action="store_true", help="measure saves alone")
    options = parser.parse_args()
    try:
        if not options.serve_only:
            measure_builds(options.sizes, options.turns)
        measure_saves([None, max(options.sizes)], options.saves)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
