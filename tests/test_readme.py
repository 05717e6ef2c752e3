"""What the README says is there is there."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import COMMANDS, cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TESTS = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", README))))
def test_every_test_that_the_readme_names_exists(name):
    assert re.search(rf"^ *def {name}\(", TESTS, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_explains_itself(name):
    command = cli.get_command(None, name)

    assert re.search(rf"^  {name} ", README, re.MULTILINE)
    assert command.help or command.__doc__
    assert all(parameter.help for parameter in command.params if parameter.param_type_name == "option")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_file_that_the_readme_links_exists(link):
    assert (ROOT / link).exists()


SHOWN = re.compile(r"^\$ ingest ((?:report|sql|status)\b[^\n|]*)[^\n]*\n(.*?)(?=^\$|^```)", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\$\d[\d,.]*\d|\d{1,3}(?:,\d{3})+|\d{4,}")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("readme") / "w")
    CliRunner().invoke(cli, ["backfill", str(ROOT / "fixtures/rc3/maestro.log"), "-w", folder], catch_exceptions=False)
    return folder


@pytest.mark.parametrize(("command", "shown"), [(c, s) for c, s in SHOWN.findall(README) if " -o " not in c])
def test_every_number_that_the_readme_shows_is_what_its_command_prints(warehouse, command, shown):
    asked = [*shlex.split(command), "-w", warehouse]
    printed = "".join(CliRunner().invoke(cli, [*asked, *form]).stdout for form in ([], ["--format", "table"]))
    numbers = NUMBER.findall(shown)

    assert numbers
    assert [n for n in numbers if n not in printed and n.replace(",", "") not in printed] == []


def test_nothing_here_names_a_path_of_the_machine_it_was_written_on():
    texts = [p for p in ROOT.rglob("*") if p.suffix in {".py", ".md", ".sql", ".toml"} and ".venv" not in p.parts]

    assert not [p for p in texts if re.search(r"/(root|farm|work)/", p.read_text("utf-8")) and p != Path(__file__)]
