"""The version of each stage, which `dvc.yaml` reads: raise it when the same inputs give another output."""

INGEST = 1
VALIDATE = 1
FEATURES = 2
LDC = 1
CLASSIFIER = 5
LITEEMBED = 2
EVALUATE = 2
PACKAGE = 3
