"""What stands on the pages, seen through the invented catalog."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.run_records import implement_kestrel, keep, on_finches
from tools.catalog import Catalog, load
from tools.pages.addresses import address, relative
from tools.render import main, render

KESTREL = "catalog/papers/kestrel.yaml"


@pytest.fixture
def catalog(tree: Path) -> Catalog:
    return load(tree)[0]


@pytest.fixture
def pages_after(tree: Path) -> Callable[[str, str, str], dict[str, str]]:
    def edit(name: str, old: str, new: str) -> dict[str, str]:
        file = tree / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        catalog, problems = load(tree)
        assert catalog, problems
        return render(catalog)

    return edit


def rows(page: str) -> list[str]:
    return re.findall(r"<tr\b.*?</tr>", page.split("<tbody>")[1], re.DOTALL)


def body(page: str) -> str:
    """A page without its front matter and its BibTeX, in which Markdown escapes everything."""
    return re.sub("^~~~~bibtex$.*?^~~~~$", "", page.split("\n---\n", 1)[-1], flags=re.DOTALL | re.MULTILINE)


def test_every_entry_has_a_page_or_a_place_on_one(catalog):
    pages = render(catalog)
    assert {"papers/kestrel.md", "papers/siskin.md", "datasets/feathers.md", "leaderboards/feathers.md"} <= set(pages)
    assert 'id="birds-2022"' in pages["surveys.md"]
    assert 'id="nesting-1"' in pages["workshops-and-challenges.md"]
    assert 'id="moult"' in pages["workshops-and-challenges.md"]


def test_rendering_twice_gives_the_same_pages(catalog):
    assert render(catalog) == render(catalog)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "*a* _b_ `c` [d](e) | f", "&amp; {{ g }} {% h %}", "~~~~"])
def test_a_hostile_title_comes_out_as_text(pages_after, hostile):
    pages = pages_after(KESTREL, '"Kestrel: Hovering Attention for Fine-Grained Recognition"', f'"{hostile}"')
    escaped = hostile.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f">{escaped}</h1>" in pages["papers/kestrel.md"]
    assert not [path for path, page in pages.items() if path.endswith((".md", ".html", ".svg")) and "<script" in body(page)]


def test_a_title_cannot_break_out_of_the_front_matter(pages_after):
    pages = pages_after(KESTREL, 'name: "Kestrel"', r'name: "a\"b: --- <x>"')
    front = pages["papers/kestrel.md"].split("---\n")[1]
    title = yaml.safe_load(front)["title"]
    assert title == "a&quot;b: --- &lt;x&gt;: Kestrel: Hovering Attention for Fine-Grained Recognition (ICB 2021)"


def test_a_paper_is_searched_by_its_full_title_and_its_authors(pages_after):
    pages = pages_after(KESTREL, "Ada Falk", "Ada <b>Falk")
    kestrel, siskin = (yaml.safe_load(pages[f"papers/{i}.md"].split("---\n")[1]) for i in ("kestrel", "siskin"))
    assert kestrel["title"] == "Kestrel: Hovering Attention for Fine-Grained Recognition (ICB 2021)"
    assert kestrel["tags"] == ["Ada &lt;b&gt;Falk", "Bo Sperber"]
    assert siskin["tags"] == ["Carla Zeisig"]


def test_a_letter_beyond_the_basic_plane_survives_the_front_matter(pages_after):
    pages = pages_after(KESTREL, "Ada Falk", "𝒜da Falk")
    assert yaml.safe_load(pages["papers/kestrel.md"].split("---\n")[1])["citation"]["citation_author"][0] == "𝒜da Falk"


def test_the_home_page_shows_a_number_of_the_strongest_level_and_the_newest_papers_first(catalog):
    page = render(catalog)["index.md"]
    example = page.split('<figure class="example">')[1].split("</figure>")[0]
    assert "91.7%" in example
    assert "level--sourced" in example
    assert page.index("papers/kestrel/") < page.index("papers/siskin/")


def test_a_name_that_opens_the_title_stands_there_once(catalog):
    page = render(catalog)["papers/index.md"]
    assert "<strong>Kestrel</strong>: Hovering Attention" in page


def test_a_leaderboard_without_results_says_so(pages_after):
    pages = pages_after(
        "catalog.yaml", "dataset: feathers, metric: top-1, split: test", "dataset: feathers, metric: top-1, split: train"
    )
    assert "no result yet" in pages["leaderboards/index.md"]


def test_a_challenge_names_its_workshop_and_its_datasets(catalog):
    page = render(catalog)["workshops-and-challenges.md"]
    assert '<a href="#nesting-1">The First Workshop on Nesting</a>' in page
    assert '<a href="../datasets/feathers/">Feathers</a>' in page


def test_a_leaderboard_is_sorted_by_value_and_has_no_ranks(catalog):
    page = render(catalog)["leaderboards/feathers.md"]
    assert [re.search(r'<td class="value">([\d.]+)', row)[1] for row in rows(page)] == ["93.2", "91.7"]
    assert '<th scope="col">#' not in page
    assert "Rank" not in page


def test_a_metric_whose_lower_values_are_better_is_sorted_upwards(pages_after):
    page = pages_after("catalog.yaml", "direction: higher", "direction: lower")["leaderboards/feathers.md"]
    assert [re.search(r'<td class="value">([\d.]+)', row)[1] for row in rows(page)] == ["91.7", "93.2"]


def test_each_row_has_its_level_with_its_meaning_and_how_far_our_code_was_carried(catalog):
    listed, sourced = rows(render(catalog)["leaderboards/feathers.md"])
    assert all(re.search(r'class="carried carried--none"[^>]*title="There is no implementation', row) for row in (listed, sourced))
    assert re.search(r'class="level level--listed"[^>]*title="Somebody says so\."', listed)
    assert re.search(r'class="level level--sourced"[^>]*title="It was read\."', sourced)


def test_what_is_not_stated_is_said_to_be_so(catalog):
    listed, sourced = rows(render(catalog)["leaderboards/feathers.md"])
    assert listed.count("not stated") == 2  # pretraining and input size
    assert "not stated" not in sourced


def test_each_source_is_shown_with_its_locator_and_what_it_says_differently(catalog):
    page = render(catalog)["papers/kestrel.md"]
    assert "Paper, Table 3" in page
    assert re.search(
        r'class="differs"><a href="https://code.example/list">An Invented List</a>, leaderboard, row Kestrel: <strong>says backbone Nest-50</strong>',
        page,
    )
    assert "input size: Authors, train.py" in page


def test_reported_and_measured_values_are_never_in_one_table(catalog):
    reported, measured = re.findall(r"<table.*?</table>", render(catalog)["papers/kestrel.md"], re.DOTALL)
    assert "Reported" in reported
    assert "91.2" not in reported
    assert "Measured" in measured
    assert "91.2" in measured
    assert "91.7" not in measured


def test_every_row_of_every_table_has_a_cell_for_every_heading(catalog):
    tables = [table for path, page in render(catalog).items() if path.endswith(".md") for table in re.findall(r"<table.*?</table>", page, re.DOTALL)]
    widths = [[len(re.findall(r"<t[hd][ >]", row)) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)] for table in tables]
    assert len(widths) > 4
    assert [width for width in widths if len(set(width)) > 1] == []


def test_a_link_to_a_repository_says_whose_it_is(pages_after):
    page = pages_after(KESTREL, "https://code.example/kestrel}", "https://github.com/falk/kestrel/tree/1234567}")[
        "papers/kestrel.md"
    ]
    assert 'Official code <span class="link__place">falk/kestrel</span>' in page


def test_values_keep_the_digits_they_were_given_with(pages_after):
    page = pages_after(KESTREL, "value: 91.7\n    backbone", "value: 91.70\n    backbone")["papers/kestrel.md"]
    assert '<td class="value">91.70<' in page


def test_results_at_a_coarser_level_of_labels_are_on_no_leaderboard(pages_after):
    pages = pages_after(KESTREL, "input_size: 448\n    split: test", "input_size: 448\n    split: test\n    labels: family")
    assert len(rows(pages["leaderboards/feathers.md"])) == 1
    assert "family" in pages["papers/kestrel.md"]


def test_a_dataset_shows_results_at_a_coarser_level_of_labels_in_a_table_of_their_own(pages_after):
    page = pages_after(KESTREL, "input_size: 448\n    split: test", "input_size: 448\n    split: test\n    labels: family")[
        "datasets/feathers.md"
    ]
    _, finest, coarser = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert ("93.2" in finest, "91.7" in finest) == (True, False)
    assert ("93.2" in coarser, "91.7" in coarser) == (False, True)
    assert "At the level of family" in page


@pytest.mark.parametrize(
    ("splits", "images"),
    [("train: 3000, test: 2000", "5,000"), ("train: 20, val: 10, trainval: 30, test: 5", "35"), ("trainval: 30, test: 5", "35")],
)
def test_no_image_of_a_dataset_is_counted_twice_or_left_out(pages_after, splits, images):
    page = pages_after("catalog/datasets/feathers.yaml", "train: 3000, test: 2000", splits)["datasets/index.md"]
    assert f'<td class="value">{images}</td>' in page


def test_results_on_another_split_are_on_no_leaderboard(pages_after):
    pages = pages_after(KESTREL, "input_size: 448\n    split: test", "input_size: 448\n    split: train")
    assert len(rows(pages["leaderboards/feathers.md"])) == 1


def test_a_former_id_leads_to_todays_page(catalog):
    page = render(catalog)["papers/siskin-net/index.html"]
    assert 'http-equiv="refresh" content="0; url=../siskin/"' in page
    assert '<link rel="canonical" href="https://aviary.example/papers/siskin/">' in page
    assert '<a href="../siskin/">' in page


def test_corrections_are_all_on_one_page_and_credit_the_list_by_name(catalog):
    page = render(catalog)["corrections.md"]
    assert "An Invented List" in page
    assert "https://code.example/list" in page
    assert "A later table names the backbone." in page
    assert "seed" not in page.lower()


def test_a_paper_without_results_says_why(catalog):
    assert "The journal prints pictures only." in render(catalog)["papers/siskin.md"]


def test_what_is_missing_has_a_form_that_is_filled_in(catalog):
    page = render(catalog)["papers/siskin.md"]
    assert "https://code.example/aviary/issues/new?title=Siskin%3A+a+DOI&amp;body=Entry%3A+catalog%2Fpapers%2Fsiskin.yaml" in page


def test_reference_managers_find_the_citation(catalog):
    meta = yaml.safe_load(render(catalog)["papers/kestrel.md"].split("---\n")[1])
    assert meta["citation"]["citation_author"] == ["Ada Falk", "Bo Sperber"]
    assert meta["citation"]["citation_conference_title"] == ["International Conference on Birds"]
    assert (meta["citation"]["citation_firstpage"], meta["citation"]["citation_lastpage"]) == (["1"], ["9"])
    assert meta["jsonld"]["sameAs"] == ["https://doi.org/10.1234/icb.2021.1", "https://arxiv.org/abs/2103.00010"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("index.md", ""), ("papers/index.md", "papers/"), ("papers/transfg.md", "papers/transfg/"), ("surveys.md", "surveys/")],
)
def test_a_page_is_served_at_its_address(path, expected):
    assert address(path) == expected


@pytest.mark.parametrize(
    ("here", "target", "expected"),
    [
        ("", "papers/", "papers/"),
        ("papers/transfg/", "", "../../"),
        ("papers/transfg/", "#levels", "../../#levels"),
        ("", "#levels", "#levels"),
        ("papers/transfg/", "papers/", "../"),
        ("papers/transfg/", "approaches/#jigsaw", "../../approaches/#jigsaw"),
        ("papers/transfg/", "assets/finch.svg", "../../assets/finch.svg"),
        ("surveys/", "surveys/#a", "#a"),
    ],
)
def test_links_between_pages_are_relative(here, target, expected):
    assert relative(here, target) == expected


def test_the_docs_folder_is_written_as_a_whole(tree, tmp_path):
    out = tmp_path / "build" / "docs"
    out.mkdir(parents=True)
    (out / "stale.md").touch()
    assert main(["--root", str(tree), "--out", str(out)]) == 0
    assert not (out / "stale.md").exists()
    written = {str(file.relative_to(out)) for file in out.rglob("*.*")}
    assert {"index.md", "contribute.md", "papers/kestrel/index.md", "assets/finch.css"} <= written


@pytest.mark.parametrize("generator", ["mkdocs", "zensical"])
def test_either_generator_builds_what_is_written_without_the_hook(tree, tmp_path, generator):
    implement_kestrel(tree)
    (record,) = keep(tree, on_finches("kestrel", 0))
    main(["--root", str(tree), "--out", str(tmp_path / "docs")])
    command = [str(Path(sys.executable).with_name(generator)), "build", "--strict", "--config-file", str(tmp_path / "mkdocs.yml")]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "papers" / "kestrel" / "index.html").read_text(encoding="utf-8")
    assert '<meta name="citation_author" content="Ada Falk">' in page
    assert "<title>Kestrel: Hovering Attention for Fine-Grained Recognition (ICB 2021) - Aviary</title>" in page
    assert '<link rel="canonical" href="https://aviary.example/papers/kestrel/">' in page
    assert "https://code.example/aviary" in page.split("<footer")[1]
    assert "Hovering Attention" in page
    assert (tmp_path / "site/assets/runs/kestrel.webp").read_bytes() == record.with_suffix(".webp").read_bytes()
    redirect = "papers/siskin-net/index.html"
    assert (tmp_path / "site" / redirect).read_bytes() == (tmp_path / "docs" / redirect).read_bytes()


def test_a_configuration_that_somebody_else_wrote_is_left_alone(tree, tmp_path, capsys):
    (tmp_path / "mkdocs.yml").write_text("site_name: mine\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["--root", str(tree), "--out", str(tmp_path / "docs")])
    assert "isn't of this command's making" in capsys.readouterr().err
    assert (tmp_path / "mkdocs.yml").read_text(encoding="utf-8") == "site_name: mine\n"
    assert not (tmp_path / "docs").exists()


def test_a_broken_catalog_is_told_and_leaves_the_docs_folder_as_it_was(tree, tmp_path, capsys):
    out = tmp_path / "docs"
    out.mkdir()
    (out / "old.md").touch()
    (tree / "catalog" / "papers" / "kestrel.yaml").write_text("title: x\n", encoding="utf-8")
    assert main(["--root", str(tree), "--out", str(out)]) == 1
    assert (out / "old.md").exists()
    assert "catalog/papers/kestrel.yaml:1:1: " in capsys.readouterr().err
