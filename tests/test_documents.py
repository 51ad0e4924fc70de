"""The documents: what they name exists, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
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
