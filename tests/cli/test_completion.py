"""Names complete in bash, zsh and fish; nothing heavy is imported for it."""

import os
import shutil
import subprocess
import sys

import pytest
from click.shell_completion import get_completion_class

import headstart as hs
from conftest import clean_environment
from headstart.cli import cli


@pytest.fixture(scope="module")
def place(tmp_path_factory, with_net):
    from conftest import draw_classes

    root = tmp_path_factory.mktemp("complete")
    shutil.copytree(with_net[1], root / "zoo")
    ws = hs.open(root / "zoo")
    ws.datasets.add("pics", draw_classes(root / "pictures"))
    ws.backbones.alias("best", "net")
    ws.heads.train("colours", ws.extract("net", "pics"))
    ws.database.close()
    return root / "zoo"


@pytest.fixture
def complete(place, monkeypatch):
    monkeypatch.setenv("HEADSTART_HOME", str(place))

    def call(line, shell="zsh"):
        *words, last = line.split(" ")
        completion = get_completion_class(shell)(cli, {}, "headstart", "_HEADSTART_COMPLETE")
        return [
            item.value for item in completion.get_completions(words, last) if item.type == "plain"
        ]

    return call


LINES = [
    ("extract n", ["net"]),
    ("extract ", ["net", "best"]),
    (
        "extract net@",
        ["image", "conv", "bn", "relu", "pool", "features", "dropout", "final_output"],
    ),
    ("extract best@re", ["relu"]),
    ("extract net@relu,po", ["pool"]),
    ("extract net ", ["pics"]),
    ("rank p", ["pics"]),
    ("rank pics net n", ["net"]),
    ("head train h net", ["net"]),
    ("head train ", []),
    ("head show ", ["colours"]),
    ("head plot c", ["colours"]),
    ("head finetune colours --from re", ["relu"]),
    ("backbone show b", ["best"]),
    ("backbone add ", []),
    ("backbone add x applications:VGG", ["applications:VGG16", "applications:VGG19"]),
    ("zoo show zoo:efficientnet-lite0", ["zoo:efficientnet-lite0"]),
    ("dataset refresh ", ["pics"]),
    ("dataset add ", []),
    ("features plot net pics map.png --head c", ["colours"]),
    ("glossary mar", ["margin"]),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_names_complete(complete, shell, line, expected):
    found = [name.rsplit("@", 1)[-1].rsplit(",", 1)[-1] for name in complete(line, shell)]
    assert found == expected or (line.endswith("@") and found == ["default", *expected])


def test_a_feature_key_completes(complete, place):
    (key,) = complete("features show ")
    assert len(key) == 12 and key == hs.open(place).cache.details(key).feature_set.key[:12]


def test_where_there_is_no_workspace_nothing_is_said(complete, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "none"))
    assert complete("extract ") == [] and complete("head show ") == []
    assert capsys.readouterr() == ("", "")


def test_files_complete_where_no_name_does(place, monkeypatch):
    monkeypatch.setenv("HEADSTART_HOME", str(place))
    completion = get_completion_class("fish")(cli, {}, "headstart", "_HEADSTART_COMPLETE")
    for words in (["dataset", "add", "d"], ["backbone", "add", "x"]):
        assert [item.type for item in completion.get_completions(words, "./ph")] == ["file"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "replaced"),
    [
        ("headstart extract n", ["net"]),
        ("headstart extract net@con", ["conv"]),
        ("headstart extract net@relu,po", ["relu,pool"]),
        (
            "headstart extract net@",
            [
                "default",
                "image",
                "conv",
                "bn",
                "relu",
                "pool",
                "features",
                "dropout",
                "final_output",
            ],
        ),
        (
            "headstart backbone add x zoo:efficientnet-lite",
            [f"efficientnet-lite{n}" for n in range(5)],
        ),
        ("headstart head show c", ["colours"]),
        ("headstart extract net p", ["pics"]),
    ],
)
def test_bash_itself_completes(place, tmp_path, line, replaced):
    """What bash puts in the place of the part behind `@` or `:`, as it breaks words there."""
    program = tmp_path / "headstart"
    program.write_text(f"#!{sys.executable}\nfrom headstart.cli import main\nmain()\n")
    program.chmod(0o755)
    script = f"""
        eval "$(_HEADSTART_COMPLETE=bash_source headstart)"
        COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=(${{COMP_LINE}}); COMP_CWORD=1
        _headstart_completion headstart
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = clean_environment(HEADSTART_HOME=str(place), PATH=path)
    ran = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == replaced, ran.stderr


def test_completion_imports_neither_tensorflow_nor_sqlalchemy(place):
    words = "COMP_LINE='headstart head train h net'"
    script = (
        "import sys\n"
        "from headstart.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'sqlalchemy', 'numpy', 'rich', 'scipy', 'sklearn'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules))))\n"
    )
    environment = clean_environment(
        HEADSTART_HOME=str(place), COMP_LINE="headstart head train h ne", COMP_WORDS=words,
        COMP_CWORD="1", _HEADSTART_COMPLETE="bash_complete",
    )  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert (ran.stdout.split(), ran.stderr) == (["plain,net"], "")
