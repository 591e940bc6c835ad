"""What an entry of the catalog may say: one pydantic model a kind of entry, strict, with no field beyond those here.

A part's fields are written in the order of its model, an entry's own in that of `FIELD_ORDER`. A field's description is the
text that messages show. What one model can't see (references, duplicates) is checked by `tools.rules`.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tools.number import Value

ID_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
ARXIV_PATTERN = r"^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$"
DOI_PATTERN = r"^10\.\d{4,9}/\S+$"
UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff\ufeff\ufffe\uffff"
"""Control characters, line separators and letters of private use, as part of a pattern: no text has them."""
TEXT_PATTERN = rf"^[^\s{UNPRINTABLE}]([^{UNPRINTABLE}]*[^\s{UNPRINTABLE}])?$"

Text = Annotated[str, StringConstraints(min_length=1, pattern=TEXT_PATTERN)]
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")]
Year = Annotated[int, Field(ge=1900, le=2100)]
Count = Annotated[int, Field(ge=1)]
Quoted = {"quoted": True}  # written in double quotes, since YAML could read it as something else
Folded = {"folded": True}  # written as a folded block (>-)


class Model(BaseModel):
    """Strict (no "1" for 1), closed (no unknown field) and frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def inline(**extra: Any) -> ConfigDict:
    """The configuration of a model that is written on one line, ``{kind: code, url: …}``, where it fits."""
    return ConfigDict(**Model.model_config, json_schema_extra={"inline": True} | extra)


# ---------------------------------------------------------------------------------------------------- parts of entries


class Ids(Model):
    """What others call this work."""

    model_config = inline()

    arxiv: Annotated[str, StringConstraints(pattern=ARXIV_PATTERN)] | None = Field(None, json_schema_extra=Quoted)
    """The arXiv id, quoted and without a version: "2103.07976"."""
    doi: Annotated[str, StringConstraints(pattern=DOI_PATTERN)] | None = Field(None, json_schema_extra=Quoted)
    """The DOI, quoted and without the resolver's address: "10.1609/aaai.v36i1.19967"."""


class Link(Model):
    """One address, and what stands there."""

    model_config = inline()

    kind: Literal["paper", "pdf", "code", "project", "video", "home", "data", "mirror", "papers"]
    """paper: its page at the publisher or arXiv; pdf; code; project: the authors' page; video; home: a dataset's, workshop's or
    challenge's page; data: a download page; mirror: somebody else's copy; papers: a workshop's list of papers."""
    official: bool | None = None
    """For code: whether the authors published it."""
    url: Url
    """The address, https."""
    https: Literal[False] | None = None
    """false where the host has no https; only then may the address be http."""
    note: Text | None = None
    """What a reader should know before following it."""


class Correction(Model):
    """Something the list we started from had wrong, what is right, and how one can see that."""

    date: datetime.date
    """When the entry was corrected."""
    kind: Literal["link", "markdown", "title", "name", "venue", "year", "backbone", "value", "missing", "group", "text"]
    """What was wrong: an address, the list's Markdown, a title, a method's name, a venue, a year, a result's backbone or value,
    something left out that exists, a paper in the wrong group, any other text."""
    field: Text
    """The field that is corrected, such as venue, links.code, results.backbone."""
    dataset: Id | None = None
    """For a result: its dataset."""
    listed: Text | None = Field(None, json_schema_extra=Quoted)
    """What the list says, word for word; left out where it says nothing."""
    correct: Text | None = Field(None, json_schema_extra=Quoted)
    """What is right; left out where the listed statement has no right form (a value that isn't the paper's)."""
    evidence: Text = Field(json_schema_extra=Folded)
    """How one can see it: the page, file or table, in a sentence."""
    url: Url | None = None
    """Where the evidence stands."""


Source = Literal["paper", "abstract", "authors", "third-party", "seed-list"]


class FieldSource(Model):
    """Where one field of a result was read, if elsewhere than its value."""

    model_config = inline()

    source: Source = Field(alias="from")
    """As in a result's sources."""
    locator: Text | None = None
    """Where in it: "Table 3", "train.py"."""
    url: Url | None = None
    """Its address; for code, pinned to a commit."""


class ResultSource(FieldSource):
    """One place that states the result."""

    model_config = inline()

    value: Value
    """The value as that place gives it, with its own number of digits."""
    said: dict[Text, Any] | None = None
    """Every field of the protocol on which this source differs from the result: {backbone: resnet-50}."""


