"""A drawn workspace as the stages leave it: five classes of which some are mistaken, an added one, photos to look at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from components.artefacts import (
    FeatureKeys,
    embeddings_file,
    write_answers,
    write_answers_by_head,
    write_embeddings,
    write_metrics,
)
from components.bank import AddedClass, Answering, ArrivalPhotos, Bank
from components.evaluate import Query, answered, answered_by_head, evaluate, metrics, write_plots
from components.features import View
from components.features.carriers import Features
from components.files import write_json
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.drawn_rows import drawn_support, drawn_task
from tests.support.live_place import fitter_for
from tests.support.saved_bundle import drawn_bundle

N_QUERY = 20


def measured_workspace(root: Path, *, on_query: bool = True, added: bool = True) -> Workspace:
    """Write what the stages would; every photo is one of the class's colour."""
    torch.set_num_threads(1)
    support = drawn_support(shots=6, noise=3.0, word_noise=3.0)
    bundle, candidates = drawn_bundle(support, ["zero_shot", "nearest_mean", "gda"])
    bank = Bank.empty(bundle)
    if added:
        classes = [AddedClass("rust & <b>", tuple(f"rust-{n}" for n in range(3)), "2026-01-02T00:00:00+00:00", 1)]
        bank = fitter_for(bundle)(bank, classes, "").bank
    embedding, labels, _ = drawn_task(5, N_QUERY, 32, noise=3.0, word_noise=3.0, seed=0, draw=1)
    names = bundle.class_names
    learnt = [photo for name in names for photo in bundle.split[name]]
    asked = [f"query-{row}" for row in range(len(labels))] if on_query else []
    rows = [(photo, photo.split("-")[0], "support") for photo in learnt]
    rows += [(photo, names[int(label)], "query") for photo, label in zip(asked, labels, strict=False)]
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text("{}\n")
    paths = {photo: f"{name}/{photo}.jpg" for photo, name, _ in rows}
    for number, (photo, name, _) in enumerate(rows):
        draw_photo(root / "data/raw" / paths[photo], number, hue=40 * names.index(name), size=(32, 24))
    workspace = Workspace(root)
    if added:
        arrived = ArrivalPhotos(workspace.arrivals / "photos")
        for photo in bank.classes[0].photos:
            draw_photo(arrived.path(photo).with_suffix(".jpg"), 7, hue=10)
            arrived.path(photo).with_suffix(".jpg").rename(arrived.path(photo))
    _write_tables(workspace, rows, paths)
    vectors = torch.cat([support.clean.features.embedding, embedding[: len(asked)]])
    ids = [photo for photo, _, _ in rows]
    workspace.features.mkdir(parents=True)
    write_embeddings(embeddings_file(workspace.features), [(ids, [0] * len(ids), vectors)], datetime.now(UTC))
    FeatureKeys([View(photo) for photo in ids], [role for _, _, role in rows], ids).write(workspace.features)
    bundle.save(workspace.bundle)
    bank.save(workspace.bank)
    query = Query(Features(embedding), labels, tuple(asked)) if on_query else None
    found = evaluate(candidates, Answering(bundle, bank), support, query)
    reports = workspace.reports
    write_metrics(reports, metrics(found, bundle, shots=6, seed=3))
    write_json(reports / "timings.json", {"evaluate": {"seconds": 1.5}, "ingest": {"seconds": 2.0}})

    def path_of(photo: str) -> str:
        known = f"data/raw/{paths[photo]}" if photo in paths else ""
        return known or f"data/arrivals/photos/{photo[:2]}/{photo}"

    write_answers(reports, answered(found, path_of))
    write_answers_by_head(reports, answered_by_head(found, path_of))
    write_plots(found, reports / "plots")
    return workspace


def _write_tables(workspace: Workspace, rows: list[tuple[str, str, str]], paths: dict[str, str]) -> None:
    workspace.validated.mkdir(parents=True)
    ids, classes, roles = (list(column) for column in zip(*rows, strict=True))
    manifest = pa.table({"id": ids, "path": [paths[photo] for photo in ids], "class": classes})
    pq.write_table(manifest, workspace.validated / "manifest.parquet")
    pq.write_table(pa.table({"id": ids, "class": classes, "role": roles}), workspace.validated / "sample.parquet")
