"""Run a benchmark and keep what it measured: `results/NAME.json`, from the Markdown tables that it prints.

    python benchmarks/record.py SCRIPT [--as NAME] [ARGUMENTS OF THE SCRIPT...]

SCRIPT is a file here without `.py`; NAME is SCRIPT where nothing is said. Then `python benchmarks/render.py` makes the
tables of the documents.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lib.results import Result
from lib.tables import find_tables

HERE = Path(__file__).resolve().parent


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    script, *rest = arguments
    name = script
    if rest[:1] == ["--as"]:
        _, name, *rest = rest
    if not (HERE / f"{script}.py").is_file():
        sys.exit(f"there is no benchmark {script}; see {HERE}")
    output = run(script, rest)
    tables = tuple(find_tables(output))
    if not tables:
        sys.exit(f"{script} printed no Markdown table, so nothing is kept")
    shown = [each if not Path(each).is_absolute() else Path(each).name for each in rest]  # no path of one machine
    print(f"kept: {Result.of_run(' '.join([f'{script}.py', *shown]), tables).write(name).relative_to(HERE.parent)}")


def run(script: str, arguments: list[str]) -> str:
    """The script's output, which is printed as it comes.

    A script that is a module of `benchmarks` says so in its docstring; the others are run as files.
    """
    path = HERE / f"{script}.py"
    module = f"-m benchmarks.{script}" in path.read_text(encoding="utf-8")
    command = [sys.executable, *(["-m", f"benchmarks.{script}"] if module else [str(path)]), *arguments]
    kept = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            kept.append(line)
    if process.returncode:
        sys.exit(process.returncode)
    return "".join(kept)


if __name__ == "__main__":
    main()
