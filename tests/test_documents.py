"""The documents: what they name exists, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def test_every_check_that_the_specification_names_exists() -> None:
    text = (PROJECT / "SPECIFICATION.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| [A-Z]\d+ ", line)]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`((?:tests|bench)/[^`]*)`", row)
        assert named, f"no check in: {row}"
        for path in named:
            assert (PROJECT / path).exists(), f"{path}, in: {row}"


def test_the_documentation_builds_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "tools/build_docs.py", str(tmp_path / "docs")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "docs" / "reference-rv64.md").read_text().startswith("# RV64GC")


def test_the_page_on_architecture_draws_the_parts_that_there_are_in_the_order_that_imports_keep() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text()
    drawing = page.split("```")[1]
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    rows = [set(re.findall(r"softmetal\.(\w+)", layer)) for layer in layers]
    parts = {p.name for p in (PROJECT / "src" / "softmetal").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert set().union(*rows) == parts
    drawn = [parts & set(re.findall(r"(?:^  |[-] |  )(\w+)(?= |$)", line)) for line in drawing.splitlines()]
    assert [row for row in drawn if row] == rows
    for part in parts:
        assert f"**`{part}`**" in page
    for name in re.findall(r"\]\(\.\./(tests/[^)]*)\)", page):
        assert (PROJECT / name).exists()
