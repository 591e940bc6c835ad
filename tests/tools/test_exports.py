"""What other programs get: the whole catalog, without loss, and the same bytes each time."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import bibtexparser
import jsonschema
import pytest
import yaml
from bibtexparser.middlewares import LatexDecodingMiddleware, SeparateCoAuthors

from tests.run_records import kept, on_finches
from tools import exports, json_schema
from tools.bibtex import citation_keys, key
from tools.catalog import ROOT, Catalog, load
from tools.exports import database, feed, table
from tools.pages.records import Runs
from tools.render import render
from tools.schema import KINDS

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> tuple[Catalog, Runs, dict[str, str | bytes]]:
    """The real catalog, runs of two of its implementations and of the baseline, and what is exported of them."""
    made = [on_finches(paper, seed) for paper in ("baseline", "pmg") for seed in range(3)]
    made += [on_finches("transfg", seed, stride=6, test_time=["multi-crop"]) for seed in range(3)]
    catalog, runs = load()[0], kept(tmp_path_factory.mktemp("recorded"), *made, on_finches("transfg", 0, variant="AllPatches"))
    return catalog, runs, exports.files(catalog, runs)


@pytest.fixture
def exported_after(tree):
    """What is exported once a piece of an entry was replaced by another one."""

    def edit(name: str, old: str, new: str) -> dict[str, str | bytes]:
        file = tree / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        catalog, problems = load(tree)
        assert catalog, problems
        return exports.files(catalog, Runs())

    return edit


def opened(serialized: bytes) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(serialized)
    return connection


def known(connection: sqlite3.Connection, table: str) -> list[dict]:
    """A table's rows without what is NULL."""
    connection.row_factory = sqlite3.Row
    rows = map(dict, connection.execute(f"SELECT * FROM {table}"))
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


# ----------------------------------------------------------------------------------------------------------- catalog.json


def test_the_json_is_every_entry_as_it_is_written_and_what_is_computed_beside(real):
    data = json.loads(real[2]["catalog.json"])
    for kind in KINDS:
        files = sorted((ROOT / "catalog" / kind).glob("*.yaml"))
        assert list(data[kind]) == [file.stem for file in files]
        for file in files:
            entry = data[kind][file.stem]
            assert entry.pop("page").startswith("https://")
            if "results" in entry:
                assert entry.pop("carried") in ("none", "demo-checked", "small-scale", "paper-scale")
            for result in entry.get("results", ()):
                result.pop("reason", None)
                assert result.pop("level") in ("listed", "sourced", "reproduced-by-others", "reproduced", "contested")
            written = yaml.safe_load(file.read_text(encoding="utf-8"))
            assert entry == json.loads(json.dumps(written, default=str)), file.name


def test_a_number_keeps_its_digits_in_every_export(exported_after):
    files = exported_after("catalog/papers/kestrel.yaml", "91.7", "91.70")
    assert '"value": 91.70' in files["catalog.json"]
    assert json.loads(files["catalog.json"])["papers"]["kestrel"]["results"][0]["value"] == 91.7
    assert next(csv.DictReader(io.StringIO(files["results.csv"])))["value"] == "91.70"
    assert opened(files["catalog.sqlite"]).execute("SELECT value, digits FROM results").fetchone() == (91.7, "91.70")


# --------------------------------------------------------------------------------------------------------- catalog.sqlite


def test_the_database_is_sound(real):
    connection = opened(real[2]["catalog.sqlite"])
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_database_has_a_row_for_everything(real):
    catalog, runs, files = real
    connection = opened(files["catalog.sqlite"])
    papers = catalog.papers.values()
    expected = {
        "papers": len(catalog.papers),
        "authors": sum(len(paper.authors) for paper in papers),
        "results": sum(len(paper.results or ()) for paper in papers),
        "sources": sum(len(result.sources) for paper in papers for result in paper.results or ()),
        "reproductions": sum(len(paper.reproductions or ()) for paper in papers),
        "corrections": sum(len(entry.corrections or ()) for _, _, entry in catalog.entries()),
        "links": sum(len(entry.links or ()) for _, _, entry in catalog.entries()),
        "splits": sum(len(dataset.splits) for dataset in catalog.datasets.values()),
        "runs": sum(len(runs.valid(paper)) for paper in runs.records),
        "claims": sum(len(paper.results or ()) for paper in papers),
    }
    assert {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in expected} == expected
    assert expected["runs"] == 10


