"""Prefect flows, one file each, and the command line: they decide when things run. No arithmetic, no file formats."""
