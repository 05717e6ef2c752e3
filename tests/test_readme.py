"""What the README and the docs say is there is there, and what they show is what comes."""

import re
import shlex
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from click.testing import CliRunner

import queries
from ingest.cli import COMMANDS, cli
from parsers import Block, parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {path: path.read_text("utf-8") for path in DOCS}
TESTS = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))
TOYS = ("gateway", "night-shift")
"""What the guides add as an example, and is not here."""


def found(pattern):
    """Return what *pattern* finds in each of the docs, once, and the folder of that one."""
    return sorted({(path.parent, hit) for path, text in TEXTS.items() for hit in re.findall(pattern, text)})


@pytest.mark.parametrize("name", sorted({name for _, name in found(r"`(test_\w+)`")}))
def test_every_test_that_the_docs_name_exists(name):
    assert re.search(rf"^ *def {name}\(", TESTS, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_explains_itself(name):
    command = cli.get_command(None, name)

    assert re.search(rf"^  {name} ", README, re.MULTILINE)
    assert command.help or command.__doc__
    assert all(parameter.help for parameter in command.params if parameter.param_type_name == "option")


@pytest.mark.parametrize(("folder", "link"), found(r"\]\(([^)#:]+)\)"))
def test_every_file_that_the_docs_link_exists(folder, link):
    assert (folder / link).exists()


@pytest.mark.parametrize("name", sorted({n for _, n in found(r"`((?:ingest|parsers|queries|tests|docs)/[\w./-]+)")}))
def test_every_file_that_the_docs_name_exists(name):
    assert (ROOT / name).exists() or any(toy in name for toy in TOYS)


SHOWN = re.compile(r"^\$ ingest ((?:report|sql|status)\b[^\n|]*)[^\n]*\n(.*?)(?=^\$|^```)", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\$\d[\d,.]*\d|\d{1,3}(?:,\d{3})+|\d{4,}")
COMMANDS_SHOWN = [
    (command.strip(), shown)
    for path in (ROOT / "README.md", ROOT / "docs" / "reports.md")
    for command, shown in SHOWN.findall(TEXTS[path])
]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("readme") / "w")
    CliRunner().invoke(cli, ["backfill", str(ROOT / "fixtures/rc3/maestro.log"), "-w", folder], catch_exceptions=False)
    return folder


@pytest.mark.parametrize(("command", "shown"), [(c, s) for c, s in COMMANDS_SHOWN if s.strip() and " -o " not in c])
def test_every_number_that_the_docs_show_is_what_their_command_prints(warehouse, command, shown):
    asked = [*shlex.split(command), "-w", warehouse]
    printed = "".join(CliRunner().invoke(cli, [*asked, *form]).stdout for form in ([], ["--format", "table"]))
    numbers = NUMBER.findall(shown)

    assert numbers
    assert [n for n in numbers if n not in printed and n.replace(",", "") not in printed] == []


@pytest.mark.parametrize("command", sorted({c for c, s in COMMANDS_SHOWN if not s.strip() or " -o " in c}))
def test_every_question_that_the_docs_show_without_its_answer_is_answered(warehouse, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "usage-export.csv").write_text("date,model,input_tokens,output_tokens\n2026-02-03,gpt-5.2,1,1\n")
    result = CliRunner().invoke(cli, [*shlex.split(command), "-w", warehouse])

    assert result.exit_code in (0, 3), result.output  # 3: a limit was crossed


def block(name, language):
    """Return the first code block in *language* of the guide *name*."""
    return re.search(rf"^```{language}\n(.*?)^```", TEXTS[ROOT / "docs" / name], re.MULTILINE | re.DOTALL)[1]


def test_the_format_of_the_guide_reads_the_line_of_the_guide():
    module = ModuleType("parsers.formats.gateway")
    exec(block("add-a-format.md", "python"), vars(module))  # noqa: S102 # that is what the guide tells to write
    rows = parse(Block(block("add-a-format.md", "json").encode(), sealed=True), [module.FORMAT])
    (call,) = rows.calls.select("model", "request_tokens", "cache_read_tokens", "latency_ms", "success").rows()

    assert call == ("gpt-4o", 900, 100, 1240.0, True)


def test_the_report_of_the_guide_answers(warehouse, tmp_path):
    (tmp_path / "night-shift.sql").write_text(block("add-a-report.md", "sql"))
    report = queries.load("night-shift", [tmp_path])
    with queries.connect(warehouse, tz="UTC") as connection:
        answer = queries.run(connection, report, from_hour="15")

    assert answer.title == "Night shift: what each agent used between two hours"
    assert set(report.parameters) == {"from_hour", "to_hour"}
    assert answer.frame["calls"].sum() > 0


def test_nothing_here_names_a_path_of_the_machine_it_was_written_on():
    texts = [p for p in ROOT.rglob("*") if p.suffix in {".py", ".md", ".sql", ".toml"} and ".venv" not in p.parts]

    assert not [p for p in texts if re.search(r"/(root|farm|work)/", p.read_text("utf-8")) and p != Path(__file__)]


@pytest.mark.parametrize("since", ["2026-02-03", "7d"])
def test_the_notebook_block_runs_on_the_warehouse_of_the_readme(tmp_path, monkeypatch, since):
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(cli, ["backfill", "fixtures/rc3/maestro.log"], catch_exceptions=False)  # its first block
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    world: dict[str, object] = {}
    exec(code.replace('since="2026-02-03"', f'since="{since}"'), world)  # noqa: S102 # what a reader would paste

    empty = since == "7d"
    assert world["calls"].collect().height == 766
    assert world["peaks"].is_empty() == world["answer"].frame.is_empty() == empty
    assert world["costs"].schema["cost_usd"] == pl.Float64
    assert "no rows" in str(queries.chart(world["answer"]).to_dict()) or not empty
