"""What catalog.yaml may say: the catalog's name and addresses, its vocabulary and its leaderboards."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field

from tools.schema import Correction, Folded, Id, Model, Quoted, Text, Url, inline


class Term(Model):
    """A word of the vocabulary."""

    name: Text
    """As shown."""
    definition: Text = Field(json_schema_extra=Folded)
    """One sentence."""


class Group(Term):
    """A word that papers are grouped by."""

    hints: list[Text] | None = None
    """Words of titles and abstracts that point to it, for the tool that adds papers: a * stands for any ending."""


class Pretraining(Term):
    """What backbones were trained on before."""

    timm: Text | None = None
    """How the tags end of timm's weights that were trained on it alone: in1k."""


class Venue(Model):
    """A conference, journal or archive."""

    name: Text
    """In full."""
    short: Text
    """As shown beside a year."""
    kind: Literal["conference", "journal", "preprint", "workshop", "report", "web"]
    """What it is: decides the BibTeX type."""
    proceedings: Text | None = None
    """What its proceedings are called in a BibTeX booktitle."""
    publisher: Text | None = None
    """Who publishes it."""
    aliases: list[Text] | None = None
    """Other spellings, for the tools that read BibTeX."""


class Backbone(Model):
    """A network that methods build on."""

    model_config = inline()

    name: Text
    """As shown."""
    family: Id
    """Which backbones are compared with each other: resnet, vit, …"""
    timm: Text | None = None
    """Its name in timm, where it has one."""


class Metric(Model):
    """A measure."""

    model_config = inline()

    name: Text
    """As shown."""
    unit: Literal["%", ""]
    """Percent or none."""
    direction: Literal["higher", "lower"]
    """Which is better."""
    bounds: Annotated[list[float], Field(min_length=2, max_length=2)]
    """The smallest and largest possible value."""
    of: Literal["images"] | None = None
    """images where it is a share of the split's images; left out where it is a mean over classes, say."""


class Leaderboard(Model):
    """One table of results."""

    model_config = inline()

    dataset: Id
    """Its dataset."""
    metric: Id
    """Its metric."""
    split: Id
    """The split that results are measured on."""


class SeedList(Model):
    """The list that the catalog started from."""

    name: Text
    """Its name, as visitors read it."""
    url: Url
    """Its address."""
    commit: Text = Field(json_schema_extra=Quoted)
    """The commit that was read."""
    date: datetime.date
    """The commit's date."""
    terms: Text
    """Its licence, and what was taken from it."""
    corrections: list[Correction] | None = None
    """What it had wrong that belongs to no single entry."""


Excusable = Literal["moved", "dead", "blocked", "broken", "wrong", "unknown"]


class LinkException(Model):
    """An address, or a whole host, that the link checker is to leave alone for a while."""

    model_config = inline()

    url: Url | None = None
    """The address, as the catalog spells it; or `host`."""
    host: Text | None = None
    """The host, in lower case and as it is: www.example.org isn't example.org."""
    verdicts: Annotated[list[Excusable], Field(min_length=1)] | None = None
    """What may be said of it without being told; left out where anything may."""
    reason: Text
    """Why, and how somebody saw it."""
    until: datetime.date
    """The last day on which this holds: after it, the checker asks to look again."""


class Manifest(Model):
    """catalog.yaml: what the catalog is, and its vocabulary."""

    name: Text
    """The catalog's name."""
    tagline: Text
    """One line."""
    site: Url
    """The site's address: the one place where it stands."""
    repository: Url
    """The repository's address: likewise."""
    seed_list: SeedList
    """The list the catalog started from."""
    levels: dict[Id, Term]
    """How far a claim can be trusted: what each level means, the weakest first."""
    approaches: dict[Id, Group]
    """Groups of methods."""
    mechanisms: dict[Id, Group]
    """Devices that methods of several groups use."""
    extras: dict[Id, Term]
    """Annotation or data beyond labels and pretraining."""
    test_time: dict[Id, Term]
    """Test-time tricks."""
    metrics: dict[Id, Metric]
    """Measures."""
    leaderboards: list[Leaderboard]
    """Which tables the site shows."""
    venues: dict[Id, Venue]
    """Where papers are published."""
    backbones: dict[Id, Backbone]
    """Networks."""
    pretraining: dict[Id, Pretraining]
    """What backbones were trained on before."""
    link_exceptions: list[LinkException] | None = None
    """What the link checker is to leave alone, why and until when."""