def test_the_database_says_all_that_an_entry_says_of_a_claim(exported_after):
    line = '"leaderboard, row Kestrel"'
    files = exported_after("catalog/papers/kestrel.yaml", f"{line}, value: 93.2", f"{line}, url: https://list.example/, value: 93.2")
    connection = opened(files["catalog.sqlite"])
    plain = {"dataset": "feathers", "metric": "top-1"}
    first = plain | {"value": 91.7, "digits": "91.7", "backbone": "nest-50", "pretraining": "imagenet-1k", "input_size": 448, "split": "test"}
    second = plain | {"value": 93.2, "digits": "93.2", "backbone": "nest-101", "split": "test"}
    assert known(connection, "results") == [
        {"id": 1, "paper": "kestrel", "level": "sourced"} | first,
        {"id": 2, "paper": "kestrel", "level": "listed"} | second,
    ]
    assert known(connection, "sources")[2:] == [
        {"result": 2, "place": 0, "source": "third-party", "locator": "a later table", "value": 93.2, "digits": "93.2"},
        {"result": 2, "place": 1, "source": "seed-list", "locator": "leaderboard, row Kestrel", "url": "https://list.example/", "value": 93.2, "digits": "93.2",
         "said": '{"backbone": "nest-50"}'},
    ]  # fmt: skip
    assert known(connection, "fields") == [{"result": 1, "field": "input_size", "source": "authors", "locator": "train.py"}]
    assert known(connection, "reproductions") == [
        plain | {"id": 1, "paper": "kestrel", "value": 91.2, "digits": "91.2", "backbone": "nest-50", "runs": "[91.1, 91.3]", "ran_by": "a user",
                 "by_authors": 0, "url": "https://code.example/kestrel/issues/1"},
    ]  # fmt: skip
    assert [row["official"] for row in known(connection, "links") if row["kind"] == "code"] == [1]
    assert [(row["kind"], row["id"], row.get("venue")) for row in known(connection, "entries")] == [
        ("papers", "kestrel", "icb"), ("papers", "siskin", "jb"), ("datasets", "feathers", None), ("workshops", "nesting-1", "icb"),
        ("challenges", "moult", None), ("surveys", "birds-2022", "jb"),
    ]  # fmt: skip
    assert {row["id"]: row.get("rank") for row in known(connection, "levels")} == {
        "listed": 0, "sourced": 1, "reproduced-by-others": 2, "reproduced": 3, "contested": None,
    }  # fmt: skip


def test_our_own_runs_and_how_far_they_carried_a_paper_are_told_apart_from_claims(real):
    _, runs, files = real
    record = next(record for record in runs.valid("transfg") if record.label is None and record.seed == 0)
    connection = opened(files["catalog.sqlite"])
    fields = "top1, low, high, test_images, pointing, guesses, epochs, output_stride, patch_stride, test_time"
    found = connection.execute(f"SELECT {fields} FROM runs WHERE paper = 'transfg' AND variant IS NULL AND seed = 0").fetchall()
    guesses = {name: 100 * one.share for name, one in record.outcome.blind.items()}
    pointing = 100 * record.outcome.pointing["evidence"].share, json.dumps(guesses)
    how = (15, None, 6, '["multi-crop"]')
    assert found == [(100 * record.outcome.top1, *(100 * end for end in record.outcome.interval), record.dataset.test, *pointing, *how)]
    carried = {row["paper"]: row["carried"] for row in csv.DictReader(io.StringIO(files["results.csv"]))}
    assert (carried["transfg"], carried["cal"]) == ("demo-checked", "none")
    assert json.loads(files["catalog.json"])["papers"]["transfg"]["carried"] == "demo-checked"
    assert connection.execute("SELECT carried FROM papers WHERE id = 'transfg'").fetchone() == ("demo-checked",)


@pytest.mark.parametrize("recorded", [[], ["baseline"]])
def test_before_a_method_is_recorded_every_export_says_that_nothing_was_carried(real, recorded):
    catalog, runs, _ = real
    files = exports.files(catalog, Runs(runs.root, {paper: runs.records[paper] for paper in recorded}))
    assert {row["carried"] for row in csv.DictReader(io.StringIO(files["results.csv"]))} == {"none"}
    assert opened(files["catalog.sqlite"]).execute("SELECT DISTINCT paper FROM runs").fetchall() == [(paper,) for paper in recorded]


def test_a_contested_claim_is_no_sourced_one_and_says_why(tree):
    kestrel = tree / "catalog" / "papers" / "kestrel.yaml"
    text = kestrel.read_text(encoding="utf-8").replace("    split: test\n    fields", "    split: test\n    extra: []\n    test_time: []\n    fields")
    protocol = "    pretraining: imagenet-1k\n    input_size: 448\n    split: test\n    extra: []\n    test_time: []\n    runs: [81.1, 81.2, 81.3]\n"
    kestrel.write_text(text.replace("value: 91.2", "value: 81.2").replace("    runs: [91.1, 91.3]\n", protocol), encoding="utf-8")
    catalog, problems = load(tree)
    assert catalog, problems
    files = exports.files(catalog, Runs())
    result = json.loads(files["catalog.json"])["papers"]["kestrel"]["results"][0]
    assert result["level"] == "contested"
    assert result["reason"].startswith("3 runs of equal protocol (81.1, 81.2, 81.3)")
    connection = opened(files["catalog.sqlite"])
    assert connection.execute("SELECT level, reason FROM claims WHERE id = 1").fetchone() == ("contested", result["reason"])
    assert connection.execute("SELECT count(*) FROM claims WHERE rank >= 0").fetchone() == (1,)


