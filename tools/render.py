"""Renders the catalog: one function from a catalog to the pages below the docs folder.

    python -m tools.render [--out build/docs]    writes the whole docs folder: Markdown and static files, for any generator

The pages are Markdown with headings; what comes from the catalog stands in HTML blocks, in which everything is escaped.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from implementations.common.records import Broken
from tools import pages
from tools.catalog import ROOT, Catalog, load
from tools.pages.addresses import address, relative
from tools.pages.records import Runs, read_runs
from tools.problems import Problem

SITE = ROOT / "site"


def render(catalog: Catalog, runs: Runs = Runs()) -> dict[str, str]:  # noqa: B008 - frozen
    """Every page and file that is made from the catalog, by its path below the docs folder: ``papers/transfg.md`` and so on.

    `runs` are our own, from their records; without them a page says that there are none.
    """
    rendered = {path: _page(path, template, data) for path, template, data in pages.all_pages(catalog, runs)}
    rendered |= pages.files(catalog, runs)
    return rendered | {path: _redirect(path, target, catalog.manifest.site) for path, target in pages.redirects(catalog)}


def _page(path: str, template: str, data: dict[str, Any]) -> str:
    """One page; `data["meta"]` becomes its front matter."""
    meta = yaml.safe_dump(data["meta"], allow_unicode=True, sort_keys=False, width=float("inf"))
    here = address(path)
    body = _environment().get_template(template).render(data, url=lambda target: relative(here, target))
    return f"---\n{meta}---\n\n{body.strip()}\n"


def _redirect(path: str, target: str, site: str) -> str:
    """A page that sends its visitors on; with a link, for those whose browser doesn't."""
    here = path.removesuffix("index.html")
    template = _environment().get_template("redirect.html.j2")
    return template.render(target=relative(here, target), canonical=site + target)


def error_page(problems: list[Problem]) -> str:
    """The page that stands in for the site while the catalog has problems."""
    return _environment().get_template("problems.md.j2").render(problems=problems)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(SITE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def write_docs(catalog: Catalog, out: Path, runs: Runs = Runs()) -> int:  # noqa: B008 - frozen
    """Writes the docs folder, hand-written pages and assets included, as a whole or not at all; returns the number of files."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        fresh = Path(folder) / "docs"
        shutil.copytree(SITE / "pages", fresh)
        shutil.copytree(SITE / "assets", fresh / "assets")
        for path, text in render(catalog, runs).items():
            file = fresh / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        for path, picture in pages.pictures(catalog, runs).items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, fresh / path)
        if out.exists():
            out.rename(Path(folder) / "old")
        fresh.rename(out)
    return sum(file.is_file() for file in out.rglob("*"))


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 1 where the catalog has problems."""
    parser = argparse.ArgumentParser(prog="python -m tools.render", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "docs", help="the folder to write; it is replaced as a whole"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    catalog, problems = load(options.root)
    if catalog is None:
        print("\n".join(map(str, problems)), file=sys.stderr)
        return 1
    try:
        runs = read_runs(options.root)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    print(f"{options.out}: {write_docs(catalog, options.out, runs)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
