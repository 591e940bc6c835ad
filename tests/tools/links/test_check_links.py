"""The whole command on the invented catalog, over a web that is played: what it says, remembers and mends."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.tools.adding import answers
from tests.tools.links.conftest import QUICK
from tests.tools.links.server import answer, page, raw, redirect
from tools import check_links
from tools.catalog import ROOT, load
from tools.links import journal, ledger
from tools.links.run import Run
from tools.links.settings import Settings

TITLE = "Kestrel: Hovering Attention for Fine-Grained Recognition"
MONDAY = datetime.date(2026, 11, 2)
CODE, LIST, THREAD = "https://code.example/kestrel", "https://code.example/list", "https://code.example/kestrel/issues/1"
HTTPS_TOO = "catalog/datasets/feathers.yaml:5:23: moved: http://feathers.example/: the host answers by https too → https://feathers.example/"
ONE_FIX = " --fix puts the new address in the place of 1 of them."


@pytest.fixture
def alive(web):
    """A web on which every address of the invented catalog answers as it should."""
    for name in ("feathers.example", "aviary.example", "code.example"):
        for path in ("/", "/aviary", "/kestrel", "/kestrel/issues/1", "/list", "/feathers.tgz"):
            web.plays[name, path] = page()
    arxiv(web)
    web.plays["doi.org", "/api/handles/10.1234/icb.2021.1?type=URL"] = answer(200, '{"responseCode": 1}', content_type="application/json")
    web.plays["api.crossref.org", "/works/10.1234%2Ficb.2021.1"] = answer(200, json.dumps({"message": {"title": [TITLE]}}), content_type="application/json")
    archive(web, {})
    return web


def archive(web, snapshots: dict) -> None:
    for url in (CODE, LIST):
        said = json.dumps({"archived_snapshots": snapshots})
        web.plays["archive.org", f"/wayback/available?url={quote(url, safe='')}"] = answer(200, said, content_type="application/json")


def arxiv(web, **changes: object) -> None:
    paper = {"id": "2103.00010", "title": TITLE, "authors": ("Ada Falk", "Bo Sperber")}
    web.plays["export.arxiv.org", "/api/query?id_list=2103.00010&max_results=1"] = answer(200, answers.atom(paper | changes), content_type="application/atom+xml")


@pytest.fixture
def check(alive, tree: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command on the invented catalog, days after a Monday."""
    monkeypatch.setattr(check_links, "Run", partial(Run, world=alive.world()))
    monkeypatch.setattr(check_links, "Settings", partial(Settings, **QUICK))

    def run(*arguments: str, day: int = 0) -> int:
        today = MONDAY + datetime.timedelta(day)
        return check_links.main([*arguments, "--root", str(tree), "--today", today.isoformat()])

    return run


def rows(tree: Path) -> dict[str, ledger.Row]:
    return ledger.read(tree / ledger.FILE)


def test_a_catalog_whose_links_are_alive_is_told_in_a_line_and_remembered(check, tree, capsys):
    assert check() == 0
    assert capsys.readouterr().out == f"{HTTPS_TOO}\n9 addresses: 1 moved, 8 ok.{ONE_FIX}\n"
    found = rows(tree)
    assert len(found) == 9
    assert {row.checked for row in found.values()} == {MONDAY}
    assert load(tree)[0] is not None


def test_what_is_gone_is_dead_at_the_third_look_after_a_week_and_not_before(check, alive, tree, capsys):
    check()
    alive.plays["code.example", "/kestrel"] = answer(404)
    codes = [check(day=day) for day in (1, 4, 7, 8)]
    assert codes == [0, 0, 0, 1]
    assert rows(tree)[CODE].verdict == "dead"
    assert f"catalog/papers/kestrel.yaml:10:39: dead: {CODE}: answers with status 404 (Not Found), at 3 looks or more since 2026-11-03" in capsys.readouterr().out


