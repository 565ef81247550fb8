"""Hostile files by the hundred: accepted and right, or refused in one clear line; nothing else.

Each case is a file of the corpus, changed at random, in a process of its own with limits on memory
and time, and a canary that must not appear. Cases are the same for the same `FUZZ_SEED`.
"""

import collections
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import headstart as hs

SEED = os.environ.get("FUZZ_SEED", "0")
SHARES = {
    "saved_model": 65,
    "keras": 55,
    "h5": 40,
    "bundle": 40,
    "arrays": 45,
    "preset": 15,
    "picture": 40,
}
"""Of 300 cases."""


def cases(count):
    return [
        (kind, number)
        for kind, share in SHARES.items()
        for number in range(round(count * share / sum(SHARES.values())))
    ]


def one(zygote, template, root, kind, number):
    folder = root / f"{kind}-{number}"
    folder.mkdir()
    shutil.copytree(template, folder / "zoo")
    request = {"kind": kind, "seed": SEED, "number": number, "folder": str(folder)}
    answer = {**request, **zygote.ask(request)}
    touched = zygote.touched(folder, answer)
    if touched:
        answer["outcome"] = f"touched {', '.join(touched)}"
    if answer["outcome"] in ("accepted", "refused"):
        shutil.rmtree(folder)
    return answer


def share(zygote, template, root, wanted):
    return [one(zygote, template, root, kind, number) for kind, number in wanted]


def described(failures):
    lines = []
    for failure in failures[:40]:
        detail = Path(failure["folder"]) / "detail"
        said = detail.read_text().strip().splitlines()[-1:] if detail.exists() else []
        lines.append(f"{failure['outcome']}: {failure['folder']} {' '.join(said)[:300]}")
    return "\n".join(lines)


def outcomes(answers):
    return collections.Counter(answer["outcome"] for answer in answers)


def summary(answers, part):
    peak = max(answer["megabytes"] for answer in answers)
    seconds = sum(answer["seconds"] for answer in answers)
    lines = [
        f"\nfuzz, seed {SEED}, {part}: {len(answers)} cases in {seconds:.0f} s, "
        f"{dict(outcomes(answers))}, peak {peak} MB"
    ]
    for kind in SHARES:
        found = outcomes(answer for answer in answers if answer["kind"] == kind)
        lines.append(f"  {kind}: {dict(found)}")
    return "\n".join(lines) + "\n"


FEW, PARTS = 120, 3
"""Of the quick run, in parts, so that the processes that run the tests share them; `make test` has
one of them (tests/long.txt)."""
MORE = 20
"""Parts of the 10,000: each takes minutes, and can be run alone (`-k 10000-2-0-20`)."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("count", "processes", "part", "of"),
    [
        *((FEW, 1, part, PARTS) for part in range(PARTS)),
        *(pytest.param(10_000, 2, part, MORE, marks=pytest.mark.slow) for part in range(MORE)),
    ],
)
def test_hostile_files_are_accepted_and_right_or_refused_in_one_line(
    count, processes, part, of, zygotes, tmp_path, capsys
):
    hs.init(tmp_path / "template").database.close()
    wanted = cases(count)[part::of]
    with ThreadPoolExecutor(processes) as pool:
        shares = [wanted[start::processes] for start in range(processes)]
        run = pool.map(
            lambda zygote, cases: share(zygote, tmp_path / "template", tmp_path, cases),
            zygotes[:processes],
            shares,
        )
        answers = [answer for found in run for answer in found]
    counts = outcomes(answers)
    with capsys.disabled():
        sys.stdout.write(summary(answers, f"part {part + 1} of {of}"))
    failures = [a for a in answers if a["outcome"] not in ("accepted", "refused")]
    assert not failures, described(failures)
    assert len(answers) == len(wanted)
    assert counts["refused"] > len(wanted) / 4 and counts["accepted"] > len(wanted) / 20
