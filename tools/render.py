"""Renders the catalog: one function from a catalog to the pages below the docs folder.

    python -m tools.render [--out build/docs]    writes the whole docs folder: Markdown and static files, for any generator,
                                                 and beside it the mkdocs.yml that a generator without our hook builds it by

The pages are Markdown with headings; what comes from the catalog stands in HTML blocks, in which everything is escaped.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from implementations.common.records import Broken
from implementations.common.statistics import CLAIM
from tools import exports, pages
from tools.catalog import ROOT, Catalog, load
from tools.links import ledger as links
from tools.pages.addresses import address, relative
from tools.pages.health import NOT_CHECKED, Ledger, marks
from tools.pages.records import Runs, read_runs
from tools.problems import Problem

SITE = ROOT / "site"
CONFIG_HEADER = "# Written by tools.render from the repository's mkdocs.yml and catalog.yaml, anew each time.\n"


def render(catalog: Catalog, runs: Runs = Runs(), ledger: Ledger = NOT_CHECKED) -> dict[str, str | bytes]:  # noqa: B008 - frozen
    """Every page and file that is made from the catalog, by its path below the docs folder: ``papers/transfg.md`` and so on.

    `runs` are our own, from their records; without them a page says that there are none. `ledger` is what is remembered of the
    catalog's links; without it none of them has a mark.
    """
    shown = (*pages.all_pages(catalog, runs, ledger), exports.page(catalog))
    mark = marks(catalog, ledger).get
    rendered: dict[str, str | bytes] = {path: _page(path, template, data | {"mark": mark}) for path, template, data in shown}
    rendered |= pages.files(catalog, runs) | exports.files(catalog, runs)
    return rendered | {path: _redirect(path, target, catalog.manifest.site) for path, target in pages.redirects(catalog)}


def in_folders(rendered: dict[str, str | bytes]) -> dict[str, str | bytes]:
    """Each page as the index of its folder, papers/transfg.md as papers/transfg/index.md; both are served at the same address.

    The links of an HTML block are relative to the page's address for MkDocs, and to the Markdown file for Zensical, which
    rewrites them. Beside an index.md the two are the same.
    """
    return {f"{address(path)}index.md" if path.endswith(".md") else path: text for path, text in rendered.items()}


def _page(path: str, template: str, data: dict[str, Any]) -> str:
    """One page; `data["meta"]` becomes its front matter."""
    meta = yaml.dump(data["meta"], Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=10**6)
    here = address(path)
    body = _environment().get_template(template).render(data, url=cache(lambda target: relative(here, target)))
    return f"---\n{meta}---\n\n{body.strip()}\n"


def _redirect(path: str, target: str, site: str) -> str:
    """A page that sends its visitors on; with a link, for those whose browser doesn't."""
    here = path.removesuffix("index.html")
    template = _environment().get_template("redirect.html.j2")
    return template.render(target=relative(here, target), canonical=site + target)


def error_page(problems: list[Problem]) -> str:
    """The page that stands in for the site while the catalog has problems."""
    return _environment().get_template("problems.md.j2").render(problems=problems)


def code(text: str) -> Markup:
    """A docstring's text as HTML on one line: what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(" ".join(text.split())))))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SITE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["code"] = code
    environment.globals["claim_level"] = CLAIM
    return environment


def write_docs(catalog: Catalog, out: Path, runs: Runs = Runs(), ledger: Ledger = NOT_CHECKED) -> int:  # noqa: B008 - frozen
    """Writes the docs folder, hand-written pages and assets included, as a whole or not at all; returns the number of files."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        fresh = Path(folder) / "docs"
        shutil.copytree(SITE / "pages", fresh)
        shutil.copytree(SITE / "assets", fresh / "assets")
        for path, text in in_folders(render(catalog, runs, ledger)).items():
            file = fresh / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        for path, picture in pages.pictures(catalog, runs).items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, fresh / path)
        if out.exists():
            out.rename(Path(folder) / "old")
        fresh.rename(out)
    return sum(file.is_file() for file in out.rglob("*"))


def site_settings(catalog: Catalog) -> dict[str, Any]:
    """What any generator's configuration takes from the catalog: the site's name, address and description, the repository."""
    # Not as repo_url: Material would ask GitHub for the number of stars on every visit.
    repository = {"icon": "fontawesome/brands/git-alt", "link": catalog.manifest.repository, "name": "Repository"}
    return {
        "site_name": catalog.manifest.name,
        "site_url": catalog.manifest.site,
        "site_description": catalog.manifest.tagline,
        "extra": {"social": [repository]},
    }


def generator_config(catalog: Catalog, out: Path) -> str:
    """The repository's mkdocs.yml, changed to stand beside the docs folder `out` and to need no hook: Zensical ignores them."""
    # Safe loading stops at a tag (!ENV, !!python/name) rather than writing what it happens to mean here and now.
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    del config["hooks"]
    config |= {"docs_dir": out.name, "site_dir": "site"} | site_settings(catalog)
    config["theme"]["custom_dir"] = Path(os.path.relpath(SITE / "overrides", out.resolve().parent)).as_posix()
    return CONFIG_HEADER + yaml.safe_dump(config, allow_unicode=True, sort_keys=False)


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 1 where the catalog has problems."""
    parser = argparse.ArgumentParser(prog="python -m tools.render", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "build" / "docs",
        help="the folder to write; it is replaced as a whole, and so is mkdocs.yml beside it",
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    config = options.out.parent / "mkdocs.yml"
    if config.exists() and not config.read_text(encoding="utf-8").startswith(CONFIG_HEADER):
        parser.error(f"{config} isn't of this command's making, and would be overwritten: choose another folder")
    catalog, problems = load(options.root)
    if catalog is None:
        print("\n".join(map(str, problems)), file=sys.stderr)
        return 1
    try:
        runs, ledger = read_runs(options.root), links.read(options.root / links.FILE)
    except (Broken, links.Unreadable) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out}: {write_docs(catalog, options.out, runs, ledger)} files")
    config.write_text(generator_config(catalog, options.out), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