class Protocol(Model):
    """How a value was measured. What isn't stated is unknown, and unknown is never equal to anything."""

    dataset: Id
    """The dataset's id."""
    metric: Id
    """A metric of catalog.yaml."""
    value: Value
    """The value, in the metric's unit (percent for top-1)."""
    variant: Text | None = None
    """Which configuration of the method, where the paper has several: "2×2 grid", "on PMG"."""
    backbone: Id | None = None
    """A backbone of catalog.yaml."""
    pretraining: Id | None = None
    """A pretraining set of catalog.yaml; none for "from scratch"."""
    input_size: Annotated[int, Field(ge=16, le=4096)] | None = None
    """The side of the network's square input, in pixels."""
    split: Id | None = None
    """The dataset's split that was measured on."""
    images: Count | None = None
    """How many of the split's images were scored, where not all of them were: some codes drop an incomplete batch."""
    labels: Id | None = None
    """The level of the label hierarchy, where it isn't the finest."""
    extra: list[Id] | None = None
    """Annotation or data beyond labels and pretraining, used in training or at test time: [boxes]; [] says that none was used."""
    test_time: list[Id] | None = None
    """Test-time tricks: [multi-crop, flip, ensemble]; [] says that none was used."""
    selection: Literal["last", "best-on-validation", "best-on-test"] | None = None
    """Which epoch is reported."""
    epochs: Count | None = None
    """Training epochs."""
    batch: Count | None = None
    """Images a device and step."""
    devices: Count | None = None
    """Devices that trained together; the world's batch is batch × devices."""
    runs: list[Value] | None = None
    """The values of the single runs, where the value is their mean."""
    sd: Annotated[Value, Field(ge=0)] | None = None
    """The standard deviation over runs, as stated."""


class Result(Protocol):
    """One claim of a paper, whoever states it."""

    note: Text | None = None
    """What a reader should know beside the protocol."""
    fields: dict[Text, FieldSource] | None = None
    """Where a field of the protocol was read, if not where the value was: {input_size: {from: authors, locator: train.py}}."""
    sources: Annotated[list[ResultSource], Field(min_length=1)]
    """Everyone who states this claim, the strongest first: paper, abstract, authors (their repository or page), third-party
    (somebody quotes it as the paper's), seed-list (the list we started from)."""


class Reproduction(Protocol):
    """What somebody got who trained or evaluated the method again."""

    by: Text
    """Who: a project, or "a user"."""
    by_authors: Literal[True] | None = None
    """true where the paper's own authors ran it again."""
    flaw: Text | None = None
    """A known fault of the run, which keeps it out of every comparison."""
    note: Text | None = None
    """What a reader should know beside the protocol."""
    url: Url
    """Where it is reported: a thread, a file at a commit."""
    locator: Text | None = None
    """Where on that page."""


class Claim(Model):
    """Which one of the paper's results an implementation is to reproduce: the fields that select it."""

    model_config = inline()

    dataset: Id
    """The result's dataset."""
    metric: Id
    """The result's metric."""
    value: Value
    """The result's value."""
    backbone: Id | None = None
    """The result's backbone, where dataset, metric and value don't select it alone."""
    variant: Text | None = None
    """The result's variant, likewise."""


class Implementation(Model):
    """The one file that implements the paper, and the result it is to reproduce."""

    file: Annotated[str, StringConstraints(pattern=r"^implementations/[a-z][a-z0-9_]*\.py$")]
    """implementations/<id with underscores>.py"""
    claim: Claim | None = None
    """The result that it is to reproduce; left out only where the paper has no results."""


# ------------------------------------------------------------------------------------------------------------- entries


class Entry(Model):
    """What all kinds of entry have. The id is the file's name."""

    title: Text = Field(json_schema_extra=Quoted)
    """The title as published, quoted."""
    name: Text | None = Field(None, json_schema_extra=Quoted)
    """The short name that people use: "TransFG"."""
    authors: list[Text] | None = None
    """All authors in order, given name first."""
    year: Year
    """The year of the venue."""
    links: list[Link] | None = None
    """Addresses, the most useful first."""
    corrections: list[Correction] | None = None
    """What the list we started from had wrong about this entry."""
    formerly: list[Id] | None = None
    """Ids that this entry had before: their pages redirect here."""
    added: datetime.date
    """When the entry came into the catalog."""


class Publication(Entry):
    """What papers and surveys share."""

    authors: Annotated[list[Text], Field(min_length=1)]
    """All authors in order, given name first."""
    venue: Id
    """A venue of catalog.yaml."""
    volume: Text | None = Field(None, json_schema_extra=Quoted)
    """The volume, quoted."""
    number: Text | None = Field(None, json_schema_extra=Quoted)
    """The issue within the volume, quoted."""
    pages: Text | None = Field(None, json_schema_extra=Quoted)
    """First and last page: "852-860"."""
    booktitle: Text | None = Field(None, json_schema_extra=Quoted)
    """The proceedings, where they aren't called as the venue's in catalog.yaml says."""
    publisher: Text | None = None
    """The publisher, where known."""
    ids: Ids | None = None
    """arXiv id and DOI."""


