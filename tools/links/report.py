"""What a run has to say, before it is put into a form: findings, what is said of papers, and what should be looked at.

A report goes from one job to another as JSON, and is checked on its way in: the job that may write believes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from tools.links.model import BAD, Finding, Place, Verdict

ORDER: tuple[Verdict, ...] = ("dead", "wrong", "broken", "moved", "unknown", "blocked", "ok")
"""The most pressing first."""
NOWHERE = Place("", 0, 0, "", "")


@dataclass(frozen=True, slots=True)
class Notice:
    """What has happened to a paper since its entry was written: it was withdrawn, has another title, was published."""

    place: Place
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All that came of a run."""

    findings: tuple[Finding, ...]
    notices: tuple[Notice, ...] = ()
    warnings: tuple[str, ...] = ()
    """Of exceptions: past their date, or speaking of no address."""
    added: bool = False
    """Whether only what a branch adds was looked at: there, what is dead doesn't make the command fail."""
    formal: int = 0
    """How many addresses were checked for their form alone, and not asked; of these only what is wrong is a finding."""

    def counts(self) -> Counter[Verdict]:
        """How many addresses have each verdict; those that are left alone aren't among them."""
        return Counter(finding.verdict for finding in self.findings if not left_alone(finding))

    def shown(self) -> list[Finding]:
        """What somebody should see: the most pressing first, and of one verdict as they stand in the files."""
        found = [finding for finding in self.findings if finding.verdict != "ok" and not left_alone(finding)]
        return sorted(found, key=lambda finding: (ORDER.index(finding.verdict), finding.target.places, finding.target.url))

    def bad(self) -> list[Finding]:
        """Of these, what is dead, wrong or broken."""
        return [finding for finding in self.shown() if finding.verdict in BAD]

    def exceptions(self) -> list[tuple[str, Counter[Verdict]]]:
        """Each reason for which something is left alone, and how many addresses of which verdict."""
        found: dict[str, Counter[Verdict]] = {}
        for finding in filter(left_alone, self.findings):
            found.setdefault(finding.excepted or "", Counter())[finding.verdict] += 1
        return sorted(found.items())


def left_alone(finding: Finding) -> bool:
    """Whether there is something to say that nobody wants to hear."""
    return finding.excepted is not None and finding.verdict != "ok"


def conclusion(report: Report) -> str:
    """How many addresses have which verdict, in one line."""
    counts = report.counts()
    left = len(report.findings) - counts.total()
    if report.formal:
        what = f"{only_form(report)}; found: {tally(counts) or 'nothing amiss'}"
    else:
        what = f"{many(counts.total(), 'address', 'addresses')}: {tally(counts)}" if counts else "No address was looked at"
    return f"{what}; {left:,} more left alone, as catalog.yaml says" if left else what


def only_form(report: Report) -> str:
    """What was done where nobody was asked."""
    return f"Only the form of {many(report.formal, 'address', 'addresses')} was checked, and nobody was asked"


def tally(counts: Counter[Verdict]) -> str:
    """3 dead, 1 wrong, 410 ok."""
    return ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in ORDER if counts[verdict])


def many(count: int, one: str, more: str) -> str:
    """1 address, 1,200 addresses."""
    return f"{count:,} {one if count == 1 else more}"


def clean(text: str) -> str:
    """Text of others on one line, without what moves a terminal's cursor or turns its writing round."""
    return "".join(character if character.isprintable() else " " for character in text)


def where(finding: Finding) -> str:
    """The first place where an address stands, as editors know it, and how many more there are."""
    more = len(finding.target.places) - 1
    return at(place_of(finding)) + (f" and {many(more, 'more place', 'more places')}" if more > 0 else "")


def place_of(finding: Finding) -> Place:
    """The first place where an address stands."""
    return min(finding.target.places, default=NOWHERE)


def at(place: Place) -> str:
    """path:line:column."""
    return clean(f"{place.path}:{place.line}:{place.column}")


# ----------------------------------------------------------------------------------------------------------------- JSON

_REPORT = TypeAdapter(Report)


def to_json(report: Report) -> str:
    """For programs: all of it, sorted by address."""
    findings = tuple(sorted(report.findings, key=lambda finding: finding.target.url))
    return _REPORT.dump_json(replace(report, findings=findings), indent=1).decode()


def from_json(text: str) -> Report:
    """The report that `to_json` wrote. Raises ValueError, which says what is wrong, for anything else."""
    try:
        return _REPORT.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{f'{place}: ' if place else ''}{first['msg']}") from None
