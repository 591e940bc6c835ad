"""What each page shows: plain objects for the templates, one function a kind of page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.catalog import Catalog
from tools.pages import attention, badges, checks, data, health, lists, losses, papers, rules
from tools.pages.addresses import Page
from tools.pages.paging import entry_address
from tools.pages.records import Runs


def all_pages(catalog: Catalog, runs: Runs, ledger: health.Ledger) -> Iterator[Page]:
    """Every rendered page; `runs` are our own, from their records, `ledger` what is remembered of the links."""
    yield lists.home(catalog, runs)
    yield from papers.papers(catalog)
    yield from (papers.paper(catalog, paper_id, runs) for paper_id in catalog.papers)
    yield from data.leaderboards(catalog, runs)
    for board in catalog.manifest.leaderboards:
        yield from data.leaderboard(catalog, runs, board)
    yield from lists.approaches(catalog)
    yield from data.datasets(catalog, runs)
    for dataset_id in catalog.datasets:
        yield from data.dataset(catalog, dataset_id, runs)
    yield from lists.workshops_and_challenges(catalog)
    yield from lists.survey_list(catalog)
    yield from lists.corrections(catalog)
    yield from checks.checks(catalog, runs)
    yield checks.side_by_side(catalog, runs)
    yield attention.attention(catalog, runs)
    yield losses.losses(catalog, runs)
    yield rules.rules()
    yield from health.link_health(catalog, ledger)


def files(catalog: Catalog, runs: Runs) -> dict[str, str]:
    """What is built beside the pages, by its path below the docs folder."""
    return badges.files(catalog, runs)


def pictures(catalog: Catalog, runs: Runs) -> dict[str, Path]:
    """The pictures of runs that pages show, by their path below the docs folder."""
    return runs.pictures(catalog) | attention.pictures(catalog, runs)


def redirects(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The pages of former ids, and where below the site's address they lead to."""
    for kind, entry_id, entry in catalog.entries():
        for old in entry.formerly or ():
            yield f"{kind}/{old}/index.html", entry_address(catalog, kind, entry_id)