class Paper(Publication):
    """A paper: what it is, what it reports, and what others got."""

    approaches: list[Id]
    """Approaches of catalog.yaml that it takes."""
    mechanisms: list[Id] | None = None
    """Mechanisms of catalog.yaml that it uses."""
    summary: Text = Field(json_schema_extra=Folded)
    """Three to six sentences of our own: the problem, the idea, how it works."""
    results: list[Result] | None = None
    """What the paper reports, one claim each."""
    no_results: Text | None = Field(None, json_schema_extra=Folded)
    """Why there are no results, where there are none."""
    reproductions: list[Reproduction] | None = None
    """What others got when they ran it again."""
    implementation: Implementation | None = None
    """Our implementation, where it is written."""


class Survey(Publication):
    """A survey, or a list that is kept up."""

    year: Year | None = None
    """The year of the venue; left out for a list that is kept up."""
    kind: Literal["journal", "preprint", "list"]
    """A survey in a journal, a preprint, or a living list on the web."""
    summary: Text = Field(json_schema_extra=Folded)
    """Two to five sentences of our own: what it covers and how it orders it."""
    superseded_by: Id | None = None
    """The survey that takes its place."""


class Download(Model):
    """One file of a dataset."""

    url: Url
    """Its address."""
    https: Literal[False] | None = None
    """false where the host has no https."""
    bytes: Count | None = None
    """Its size."""
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = Field(None, json_schema_extra=Quoted)
    """Its MD5, where published."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(None, json_schema_extra=Quoted)
    """Its SHA-256, where published."""


class Picture(Model):
    """A picture that shows what a dataset's images look like."""

    file: Text
    """Its name in site/assets."""
    width: Count
    """In pixels."""
    height: Count
    """In pixels."""
    caption: Text
    """What is to be seen, also for who can't see it."""


class Dataset(Entry):
    """A dataset, with the numbers by which results are divided."""

    aliases: list[Text] | None = None
    """Other names that papers use."""
    venue: Id | None = None
    """Where it was published."""
    ids: Ids | None = None
    """arXiv id and DOI."""
    classes: Count
    """Number of classes at the finest level."""
    levels: dict[Id, Count] | None = None
    """Number of classes by level, where the labels form a hierarchy."""
    splits: dict[Id, Count]
    """Number of images a split."""
    annotations: list[Text] | None = None
    """What is annotated beside the class."""
    terms: Text | None = None
    """What one may do with the images."""
    summary: Text = Field(json_schema_extra=Folded)
    """One to four sentences: what is to be told apart, and what makes it hard."""
    picture: Picture | None = None
    """Some of its images, where we may show them."""
    pitfalls: list[Text] | None = None
    """What goes wrong when it is loaded or compared."""
    downloads: list[Download] | None = None
    """Its files, with hashes."""
    sources: list[Text]
    """Where these numbers were read."""

    @model_validator(mode="after")
    def _finest_level_counts_the_classes(self) -> Dataset:
        if self.levels and max(self.levels.values()) != self.classes:
            raise ValueError(f"levels: the largest is {max(self.levels.values())}, but classes is {self.classes}")
        return self


class Workshop(Entry):
    """One workshop of a series."""

    number: Count | None = None
    """Its number in the series."""
    venue: Id
    """The conference it was held at."""
    place: Text | None = None
    """City, or "virtual"."""
    date: datetime.date | None = None
    """The day it was held."""
    summary: Text = Field(json_schema_extra=Folded)
    """One to four sentences."""


class Challenge(Entry):
    """A competition."""

    venue: Id | None = None
    """The conference it was held at."""
    workshop: Id | None = None
    """The workshop that it belongs to."""
    datasets: list[Id] | None = None
    """Datasets of the catalog that it uses."""
    summary: Text = Field(json_schema_extra=Folded)
    """One to four sentences."""


# The order in which an entry's fields are written, whatever kind it is: what it is, what it says, where it comes from.
FIELD_ORDER = (
    "title name aliases authors year venue volume number pages booktitle publisher date place workshop kind ids links"
    " approaches mechanisms classes levels splits annotations terms summary picture superseded_by pitfalls downloads datasets"
    " results no_results reproductions implementation sources corrections formerly added"
).split()

KINDS: dict[str, type[Model]] = {
    "papers": Paper,
    "datasets": Dataset,
    "workshops": Workshop,
    "challenges": Challenge,
    "surveys": Survey,
}
