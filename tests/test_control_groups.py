"""Memory and processors are those of the container or the job, not those of the machine."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from headstart.clusters import control_groups
from headstart.clusters.control_groups import memory_left, processors
from headstart.extractors.runtime import cores
from headstart.storage.memory import free_memory

MIB = 1 << 20
V2 = "0::/job/step\n"
V1 = "9:name=systemd:/\n4:memory:/job/step\n2:cpu,cpuacct:/job/step\n"


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Files of control groups as a kernel shows them."""

    def make(own: str, files: dict[str, str]) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            place = tmp_path / "groups" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text + "\n")
        monkeypatch.setattr(control_groups, "OWN", tmp_path / "own")
        monkeypatch.setattr(control_groups, "MOUNTED", tmp_path / "groups")

    return make


@pytest.mark.parametrize(
    ("own", "files", "left"),
    [
        ("", {}, None),
        (V2, {"job/step/memory.max": "max", "job/step/memory.current": "5"}, None),
        (V2, {"job/step/memory.max": "900", "job/step/memory.current": "500"}, 400),
        (V2, {"job/step/memory.high": "700", "job/step/memory.current": "500"}, 200),
        (
            V2,
            {
                "job/step/memory.max": "max",
                "job/memory.max": "900",
                "job/memory.current": "800",
                "job/memory.stat": "anon 1\ninactive_file 300\nactive_file 7",
            },
            400,
        ),
        ("0::/outside/its/name\n", {"memory.max": "900", "memory.current": "1000"}, 0),
        (
            V1,
            {
                "memory/job/step/memory.limit_in_bytes": "900",
                "memory/job/step/memory.usage_in_bytes": "500",
                "memory/job/step/memory.stat": "inactive_file 1\ntotal_inactive_file 100",
                "memory/memory.limit_in_bytes": "9223372036854771712",
                "memory/memory.usage_in_bytes": "5000",
            },
            500,
        ),
    ],
    ids=["none", "no limit", "own", "high", "of the job around", "named outside", "version 1"],
)
def test_what_is_left_of_the_memory(system, own, files, left):
    system(own, files)
    assert memory_left() == left


@pytest.mark.parametrize(
    ("own", "files", "count"),
    [
        ("", {}, None),
        (V2, {"job/step/cpu.max": "max 100000"}, None),
        (V2, {"job/step/cpu.max": "150000 100000", "job/cpu.max": "400000 100000"}, 2),
        (V2, {"job/step/cpu.max": "1000 100000"}, 1),
        (V1, {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu/job/step/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "1000"}, None),
    ],
    ids=["none", "no limit", "rounded up", "one at least", "version 1", "no limit in version 1"],
)
def test_how_many_processors_there_are(system, own, files, count):
    system(own, files)
    assert processors() == count


def test_no_more_is_used_than_what_is_given(system, monkeypatch):
    monkeypatch.delenv("HEADSTART_CORES", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: range(64), raising=False)
    files = {
        "memory.max": f"{64 * MIB}",
        "memory.current": f"{60 * MIB}",
        "cpu.max": "300000 100000",
    }
    system("0::/\n", files)
    assert free_memory() == 4 * MIB
    assert cores() == 3
    monkeypatch.setenv("HEADSTART_CORES", "7")
    assert cores() == 7


@pytest.fixture
def small_group():
    """A real group of 300 MiB."""
    place = next(
        (
            top / "headstart-test"
            for top in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
            if (top / "cgroup.procs").exists() and os.access(top, os.W_OK)
        ),
        None,
    )
    try:
        if place is None:
            raise PermissionError
        place.mkdir()
    except OSError:
        pytest.skip("no control group may be made here")
    limit = next(
        (place / n for n in ("memory.max", "memory.limit_in_bytes") if (place / n).exists()), None
    )
    try:
        if limit is None:
            pytest.skip("the control groups here know no memory")
        limit.write_text(str(300 * MIB))
        yield place
    finally:
        place.rmdir()


def test_a_real_group_is_known(small_group):
    assert psutil.virtual_memory().available > 300 * MIB
    code = (
        f"open({str(small_group / 'cgroup.procs')!r}, 'w').write('0')\n"
        "from headstart.storage.memory import free_memory; print(free_memory())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 200 * MIB < int(told.stdout) <= 300 * MIB
