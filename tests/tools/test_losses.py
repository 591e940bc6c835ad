"""The page of losses to take away: what each file says of a loss, and what its method cost and did."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tests.run_records import kept, measured, on_finches
from tools.catalog import ROOT, load
from tools.pages.losses import Loss, read, read_all
from tools.render import render


def page(runs=None) -> str:
    catalog, _ = load(ROOT)
    return (render(catalog, runs) if runs else render(catalog))["losses.md"]


def facts(html: str, paper: str) -> dict[str, str]:
    """The numbers below a paper's block."""
    section = re.split(r"^## ", html.split(f" {{ #{paper} }}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return {name: re.sub(r"<[^>]+>", "", value) for name, value in re.findall(r"<dt>(.+?)</dt><dd[^>]*>(.*?)</dd>", section)}


def test_every_file_is_named_by_an_implemented_paper_and_takes_what_it_shows_from_its_file():
    catalog, _ = load(ROOT)
    for loss in read_all():
        file = catalog.papers[loss.paper].implementation.file
        assert f"from {file.removesuffix('.py').replace('/', '.')} import " in loss.code


def test_every_loss_is_shown_with_its_sentences_its_code_and_where_it_is_from():
    html = page()
    for loss in read_all():
        assert f"\n## {loss.name} {{ #{loss.paper} }}\n\n{loss.text}\n\n```python\n{loss.code}\n```\n" in html
        assert f'<a href="../papers/{loss.paper}/">' in html
        assert f'<a href="../papers/{loss.paper}/#source">' in html


def test_what_a_method_cost_and_did_stands_below_its_loss(tmp_path):
    methods = [on_finches(paper, seed, right=right) for paper, right in (("baseline", 40), ("pc", 48), ("api-net", 48)) for seed in range(3)]
    runs = dataclasses.replace(kept(tmp_path, *methods), measured=[measured(methods[3], 1.04)])
    html = page(runs)
    found = facts(html, "pc")
    assert found["Training step"] == "1.04 × (0.94 to 1.24)"
    assert re.fullmatch(r"75\.0 \(\d\d\.\d to \d\d\.\d\)", found["Top-1"])
    assert re.match(r"\+12\.5 \(", found["Gain"])
    assert found["On"] == "finch_vit, 15 epochs, 3 seeds"
    assert facts(html, "api-net")["Training step"] == "not measured"


def test_a_loss_whose_method_has_no_run_says_so(tmp_path):
    html = page(kept(tmp_path, on_finches("baseline", 0), on_finches("api-net", 0)))
    assert facts(html, "pc") == {}
    assert html.count("not run yet") == len(read_all()) - 1


def test_code_is_parted_at_its_blank_line():
    parted, whole = Loss("one", "One", "…", "import a\nb = a.B()\n\nloss = b(logits)"), Loss("two", "Two", "…", "loss = logits.sum()")
    assert (parted.setup, parted.step) == ("import a\nb = a.B()", "loss = b(logits)")
    assert (whole.setup, whole.step) == ("", "loss = logits.sum()")


@pytest.mark.parametrize("text", ["", "## PC\n\nText.\n", "PC\n\nText.\n\n```python\nloss = 0\n```\n", "## PC\n\nText.\n\n```\nloss = 0\n```\n", "## PC\n\nText.\n\n```python\nloss = 0\n```\n\nMore.\n"])
def test_a_file_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "pc.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"pc\.md: expected a heading \(## NAME\), sentences, and one ```python block at the end"):
        read(tmp_path / "pc.md")
