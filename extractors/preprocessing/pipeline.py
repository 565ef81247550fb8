"""Preprocessing: from a sample's raw content to the trunk's inputs, as a recorded pipeline.

A pipeline is a list of steps; each has a name, a version and its settings. The version is ours:
whoever changes a number that a step gives raises it, and every feature key changes with it. A
backbone with several inputs has a list of steps for each, or one list that ends in a step which
gives them all (a tokenizer).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from headstart.errors import PreprocessingError, SampleUnreadable, first_line
from headstart.extractors.preprocessing.batches import Batch, Prepared, arrays
from headstart.extractors.preprocessing.shortened import Shortened
from headstart.extractors.preprocessing.steps import STEPS, files_of
from headstart.extractors.preprocessing.steps.images import DECODERS, decode_and_resize
from headstart.extractors.preprocessing.steps.texts import tokenizer_json
from headstart.registry.names import nearest
from headstart.storage.files import read_regular
from headstart.storage.keys import fingerprint

FORMAT = "headstart.preprocessing/1"
Steps = tuple[dict[str, Any], ...]
ARITHMETIC = {"rescale", "standardize", "normalize"}
"""Steps that do the same to every pixel; a cast to float32 is one too."""


class Files(Protocol):
    """Where the files that steps need are kept: an `ArtifactStore`."""

    def keep(self, content: bytes) -> str:
        """Store a content; returns its sha256."""
        ...

    def read(self, digest: str) -> bytes:
        """The content of that sha256."""
        ...


@dataclass(frozen=True)
class Preprocessing:
    """A pipeline: steps in order, each `{"step": name, "version": n, **settings}`.

    Attributes:
        steps: what happens to a sample.
        inputs: instead of `steps`, the steps of each of the backbone's inputs; a sample then has
            a value for each, by name.
        files: where the steps' files are; needed only to run a step that has one.
        shortened: what was left out of the samples that were prepared.
    """

    steps: Steps = ()
    inputs: Mapping[str, Steps] = field(default_factory=dict)
    files: Files | None = field(default=None, compare=False, repr=False)
    shortened: Shortened = field(default_factory=Shortened, compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        return fingerprint(FORMAT, self.to_json())

    def to_json(self) -> dict[str, Any]:
        if self.inputs:
            steps = {name: [dict(s) for s in steps] for name, steps in self.inputs.items()}
            return {"format": FORMAT, "inputs": steps}
        return {"format": FORMAT, "steps": [dict(step) for step in self.steps]}

    @staticmethod
    def from_json(
        value: Any, where: str = "the preprocessing", files: Files | None = None
    ) -> Preprocessing:
        """Check a specification and fill in the defaults.

        Raises:
            PreprocessingError: something in it is unknown or of the wrong kind.
        """
        if not isinstance(value, dict) or not (
            isinstance(value.get("steps"), list) or isinstance(value.get("inputs"), dict)
        ):
            raise PreprocessingError(
                f"{where} has no list of steps", hint="See docs/preprocessing.md."
            )
        unknown = set(value) - {"format", "inputs" if "inputs" in value else "steps"}
        if unknown:
            raise PreprocessingError(f"{where} has an unknown field {min(unknown)!r}")
        if value.get("format", FORMAT) != FORMAT:
            raise PreprocessingError(
                f"{where} has format {value['format']!r}; this code reads {FORMAT}"
            )
        if "inputs" in value:
            inputs = {
                name: _checked_steps(steps, f"{where}, input {name}")
                for name, steps in value["inputs"].items()
            }
            return Preprocessing(inputs=inputs, files=files)
        return Preprocessing(_checked_steps(value["steps"], where), files=files)

    def oriented(self, orientation: str) -> Preprocessing:
        """The pipeline with pictures turned as their EXIF says (`exif`), or not (`ignore`).

        Raises:
            PreprocessingError: it decodes no pictures, or there is no such orientation.
        """
        decoders = [step for steps in self.chains.values() for step in steps if _decodes(step)]
        if not decoders:
            raise PreprocessingError(
                f"no pictures are decoded that could be turned: orient is {orientation!r}",
                hint="Leave it out; it is for backbones that take pictures.",
            )
        value = self.to_json()
        for steps in value["inputs"].values() if self.inputs else [value["steps"]]:
            for step in filter(_decodes, steps):
                step["orientation"] = orientation
        return Preprocessing.from_json(value, "--orient", self.files)

    @property
    def stored_files(self) -> list[str]:
        """sha256 of the stored files that its steps need."""
        return sorted({digest for steps in self.chains.values() for digest in files_of(steps)})

    @property
    def output_size(self) -> tuple[int, ...] | None:
        """(height, width, channels) of what images become; None for everything else."""
        size: tuple[int, ...] | None = None
        channels = None
        for step in self.steps:
            if step["step"] in DECODERS:
                channels = step["channels"]
            if step["step"] == "resize":
                size = (step["height"], step["width"])
        return None if size is None or channels is None else (*size, channels)

    @cached_property
    def pixels(self) -> Preprocessing:
        """The steps that are taken sample by sample; with `arithmetic` behind them, all.

        For pictures they end in uint8 pixels, a quarter of the bytes.
        """
        return replace(self, steps=self.steps[: len(self.steps) - len(self.arithmetic)])

    @cached_property
    def arithmetic(self) -> Steps:
        """The steps at the end that scale pixels to float32: the same for one and for many."""
        if self.inputs or not self.steps or self.steps[0]["step"] not in DECODERS:
            return ()
        number = len(self.steps)
        while _is_arithmetic(self.steps[number - 1]):
            number -= 1
        last = self.steps[-1]
        ends_in_float32 = last["step"] == "normalize" or last.get("dtype") == "float32"
        return self.steps[number:] if ends_in_float32 else ()

    def finish(self, pixels: Batch) -> Batch:
        """What `pixels` gave, one sample or a batch, through the rest of the steps."""
        return _run_all([self._runner(step) for step in self.arithmetic], pixels)

    def prepare(self, raw: Any) -> Any:
        """One sample, ready for the trunk.

        Args:
            raw: the content of a file or a text (bytes), one row of an array, or a mapping of
                those by the inputs' names.

        Returns:
            An array without batch dimension; one an input by name where there are several.

        Raises:
            SampleUnreadable: the content is not what the first step takes, or holds NaN.
        """
        value = self._run(raw)
        # Looked at here, as a ReLU turns NaN into 0 and hides it from the check of features.
        if any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in arrays(value)):
            raise SampleUnreadable("it holds NaN or infinity")
        return value

    def _run(self, raw: Any) -> Prepared:
        if not self.inputs:
            if isinstance(raw, Mapping) and len(raw) == 1:  # named, and none to mistake it for
                (raw,) = raw.values()
            if isinstance(raw, Mapping):
                raise SampleUnreadable(
                    f"the backbone takes one value a sample, the dataset has {', '.join(raw)}",
                    hint="Add the dataset again with one --value.",
                )
            return _run_all(self._runners[""], raw)
        if not isinstance(raw, Mapping):
            raise SampleUnreadable(
                f"the backbone takes {', '.join(self.inputs)}, the dataset has one value a sample",
                hint="Add the dataset again with a --value for each input.",
            )
        missing = [name for name in self.inputs if name not in raw]
        if missing:
            raise SampleUnreadable(
                f"the dataset has no value {missing[0]!r}; it has {', '.join(raw)}",
                hint="Add the dataset again: its values are called as the backbone's inputs.",
            )
        return {name: _run_all(self._runners[name], raw[name]) for name in self.inputs}

    @cached_property
    def _runners(self) -> dict[str, list[Callable[[Any], Any]]]:
        return {name: self._runners_of(steps) for name, steps in self.chains.items()}

    @property
    def runners(self) -> list[Callable[[Any], Any]]:
        """What runs the steps, whose stored files are opened once."""
        return [run for runs in self._runners.values() for run in runs]

    def _runners_of(self, steps: Steps) -> list[Callable[[Any], Any]]:
        names = [step["step"] for step in steps] or [""]
        for number in (2, 3):
            between = ["centre_crop"] * (number - 2)
            if names[0] in DECODERS and names[1:number] == [*between, "resize"]:
                first = decode_and_resize(steps[:number])
                return [first, *(self._runner(step) for step in steps[number:])]
        return [self._runner(step) for step in steps]

    @property
    def chains(self) -> Mapping[str, Steps]:
        """The steps of each input by its name; of the only one under an empty name."""
        return self.inputs or {"": self.steps}

    def _runner(self, step: dict[str, Any]) -> Callable[[Any], Any]:
        kind = STEPS[step["step"]]
        settings = {k: v for k, v in step.items() if k not in ("step", "version", kind.file)}
        if kind.tells:
            settings["tell"] = self.shortened.teller(step["step"])
        if kind.open is None:
            assert kind.run is not None
            return partial(kind.run, **settings)
        if self.files is None:
            raise PreprocessingError(f"the step {step['step']} has its file in a workspace")
        return kind.open(self.files.read(step[str(kind.file)]), **settings)

    def describe(self) -> list[str]:
        """The pipeline in words, a line a step."""
        if self.inputs:
            return [
                f"{name}: {STEPS[step['step']].describe(step)}"
                for name, steps in self.inputs.items()
                for step in steps
            ]
        return [STEPS[step["step"]].describe(step) for step in self.steps]


def _decodes(step: dict[str, Any]) -> bool:
    return step["step"] in DECODERS


def _is_arithmetic(step: dict[str, Any]) -> bool:
    is_cast = step["step"] == "cast" and step["dtype"] == "float32"
    return is_cast or step["step"] in ARITHMETIC


def _run_all(runners: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    for run in runners:
        value = run(value)
    return value


def _checked_steps(steps: Any, where: str) -> Steps:
    if not isinstance(steps, list):
        raise PreprocessingError(f"{where} has no list of steps", hint="See docs/preprocessing.md.")
    return tuple(
        _checked_step(step, f"{where}, step {number}") for number, step in enumerate(steps, start=1)
    )


def _checked_step(step: Any, where: str) -> dict[str, Any]:
    name = step.get("step") if isinstance(step, dict) else None
    if not isinstance(name, str) or name not in STEPS:
        raise PreprocessingError(
            f"{where}: no step {name!r}",
            hint=nearest(str(name), STEPS) or f"The steps are {', '.join(STEPS)}.",
        )
    kind = STEPS[name]
    for setting in step:
        if setting not in ("step", "version", *kind.defaults):
            raise PreprocessingError(
                f"{where}: {name} has no setting {setting!r}",
                hint=nearest(setting, kind.defaults) or f"It has {', '.join(kind.defaults)}.",
            )
    if step.get("version", kind.version) != kind.version:
        raise PreprocessingError(
            f"{where}: {name} version {step['version']}; this code has version {kind.version}"
        )
    full = {"step": name, "version": kind.version, **kind.defaults, **step}
    for setting in kind.defaults:
        _, words, is_valid = kind.settings[setting]
        if not is_valid(full[setting]):
            raise PreprocessingError(f"{where}: {setting} is {full[setting]!r}, it must be {words}")
    return full


def read_file(path: Path, files: Files | None = None) -> Preprocessing:
    """A pipeline from a JSON or TOML file.

    A step that needs a file names it with `file`, relative to this one; it is stored in `files`.

    Raises:
        PreprocessingError: a file is missing or is not a valid specification.
    """
    try:
        text = read_regular(path).decode("utf-8")
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise PreprocessingError(f"no preprocessing file {path}") from None
    except RecursionError:
        raise PreprocessingError(f"cannot read {path}: it is nested too deeply") from None
    except (OSError, ValueError) as error:
        raise PreprocessingError(f"cannot read {path}: {first_line(error)}") from error
    if isinstance(value, dict) and files is not None:
        chains = value.get("inputs", {"": value.get("steps")})
        for steps in chains.values() if isinstance(chains, dict) else ():
            for step in steps if isinstance(steps, list) else ():
                if isinstance(step, dict) and isinstance(step.get("file"), str):
                    _keep_file(step, path.parent, files)
    return Preprocessing.from_json(value, where=str(path), files=files)


def _keep_file(step: dict[str, Any], folder: Path, files: Files) -> None:
    """Put the sha256 of a step's stored file in the place of its name."""
    kind = STEPS.get(step.get("step", ""))
    if kind is None or kind.file is None:
        return  # found by whoever checks the step
    name = step.pop("file")
    content = _content(folder, name)
    if kind.file == "tokenizer":
        merges = _content(folder, step.pop("merges")) if "merges" in step else b""
        content = tokenizer_json(content, name, lower=step.pop("lower", True), merges=merges)
    step[kind.file] = files.keep(content)


def _content(folder: Path, name: str) -> bytes:
    """A file that a specification names: one below its folder, as it may come from anybody."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PreprocessingError(
            f"the specification in {folder} names {name}, which lies outside of that folder",
            hint="Copy the file next to the specification, if it belongs to it.",
        )
    try:
        return read_regular(path)
    except OSError as error:
        raise PreprocessingError(f"cannot read {path}: {error.strerror or error}") from error
