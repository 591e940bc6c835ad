"""The whole command, as people and programs run it: what it writes, what it says, and that it never does half of it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.tools.adding import answers
from tests.tools.adding.answers import ARXIV, DOI
from tools import add_paper
from tools.adding.adder import Adder
from tools.adding.web import Web
from tools.catalog import ROOT, load

CVPR = "cvpr: {name: IEEE/CVF Conference on Computer Vision and Pattern Recognition, short: CVPR, kind: conference}"
SUMMARY = "Small falcons look alike but for their wings. KestrelNet attends to the wings. It does so twice."
SAID = ["--approach", "attention", "--summary", SUMMARY, "--result", 'dataset=feathers,value=91.70,backbone=nest-50,source="Table 3"']
ENTRY = f"""title: "KestrelNet: A Transformer for Small Falcons"
name: "KestrelNet"
authors: [Ada Falk, Bo Tern]
year: 2021
venue: cvpr
pages: "10-19"
ids: {{arxiv: "2011.00001", doi: "10.5555/kestrel.1"}}
links:
  - {{kind: paper, url: https://arxiv.org/abs/2011.00001}}
approaches: [attention]
summary: >-
  {SUMMARY}
results:
  - dataset: feathers
    metric: top-1
    value: 91.70
    backbone: nest-50
    sources:
      - {{from: paper, locator: Table 3, value: 91.70}}
added: TODAY
"""
BIBTEX = """@inproceedings{falk2021, title={{KestrelNet}: A Transformer for Small Falcons}, author={Falk, Ada and Tern, Bo},
  booktitle={Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition}, pages={10--19}, year={2021}}
"""


@pytest.fixture
def catalog(tree: Path) -> Path:
    """The root of the invented catalog, which knows CVPR and arXiv here."""
    manifest = tree / "catalog.yaml"
    text = manifest.read_text(encoding="utf-8").replace("venues:\n", f"venues:\n  {CVPR}\n  arxiv: {{name: arXiv, short: arXiv, kind: preprint}}\n")
    text = text.replace("definition: Looks closely.}", "definition: Looks closely., hints: [attend*]}")
    manifest.write_text(text, encoding="utf-8")
    return tree


@pytest.fixture
def add(catalog: Path, services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command in this process on the invented catalog, with the local server for all services; nobody waits."""
    monkeypatch.setattr(add_paper, "Web", partial(Web, folder=tmp_path / "cache", sleep=lambda seconds: None))
    return lambda *arguments: add_paper.main([*arguments, "--root", str(catalog), "--mirror", services.address])


@pytest.fixture
def known(services) -> None:
    """Every service knows the invented paper."""
    services.serve("export.arxiv.org", "/api/query", answers.atom())
    services.serve("api.crossref.org", f"/works/{DOI}", answers.crossref())
    for name in (f"ARXIV:{ARXIV}", f"DOI:{DOI}"):
        services.serve("api.semanticscholar.org", f"/graph/v1/paper/{name}", answers.scholar())


def unknown_to_checks(services, *papers: str) -> None:
    """Lets the services that are asked as a check know nothing of papers on arXiv."""
    for paper in papers:
        services.serve("api.semanticscholar.org", f"/graph/v1/paper/ARXIV:{paper}", status=404)
        services.serve("api.openalex.org", f"/works/doi:10.48550/arXiv.{paper}", status=404)


def entry_of(root: Path, name: str = "kestrelnet") -> Path:
    return root / f"catalog/papers/{name}.yaml"


def files(root: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((root / "catalog/papers").iterdir())}


# ---------------------------------------------------------------------------------------------------------- a new entry


def test_an_id_becomes_a_complete_valid_entry_in_one_command(add, known, catalog, capsys):
    assert add(ARXIV, *SAID) == 0
    written = entry_of(catalog).read_text(encoding="utf-8")
    assert re.sub(r"added: 20\d\d-\d\d-\d\d", "added: TODAY", written) == ENTRY
    assert load(catalog)[0].papers["kestrelnet"].results[0].value == 91.7
    assert f"{ARXIV}: added: catalog/papers/kestrelnet.yaml" in capsys.readouterr().out


def test_a_word_that_is_given_twice_stands_once(add, known, catalog):
    assert add(ARXIV, *SAID, "--approach", "attention") == 0
    assert load(catalog)[0].papers["kestrelnet"].approaches == ["attention"]


def test_an_entry_that_somebody_else_wrote_meanwhile_is_not_replaced(add, known, catalog, monkeypatch, capsys):
    check, theirs = Adder._check, ENTRY.replace("TODAY", "2026-01-01")
    monkeypatch.setattr(Adder, "_check", lambda self, outcome: (check(self, outcome), entry_of(catalog).write_text(theirs)))
    assert add(ARXIV, *SAID) == 1
    assert "kestrelnet.yaml was written by somebody else meanwhile; nothing was written" in capsys.readouterr().err
    assert entry_of(catalog).read_text() == theirs


@pytest.mark.parametrize("asked", [f"arXiv:{ARXIV}v1", f"https://arxiv.org/pdf/{ARXIV}v2", DOI, f"https://doi.org/{DOI}"])
def test_an_id_or_address_of_any_form_gives_the_same_entry(add, known, catalog, asked):
    assert add(asked, *SAID) == 0
    assert re.sub(r"added: 20\d\d-\d\d-\d\d", "added: TODAY", entry_of(catalog).read_text(encoding="utf-8")) == ENTRY


def test_what_nobody_said_is_named_all_at_once_with_suggestions_and_nothing_is_written(add, known, catalog, capsys):
    before = files(catalog)
    assert add(ARXIV) == 1
    said = capsys.readouterr().err
    assert f"{ARXIV}: the entry isn't complete, and nothing was written" in said
    assert [line.split(":")[0] for line in said.splitlines() if re.match("  [a-z]", line)] == ["  approaches", "  summary", "  results"]
    assert '    1 | title: "KestrelNet: A Transformer for Small Falcons"' in said
    assert 'note: --approach attention suggests itself: "attend" in the abstract' in said
    assert "note: the authors name their code: --code https://github.com/ada/kestrel" in said
    assert files(catalog) == before


def test_a_dry_run_shows_the_entry_and_writes_nothing(add, known, catalog, capsys):
    before = files(catalog)
    assert add(ARXIV, *SAID, "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.startswith('title: "KestrelNet')
    assert f"{ARXIV}: catalog/papers/kestrelnet.yaml would be added" in out
    assert files(catalog) == before


def test_a_word_that_the_catalog_does_not_know_stops_everything_with_the_nearest_one(add, known, catalog, capsys):
    before = files(catalog)
    assert add(ARXIV, *SAID, "--approach", "atention") == 1
    said = capsys.readouterr().err
    assert 'no "atention" among the approaches of catalog.yaml; did you mean "attention"?' in said
    assert "catalog/papers/kestrelnet.yaml:10:25: approaches[1]" in said
    assert files(catalog) == before


def test_what_sources_contradict_each_other_in_is_shown(add, known, catalog, services, capsys):
    services.answers[("api.crossref.org", f"/works/{DOI}")].clear()
    services.serve("api.crossref.org", f"/works/{DOI}", answers.crossref(author=[{"given": "Ada", "family": "Falk"}, {"given": "B.", "family": "Tern"}], **{"container-title": ["2020 IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)"]}))
    assert add(ARXIV, *SAID) == 0
    assert "disagreement: year: 2020 (Crossref) was taken, against 2021 (Semantic Scholar)" in capsys.readouterr().err


def test_a_program_gets_json_alone_on_standard_output(add, known, catalog, capsys):
    assert add(ARXIV, "nonsense", "--json", "--approach", "attention") == 1
    nonsense, paper = json.loads(capsys.readouterr().out)
    assert nonsense["error"].startswith('"nonsense" is nothing that can be looked up')
    assert (paper["asked"], paper["status"], list(paper["missing"])) == (ARXIV, "refused", ["summary", "results"])


def test_many_ids_are_one_request_to_arxiv_by_an_agent_that_names_the_project(add, catalog, services, capsys):
    services.serve("export.arxiv.org", "/api/query", answers.atom({}, {"id": "2011.00002", "title": "Owls", "authors": ("Cy Strix",)}))
    unknown_to_checks(services, ARXIV, "2011.00002")
    assert add(ARXIV, "2011.00002", "--approach", "attention", "--no-results", "Not entered.", "--email", "ada@example.org") == 1
    (asked,) = [request for request in services.requests if request.host == "export.arxiv.org"]
    assert asked.query["id_list"] == f"{ARXIV},2011.00002"
    agent = asked.headers["user-agent"]
    assert re.fullmatch(r"Finch/[\d.]+ \(https://code\.example/aviary; mailto:ada@example\.org\)", agent)
    assert "0 of 2 papers done" in capsys.readouterr().out


# --------------------------------------------------------------------------------------------------- an entry that is there


@pytest.mark.parametrize(
    ("paper", "how"),
    [
        ({"id": "2103.00010", "title": "Kestrel: Hovering Attention for Fine-Grained Recognition", "authors": ("Ada Falk", "Bo Sperber")}, "arXiv id 2103.00010"),
        ({"title": "Kestrel: Hovering Attention for Fine-Grained Recogniton", "authors": ("Ada Falk", "Bo Sperber")}, 'title "Kestrel: Hovering Attention'),
    ],
    ids=["by its id", "by its title"],
)
def test_a_paper_that_is_there_is_pointed_to(add, catalog, services, capsys, paper, how):
    services.serve("export.arxiv.org", "/api/query", answers.atom(paper))
    unknown_to_checks(services, paper.get("id", ARXIV))
    before = files(catalog)
    assert add(paper.get("id", ARXIV), *SAID) == 1
    assert f"catalog/papers/kestrel.yaml is of this paper already (same {how}" in capsys.readouterr().err
    assert files(catalog) == before


def test_an_id_that_another_paper_has_is_told_and_nothing_of_it_is_changed(add, known, catalog, capsys):
    before = files(catalog)
    assert add(ARXIV, *SAID, "--id", "kestrel") == 1
    assert 'the id kestrel is taken by another paper, "Kestrel: Hovering Attention' in capsys.readouterr().err
    assert files(catalog) == before


@pytest.mark.parametrize("wrong", ["x" * 400, "../../escaped", "Kestrel", "a b", "-x", "a--b", "x\n", "$(touch x)", "/tmp/x"])
def test_an_id_that_cannot_be_a_files_name_is_refused(add, known, catalog, capsys, wrong):
    before = files(catalog)
    assert add(ARXIV, *SAID, f"--id={wrong}") == 1
    assert "expected lower-case letters and digits with single hyphens between" in capsys.readouterr().err
    assert files(catalog) == before
    assert not list(catalog.rglob("escaped*"))


def test_a_paper_by_the_same_people_with_nearly_the_same_title_is_pointed_to(add, catalog, services, capsys):
    paper = {"title": "Kestrel: Hovering Attention for Coarse-Grained Recognition", "authors": ("Ada Falk", "Bo Sperber")}
    services.serve("export.arxiv.org", "/api/query", answers.atom(paper))
    unknown_to_checks(services, ARXIV)
    assert add(ARXIV, *SAID, "--id", "kestrel-2") == 0
    assert "note: catalog/papers/kestrel.yaml is by the same people and has nearly this title" in capsys.readouterr().err


def test_update_fills_up_an_entry_shows_the_difference_and_keeps_comments(add, known, catalog, capsys):
    entry_of(catalog).write_text(
        ENTRY.replace("TODAY", "2026-01-01").replace('pages: "10-19"\n', "# Two people.\n").replace(', doi: "10.5555/kestrel.1"', ""), encoding="utf-8"
    )
    assert add(ARXIV, "--update", "--code", "https://github.com/ada/kestrel", "--result", "dataset=feathers,value=93.1,backbone=nest-101,source=abstract") == 0
    shown = capsys.readouterr().out
    added = [line[1:] for line in shown.splitlines() if re.match(r"\+[^+]", line)]
    assert added == [
        'pages: "10-19"',
        'ids: {arxiv: "2011.00001", doi: "10.5555/kestrel.1"}',
        "  - {kind: code, official: true, url: https://github.com/ada/kestrel}",
        "  - dataset: feathers",
        "    metric: top-1",
        "    value: 93.1",
        "    backbone: nest-101",
        "    sources:",
        "      - {from: abstract, value: 93.1}",
    ]
    text = entry_of(catalog).read_text(encoding="utf-8")
    assert "# Two people.\n" in text
    assert "added: 2026-01-01" in text
    assert add(ARXIV, "--update") == 0
    assert "kestrelnet.yaml unchanged" in capsys.readouterr().out


def test_an_entry_is_updated_by_its_own_id_and_without_a_network(add, catalog, capsys):
    assert add("kestrel", "--update", "--offline", "--other-code", "https://code.example/other") == 0
    assert "+  - {kind: code, official: false, url: https://code.example/other}" in capsys.readouterr().out
    assert load(catalog)[0].papers["kestrel"].links[-1].official is False


def test_an_entry_whose_id_is_another_papers_is_not_updated(add, catalog, services, capsys):
    services.serve("export.arxiv.org", "/api/query", answers.atom({"id": "2103.00010", "title": "Owls at Night"}))
    before = files(catalog)
    assert add("kestrel", "--update") == 1
    assert "arXiv has another title than the entry:" in capsys.readouterr().err
    assert files(catalog) == before


def test_an_id_that_an_entry_has_and_that_is_another_papers_updates_nothing(add, catalog, services, capsys):
    services.serve("export.arxiv.org", "/api/query", answers.atom({"id": "2103.00010", "title": "Owls at Night"}))
    unknown_to_checks(services, "2103.00010")
    before = files(catalog)
    assert add("2103.00010", "--update") == 1
    assert 'the entry: "Kestrel: Hovering Attention' in capsys.readouterr().err
    assert files(catalog) == before


def test_a_doi_in_capitals_is_the_same_doi(add, catalog, tmp_path, capsys):
    text = BIBTEX.replace("year={2021}", "year={2021}, doi={10.1234/ICB.2021.1}").replace("{KestrelNet}: A Transformer for Small Falcons", "Hovering Attention for Fine-Grained Recognition").replace("Tern", "Sperber")
    (tmp_path / "k.bib").write_text("\ufeff" + text, encoding="utf-8")
    assert add(str(tmp_path / "k.bib"), "--offline", *SAID) == 1
    assert "kestrel.yaml is of this paper already (same DOI" in capsys.readouterr().err


def test_update_tells_another_venue_and_replaces_nothing_even_where_it_is_stated(add, known, catalog, capsys):
    entry_of(catalog).write_text(ENTRY.replace("TODAY", "2026-01-01").replace("venue: cvpr", "venue: arxiv").replace("year: 2021", "year: 2020"), encoding="utf-8")
    before = files(catalog)
    assert add(ARXIV, "--update") == 0
    said = capsys.readouterr()
    assert "kestrelnet.yaml unchanged" in said.out
    assert "disagreement: venue: the entry has arxiv, Crossref cvpr; the entry was kept" in said.err
    assert add(ARXIV, "--update", "--venue", "cvpr") == 1
    assert "the entry has another venue, and --update replaces nothing: change it by hand" in capsys.readouterr().err
    assert add("kestrelnet", "--update", "--id", "other") == 1
    assert "the entry's id is kestrelnet" in capsys.readouterr().err
    assert files(catalog) == before


def test_a_preprints_venue_is_no_disagreement_with_the_publications(add, catalog, tmp_path, capsys):
    (tmp_path / "k.bib").write_text("@misc{k, title={Kestrel: Hovering Attention for Fine-Grained Recognition}, author={Falk, Ada and Sperber, Bo}, year={2020}, eprint={2103.00010}, archivePrefix={arXiv}}", encoding="utf-8")
    assert add(str(tmp_path / "k.bib"), "--offline", "--update") == 0
    assert "disagreement" not in capsys.readouterr().err


def test_the_same_repository_is_no_second_link(add, catalog):
    assert add("kestrel", "--update", "--offline", "--code", "https://code.example/kestrel.git/") == 0
    assert len(load(catalog)[0].papers["kestrel"].links) == 2


def test_what_somebody_changed_meanwhile_is_not_overwritten(add, known, catalog, monkeypatch, capsys):
    file = entry_of(catalog)
    file.write_text(ENTRY.replace("TODAY", "2026-01-01").replace('pages: "10-19"\n', ""), encoding="utf-8")
    theirs = file.read_text(encoding="utf-8").replace("KestrelNet attends", "It attends")
    check = Adder._check
    monkeypatch.setattr(Adder, "_check", lambda self, outcome: (check(self, outcome), file.write_text(theirs, encoding="utf-8")))
    assert add(ARXIV, "--update") == 1
    assert "kestrelnet.yaml was written by somebody else meanwhile; nothing was written" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == theirs


def test_two_runs_at_once_add_a_paper_once(catalog, tmp_path):
    (tmp_path / "k.bib").write_text(BIBTEX, encoding="utf-8")
    command = [sys.executable, "tools/add_paper.py", str(tmp_path / "k.bib"), "--offline", "--root", str(catalog), *SAID]
    runs = [subprocess.Popen([*command, "--id", name], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for name in ("one", "two", "three")]
    assert sorted(run.wait() for run in runs) == [0, 1, 1]
    assert len(load(catalog)[0].papers) == 3


def test_an_entrys_id_alone_asks_for_nothing(add, catalog, capsys):
    assert add("kestrel") == 1
    assert "catalog/papers/kestrel.yaml is there already; --update fills up what it lacks, --scaffold starts" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------------- BibTeX


def test_a_bibtex_file_needs_no_network(add, catalog, tmp_path, services, capsys):
    (tmp_path / "k.bib").write_text(BIBTEX, encoding="utf-8")
    assert add(str(tmp_path / "k.bib"), "--offline", *SAID) == 0
    assert load(catalog)[0].papers["kestrelnet"].pages == "10-19"
    assert services.requests == []
    assert "note: nothing was looked up" in capsys.readouterr().err


def test_every_entry_of_a_file_is_added_and_its_annotation_is_its_summary(add, catalog, tmp_path, capsys):
    one = BIBTEX.replace("year={2021}", f"year={{2021}}, annotation={{{SUMMARY}}}")
    other = one.replace("falk2021", "strix2021").replace("{KestrelNet}: A Transformer for Small Falcons", "OwlNet: Ears").replace("Falk, Ada", "Strix, Cy")
    (tmp_path / "two.bib").write_text(one + other + BIBTEX.replace("falk2021", "again"), encoding="utf-8")
    assert add(str(tmp_path / "two.bib"), "--offline", "--approach", "attention", "--no-results", "None entered yet.") == 1
    assert set(load(catalog)[0].papers) == {"kestrel", "kestrelnet", "owlnet", "siskin"}
    said = capsys.readouterr()
    assert "2 of 3 papers done" in said.out
    assert "catalog/papers/kestrelnet.yaml is of this paper already" in said.err


def test_standard_input_is_bibtex(catalog):
    command = [sys.executable, "tools/add_paper.py", "-", "--offline", "--root", str(catalog), *SAID]
    run = subprocess.run(command, cwd=ROOT, input=BIBTEX, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "standard input:1: added: catalog/papers/kestrelnet.yaml\n")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"@article{k, title={Kestrel", "k.bib:1"),
        (b"just a letter", "k.bib"),
        (b"\n@article{k, title={\xe9}}", "k.bib:2: found the byte 0xe9, which isn't UTF-8; save the file as UTF-8"),
        (None, "k.bib can't be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_where_and_why(add, tmp_path, capsys, content, says):
    if content is not None:
        (tmp_path / "k.bib").write_bytes(content)
    assert add(str(tmp_path / "k.bib"), "--offline") == 1
    assert says in capsys.readouterr().err


def test_bibtex_that_is_pasted_in_place_of_a_file_is_read(add, catalog, capsys):
    assert add(BIBTEX, "--offline", *SAID) == 0
    assert load(catalog)[0].papers["kestrelnet"].pages == "10-19"
    assert capsys.readouterr().out == "the argument:1: added: catalog/papers/kestrelnet.yaml\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://example.org/x.bib", "https://example.org/x.bib is a BibTeX file that has to be saved first"),
        ("http://[::1", "no way to read http://[::1"),
        ("x" * 300, "is nothing that can be looked up"),
        (f"{'x' * 300}.bib", "can't be read: File name too long"),
        ("@article{k, title={Kestrel", "the argument:1"),
    ],
)
def test_what_names_no_file_is_refused_in_words(add, capsys, text, says):
    assert add(text, "--offline") == 1
    assert says in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- what goes wrong


def outside(catalog: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    """The command as a process of its own."""
    command = [sys.executable, "tools/add_paper.py", *arguments, "--root", str(catalog)]
    environment = os.environ | {"XDG_CACHE_HOME": str(catalog / ".cache")} | more
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_without_a_network_it_says_what_to_do(add, catalog, services, capsys):
    before = files(catalog)
    services.address = "http://127.0.0.1:9"  # the port that discards: nobody listens there
    assert add_paper.main([ARXIV, "--root", str(catalog), "--mirror", services.address]) == 1
    said = capsys.readouterr().err
    assert "arXiv can't be reached" in said
    assert "python tools/add_paper.py --offline paper.bib" in said
    assert files(catalog) == before


def test_offline_an_id_cannot_be_looked_up(add, capsys):
    assert add(ARXIV, "--offline") == 1
    assert "without a network, give a BibTeX file: --offline paper.bib" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "PAPER"),
        (["x", "--result", "value=1"], "--result: "),
        ([ARXIV, "2011.00002", "--summary", SUMMARY], "--summary says something of one paper, and 2 were asked for"),
        ([ARXIV, "--year", "soon"], "--year"),
        ([ARXIV, "--email", "nobody"], "--email: 'nobody' isn't an email address"),
    ],
)
def test_wrong_usage_is_told_and_its_code_is_2(add, capsys, arguments, says):
    with pytest.raises(SystemExit) as stopped:
        add(*arguments)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_a_catalog_that_is_not_valid_is_not_added_to(add, catalog, capsys):
    entry_of(catalog, "kestrel").write_text("title: 1\n", encoding="utf-8")
    assert add(ARXIV, *SAID) == 1
    assert "the catalog isn't valid as it is" in capsys.readouterr().err
    assert not entry_of(catalog).exists()


