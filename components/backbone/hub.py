"""Models of Hugging Face's hub by open_clip's own names for them, `hf-hub:OWNER/MODEL`: at one revision, never pickled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.backbone.hugging_face import TOKENIZER_FILES
from components.errors import ShotlineError, UserInputError

__all__ = ["PREFIX", "HubModel", "hub_model", "is_hub_name"]

PREFIX = "hf-hub:"
_CONFIGURATION = "open_clip_config.json"
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")  # as open_clip prefers them
_PICKLES = (".bin", ".pt", ".pth")
# On the hub, config.json describes the whole model; in a checkpoint of ours it describes the text tower.
_TOKENIZER = tuple(name for name in TOKENIZER_FILES if name != "config.json")


@dataclass(frozen=True)
class HubModel:
    """A model of the hub at one revision.

    Attributes:
        name: `hf-hub:OWNER/MODEL@COMMIT`, which stands for the same files for ever.
        folder: its files in Hugging Face's cache.
        weights: the file of safetensors there; None where weights were not asked for.
    """

    name: str
    folder: Path
    weights: Path | None


def is_hub_name(name: str) -> bool:
    """Whether `name` is a model of the hub's."""
    return name.startswith(PREFIX)


def hub_model(name: str, on: str, *, weights: bool = True) -> HubModel:
    """Find a model in Hugging Face's cache, and fetch what is not there.

    Args:
        name: `hf-hub:OWNER/MODEL`, or with `@REVISION` (a commit, a tag, a branch); without one the hub's newest.
        on: what error messages say of where the name stands.
        weights: fetch the weights too; else see that the repository has some that may be opened.

    Raises:
        UserInputError: no such model or revision, it is no model of open_clip's, or it has pickled weights alone.
        ShotlineError: it is not in the cache, and the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    wanted = [_CONFIGURATION, *_TOKENIZER, *(_WEIGHTS if weights else ())]
    with _errors_told(name, on):
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    pinned = f"{PREFIX}{repository}@{folder.name}"
    if not (folder / _CONFIGURATION).is_file():
        raise UserInputError(
            f"{repository} on Hugging Face's hub is no model of open_clip's: it has no {_CONFIGURATION}",
            on=on,
            remedy="name a repository that open_clip can load (its card says `library_name: open_clip`)",
        )
    found = next((folder / each for each in _WEIGHTS if (folder / each).is_file()), None)
    if found is None and (weights or not _offers_weights(repository, folder, name, on)):
        raise UserInputError(
            f"{repository} on Hugging Face's hub has no {_WEIGHTS[0]}, and pickled weights are not opened: "
            "they may hold any program",
            on=on,
            remedy="ask its owner for safetensors, or convert them where you trust them, and name the folder "
            "(--backbone FOLDER)",
        )
    return HubModel(pinned, folder, found)


def _offers_weights(repository: str, folder: Path, name: str, on: str) -> bool:
    """Whether the revision has weights that may be opened; asks the hub, unless the cache has pickled ones."""
    from huggingface_hub import HfApi

    if any(path.suffix in _PICKLES for path in folder.iterdir()):
        return False
    with _errors_told(name, on):
        return bool({*HfApi().list_repo_files(repository, revision=folder.name)} & {*_WEIGHTS})


@contextmanager
def _errors_told(name: str, on: str) -> Iterator[None]:
    import httpx
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise UserInputError(
            f"{name} is available only to users who have accepted its terms",
            on=on,
            remedy="accept them on its page, and log in: hf auth login",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UserInputError(
            f"Hugging Face's hub has no {name.removeprefix(PREFIX)}",
            on=on,
            remedy="write hf-hub:OWNER/MODEL, or hf-hub:OWNER/MODEL@REVISION",
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise ShotlineError(
            f"{name} is not on this machine, and Hugging Face's hub cannot be reached",
            on=on,
            remedy="check the network (and HF_HUB_OFFLINE), or take what is here: `shotline backbones`",
        ) from error
