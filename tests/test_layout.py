"""The folders are the architecture, and nothing of it leaks."""

import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import headstart as hs
import headstart.errors as errors
from conftest import clean_environment

ROOT = Path(__file__).parent.parent


def in_a_process(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "tests",
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def test_no_generic_top_level_module_is_ever_loaded():
    code = (
        "import sys, headstart.cli, headstart.workspace, headstart.demo\n"
        "import headstart.heads.kinds.mlp\n"
        "print([name for name in ('registry', 'storage', 'extractors', 'heads')"
        " if name in sys.modules])"
    )
    assert in_a_process(code).strip() == "[]"


def test_every_folder_of_modules_is_in_the_wheel():
    """A checkout that is installed as it lies has them all, whatever the wheel is told."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(file.relative_to(ROOT).parent.parts)
        for top in ("headstart", "registry", "storage", "extractors", "heads")
        for file in (ROOT / top).rglob("__init__.py")
    }
    names = {name if name.split(".")[0] == "headstart" else f"headstart.{name}" for name in folders}
    assert names <= set(told)


def test_the_library_alembic_is_not_shadowed_by_the_folder_of_that_name():
    assert not (ROOT / "alembic" / "__init__.py").exists()
    code = "import sys; sys.path.insert(0, '..'); import alembic; print(alembic.__file__)"
    assert "site-packages" in in_a_process(code)


def test_the_package_can_be_imported_from_the_root_of_a_checkout():
    code = "import sys; sys.path.insert(0, '..'); import headstart.registry.zoo as z; print(z)"
    assert "zoo" in in_a_process(code)


def test_the_help_and_the_listings_load_neither_tensorflow_nor_sqlalchemy(tmp_path):
    hs.init(tmp_path / "zoo")
    heavy = (
        "[m for m in ('tensorflow', 'keras', 'sqlalchemy', 'h5py', 'sklearn') if m in s.modules]"
    )
    for command in (
        "--help",
        "backbone list",
        "dataset list",
        "features list",
        "head list",
        "zoo list",
    ):
        code = (
            "import sys as s\nfrom headstart.cli import main\n"
            f"try: main({command.split()} + ['--workspace', {str(tmp_path / 'zoo')!r}]"
            f" if {command!r} != '--help' else ['--help'])\n"
            f"except SystemExit as e: print('code', e.code, {heavy})"
        )
        assert in_a_process(code).strip().endswith("code 0 []"), command


def test_a_warm_extraction_loads_no_tensorflow(ready):
    ready.extract("net", "pics")
    code = (
        "import sys as s, headstart as hs\n"
        f"report = hs.open({str(ready.config.root)!r}).extract('net', 'pics').report\n"
        "print(report.computed, report.reused, 'tensorflow' in s.modules, 'keras' in s.modules)"
    )
    assert in_a_process(code).split() == ["0", "36", "False", "False"]


def test_the_command_line_knows_every_kind_of_head(run):
    from headstart.heads.kinds.every_kind import KINDS

    trained, swept = run("head", "train", "--help").out, run("head", "sweep", "--help").out
    for name, kind in KINDS.items():
        assert name in trained and name in swept
        for setting in kind.options:
            assert setting.flag in trained and setting.flag in swept


def test_the_public_surface_is_what_all_says():
    for name in hs.__all__:
        assert getattr(hs, name) is not None
    assert sorted(hs.__all__) == sorted(
        [
            "MLP",
            "SVM",
            "Attentive",
            "Bagged",
            "Classification",
            "CrossValidation",
            "FeatureView",
            "FineTuning",
            "Head",
            "HeadstartError",
            "Linear",
            "MultiLabel",
            "Neighbours",
            "Ordinal",
            "Prototype",
            "Regression",
            "Ridge",
            "Settings",
            "TipAdapter",
            "Workspace",
            "ZeroShot",
            "__version__",
            "init",
            "join",
            "open",
            "restore",
        ]
    )


def test_the_drawn_tree_of_errors_is_the_real_one():
    drawn = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type):
            assert name in drawn
            assert issubclass(value, hs.HeadstartError)


def test_an_error_is_one_line_with_what_to_do_next():
    error = errors.NotFound("no\n  such thing.", hint="Look\nagain.")
    assert str(error) == "no such thing. Look again."


def test_names_of_before_still_work_and_say_what_they_are_called_now(ready):
    with pytest.warns(DeprecationWarning, match=r"hs\.Trying is called hs\.CrossValidation now"):
        assert hs.Trying is hs.CrossValidation
    with pytest.warns(DeprecationWarning, match=r"ws\.store is called ws\.cache now"):
        assert ready.store is ready.cache


def test_a_workspace_and_a_head_can_be_pickled(ready):
    head = ready.heads.train("colours", ready.extract("net", "pics"))
    again = pickle.loads(pickle.dumps(ready))
    assert [one.name for one in again.backbones.list()] == ["net"]
    assert pickle.loads(pickle.dumps(head)).stack.classes == head.stack.classes


def test_an_extraction_with_nothing_to_do_loads_nothing_that_it_does_not_need(ready):
    """Each of these modules costs some milliseconds, in the command that is run most often."""
    root = str(ready.config.root)
    ready.extract("net", "pics")
    code = (
        "import sys, headstart as hs\n"
        f"assert hs.open({root!r}).extract('net', 'pics').report.computed == 0\n"
        "rooms = ('heads', 'catalog.head', 'jobs.heads', 'jobs.backbones.add',"
        " 'extractors.backbones.sources', 'extractors.safety.inspection')\n"
        "unneeded = ('tensorflow', 'keras', 'sklearn', 'psutil', 'numpy.random',"
        " *(f'headstart.{room}' for room in rooms))\n"
        "print([name for name in unneeded if name in sys.modules])"
    )
    assert in_a_process(code).strip() == "[]"


def test_heads_are_listed_without_what_computes(rows):
    rows.heads.train("rows", rows.features("flat@as_it_is", "rows"))
    code = (
        "import sys; from headstart.cli import main\n"
        "try:\n"
        f"    main(['head', 'list', '--workspace', {str(rows.config.root)!r}])\n"
        "finally:\n"
        "    print([name for name in ('numpy', 'pyarrow', 'sqlalchemy') if name in sys.modules])"
    )
    *listed, loaded = in_a_process(code).strip().splitlines()
    assert "linear" in " ".join(listed) and loaded == "[]", listed
