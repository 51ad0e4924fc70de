"""The command line itself: what stands where, what is refused and how, what starting costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from softmetal.cli import main
from softmetal.cli.command import Given, Option, argument, option, parser_of, run

PROJECT = Path(__file__).parent.parent.parent
DEMO = PROJECT / "examples" / "mandelbrot" / "mandelbrot.riscv64"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nothing", "softmetal: nothing: there is no such command; there are run, replay,"),
        ("rnu", "softmetal: rnu: there is no such command; did you mean run?"),
        ("run --kernl x", "softmetal run: --kernl: there is no such option; did you mean --kernel? (softmetal run --board"),
        ("run --xyz x", "softmetal run: --xyz: there is no such option (softmetal run --board riscv-virt --help"),
        ("run --kern x", "softmetal run: --kern: there is no such option"),  # no guessing
        ("run --cpus two", "softmetal run: --cpus: give a whole number, not two"),
        ("run --timeout 1e", "softmetal run: --timeout: give a number, not 1e"),
        ("run --max-insns 0 x", "softmetal run: --max-insns: give 1 or more, not 0"),
        ("run --seed", "softmetal run: --seed: expected one argument"),
        ("replay", "softmetal replay: the following arguments are required: FILE"),
        ("asm file", "softmetal asm: the following arguments are required: -o/--output"),
        ("insn nop nop", "softmetal insn: nop: one argument too many"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.dispatch(words.split())
    shown = capsys.readouterr()
    assert (end.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert shown.err.startswith(message)


def test_what_follows_the_program_is_its_own() -> None:
    seen = []

    def command(
        words: list[str] | None, given: Given, number: int = 0, flag: bool = False, several: list[str] | None = None
    ) -> None:
        seen.append((words, dict(given), number, flag, several))

    from typing import Annotated

    command.__annotations__ |= {
        "words": Annotated[list[str], argument("PROG ARGS...", "A program.")], "given": Given,
        "number": Annotated[int, option("N", "A number.", group="Numbers")],
        "flag": Annotated[bool, option(None, "A flag.", "-f", "--flag")],
        "several": Annotated[list[str] | None, option("X", "Some.")],
    }  # fmt: skip
    run("x", command, ["--number=-3", "--several", "a", "-f", "--several", "b", "prog", "--number", "4", "--", "-h"])
    given = {"number": ("--number", "Numbers"), "flag": ("--flag", "Options"), "several": ("--several", "Options")}
    assert seen.pop() == (["prog", "--number", "4", "--", "-h"], given, -3, True, ["a", "b"])
    run("x", command, [])
    assert seen.pop() == ([], {}, 0, False, None)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_option_is_in_the_help_with_what_it_is_for(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    function = main.function(name)
    with pytest.raises(SystemExit) as end:
        main.dispatch([name, "--help"])
    shown = capsys.readouterr().out
    parser, _, _ = parser_of(name, function, ["--help"])
    assert not end.value.code
    assert " ".join(shown.split()).startswith(f"Usage: softmetal {name} [options]")
    for written in parser.options:
        assert written in shown
    abouts = [about for hint in function.__annotations__.values() for about in getattr(hint, "__metadata__", ())]
    assert all(about.help.endswith(".") for about in abouts if isinstance(about, Option))


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_the_overview_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if words:
        main.dispatch(words)
    else:
        with pytest.raises(SystemExit, match="2"):
            main.dispatch(words)
    shown = capsys.readouterr()
    assert all(f"\n  {name} " in shown.out + shown.err for name in main.COMMANDS)
    assert bool(shown.out) is bool(words)


def test_a_program_runs_without_what_only_other_commands_need() -> None:
    code = (
        "import sys; from softmetal.cli.main import dispatch\n"
        "try: dispatch(['run', sys.argv[1]])\n"
        "except SystemExit: pass\n"
        "print(sorted(sys.modules.keys() & set(sys.argv[2:])), file=sys.stderr)"
    )
    heavy = ["llvmlite.binding", "rich", "pydantic", "typer", "click", "elftools", "importlib.metadata", "email", "numpy"]
    command = [sys.executable, "-c", code, DEMO, *heavy]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == "[]\n"
