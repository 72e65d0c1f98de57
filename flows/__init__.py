"""When things happen: Prefect flows, one file each, and the command line. No arithmetic, no file formats."""
