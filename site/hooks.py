"""Gives MkDocs the pages that tools.render makes of the catalog; the rest is in tools/."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from implementations.common.records import Broken  # noqa: E402
from tools import pages, render  # noqa: E402
from tools.catalog import load  # noqa: E402
from tools.links import ledger  # noqa: E402
from tools.pages.health import Ledger  # noqa: E402
from tools.pages.records import Runs, read_runs  # noqa: E402

WATCHED = ("catalog.yaml", "catalog", "implementations", "site/templates", "site/losses", "site/assets")
state = {"serving": False, "paths": ["index.md"]}


def on_startup(command: str, **_: object) -> None:
    """Notes whether this is `mkdocs serve`, which goes on when the catalog is broken."""
    state["serving"] = command == "serve"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Reads the catalog, and takes the site's name and addresses from it."""
    catalog, problems = load(ROOT)
    if catalog is None and not state["serving"]:
        raise PluginError("The catalog has problems:\n" + "\n".join(map(str, problems)))
    if catalog is not None:
        settings = render.site_settings(catalog)
        if state["serving"]:
            del settings["site_url"]
        config.extra.update(settings.pop("extra"))
        config.update(settings)
    state["catalog"], state["problems"] = catalog, problems
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the rendered pages and the assets; or, while the catalog is broken, one page that says so in place of them all."""
    if state["catalog"] is not None:
        runs, seen = _read()
        rendered = render.in_folders(render.render(state["catalog"], runs, seen))
        for path, picture in pages.pictures(state["catalog"], runs).items():
            files.append(File.generated(config, path, abs_src_path=str(picture)))
        state["paths"] = list(rendered)
    else:
        rendered = dict.fromkeys([*state["paths"], *_navigation(config)], render.error_page(state["problems"]))
    for path, text in rendered.items():
        if files.get_file_from_path(path) is None:
            files.append(File.generated(config, path, content=text))
    for asset in sorted((ROOT / "site" / "assets").iterdir()):
        files.append(File.generated(config, f"assets/{asset.name}", abs_src_path=str(asset)))
    return files


def _read() -> tuple[Runs, Ledger]:
    """Our own runs, and what is remembered of the links. A record or a ledger that can't be read stops the build."""
    try:
        return read_runs(ROOT), ledger.read(ROOT / ledger.FILE)
    except (Broken, ledger.Unreadable) as error:
        raise PluginError(str(error)) from error


def _navigation(config: MkDocsConfig) -> list[str]:
    return [path for entry in config.nav or () for path in entry.values()]


def on_serve(server: LiveReloadServer, **_: object) -> LiveReloadServer:
    """Builds again when the catalog, a template or an asset changes."""
    for name in WATCHED:
        server.watch(str(ROOT / name))
    return server
