"""The version of each stage, which `dvc.yaml` reads: raise it when the same inputs give another output."""

INGEST = 1
VALIDATE = 1
FEATURES = 1
CLASSIFIER = 3
EVALUATE = 1
PACKAGE = 2
