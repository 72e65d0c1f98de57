"""The Bento: bundle, backbone and the service's code, in one folder that serves without this repository."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from components.backbone import BackboneSettings, save_backbone
from components.export.card import CARD, card_of
from components.files import write_text
from components.live import version_name
from components.packaging.requirements import pinned
from components.serving.answers import PhotoClassifier
from components.workspace.shipped import shipped_files

__all__ = ["NAME", "build_bento"]

NAME = "shotline-classifier"
"""The Bento's name. BentoML looks for a module of that name first, so it must not be the name of one of ours."""

# The extra `serve` of pyproject.toml names the same.
_REQUIREMENTS = (
    "aiohttp",
    "bentoml",
    "fastapi",
    "filelock",
    "numpy",
    "open_clip_torch",
    "pandas",
    "pillow",
    "prometheus-client",
    "psutil",
    "pyarrow",
    "pydantic",
    "python-multipart",
    "pyyaml",
    "safetensors",
    "scipy",
    "simplejpeg",
    "starlette",
    "tenacity",
    "threadpoolctl",
    "torch",
)

# Variables with defaults; an image never names a workspace or an admin token.
_ENVIRONMENT = {
    "SHOTLINE_CLASSIFIERS": "1",
    "SHOTLINE_CORS": "",
    "SHOTLINE_DEVICE": "auto",
    "SHOTLINE_KEEP": "0",
    "SHOTLINE_PRECISION": "auto",
    "SHOTLINE_ROOT_PATH": "",
    "SHOTLINE_WORKERS": "1",
}

_HUGGING_FACE = ("sentencepiece", "transformers")  # needed if the text tower or the tokenizer is from Hugging Face


def build_bento(models: Path, target: Path, settings: BackboneSettings, metrics: dict[str, Any] | None = None) -> str:
    """Build the Bento of `models/bundle` and `models/bank` into the folder `target`; returns its name and version.

        Its model card has the figures `metrics` if they were measured on that bundle. Its version is the one that its
    answers name, and BentoML's time stamp is replaced by a constant, so that the same bundle and bank give the same Bento.
    """
    classifier = PhotoClassifier.of_outputs(models, settings)  # refuses weights that it was not made with
    bundle, version = classifier.bundle, version_name(classifier.bank)
    source = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch) / "context"
        for path in shipped_files():
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, context / path)
        for part in ("bundle", "bank"):
            shutil.copytree(models / part, context / "models" / part)
        save_backbone(bundle.backbone["name"], models, context / "models" / "backbone")
        if beside := bundle.backbone.get("beside"):
            save_backbone(beside["name"], models, context / "models" / "beside")
        requirements: tuple[str, ...] = _REQUIREMENTS
        if any((context / "models" / part / "tokenizer_config.json").is_file() for part in ("backbone", "beside")):
            requirements += _HUGGING_FACE
        write_text(context / CARD, card_of(bundle, classifier.bank, models, metrics))
        import bentoml
        from bentoml._internal.bento.build_config import BentoEnvSchema

        logging.getLogger("bentoml").setLevel(logging.ERROR)  # no warning that the weights are large
        with warnings.catch_warnings(), _own_store(Path(scratch) / "store"):
            warnings.simplefilter("ignore", DeprecationWarning)  # BentoML's own warnings, about libraries that it uses
            bento = bentoml.build(
                "components.serving.service:Shotline",
                name=NAME,
                version=version,
                description=_description(classifier, version),
                labels=_labels(classifier, metrics),
                envs=[BentoEnvSchema(name, value) for name, value in _ENVIRONMENT.items()],
                include=["components/**", "models/**", CARD],
                python={"packages": pinned(requirements), "lock_packages": False},
                build_ctx=str(context),
            )
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(bento.path, target)
    description = target / "bento.yaml"
    write_text(
        description,
        re.sub(r"(?m)^creation_time: .*$", "creation_time: '1980-01-01T00:00:00+00:00'", description.read_text()),
    )
    return f"{NAME}:{version}"


def _description(classifier: PhotoClassifier, version: str) -> str:
    bundle = classifier.bundle
    classes = "\n".join(f"- {each['class']}" for each in classifier.classes())
    return f"""# A Shotline classifier, version {version}

In this folder, with `env/python/requirements.txt` installed:

    bentoml serve .
    curl -F images=@photo.jpg localhost:3000/classify

Set by the environment: {", ".join(f"`{name}`" for name in _ENVIRONMENT)}; `SHOTLINE_WORKSPACE` and `SHOTLINE_ADMIN_TOKEN`
for who may change classes.

Head: {bundle.head.state().name}. {bundle.why}.

Classes:

{classes}
"""


def _labels(classifier: PhotoClassifier, metrics: dict[str, Any] | None) -> dict[str, str]:
    """Labels by which `bentoml list` and a registry can be searched."""
    bundle = classifier.bundle
    labels = {"head": bundle.head.state().name, "backbone": bundle.backbone["name"], "bundle": bundle.version}
    if metrics is not None:
        labels["top1"] = f"{metrics['shipped']['top1']:.3f}"
    return labels


@contextmanager
def _own_store(folder: Path) -> Iterator[None]:
    """Within the block BentoML's store lies in `folder`, so that building leaves nothing in the user's own store."""
    from bentoml._internal.bento import BentoStore
    from bentoml._internal.configuration.containers import BentoMLContainer as Container
    from bentoml._internal.models import ModelStore

    places = {name: folder / name for name in ("bentos", "models", "tmp")}
    for place in places.values():
        place.mkdir(parents=True)
    with ExitStack() as patches:
        patches.enter_context(Container.bento_store.patch(BentoStore(places["bentos"])))
        patches.enter_context(Container.model_store.patch(ModelStore(places["models"])))
        patches.enter_context(Container.tmp_bento_store_dir.patch(str(places["tmp"])))
        yield
