"""Every block of code in the pages is run by a test, or checked by one; none is forgotten."""

import json
import logging
import re
import tomllib
from collections import Counter
from pathlib import Path

from test_docs import blocks

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
SHELL = "test_every_command_of_a_page_is_one_that_there_is"
HOW_TO = "test_every_command_of_the_pages_on_heads_works"
CHECKED = {
    ("CONTRIBUTING.md", "console"): "test_every_target_that_a_page_names_is_one_of_the_makefile",
    ("README.md", "bash"): "test_the_commands_of_the_readme_work",
    ("README.md", "console"): SHELL,
    ("README.md", "python"): "test_the_python_of_the_readme_works",
    ("docs/auto.md", "console"): "run by tests/jobs/auto/test_auto.py",
    ("docs/auto.md", "python"): "run by tests/jobs/auto/test_auto.py",
    ("docs/backbones.md", "console"): SHELL,
    ("docs/backbones.md", "python"): "test_features_that_were_computed_elsewhere_are_data",
    (
        "docs/backbones.md",
        "text",
    ): "test_what_is_pasted_into_the_document_is_what_the_commands_print",
    ("docs/calibration.md", "console"): SHELL,
    ("docs/choose-a-head.md", "console"): HOW_TO,
    (
        "docs/choose-a-head.md",
        "text",
    ): "what sweeps and rankings print: test_joined_features.py",
    ("docs/clean-labels.md", "console"): HOW_TO,
    ("docs/commands.md", "console"): SHELL,
    ("docs/commands.md", "python"): "test_logging_is_asked_for_as_the_page_on_commands_says",
    ("docs/commands.md", "text"): "lines for a shell's start: tests/cli/test_completion.py",
    ("docs/commands.md", "toml"): "test_the_defaults_of_the_page_on_commands_are_taken",
    ("docs/concepts.md", "console"): SHELL,
    ("docs/coverage.md", "console"): "hours: tests/test_coverage.py has a part of it",
    ("docs/data-formats.md", "console"): SHELL,
    ("docs/data-formats.md", "python"): "test_the_blocks_of_the_pages_on_datasets_work",
    ("docs/datasets.md", "bash"): "test_the_blocks_of_the_pages_on_datasets_work",
    ("docs/datasets.md", "console"): SHELL,
    ("docs/datasets.md", "python"): "test_the_blocks_of_the_pages_on_datasets_work",
    ("docs/engines.md", "bash"): "test_the_commands_of_the_page_on_engines_work",
    ("docs/fine-tune.md", "console"): HOW_TO,
    ("docs/format.md", "console"): SHELL,
    ("docs/format.md", "python"): "test_a_shard_is_read_with_nothing_but_h5py_and_the_document",
    ("docs/glossary.md", "console"): SHELL,
    ("docs/heads.md", "console"): HOW_TO,
    ("docs/index.md", "console"): SHELL,
    ("docs/predict-and-ship.md", "console"): HOW_TO,
    ("docs/look-around.md", "console"): HOW_TO,
    ("docs/page.md", "console"): SHELL,
    ("docs/preprocessing.md", "console"): SHELL,
    ("docs/preprocessing.md", "toml"): "test_the_preprocessing_file_of_the_document_is_valid",
    ("docs/reliability.md", "console"): SHELL,
    ("docs/remote-data.md", "sh"): "test_the_commands_on_files_in_a_store_work",
    ("docs/scaling.md", "bash"): "test_the_blocks_of_the_page_on_many_workers_work",
    ("docs/scaling.md", "console"): SHELL,
    ("docs/scaling.md", "sh"): "test_the_tale_of_the_bucket",
    ("docs/scaling.md", "slurm"): "test_the_blocks_of_the_page_on_many_workers_work",
    ("docs/scaling.md", "yaml"): "test_the_blocks_of_the_page_on_many_workers_work",
    ("docs/scores.md", "console"): HOW_TO,
    ("docs/security.md", "console"): SHELL,
    ("docs/statistics.md", "console"): SHELL,
    ("docs/store.md", "bash"): "test_the_tale_of_the_lost_database",
    ("docs/store.md", "console"): SHELL,
    ("docs/store.md", "python"): "test_the_python_of_the_page_on_the_store_works",
    ("docs/store.md", "sh"): "test_the_tale_of_the_bucket",
    ("docs/team.md", "console"): "test_every_command_of_the_page_is_one",
    ("docs/team.md", "sql"): "test_owner_writer_and_reader_may_do_what_their_names_say",
    ("docs/team.md", "yaml"): "test_the_pipelines_are_what_github_and_gitlab_take",
    ("docs/troubleshooting.md", "console"): SHELL,
    ("docs/tutorials/photos.md", "bash"): "test_the_tutorial_on_photos_works",
    ("docs/tutorials/photos.md", "console"): "test_an_installation_of_the_tutorials_is_ours",
    ("docs/tutorials/photos.md", "python"): "test_the_tutorial_on_photos_works",
    ("docs/tutorials/photos.md", "text"): "how a folder looks",
    ("docs/tutorials/texts.md", "console"): SHELL,
    ("docs/tutorials/texts.md", "python"): "test_the_tutorial_on_texts_works",
    ("docs/tutorials/texts.md", "text"): "how a table looks",
    ("docs/windows.md", "console"): SHELL,
    ("docs/windows.md", "python"): "test_the_block_of_the_page_on_windows_works",
}
"""The test of the blocks of a page in a language, or why they have none."""


