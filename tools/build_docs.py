"""Build the documentation: copies `docs/`, adds the reference pages made from the tables, and checks every link.

    python tools/build_docs.py OUT

Exit code 1, with a line for each, where a link of a page leads nowhere.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from softmetal.cli.isas import KNOWN, find
from softmetal.isa.reference import reference

HERE = Path(__file__).parent.parent


def main() -> int:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs")
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(HERE / "docs", out)
    for name in KNOWN:
        (out / f"reference-{name}.md").write_text(reference(find(name).isa))
    wrong = []
    pages = [*out.rglob("*.md"), *(HERE / n for n in ("README.md", "CONTRIBUTING.md", "SPECIFICATION.md"))]
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for link in re.findall(r"\]\(([^)#\s]+)\)", text):
            inside = page.is_relative_to(out)
            source = HERE / "docs" / page.relative_to(out).parent if inside else page.parent
            if "://" not in link and not (page.parent / link).exists() and not (source / link).exists():
                wrong.append(f"{page.name}: no file {link}")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(pages)} pages in {out}")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