def test_the_data_page_answers_its_own_question_in_one_query(real):
    catalog, runs, files = real
    page = render(catalog, runs)["data.md"]
    query = re.search(r"```sql\n(.*?)```", page, re.DOTALL)[1]
    assert query.strip() == database.BEST_SOURCED
    good = [
        claim
        for claim in table.claims(catalog, runs)
        if (claim.result.dataset, claim.result.backbone, claim.result.input_size, claim.result.labels) == ("cub-200-2011", "resnet-50", 448, None)
        and claim.level.id in ("sourced", "reproduced-by-others", "reproduced")
    ]
    best = max(good, key=lambda claim: claim.result.value)
    assert opened(files["catalog.sqlite"]).execute(query).fetchall() == [(best.paper.name, best.result.value.text, best.level.id)]


def test_the_data_pages_other_examples_run(real, tmp_path):
    catalog, runs, files = real
    page = render(catalog, runs)["data.md"]
    for name in ("results.csv", "catalog.json"):
        (tmp_path / name).write_text(files[name], encoding="utf-8", newline="")
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1].replace(catalog.manifest.site, f"{tmp_path}/")
    counted = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True).stdout
    assert "listed" in counted.splitlines()[0]
    assert "cub-200-2011" in counted
    if shutil.which("jq"):
        command = re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1]
        command = command.replace(f"curl -s {catalog.manifest.site}", f"cat {tmp_path}/")
        titles = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.splitlines()
        official = [p.title for p in catalog.papers.values() if not p.implementation and any(link.official for link in p.links or ())]
        assert sorted(titles) == sorted(official)


def test_every_column_and_table_is_explained_on_the_data_page(real):
    page = render(real[0], real[1])["data.md"]
    for name in (*table.columns(), *database.MEANINGS):
        assert f"<code>{name}</code>" in page
    assert "<code>rank</code> grows with it" in page
    names = [column[1] for name in database.MEANINGS for column in opened(real[2]["catalog.sqlite"]).execute(f"PRAGMA table_info({name})")]
    assert [name for name in names if name not in page] == []


# ------------------------------------------------------------------------------------------------------------ results.csv


def test_the_table_tells_unknown_from_none_and_names_every_source(exported_after):
    files = exported_after("catalog/papers/kestrel.yaml", "input_size: 448\n    split: test\n", "input_size: 448\n    split: test\n    extra: []\n")
    first, second = csv.DictReader(io.StringIO(files["results.csv"]))
    assert (first["extra"], second["extra"], second["input_size"]) == ("none", "", "")
    assert first["sources"] == "paper (Table 3) = 91.7; seed-list (leaderboard, row Kestrel) = 91.7"
    assert (first["level"], first["carried"], second["level"]) == ("sourced", "none", "listed")
    assert (first["backbone"], first["backbone_family"]) == ("nest-50", "nest")


# -------------------------------------------------------------------------------------------------------------- papers.bib


def test_the_bibliography_opens_in_bibtexparser_without_loss(real):
    catalog, _, files = real
    library = bibtexparser.parse_string(files["papers.bib"], append_middleware=[LatexDecodingMiddleware(), SeparateCoAuthors()])
    assert library.failed_blocks == []
    keys = citation_keys(catalog)
    publications = {keys[kind, i]: entry for kind, i, entry in catalog.entries() if (kind, i) in keys}
    assert [entry.key for entry in library.entries] == list(publications)
    for entry in library.entries:
        expected, found = publications[entry.key], entry.fields_dict
        assert found["title"].value == expected.title
        assert found["author"].value == list(expected.authors)
        assert found["year"].value == str(expected.year) if expected.year else "year" not in found
        assert found["doi"].value == expected.ids.doi if expected.ids and expected.ids.doi else "doi" not in found
        assert found["eprint"].value == expected.ids.arxiv if expected.ids and expected.ids.arxiv else "eprint" not in found
        venue = catalog.manifest.venues[expected.venue]
        where = {"inproceedings": "booktitle", "article": "journal"}.get(entry.entry_type)
        proceedings = (getattr(expected, "booktitle", None) or venue.proceedings) if where == "booktitle" else None
        assert found[where].value == (proceedings or venue.name) if where else "booktitle" not in found
        for name in ("volume", "number"):
            assert found[name].value == getattr(expected, name) if getattr(expected, name) else name not in found