def found() -> Counter[tuple[str, str]]:
    """How many blocks there are, but for those of Sphinx."""
    return Counter(
        (str(page.relative_to(ROOT)), language)
        for page in PAGES
        for language in re.findall(r"^```(\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    )


def test_every_block_of_the_pages_is_run_or_checked_by_a_test_that_there_is():
    assert set(found()) == CHECKED.keys()
    tests = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("tests/*.py"))
    for name in CHECKED.values():
        if name.startswith("test_"):
            assert f"def {name}(" in tests, name


def test_every_block_says_its_language():
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert all(fences[::2]) and not any(fences[1::2]), page


def test_every_target_that_a_page_names_is_one_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(r"^make ([a-z-]+)", "".join(blocks(page, "console")), re.MULTILINE)
        assert named and set(named) <= targets


def test_an_installation_of_the_tutorials_is_ours():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for page in PAGES:
        for extras in re.findall(
            r"pip install '?(?:\.|headstart)\[([a-z,]+)\]", page.read_text(encoding="utf-8")
        ):
            assert set(extras.split(",")) <= project["optional-dependencies"].keys(), page


def test_the_python_of_the_page_on_the_store_works(ready, pictures):
    (program,) = blocks("docs/store.md", "python")
    ready.backbones.alias("lite0", "net")
    ready.datasets.add("photos", pictures)
    ready.extract("net", "photos")
    names = {"ws": ready}
    exec(program, names)
    assert names["view"].shape == (36, 8)


def test_logging_is_asked_for_as_the_page_on_commands_says():
    (program,) = blocks("docs/commands.md", "python")
    ours = logging.getLogger("headstart")
    before = ours.level
    try:
        exec(program, {})
        assert ours.isEnabledFor(logging.INFO)
    finally:
        ours.setLevel(before)


def test_the_defaults_of_the_page_on_commands_are_taken(ws, run, tmp_path, monkeypatch):
    (settings,) = blocks("docs/commands.md", "toml")
    (tmp_path / "own.toml").write_text(settings)
    monkeypatch.setenv("HEADSTART_CONFIG", str(tmp_path / "own.toml"))
    shown = run("config", "show", "--json")
    assert shown.code == 0, shown.err
    values = {one["name"]: one["value"] for one in json.loads(shown.out)}
    for name, value in tomllib.loads(settings)["defaults"].items():
        assert str(values[name]) == str(value), name
