"""MkDocs with the hook: a broken catalog stops the build, and shows itself in the browser while the site is served."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.run_records import implement_kestrel, keep, on_finches
from tools.links import ledger
from tools.links.model import Row

MKDOCS = [sys.executable, "-m", "mkdocs"]
ENVIRONMENT = os.environ | {"NO_MKDOCS_2_WARNING": "1"}


@pytest.fixture
def served(copy: Path) -> Iterator[str]:
    """The address at which the copy is served; its catalog is broken when the server starts."""
    swap(copy, "venue: icb", "venue: icbb")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*MKDOCS, "serve", "--livereload", "--dev-addr", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, cwd=copy, env=ENVIRONMENT, start_new_session=True, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/"
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(10)


def swap(root: Path, old: str, new: str) -> None:
    file = root / "catalog" / "papers" / "kestrel.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def wait_for(address: str, text: str) -> str:
    """The page, as soon as it has the text."""
    page = "nothing"
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                page = answer.read().decode()
        except OSError as error:
            page = str(error)
        if text in page:
            return page
        time.sleep(0.1)
    raise AssertionError(f"{address} never had {text!r}:\n{page[:2000]}")


def build(root: Path) -> subprocess.CompletedProcess:
    return subprocess.run([*MKDOCS, "build", "--strict"], cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_the_build_takes_name_address_and_pictures_from_the_catalog_and_its_records(copy):
    implement_kestrel(copy)
    (record,) = keep(copy, on_finches("kestrel", 0))
    done = build(copy)
    assert done.returncode == 0, done.stderr
    page = (copy / "build" / "site" / "papers" / "kestrel" / "index.html").read_text(encoding="utf-8")
    assert '<link rel="canonical" href="https://aviary.example/papers/kestrel/">' in page
    assert "Aviary</title>" in page
    assert '<meta name="citation_author" content="Ada Falk">' in page
    assert '"@type": "ScholarlyArticle"' in page
    assert (copy / "build/site/assets/runs/kestrel.webp").read_bytes() == record.with_suffix(".webp").read_bytes()


def test_a_hostile_title_and_name_do_nothing_on_the_built_pages(copy):
    swap(copy, 'title: "Kestrel: Hovering Attention for Fine-Grained Recognition"', 'title: "x</script><img src=y onerror=z>"')
    swap(copy, 'name: "Kestrel"', 'name: "</title><b>\\">x"')
    swap(copy, "Kestrel hovers", '"><b> hovers')
    done = build(copy)
    assert done.returncode == 0, done.stderr
    site = copy / "build" / "site"
    for page in site.rglob("*.html"):
        assert "<img src=y" not in page.read_text(encoding="utf-8"), page
    page = (site / "papers" / "kestrel" / "index.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert '<meta name="description" content="&quot;&gt;&lt;b&gt; hovers' in page


def test_a_broken_catalog_stops_the_build_and_is_told(copy):
    swap(copy, "venue: icb", "venue: icbb")
    done = build(copy)
    assert done.returncode != 0
    assert (
        'catalog/papers/kestrel.yaml:5:8: venue: no "icbb" among the venues of catalog.yaml; did you mean "icb"?' in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_while_served_a_broken_catalog_is_a_page_and_the_site_comes_back_when_it_is_mended(copy, served):
    broken = wait_for(served, "The catalog has problems")
    assert "catalog/papers/kestrel.yaml:5:8" in broken
    wait_for(f"{served}leaderboards/", "The catalog has problems")

    swap(copy, "venue: icbb", "venue: icb")
    assert "The catalog has problems" not in wait_for(f"{served}papers/kestrel/", "Hovering Attention")

    swap(copy, "91.7\n    backbone", "191.7\n    backbone")
    wait_for(f"{served}papers/kestrel/", "found 191.7, expected 0 to 100")


def test_a_run_record_that_cant_be_read_stops_the_build_and_is_named(copy):
    broken = copy / "implementations" / "records" / "kestrel" / "broken.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}", encoding="utf-8")
    built = subprocess.run([*MKDOCS, "build", "--strict"], cwd=copy, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert built.returncode == 1
    assert "kestrel/broken.json: not a run record: " in built.stderr
    assert "Traceback" not in built.stderr


def test_a_ledger_of_links_that_cant_be_read_stops_the_build_and_is_named(copy):
    (copy / ledger.FILE).write_text("<<<<<<< HEAD\n", encoding="utf-8")
    done = build(copy)
    assert done.returncode == 1
    assert "catalog/links.jsonl:1: found the mark of a merge that was left open; " in done.stderr
    assert "Traceback" not in done.stderr


def test_while_served_a_new_ledger_is_seen(copy, served):
    swap(copy, "venue: icbb", "venue: icb")
    assert "fate__mark" not in wait_for(f"{served}papers/kestrel/", "Hovering Attention")
    day = date(2026, 7, 12)
    row = Row(url="https://code.example/kestrel", first_seen=day, checked=day, status=404, verdict="dead")
    ledger.write(copy / ledger.FILE, [row])
    wait_for(f"{served}papers/kestrel/", "fate__mark--dead")