def test_two_papers_with_one_key_get_two(tree):
    siskin = tree / "catalog" / "papers" / "siskin.yaml"
    text = siskin.read_text(encoding="utf-8").replace("Carla Zeisig", "Ada Falk").replace("year: 2020", "year: 2021")
    siskin.write_text(text.replace('name: "Siskin"', 'name: "Kes-trel"'), encoding="utf-8")
    catalog = load(tree)[0]
    assert key(catalog.papers["kestrel"]) == key(catalog.papers["siskin"]) == "falk2021kestrel"
    assert (citation_keys(catalog)["papers", "kestrel"], citation_keys(catalog)["papers", "siskin"]) == ("falk2021kestrel", "falk2021kestrel-2")
    assert "falk2021kestrel-2" in render(catalog)["papers/siskin.md"]


# --------------------------------------------------------------------------------------------------------------- feed.xml


def test_the_feed_tells_the_newest_additions_and_corrections_first(exported_after):
    text = exported_after("catalog/papers/kestrel.yaml", "- date: 2022-05-01", "- date: 2022-06-02")["feed.xml"]
    tree = ElementTree.fromstring(text)
    assert {child.tag for child in tree} >= {ATOM + name for name in ("id", "title", "updated", "author", "link", "entry")}
    assert tree.find(f"{ATOM}updated").text == "2022-06-02T00:00:00Z"
    items = tree.findall(f"{ATOM}entry")
    assert items[0].find(f"{ATOM}title").text == "Kestrel: 1 correction"
    assert items[0].find(f"{ATOM}link").get("href") == "https://aviary.example/papers/kestrel/"
    assert "Paper added: Siskin" in [item.find(f"{ATOM}title").text for item in items]
    ids = [item.find(f"{ATOM}id").text for item in items]
    assert len(set(ids)) == len(ids) == 7
    for item in items:
        assert {child.tag for child in item} >= {ATOM + name for name in ("id", "title", "updated", "link", "summary")}
    assert items[0].find(f"{ATOM}updated").text == "2022-06-02T00:00:00Z"
    assert items[0].find(f"{ATOM}summary").text == "A later table names the backbone."


def test_the_feed_ends_with_its_hundredth_item(real):
    many = real[0].papers["transfg"].model_copy(update={"corrections": None})
    crowd = dataclasses.replace(real[0], papers={f"p{number}": many for number in range(150)})
    assert feed.atom(crowd).count("<entry>") == feed.NEWEST


def test_the_feed_is_in_the_head_of_every_page(built_site):
    for page in ("index.html", "papers/transfg/index.html"):
        link = re.search(r'<link rel="alternate" type="application/atom\+xml"[^>]* href="([^"]+)"', (built_site / page).read_text(encoding="utf-8"))
        assert ((built_site / page).parent / link[1]).resolve() == built_site / "feed.xml"


# ---------------------------------------------------------------------------------------------------------------- schemas


def test_the_committed_schemas_are_the_models():
    for name, text in json_schema.files().items():
        assert (json_schema.FOLDER / name).read_text(encoding="utf-8") == text, "run `python -m tools.json_schema`"


def test_every_entry_fits_its_schema_and_a_misspelt_field_doesnt():
    mapped = json.loads((ROOT / ".vscode" / "settings.json").read_text(encoding="utf-8"))["yaml.schemas"]
    checked = set()
    for schema, pattern in mapped.items():
        validator = jsonschema.Draft202012Validator(json.loads((ROOT / schema).read_text(encoding="utf-8")))
        for file in ROOT.glob(pattern):
            data = json.loads(json.dumps(yaml.safe_load(file.read_text(encoding="utf-8")), default=str))
            assert list(validator.iter_errors(data)) == [], file.name
            assert [error.validator for error in validator.iter_errors(data | {"titel": "x"})] == ["additionalProperties"]
            checked.add(file)
    assert checked == {ROOT / "catalog.yaml", *(ROOT / "catalog").glob("*/*.yaml")}


# ------------------------------------------------------------------------------------------------------------ determinism


def test_two_builds_of_one_commit_are_equal_byte_for_byte(tmp_path):
    """Under other hash seeds, so that no order of a set gets into a file."""
    for seed in "12":
        env = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-m", "tools.render", "--out", str(tmp_path / seed / "docs")], cwd=ROOT, env=env, check=True, capture_output=True)
    one, other = ({file.relative_to(tmp_path / seed): file.read_bytes() for file in (tmp_path / seed).rglob("*") if file.is_file()} for seed in "12")
    assert one == other
    assert Path("docs/catalog.sqlite") in one
