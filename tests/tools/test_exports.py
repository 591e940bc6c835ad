"""What other programs get: the whole catalog, without loss, and the same bytes each time."""

from __future__ import annotations

import csv
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

from tools import exports, json_schema
from tools.bibtex import citation_keys, key
from tools.catalog import ROOT, Catalog, load
from tools.exports import database, table
from tools.pages.records import Runs, read_runs
from tools.render import render
from tools.schema import KINDS

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def real() -> tuple[Catalog, Runs, dict[str, str | bytes]]:
    """The real catalog, our runs, and what is exported of them."""
    catalog, runs = load()[0], read_runs(ROOT)
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
    assert expected["runs"] > 50


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
    feed = ElementTree.fromstring(text)
    assert {child.tag for child in feed} >= {ATOM + name for name in ("id", "title", "updated", "author", "link", "entry")}
    assert feed.find(f"{ATOM}updated").text == "2022-06-02T00:00:00Z"
    items = feed.findall(f"{ATOM}entry")
    assert items[0].find(f"{ATOM}title").text == "Kestrel: 1 correction"
    assert items[0].find(f"{ATOM}link").get("href") == "https://aviary.example/papers/kestrel/"
    assert "Paper added: Siskin" in [item.find(f"{ATOM}title").text for item in items]
    ids = [item.find(f"{ATOM}id").text for item in items]
    assert len(set(ids)) == len(ids) == 7
    for item in items:
        assert {child.tag for child in item} >= {ATOM + name for name in ("id", "title", "updated", "link", "summary")}


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
