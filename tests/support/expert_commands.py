"""What the packages' own users type, and what is printed then; `docs/experts.md` has the same commands."""

from __future__ import annotations

DVC = (
    ("dvc status", "up to date"),
    ("dvc repro", "Stage 'package' didn't change, skipping"),
    ("dvc dag", r"\| classifier \|"),
    ("dvc stage list", "(?s)^ingest .*package .*The Bento, with everything inside"),
    ("dvc data status", "No changes|DVC"),
    ("dvc ls . models", "bundle"),
    ("dvc metrics show", r"top1 +zero1"),
    ("dvc metrics diff HEAD", ""),
    ("dvc params diff HEAD", ""),
    ("dvc plots show", "index.html"),
    ("dvc plots show --json models/ldc/log.csv", "LDC's loss"),
    ("dvc artifacts get . bundle -o got", r"Downloaded \d+ file"),
    ("dvc get . models/bundle -o bundle", ""),
    ("gto show", "bundle"),
    ("dvc exp run -S ldc.epochs=3", "Ran experiment"),
    ('dvc exp show --no-pager --only-changed --drop "Created|.*/|cover|size"', r"top1.* ldc\.epochs"),
    ("dvc exp list", r"master|main"),
    ("dvc params diff HEAD", r"ldc\.epochs +4 +3"),
    ("dvc metrics diff HEAD", "ldc1|"),
    ("dvc exp run --queue -S ingest.shots=2,4 -S ingest.seed=1,2", "(?s)Queued.*Queued.*Queued.*Queued"),
    ("dvc queue status", "Queued"),
    ("dvc queue remove --all", ""),
    ("dvc gc -w -f", "cache"),
    ("dvc commit -f", ""),
)
BENTOML = (
    ("shotline package --store", "^shotline-classifier:[0-9a-f]{12}"),
    ("bentoml list", "shotline-classifier:"),
    ("bentoml get shotline-classifier:latest", "(?s)head: .*top1:"),
    ("bentoml export shotline-classifier:latest out.bento", "exported to"),
    ("bentoml delete shotline-classifier:latest --yes", "deleted"),
    ("bentoml import out.bento", "imported"),
)
FEAST = (
    ("feast -c data/feature_store feature-views list", "class_embeddings"),
    ("feast -c data/feature_store entities list", "image_view"),
    ("feast -c data/feature_store plan", "No changes|shotline"),
)
OTHERS = (
    ("prefect version", r"Version: +3\."),
    (
        'python -c "import great_expectations as gx, json; print(gx.ExpectationSuite(**json.load('
        "open('data/expectations.json'))).name)\"",
        "own",
    ),
    ("python -c \"import json; print(json.load(open('data/validate/verdict.json'))['passed'])\"", "True"),
    (
        'python -c "from safetensors.torch import load_file; '
        "print(load_file('models/bundle/text.safetensors')['text_embeddings'].shape)\"",
        "torch.Size",
    ),
    (
        'python -c "from components.backbone.open_clip_import import import_open_clip; '
        "print(import_open_clip().create_model('local-dir:models/embedded').logit_scale.exp())\"",
        "tensor",
    ),
    ("shotline backbones", "hf-hub:"),
)
PREFECT = (
    ("prefect deployment ls", "(?s)consolidate/.*train/"),
    ("prefect automation ls", "shotline"),
    ("prefect work-pool ls", "No work pools found"),
    ("prefect flow ls", "train"),
    ("prefect flow-run ls", "Flow Runs"),
    ("prefect artifact ls", "heads"),
)
"""Asked of a server at which `shotline deploy` serves; `docs/prefect.md` is told by `test_prefect_server.py`."""
