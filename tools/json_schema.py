"""JSON Schema of each kind of entry, for editors: what fields there are, what they mean, and which words they take.

    python -m tools.json_schema     writes them into tools/schemas, where .vscode/settings.json finds them

They stand in the repository, so that an editor knows them in a fresh clone; a test holds them against the models.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.manifest import Manifest
from tools.schema import KINDS

FOLDER = Path(__file__).resolve().parent / "schemas"
MODELS = KINDS | {"catalog": Manifest}
"""Each schema's name and its model; catalog is catalog.yaml's."""
OF_THE_WRITER = ("quoted", "folded", "inline")
"""How a field is laid out, which is no concern of an editor's."""


class Generator(GenerateJsonSchema):
    """Fields that may be left out, without the null that nobody writes."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """The schema of what a field holds where it is given."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """The same, without a default: all of them are null."""
        return self.generate_inner(schema["schema"])


@cache
def files() -> dict[str, str]:
    """The schemas' texts by their names: papers.json and so on, and catalog.json for catalog.yaml."""
    found = {}
    for name, model in MODELS.items():
        schema = model.model_json_schema(by_alias=True, schema_generator=Generator)
        schema = {"$schema": Generator.schema_dialect} | _plain(schema)
        found[f"{name}.json"] = json.dumps(schema, ensure_ascii=False, indent=1) + "\n"
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if not (key in OF_THE_WRITER and one is True)}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """Writes the schemas."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(files())} schemas written")


if __name__ == "__main__":
    main()