def test_the_nearest_copy_of_what_is_dead_is_told_and_remembered(check, alive, tree, capsys):
    copy = "http://web.archive.org/web/20250101000000/https://code.example/kestrel"
    check()
    alive.plays["code.example", "/kestrel"] = answer(404)
    archive(alive, {"closest": {"available": True, "status": "200", "url": copy}})
    for day in (1, 4, 8):
        check(day=day)
    https = copy.replace("http://web", "https://web")
    assert f" → {https}" in capsys.readouterr().out
    assert rows(tree)[CODE].archive == https


def test_an_arxiv_id_of_another_paper_is_wrong_at_once(check, alive, capsys):
    arxiv(alive, title="Owls at Night: Ears Before Eyes")
    assert check() == 1
    assert 'wrong: https://arxiv.org/abs/2103.00010: answers with another paper, "Owls at Night: Ears Before Eyes"' in capsys.readouterr().out


def test_papers_are_watched(check, alive, capsys):
    arxiv(alive, comment="This paper has been withdrawn by the authors")
    check()
    assert "catalog/papers/kestrel.yaml:7:14: arXiv says that 2103.00010 was withdrawn" in capsys.readouterr().out


def test_what_has_become_of_a_preprint_is_told_as_long_as_the_entry_does_not_say_so(check, alive, tree, capsys):
    manifest, file = tree / "catalog.yaml", tree / "catalog/papers/kestrel.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("venues:\n", "venues:\n  arxiv: {name: arXiv, short: arXiv, kind: preprint}\n"), encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8").replace("venue: icb", "venue: arxiv").replace(', doi: "10.1234/icb.2021.1"', ""), encoding="utf-8")
    arxiv(alive, title="Kestrels: Hovering Attention for Fine-Grained Recognition", version=3, doi="10.1234/icb.2021.1", journal_ref="ICB 2021")
    for day in (0, 7):
        check(day=day)
        said = capsys.readouterr().out
        assert 'version 3 on arXiv is called "Kestrels: Hovering' in said
        assert "the DOI of the published paper, 10.1234/icb.2021.1, which the entry lacks" in said
        assert 'arXiv says that it was published: "ICB 2021"' in said


def test_a_clock_that_was_ahead_stops_no_counting(check, alive, tree):
    check(day=1500)
    alive.plays["code.example", "/kestrel"] = answer(404)
    for day in (1, 4, 8):
        check(day=day)
    assert rows(tree)[CODE].verdict == "dead"


def test_fix_writes_the_new_address_and_keeps_the_rest_of_the_file(check, alive, tree, capsys):
    alive.plays["code.example", "/kestrel"] = redirect("https://code.example/lab/kestrel", 301)
    alive.plays["code.example", "/lab/kestrel"] = page()
    file = tree / "catalog/papers/kestrel.yaml"
    before = file.read_text(encoding="utf-8")
    assert check("--fix") == 0
    assert file.read_text(encoding="utf-8") == before.replace("url: https://code.example/kestrel}", "url: https://code.example/lab/kestrel}")
    assert "+  - {kind: code, official: true, url: https://code.example/lab/kestrel}" in capsys.readouterr().err


def test_offline_nobody_is_asked_and_nothing_remembered(check, alive, tree, capsys):
    assert check("--offline") == 0
    assert "9 addresses" in capsys.readouterr().out
    assert alive.asked == []
    assert not (tree / ledger.FILE).exists()


def test_without_a_network_nothing_is_said_of_links_and_nothing_remembered(check, alive, tree, monkeypatch, capsys):
    monkeypatch.setattr(check_links, "Run", partial(Run, world=alive.world(resolver=nobody)))
    assert check() == 1
    assert "no host answered at all: is there a network? Nothing was remembered" in capsys.readouterr().err
    assert rows(tree) == {}


def test_one_address_that_is_never_asked_is_no_network(check, alive, tree, monkeypatch):
    linked(tree, "http://127.0.0.1/x, https: false")
    monkeypatch.setattr(check_links, "Run", partial(Run, world=alive.world(resolver=nobody)))
    assert check() == 1
    assert rows(tree) == {}


