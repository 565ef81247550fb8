"""The badges and the terminal of the README.

`python docs/pictures/draw.py` draws them again from what pyproject.toml and `terminal.txt` say: the
same files give the same pictures, and nothing is fetched. `--record` runs the commands first, on
600 of the demo's emoji (extra `demo`), and writes what they print into `terminal.txt`.
"""

from __future__ import annotations

import argparse
import io
import os
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).parent
RECORDING = FOLDER / "terminal.txt"
COLUMNS = 100
COMMANDS = (
    "headstart extract 'zoo:efficientnet-lite0@avg_pool,block14_add|gap,block9_add|gap' photos/",
    "headstart rank photos",
)
CLASSES, OF_EACH = ("Animals & Nature", "Food & Drink", "Objects", "Smileys & Emotion"), 150
BADGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" '
    'aria-label="{label}: {value}" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">\n'
    "  <title>{label}: {value}</title>\n"
    '  <rect width="{width}" height="20" rx="3" fill="#1d4e89"/>\n'
    '  <rect width="{left}" height="20" rx="3" fill="#444"/>\n'
    '  <g fill="#fff" text-anchor="middle">\n'
    '    <text x="{middle:g}" y="14">{label}</text>\n'
    '    <text x="{right:g}" y="14">{value}</text>\n'
    "  </g>\n</svg>\n"
)
TERMINAL = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
  <title>headstart rank in a terminal</title>
  <style>
    .{unique_id}-matrix {{
      font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      font-size: {char_height}px; line-height: {line_height}px; white-space: pre;
    }}
    .{unique_id}-title {{ font: bold 18px sans-serif }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect width="{terminal_width}" height="{terminal_height}"/>
    </clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">{matrix}</g>
  </g>
</svg>
"""
"""For `export_svg`; rich's own names fonts of a server."""


def badge(label: str, value: str) -> str:
    """A label and its value in two fields, about seven pixels a letter."""
    left, right = 7 * len(label) + 12, 7 * len(value) + 12
    return BADGE.format(
        label=label,
        value=value,
        left=left,
        width=left + right,
        middle=left / 2,
        right=left + right / 2,
    )


def badges() -> dict[str, str]:
    """The badges by the names of their files."""
    text = (FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    pythons = [
        line.rpartition(" ")[2]
        for line in project["classifiers"]
        if line.startswith("Programming Language :: Python :: ")
    ]
    (keras,) = (one for one in project["dependencies"] if one.startswith("keras>="))
    return {
        "badge-licence.svg": badge("licence", project["license"]),
        "badge-python.svg": badge("Python", f"{pythons[0]} to {pythons[-1]}"),
        "badge-keras.svg": badge("Keras", f"{keras.partition('>=')[2]} or later"),
    }


def terminal(recording: str) -> str:
    """What was recorded as a picture whose text can be selected; with a font of the reader's."""
    console = Console(record=True, file=io.StringIO(), width=COLUMNS)
    for line in recording.splitlines():
        console.print(Text.from_ansi(line), soft_wrap=False)
    drawn = console.export_svg(title="headstart", code_format=TERMINAL, unique_id="terminal")
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines())


def record() -> str:
    """Run the commands on emoji in folders, and give what a terminal shows."""
    from headstart.demo import emoji_rows

    with tempfile.TemporaryDirectory() as place:
        taken: Counter[str] = Counter()
        for row in emoji_rows():
            if row["label"] in CLASSES and taken[row["label"]] < OF_EACH:
                taken[row["label"]] += 1
                picture = Path(row["path"])
                into = Path(place, "photos", row["label"].split()[0].lower(), picture.name)
                into.parent.mkdir(parents=True, exist_ok=True)
                into.write_bytes(picture.read_bytes())
        environment = {
            **os.environ,
            "HEADSTART_HOME": f"{place}/zoo",
            "COLUMNS": str(COLUMNS),
            "FORCE_COLOR": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        subprocess.run(["headstart", "init"], env=environment, cwd=place, check=True)
        shown = ""
        for command in COMMANDS:
            done = subprocess.run(
                shlex.split(command),
                env=environment,
                cwd=place,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            )
            shown += f"$ {command}\n{done.stdout.rstrip()}\n\n".replace(f"{place}/", "")
    return "".join(f"{line.rstrip()}\n" for line in shown.rstrip().splitlines())


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="run the commands first")
    if parser.parse_args().record:
        RECORDING.write_text(record(), encoding="utf-8")
    drawn = {**badges(), "terminal.svg": terminal(RECORDING.read_text(encoding="utf-8"))}
    for name, text in drawn.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
