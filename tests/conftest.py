"""What several test files share: the real site, built and served once, and a browser to look at it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = "no Chromium found; to install it: sudo apt-get install chromium"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def site_base() -> str:
    """The path under which the site is published: ``/finch/``, say."""
    manifest = yaml.safe_load((ROOT / "catalog.yaml").read_text(encoding="utf-8"))
    return urlsplit(manifest["site"]).path


@pytest.fixture(scope="session")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real site, built with --strict, once a test run."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    build = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


DEAR = {"built_site", "by_mkdocs", "by_two", "evidence", "hub", "paged", "short", "trained", "two_processes"}
"""Fixtures that take many seconds: the tests that use one go to one worker, so that it is set up once. All others go to any."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tells xdist (--dist loadgroup) which tests belong together."""
    for item in items:
        names = DEAR.intersection(item.fixturenames)
        if len(names) > 1:  # xdist would make a third group of both
            raise pytest.UsageError(f"{item.nodeid} uses {' and '.join(sorted(names))}: only one of them can be in DEAR")
        for name in names:
            item.add_marker(pytest.mark.xdist_group(name))


class _Handler(SimpleHTTPRequestHandler):
    """Serves the built site below its published path, silently; like its host, answers a missing page with 404.html."""

    def __init__(self, *args: object, base: str, **kwargs: object) -> None:
        self.base = base
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        if not path.startswith(self.base):
            return super().translate_path("/outside-of-the-published-path")
        return super().translate_path("/" + path.removeprefix(self.base))

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def _served(folder: Path, base: str) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder), base=base)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{base}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[Path, str], AbstractContextManager[str]]:
    """Serves a folder below a path as long as a `with` lasts, and gives the address."""
    return _served


@pytest.fixture(scope="session")
def site_address(built_site: Path, site_base: str) -> Iterator[str]:
    """The address at which the built site is served: ``http://127.0.0.1:41234/finch/``."""
    with _served(built_site, site_base) as address:
        yield address


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes a folder a cache of Finch's in which the finches are those that all workers of this test run share."""
    base = tmp_path_factory.getbasetemp()
    finches = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "drawn-finches"
    finches.mkdir(exist_ok=True)

    def cache(folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "finches").symlink_to(finches)
        return folder

    return cache


@pytest.fixture(scope="module")  # as long as it lives, playwright's event loop runs, and no test can run one of its own
def browser() -> Iterator[Browser]:
    """A headless Chromium that can reach no other host. Without one its tests are skipped, loudly; in CI they fail."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None and os.environ.get("CI") == "true":
        pytest.fail(NO_BROWSER, pytrace=False)
    if program is None:
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        )
        yield chromium
        chromium.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says in lines that can't be overlooked how many browser tests didn't run, and what would make them run."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_BROWSER in str(report.longrepr)]
    if skipped:
        style = {"red": True, "bold": True}
        terminalreporter.write_sep("!", f"{len(skipped)} BROWSER TESTS WERE SKIPPED", **style)
        terminalreporter.write_line("Nobody has looked at the pages: no Chromium was found on this machine.", **style)
        terminalreporter.write_line("To install it:  sudo apt-get install chromium", **style)
        terminalreporter.write_sep("!", **style)