async def nobody(name: str, port: int) -> list[str]:
    """A resolver that knows no name."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_branch_whose_only_link_has_no_host_is_not_failed_for_it(check, alive, tree, committed, monkeypatch, capsys):
    monkeypatch.setattr(check_links, "Run", partial(Run, world=alive.world(resolver=nobody)))
    linked(tree, "https://nosuch.example/x")
    assert check("--changed-since", "HEAD") == 0
    said = capsys.readouterr().out
    assert "unknown: https://nosuch.example/x" in said
    assert "no host answered at all: is there a network?" in said


@pytest.fixture
def committed(tree: Path) -> None:
    """The invented catalog as a repository of one commit."""
    git = partial(subprocess.run, cwd=tree, check=True, capture_output=True)
    git(["git", "init", "-q"])
    git(["git", "add", "."])
    git(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"])


def linked(tree: Path, url: str) -> None:
    """Lets a paper link to an address."""
    text = (ROOT / "tests/data/tree/catalog/papers/siskin.yaml").read_text(encoding="utf-8")
    text = text.replace("approaches:", f"links:\n  - {{kind: project, url: {url}}}\napproaches:")
    (tree / "catalog/papers/siskin.yaml").write_text(text, encoding="utf-8")


def test_a_branch_answers_for_broken_links_that_it_adds_and_remembers_nothing(check, tree, committed, capsys):
    linked(tree, "https://code.example/siskin")
    assert check("--changed-since", "HEAD") == 0, "gone on the first look: nothing is sure yet"
    assert "1 address: 1 unknown" in capsys.readouterr().out
    linked(tree, "https://code.example/list#nowhere")
    assert check("--changed-since", "HEAD", "--format", "github") == 1
    assert "::error file=catalog/papers/siskin.yaml,line=8" in capsys.readouterr().out
    assert not (tree / ledger.FILE).exists()


def test_a_branch_does_not_answer_for_what_is_known_to_be_dead_nor_for_exceptions(check, tree, committed, capsys):
    url = "https://code.example/siskin"
    gone = ledger.Row(url=url, first_seen=MONDAY, checked=MONDAY, failures=5, failing_since=MONDAY, status=404, verdict="dead")
    ledger.write(tree / ledger.FILE, [gone])
    manifest = tree / "catalog.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "link_exceptions: [{host: unused.example, reason: None uses it., until: 2027-01-01}]\n", encoding="utf-8")
    linked(tree, url)
    assert check("--changed-since", "HEAD", "--format", "github", day=30) == 0
    said = capsys.readouterr().out
    assert "::warning file=catalog/papers/siskin.yaml" in said
    assert url in said
    assert "unused.example" not in said


def test_a_ref_that_is_empty_is_wrong_usage(check, tree):
    with pytest.raises(SystemExit) as stopped:
        check("--changed-since", "")
    assert stopped.value.code == 2
    assert not (tree / ledger.FILE).exists()


# ------------------------------------------------------------------------------------------------------------- the site


@pytest.fixture
def site(tree: Path, alive) -> None:
    """A built site of one page."""
    links = ["https://code.example/list", "https://code.example/elsewhere", "https://code.example/aviary/issues/new?title=x", "missing/"]
    (tree / "build/site").mkdir(parents=True)
    (tree / "build/site/index.html").write_text("\n".join(f'<a href="{link}">x</a>' for link in links), encoding="utf-8")
    alive.plays["code.example", "/elsewhere"] = page()


def test_the_sites_own_links_are_looked_at_and_where_else_it_leads_but_not_its_forms(check, alive, tree, site, capsys):
    assert check("--site") == 1
    assert "index.html:4:" in capsys.readouterr().out
    asked = {f"{request.host}{request.target}" for request in alive.asked}
    assert "code.example/elsewhere" in asked
    assert not [address for address in asked if "issues/new" in address]
    assert "https://code.example/elsewhere" in rows(tree)


def test_a_run_over_the_catalog_alone_forgets_nothing_of_the_site_and_one_over_all_forgets_what_stands_nowhere(check, tree, site):
    check("--site")
    check(day=1)
    assert "https://code.example/elsewhere" in rows(tree)
    (tree / "build/site/index.html").write_text("", encoding="utf-8")
    check("--site", day=2)
    assert "https://code.example/elsewhere" not in rows(tree)


def test_an_entry_that_cannot_be_read_is_told_and_its_links_are_not_forgotten(check, tree, site, capsys):
    check("--site")
    (tree / "catalog/papers/kestrel.yaml").write_text("a: [", encoding="utf-8")
    check("--site", day=1)
    assert "catalog/papers/kestrel.yaml can't be read, and its links weren't looked at: make check tells why" in capsys.readouterr().out
    assert CODE in rows(tree)


def test_an_exception_keeps_a_finding_out_until_its_day_and_asks_to_look_again_after(check, alive, tree, capsys):
    alive.plays["code.example", "/kestrel"] = answer(403)
    manifest = tree / "catalog.yaml"
    line = f"link_exceptions:\n  - {{url: {CODE}, verdicts: [blocked], reason: It was opened in a browser., until: 2026-11-08}}\n"
    manifest.write_text(manifest.read_text(encoding="utf-8") + line, encoding="utf-8")
    check()
    assert f"blocked: {CODE}" not in capsys.readouterr().out
    check(day=7)
    said = capsys.readouterr().out
    assert "blocked: https://code.example/kestrel" in said
    assert "held until 2026-11-08; look again" in said


def test_the_report_is_written_for_the_issue_and_for_the_job_that_posts_it(check, tree, tmp_path):
    check("--report", str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.json", "report.md"]
    assert len(json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["findings"]) == 9


def test_a_run_that_was_stopped_goes_on_where_it_was_the_same_day(check, alive, tree, capsys):
    journal.append(tree / ledger.FILE, [ledger.Row(url=CODE, first_seen=MONDAY, checked=MONDAY, status=200, verdict="ok")])
    assert check() == 0
    assert [request for request in alive.asked if request.target == "/kestrel"] == []
    assert capsys.readouterr().out.endswith(f"9 addresses: 1 moved, 8 ok.{ONE_FIX}\n")
    check()
    assert len([request for request in alive.asked if request.target == "/kestrel"]) == 1, "it was ended, so this is another run"


def test_what_a_stopped_run_saw_is_looked_at_again_where_that_is_wished(check, alive, tree):
    journal.append(tree / ledger.FILE, [ledger.Row(url=CODE, first_seen=MONDAY, checked=MONDAY, status=200, verdict="ok")])
    check("--anew")
    assert "/kestrel" in [request.target for request in alive.asked]


@pytest.fixture
def interruptible():
    """Ctrl-C works, as in a terminal; a shell has what it runs in the background (`make test &`) ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_loses_nothing_that_was_seen(check, alive, tree, capsys):
    alive.plays["code.example", "/list"] = raw(then="hang")
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert check() == 130
    assert capsys.readouterr().err == "\nStopped. What was seen is kept; the next run of today goes on from there.\n"
    seen = journal.read(tree / ledger.FILE)
    assert LIST not in seen
    assert CODE in seen


def test_a_preprint_that_was_always_called_otherwise_is_no_news(check, alive, capsys):
    arxiv(alive, title="Kestrel: Hovering Attention in Fine-Grained Recognition")
    check()
    assert "is called" not in capsys.readouterr().out


def test_what_was_never_asked_is_told_to_no_archive(check, alive, tree):
    linked(tree, "https://name:secret@code.example/x")
    assert check() == 1
    assert [request for request in alive.asked if request.host == "archive.org"] == []


def test_a_report_that_cannot_be_written_is_told(check, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert check("--report", str(tmp_path / "file")) == 1
    assert "can't be written or read: File exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--site"], "there is no build/site; build the site first: make site"),
        (["--changed-since", "nowhere"], "nothing to compare with"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_to_do(check, capsys, arguments, says):
    assert check(*arguments) == 1
    assert says in capsys.readouterr().err


def test_a_ledger_that_cannot_be_read_is_told_and_kept(check, tree, capsys):
    (tree / ledger.FILE).write_text("{broken\n", encoding="utf-8")
    assert check() == 1
    assert "links.jsonl:1: not valid JSON" in capsys.readouterr().err
    assert (tree / ledger.FILE).read_text(encoding="utf-8") == "{broken\n"
