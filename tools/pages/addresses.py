"""Where pages stand, and links between them."""

from __future__ import annotations

import html
import posixpath
from typing import Any
from urllib.parse import urlencode

from tools.catalog import Catalog

Page = tuple[str, str, dict[str, Any]]
"""Path below the docs folder, template, and what the template is given."""


def address(path: str) -> str:
    """The address below the site's at which a Markdown file is served: papers/transfg.md at papers/transfg/."""
    name = path.removesuffix(".md").removesuffix("index").strip("/")
    return f"{name}/" if name else ""


def relative(here: str, target: str) -> str:
    """A target below the site's address as a link from the page at `here`."""
    path, hash_sign, anchor = target.partition("#")
    if path == here and anchor:
        return f"#{anchor}"
    found = posixpath.relpath(f"/{path}", f"/{here}")
    return found + ("/" if path.endswith("/") or not path else "") + hash_sign + anchor


def issue(catalog: Catalog, title: str, body: str) -> str:
    """The address of a form for a new issue, filled in."""
    return f"{catalog.manifest.repository}/issues/new?{urlencode({'title': title, 'body': body})}"


def meta(title: str, description: str, **more: object) -> dict[str, Any]:
    """A page's front matter. The theme prints title and description as they are, so they are escaped here."""
    return {"title": html.escape(title), "description": html.escape(description)} | more
