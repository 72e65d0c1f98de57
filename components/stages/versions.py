"""The version of each stage, which `dvc.yaml` reads: raise it when the same inputs give another output."""

INGEST = 1
VALIDATE = 1
FEATURES = 2
LDC = 2
CLASSIFIER = 6
LITEEMBED = 2
EVALUATE = 3
PACKAGE = 3
