"""Make the tables of the documents from `results/*.json`.

    python benchmarks/render.py [--check]

A document asks for a table by a line `<!-- result NAME NUMBER -->` right above it. `--check` writes nothing and ends
with 1 where a document's table is another one.
"""

from __future__ import annotations

import sys

from lib.documents import documents, rendered

CHECK = "--check"


def main() -> None:
    if not set(sys.argv[1:]) <= {CHECK}:
        sys.exit(__doc__)
    stale = []
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = rendered(before)
        if after != before:
            stale.append(str(path))
            if CHECK not in sys.argv:
                path.write_text(after, encoding="utf-8")
    print("\n".join(stale) or "every table is as its result says")
    if stale and CHECK in sys.argv:
        sys.exit(1)


if __name__ == "__main__":
    main()
