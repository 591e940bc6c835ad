"""One run over many addresses: each is looked at, judged by what the ledger remembers, and remembered at once."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from tools.canonical import by_https
from tools.links.addresses import parse
from tools.links.archive import nearest_copies
from tools.links.look import look_at_all
from tools.links.model import BAD, Finding, Observation, Row, Target
from tools.links.settings import Settings, World
from tools.links.troubles import Trouble
from tools.links.verdicts import judge

FROM_A_HOST = ("refused", "certificate", "reset", "redirect loop", "bad answer")
"""Failures that only a machine at the other end can bring about."""


@dataclass
class Run:
    """What is wanted of a run, and what it has found so far."""

    rows: Mapping[str, Row]
    """The ledger's, from before."""
    settings: Settings
    today: datetime.date
    record: Callable[[Row], None]
    """Keeps a new row: from the first host on that has answered, since before that nothing shows that there is a network."""
    world: World | None = None
    findings: list[Finding] = field(default_factory=list)
    news: dict[str, Row] = field(default_factory=dict)
    """The new rows."""
    watched: list[Observation] = field(default_factory=list)
    """What arXiv said of papers."""
    answered: bool = False
    """Whether any host has answered at all."""
    _waiting: list[Row] = field(default_factory=list)

    async def look(self, targets: Sequence[Target]) -> AsyncIterator[Finding]:
        """Looks at all targets, and yields each finding as it comes."""
        own = {target.url: target for target in targets}
        paired = {target.url: target for target in targets if by_https(target.url)}
        paired |= {by_https(url): target for url, target in paired.items()}
        held: dict[str, Observation] = {}
        async with aclosing(look_at_all([*own, *paired], self.settings, world=self.world)) as looks:
            async for seen in looks:
                if seen.url in own and by_https(seen.url) is None:
                    yield self._judge(own[seen.url], seen, None)
                if target := paired.get(seen.url):
                    held[seen.url] = seen
                    if target.url in held and by_https(target.url) in held:
                        yield self._judge(target, held.pop(target.url), held.pop(by_https(target.url)))
        if self.answered:
            await self._find_copies()

    def _judge(self, target: Target, seen: Observation, twin: Observation | None) -> Finding:
        finding, row = judge(target, seen, self.rows.get(target.url), self.today, twin=twin)
        self.findings.append(finding)
        self.news[target.url] = row
        if seen.watch:
            self.watched.append(seen)
        if seen.asked:  # what wasn't asked has no news
            self._keep(row, answered=seen.status is not None or seen.failure in FROM_A_HOST)
        return finding

    def _keep(self, row: Row, *, answered: bool) -> None:
        self.answered = self.answered or answered
        self._waiting.append(row)
        if self.answered:
            for waiting in self._waiting:
                self.record(waiting)
            self._waiting.clear()

    async def _find_copies(self) -> None:
        """Asks the archive for what isn't to be had any more, once for each address."""
        lost = {one.target.url: one for one in self.findings if self._is_lost(one)}
        for url, copy in (await nearest_copies(lost, self.settings, self.world)).items() if lost else ():
            self.news[url] = replace(self.news[url], archive=copy)
            self.record(self.news[url])
            if lost[url].suggestion is None:
                self.findings[self.findings.index(lost[url])] = replace(lost[url], suggestion=copy)

    def _is_lost(self, finding: Finding) -> bool:
        """Whether an address that was really asked is bad, and no copy is known. One that wasn't is nobody else's business."""
        seen = finding.observation
        asked = seen is not None and seen.asked and seen.failure not in ("malformed", "forbidden")
        return asked and finding.verdict in BAD and not self.news[finding.target.url].archive


def form_alone(targets: Iterable[Target]) -> list[Finding]:
    """What can be said of addresses without asking anybody: which are none, and which are never asked."""
    found = []
    for target in targets:
        try:
            parse(target.url)
        except Trouble as trouble:
            found.append(Finding(target=target, verdict="broken", reason=trouble.reason))
    return found


def as_remembered(target: Target, row: Row) -> Finding:
    """What a run of the same day, which was stopped, found in order already."""
    return Finding(target=target, verdict=row.verdict, reason="as seen earlier today")
