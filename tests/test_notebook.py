"""The notebook, executed as Jupyter does; `--golden` writes its outputs into it."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from ingest.cli import cli

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "peak-to-bill.ipynb"
PATIENCE_S = 600


def words(notebook):
    """What a reader sees as text: printed lines and frames, with `│` of a frame's border taken out."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def pictures(notebook):
    return [
        output["data"]["image/svg+xml"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/svg+xml" in output.get("data", {})
    ]


@pytest.fixture(scope="module")
def executed(request, tmp_path_factory):
    warehouse = tmp_path_factory.mktemp("w") / "warehouse"
    log = ROOT / "fixtures" / "rc3" / "maestro.log"
    result = CliRunner().invoke(cli, ["backfill", str(log), "-w", str(warehouse)])
    assert result.exit_code == 0, result.output

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("INGEST_WAREHOUSE", str(warehouse))
        environment.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        environment.setenv("PYTHONPATH", str(ROOT))
        client = NotebookClient(notebook, timeout=PATIENCE_S, startup_timeout=PATIENCE_S, kernel_name="python3")
        client.create_kernel_manager()
        # The interpreter of the tests, whatever kernels are installed.
        client.km.kernel_spec.argv[0] = sys.executable
        client.execute(cwd=str(NOTEBOOK.parent))
    if request.config.getoption("--golden"):
        for cell in notebook.cells:
            cell.get("metadata", {}).pop("execution", None)
        nbformat.write(notebook, NOTEBOOK)
    return notebook


def test_it_goes_from_the_peak_to_the_bill(executed):
    said = re.sub(r"[,_]", "", words(executed))

    assert "727096" in said
    assert "% of the bill in one minute" in words(executed)
    assert "$92.45" in words(executed)
    assert "3ceb3ffd" in said


def test_each_of_its_charts_is_a_picture(executed):
    assert len(pictures(executed)) == 3


def test_what_is_committed_is_what_it_says_when_executed(executed):
    assert words(nbformat.read(NOTEBOOK, as_version=4)) == words(executed)
