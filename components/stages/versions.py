"""The version of each stage, which `dvc.yaml` reads: raise it when the same inputs give another output."""

INGEST = 1
VALIDATE = 1
FEATURES = 2
LDC = 3
CLASSIFIER = 7
LITEEMBED = 2
EVALUATE = 4
PACKAGE = 4
