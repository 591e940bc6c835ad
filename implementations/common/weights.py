"""Pretrained weights: shipped with Finch, from a file, or from timm's hub when asked to; safetensors alone, never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from implementations.common.errors import Fault

SHIPPED = Path(__file__).resolve().parents[1] / "weights"


class Missing(Fault):
    """No weights where they were looked for; the message says how to get them."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where to take weights from: a file; or none at all (random); or else what is shipped, or timm's as far as allowed."""

    file: Path | None = None
    random: bool = False
    download: bool = False


@dataclass(frozen=True)
class Loaded:
    """Which weights a backbone has: in words, and the file's SHA-256 (None for random ones)."""

    origin: str
    sha256: str | None


def load(name: str, source: Source, fill: Callable[[dict[str, Tensor]], None]) -> Loaded:
    """Finds the weights of a backbone, reads them and hands them to `fill`.

    Raises Missing where there are none, and Fault where a file is damaged or doesn't fit.
    """
    if source.random:
        return Loaded("random initialisation", None)
    path, origin = _find(name, source)
    try:
        fill(load_file(path))
    except (OSError, SafetensorError) as error:
        raise Fault(f"{path}: not a safetensors file that can be read: {error}") from error
    except Fault as error:
        raise Fault(f"{path}: {error}; expected weights of {name} as timm names them") from error
    return Loaded(origin, sha256(path))


def _find(name: str, source: Source) -> tuple[Path, str]:
    if source.file is not None:
        if not source.file.is_file():
            raise Missing(f"{source.file}: no such file; expected the weights of {name} (--weights FILE)")
        return source.file, f"file {source.file.name}"
    shipped = SHIPPED / f"{name}.safetensors"
    if shipped.is_file():
        return _checked(shipped), f"shipped with Finch, implementations/weights/{shipped.name}"
    return _from_hub(name, download=source.download)


def _checked(path: Path) -> Path:
    """A shipped file whose bytes are the ones its record tells of."""
    expected, found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"], sha256(path)
    if found != expected:
        raise Fault(
            f"{path}: SHA-256 {found[:16]}…, but its record says {expected[:16]}…; git checkout {path.name} brings it back"
        )
    return path


def _from_hub(name: str, *, download: bool) -> tuple[Path, str]:
    """Timm's own weights: from the hub's cache, or over the network where that was asked for, checked by the hub's hash."""
    import timm
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    config = timm.get_pretrained_cfg(name)
    repository = config.hf_hub_id if config else None
    if not repository:
        raise Missing(
            f"timm has no pretrained weights of {name}; give a file (--weights FILE) or start from random (--weights none)"
        )
    if repository == "timm/":
        repository += f"{config.architecture}.{config.tag}"
    file = "model.safetensors"
    try:
        path = Path(hf_hub_download(repository, file, local_files_only=not download))
        if download:
            _verify(path, get_hf_file_metadata(hf_hub_url(repository, file)).etag)
    except LocalEntryNotFoundError as error:
        reason = "could not be reached" if download else "was not asked"
        raise Missing(
            f"no weights of {name} on this machine, and the hub ({repository}) {reason}; "
            "--download fetches them, --weights FILE takes a file, --weights none starts from random"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise Missing(f"{repository}/{file} could not be downloaded: {error}") from error
    return path, f"{repository}/{file}"


def _verify(path: Path, etag: str | None) -> None:
    """The hub's ETag of a large file is its SHA-256. A file with another one is removed."""
    if etag is None or len(etag) != 64:
        raise Fault(
            f"the hub gives no SHA-256 for {path.name}, so what came can't be checked; download it by hand and use --weights FILE"
        )
    found = sha256(path)
    if found != etag:
        path.unlink()
        raise Fault(f"{path.name}: SHA-256 {found[:16]}… came, {etag[:16]}… was expected; removed, try again")


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