def test_a_write_that_fails_leaves_nothing_behind(add, known, catalog, monkeypatch):
    before = files(catalog)
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert add(ARXIV, *SAID) == 130
    assert files(catalog) == before


def test_a_killed_run_leaves_whole_files_alone(catalog, tmp_path):
    titles = [f"Net{n}: A Transformer for Falcons of Kind {n}" for n in range(200)]
    entries = [BIBTEX.replace("falk2021", f"k{n}").replace("{KestrelNet}: A Transformer for Small Falcons", titles[n]) for n in range(200)]
    entries = [entry.replace("year={2021}", f"year={{2021}}, annotation={{{SUMMARY}}}") for entry in entries]
    (tmp_path / "many.bib").write_text("".join(entries), encoding="utf-8")
    command = [sys.executable, "tools/add_paper.py", str(tmp_path / "many.bib"), "--offline", "--root", str(catalog)]
    command += ["--approach", "attention", "--no-results", "None entered yet."]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list((catalog / "catalog/papers").glob("*.yaml"))) < 6:
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    found, problems = load(catalog)
    assert found is not None, problems
    assert 6 <= len(found.papers) < 200


def interruptible() -> None:
    """A shell's background job ignores Ctrl-C, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_is_answered_in_one_line(catalog, services):
    services.serve("export.arxiv.org", "/api/query", answers.atom(), delay=5)
    command = [sys.executable, "tools/add_paper.py", ARXIV, "--root", str(catalog), "--mirror", services.address]
    running = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"XDG_CACHE_HOME": str(catalog / ".cache")}, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible)
    while not services.requests:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    said = running.communicate()[1]
    assert running.returncode == 130
    assert said.splitlines()[-1] == "Stopped. What was written before is whole; nothing was written of the rest."
    assert "Traceback" not in said


def test_whoever_reads_the_output_may_stop_reading(catalog):
    command = f"{sys.executable} tools/add_paper.py nonsense --offline --json --root {catalog} | true; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "")


@pytest.mark.parametrize(("variable", "value"), [("SSL_CERT_FILE", "/nowhere/certificates.pem"), ("HTTPS_PROXY", "gopher://nowhere")])
def test_settings_of_the_network_that_cannot_be_used_are_told(catalog, variable, value):
    run = outside(catalog, ARXIV, **{variable: value})
    assert run.returncode == 2
    assert "the network's settings in the environment (proxies, certificates) can't be used" in run.stderr


def test_a_python_without_the_packages_is_told_how_to_get_them():
    run = subprocess.run([sys.executable, "-S", "tools/add_paper.py", ARXIV], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("This Python has no module ")
    assert "make add PAPER=2103.07976" in run.stderr
    assert "Traceback" not in run.stderr


# ------------------------------------------------------------------------------------------------------------- scaffold


def test_scaffold_starts_an_implementation_and_does_not_claim_that_there_is_one(add, catalog, capsys):
    for folder in ("implementations/ablations", "tests/implementations"):
        (catalog / folder).mkdir(parents=True)
    assert add("kestrel", "--scaffold") == 0
    assert "kestrel: scaffolded: implementations/kestrel.py, tests/implementations/test_kestrel.py, implementations/ablations/kestrel.py" in capsys.readouterr().out
    found, problems = load(catalog)
    assert found.papers["kestrel"].implementation is None
    assert [problem.rule for problem in problems if problem.path.endswith("kestrel.yaml")] == ["implementation-unlisted"]


def test_an_implementation_that_stands_in_the_way_is_told_before_anything_is_written(add, known, catalog, capsys):
    (catalog / "implementations").mkdir()
    (catalog / "implementations/kestrelnet.py").write_text("# Mine.", encoding="utf-8")
    before = files(catalog)
    assert add(ARXIV, *SAID, "--scaffold") == 1
    assert "implementations/kestrelnet.py" in capsys.readouterr().err
    assert files(catalog) == before
    assert add("kestrel", "--scaffold", "--dry-run") == 0
    assert "kestrel.yaml would be scaffolded" in capsys.readouterr().out
    assert not (catalog / "implementations/kestrel.py").exists()


def test_scaffold_goes_with_an_update_that_has_nothing_to_add(add, catalog):
    for folder in ("implementations/ablations", "tests/implementations"):
        (catalog / folder).mkdir(parents=True)
    assert add("kestrel", "--update", "--scaffold", "--offline") == 0
    assert (catalog / "implementations/kestrel.py").is_file()


# --------------------------------------------------------------------------------------------------------- at a terminal


def at_terminal(catalog: Path, address: str, lines: list[str], *arguments: str) -> tuple[str, int]:
    """The command at a terminal at which somebody types these lines, each after the question before it; what was shown."""
    command = [sys.executable, "tools/add_paper.py", *arguments, "--root", str(catalog), "--mirror", address]
    main, other = pty.openpty()
    environment = os.environ | {"XDG_CACHE_HOME": str(catalog / ".cache"), "TERM": "dumb", "COLUMNS": "200", "LINES": "50"}
    running = subprocess.Popen(command, cwd=ROOT, stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True)
    os.close(other)
    shown, waiting = "", list(lines)
    while True:
        ready, _, _ = select.select([main], [], [], 10)
        assert ready, f"nothing more came after:\n{shown}"
        try:
            shown += os.read(main, 4096).decode(errors="replace")
        except OSError:
            break
        if waiting and re.search(r"(?:: |  )$", shown):
            os.write(main, f"{waiting.pop(0)}\n".encode())
    os.close(main)
    return shown.replace("\r\n", "\n"), running.wait()


def test_a_terminal_is_asked_for_what_is_missing_with_suggestions(catalog, services, known):
    typed = ["", "", "atention", "", "-", *SUMMARY.split(". ")[:1], "It attends.", "", "", "dataset=feathers,value=91.70,source=Table 3", "", "y"]
    shown, code = at_terminal(catalog, services.address, typed, ARXIV)
    assert code == 0, shown
    assert "Short name that people use (before the title's colon); - for none (KestrelNet):" in shown
    assert "Id, the file's name and the page's address (kestrelnet):" in shown
    assert 'attention: "attend" in the abstract' in shown
    assert 'no "atention" among the approaches; did you mean "attention"?' in shown
    assert "The authors' code, an address (the authors name it); - for none (https://github.com/ada/kestrel):" in shown
    paper = load(catalog)[0].papers["kestrelnet"]
    assert (paper.name, paper.approaches, paper.summary) == ("KestrelNet", ["attention"], "Small falcons look alike but for their wings It attends.")
    assert [link.url for link in paper.links] == ["https://arxiv.org/abs/2011.00001", "https://github.com/ada/kestrel"]


def test_whoever_says_no_at_the_end_has_written_nothing(catalog, services, known):
    before = files(catalog)
    shown, code = at_terminal(catalog, services.address, ["", "", "-", "n"], ARXIV, *SAID, "--code", "https://github.com/ada/kestrel")
    assert code == 1, shown
    assert "The authors' code" not in shown
    assert "Write catalog/papers/kestrelnet.yaml?" in shown
    assert "nothing was written, as you wished" in shown
    assert files(catalog) == before
