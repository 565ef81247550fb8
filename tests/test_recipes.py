"""Workers under schedulers: the recipes of `examples/workers`, as far as no scheduler is needed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import kubernetes_validate
import pytest
import yaml

from conftest import clean_environment

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "examples/workers"
PASSWORDS = {"POSTGRES_PASSWORD": "secret-1", "BUCKET_PASSWORD": "secret-2"}


def recipe(name):
    return (RECIPES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "kind"), [("slurm.sh", "slurm"), ("kubernetes.yaml", "yaml")])
def test_what_the_page_shows_is_the_file(name, kind):
    page = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    assert re.findall(rf"^```{kind}\n(.*?)^```", page, re.M | re.S) == [recipe(name)]


# Kubernetes


def test_the_job_is_one_by_the_schema_of_kubernetes():
    validate = kubernetes_validate.validate
    job = yaml.safe_load(recipe("kubernetes.yaml"))
    for version in ("1.28", "1.33"):
        validate(job, version, strict=True)
    job["spec"]["template"]["spec"]["restart"] = "Never"
    with pytest.raises(kubernetes_validate.ValidationError, match="restart"):
        validate(job, "1.33", strict=True)


# Slurm


def test_the_shell_script_is_one_that_shellcheck_likes():
    subprocess.run(["bash", "-n", RECIPES / "slurm.sh"], check=True)
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    checker = shutil.which("shellcheck", path=places)
    if checker is None:
        pytest.skip("shellcheck has no program for this system")
    subprocess.run([checker, "--severity=style", RECIPES / "slurm.sh"], check=True)


def test_a_task_of_the_array_is_a_worker_with_the_cores_that_slurm_gave_it(tmp_path):
    """In an environment as Slurm makes it, with a `headstart` that says how it was called."""
    fake = tmp_path / "headstart"
    fake.write_text(
        '#!/bin/bash\necho "$HEADSTART_HOME" "$@"\ntrap "echo terminated; exit 143" TERM\n'
        "echo ready; for ((i = 0; i < 600; i++)); do sleep 0.05; done\n"
    )
    fake.chmod(0o755)
    environment = {
        **clean_environment(),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": "/home/ada",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_ARRAY_TASK_ID": "3",
    }
    with subprocess.Popen(
        ["bash", RECIPES / "slurm.sh"], env=environment, stdout=subprocess.PIPE, text=True
    ) as task:
        assert task.stdout.readline() == "/home/ada/zoo worker --cores 8\n"
        assert task.stdout.readline() == "ready\n"
        task.terminate()  # as `--signal=B:TERM@120` does, to the shell that became the worker
        assert task.stdout.readline() == "terminated\n"
    assert task.returncode == 143


def test_the_options_of_the_array_are_options_of_sbatch():
    options = re.findall(r"^#SBATCH --([a-z-]+)=", recipe("slurm.sh"), re.M)
    assert options == ["job-name", "array", "cpus-per-task", "time", "signal"]


# Docker


@pytest.fixture
def compose():
    """The file, with its variables as `docker compose` would put them in."""
    text = recipe("compose.yaml")
    for name, value in PASSWORDS.items():
        text = text.replace(f"${{{name}:?}}", value)
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


def test_the_compose_file_is_one_by_the_specification(compose):
    specification = pytest.importorskip("compose_spec").PyCompose  # wheels are for some systems
    del compose["x-headstart"]
    found = specification.from_yaml(yaml.safe_dump(compose))
    found.validate()
    assert set(found.service_names()) == compose["services"].keys()
    compose["services"]["worker"]["restarts"] = "no"
    with pytest.raises(ValueError, match="restarts"):
        specification.from_yaml(yaml.safe_dump(compose))


def test_services_wait_for_services_that_are_there(compose):
    services = compose["services"]
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            is_checked = how["condition"] == "service_healthy"
            assert ("healthcheck" in services[other]) == is_checked
        for volume in service.get("volumes", ()):
            name = volume.split(":")[0]
            assert name in compose["volumes"] or name.startswith("./")


def test_the_commands_of_the_recipes_are_commands(compose, run):
    """Of the compose file and its tale, of the image and of the pod: each is understood."""
    entry = shlex.split(re.findall(r"^ENTRYPOINT (.*)$", recipe("Dockerfile"), re.M)[0])
    assert entry == ["[headstart]"]
    tale = re.findall(r"run --rm headstart (.*)$", recipe("compose.yaml"), re.M)
    (pod,) = yaml.safe_load(recipe("kubernetes.yaml"))["spec"]["template"]["spec"]["containers"]
    worker = compose["services"]["worker"]["command"]
    assert worker == ["worker", "--wait", "--cores", "1"]
    for words in (*map(shlex.split, tale), worker, pod["args"], ["worker", "--wait"]):
        asked = run(*words, "--help")
        assert asked.code == 0, asked.err
        for option in (word for word in words if word.startswith("--")):
            assert option in asked.out + run("--help").out
    assert "--store" in tale[0]


def test_the_dockerfile_is_one_that_hadolint_likes(tmp_path):
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    checker = shutil.which("hadolint", path=places)
    if checker is None:
        pytest.skip("hadolint has no program for this system")
    subprocess.run([checker, RECIPES / "Dockerfile"], check=True)
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /src\n")
    found = subprocess.run([checker, tmp_path / "Dockerfile"], capture_output=True, check=False)
    assert found.returncode == 1 and b"DL3006" in found.stdout  # a tag, WORKDIR


@pytest.mark.slow  # a new environment; the packages that Headstart needs are those of this one
def test_what_the_image_runs_installs_a_command_that_works(tmp_path):
    """Its steps without root's: `pip install` of this repository into an environment of its own."""
    (steps,) = re.findall(r"^RUN ((?:.*\\\n)*.*)", recipe("Dockerfile"), re.M)
    install, *others = (step.strip() for step in steps.replace("\\\n", " ").split("&&"))
    assert [step.split()[0] for step in others] == ["rm", "useradd", "install"]
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    program, *words = shlex.split(install.replace("/src[", f"{ROOT}["))
    assert program == "pip"
    pip = environment / "bin" / "pip"
    subprocess.run(
        [pip, *words, "--no-deps"],
        check=True,
        env={**clean_environment(), "PYTHONPATH": site_packages()},
    )
    entry = re.findall(r'^ENTRYPOINT \["(.*)"\]$', recipe("Dockerfile"), re.M)
    done = subprocess.run(
        [environment / "bin" / entry[0], "worker", "--help"],
        env={**clean_environment(), "PYTHONPATH": site_packages()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--wait" in done.stdout


@pytest.mark.slow  # builds a wheel
def test_wheels_that_were_carried_over_are_installed_without_a_network(tmp_path):
    """Ours alone: those that it needs come from the same folder in the same way."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "wheels"]
    subprocess.run([*build, ROOT], check=True)
    install = ["install", "--no-index", "--no-deps", "--find-links", tmp_path / "wheels"]
    subprocess.run([*pip, *install, "--target", tmp_path / "site", "headstart[demo]"], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "--version"],
        env=clean_environment(PYTHONPATH=f"{tmp_path / 'site'}{os.pathsep}{site_packages()}"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("headstart, version")


def site_packages() -> str:
    """Where the packages are that Headstart needs."""
    return str(Path(click.__file__).parents[1])


def test_what_the_image_installs_are_extras_of_ours():
    import tomllib

    extras = re.findall(r"/src\[([a-z,]+)\]", recipe("Dockerfile"))[0].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras) <= project["optional-dependencies"].keys()
