"""JSON Schemas of what `--json` prints, made from the classes of the results.

Fields, properties and what `_facts` puts together are read from the code itself: what is declared
there is not written down a second time. What cannot be told (a dictionary that is only known when
it is there) is anything. `make schemas` writes `docs/schemas.json`; a test looks whether it is as
the code would make it, and holds what each command prints against it.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import json
import sys
import textwrap
import types
import typing
from collections import abc
from datetime import date
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from headstart.values.showable import SCHEMA_VERSION, Record, Results, Showable

FILE = Path(__file__).parent.parent / "docs" / "schemas.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

DOCUMENTS = {
    "--version": "headstart.cli.workspace.version.Version",
    "init": "headstart.workspace.Workspace",
    "db upgrade": "headstart.jobs.database.Upgraded",
    "db current": "headstart.jobs.database.SchemaState",
    "doctor": "[headstart.jobs.doctor.Check]",
    "stats": "headstart.jobs.stats.Stats",
    "backup": "headstart.jobs.backups.backup.BackedUp",
    "restore": "headstart.jobs.backups.restore.Restored",
    "restore --check": "headstart.jobs.backups.restore.Checked",
    "config show": "[headstart.values.defaults.Setting]",
    "log": "[headstart.registry.audit.events.Event]",
    "log --forget-before": "headstart.jobs.events.Forgotten",
    "glossary": "[headstart.glossary.Term]",
    "zoo list": "[headstart.jobs.backbones.zoo.ListedEntry]",
    "zoo show": "headstart.registry.zoo.ZooEntry",
    "backbone add": "headstart.registry.entities.Backbone",
    "backbone list": "[headstart.registry.listing.BackboneRow]",
    "backbone show": "headstart.registry.entities.Backbone",
    "backbone cuts": "[headstart.jobs.backbones.cuts.ListedCut]",
    "backbone preview": "[headstart.jobs.exploration.preview.Step]",
    "backbone verify": "[headstart.extractors.run.verification.Check]",
    "backbone compile": "headstart.jobs.features.compile.Compiled",
    "backbone alias": "headstart.registry.entities.Backbone",
    "backbone tag": "headstart.registry.entities.Backbone",
    "backbone export": "headstart.jobs.outcomes.Written",
    "backbone import": "headstart.jobs.backbones.import_bundle.ImportedBundle",
    "backbone remove": "headstart.jobs.outcomes.Removed",
    "dataset add": "headstart.jobs.datasets.details.DatasetDetails",
    "dataset tag": "headstart.jobs.datasets.details.DatasetDetails",
    "dataset list": "[headstart.registry.listing.DatasetRow]",
    "dataset show": "headstart.jobs.datasets.details.DatasetDetails",
    "dataset refresh": "headstart.jobs.datasets.details.DatasetDetails",
    "dataset move": "headstart.jobs.datasets.move.Moved",
    "dataset resplit": "headstart.jobs.datasets.resplit.Resplit",
    "dataset changes": "headstart.jobs.datasets.changes.Changes",
    "dataset correct": "headstart.jobs.datasets.correct.Corrected",
    "dataset exclude": "headstart.jobs.datasets.correct.Corrected",
    "dataset forget-failures": "[headstart.jobs.datasets.failures.Unread]",
    "dataset remove": "headstart.jobs.outcomes.Removed",
    "extract": "headstart.extractors.run.report.Reports",
    "extract --detach": "[headstart.registry.jobs.Job]",
    "job list": "[headstart.jobs.features.job_progress.JobProgress]",
    "job show": "headstart.jobs.features.job_progress.JobProgress",
    "job result": "headstart.jobs.tasks.result.JobResult",
    "job cancel": "headstart.jobs.features.job_progress.JobProgress",
    "job retry": "headstart.jobs.features.job_progress.JobProgress",
    "job remove": "headstart.jobs.outcomes.Removed",
    "worker": "[headstart.jobs.features.worker.Work]",
    "features list": "[headstart.registry.listing.FeatureRow]",
    "features sync": "headstart.jobs.features.sync.Synced",
    "features show": "headstart.jobs.features.details.FeatureSetDetails",
    "features verify": "headstart.jobs.features.verify.Verified",
    "features explain": "headstart.extractors.run.explain.Explanation",
    "features export": "headstart.jobs.outcomes.Written",
    "features import": "headstart.extractors.cache.feature_import.Imported",
    "features audit": "headstart.jobs.datasets.audit.Audit",
    "features audit --detach": "headstart.registry.jobs.Job",
    "features plot": "headstart.jobs.outcomes.Written",
    "features map": "headstart.jobs.exploration.map.Mapped",
    "features compact": "headstart.jobs.features.compact.Compacted",
    "features reindex": "headstart.extractors.cache.reindex.Reindexed",
    "features gc": "headstart.jobs.features.gc.Collected",
    "features drift": "headstart.jobs.exploration.drift.Drift",
    "features duplicates": "headstart.jobs.exploration.duplicates.Duplicates",
    "features outliers": "[headstart.jobs.exploration.outliers.Outlier]",
    "features cover": "headstart.jobs.exploration.cover.Cover",
    "features cluster": "headstart.jobs.exploration.cluster.Clusters",
    "similar": "[headstart.jobs.exploration.similar.Similar]",
    "features next": "[headstart.jobs.heads.care.label_next.ToLabel]",
    "head train": "headstart.catalog.head.Head",
    "head train --detach": "headstart.registry.jobs.Job",
    "head list": "[headstart.registry.listing.HeadRow]",
    "head show": "headstart.catalog.head.Head",
    "head tag": "headstart.catalog.head.Head",
    "head tag-sweep": "headstart.registry.entities.TriedSweep",
    "head alias": "headstart.catalog.head.Head",
    "head export": "headstart.jobs.outcomes.Written",
    "head import": "headstart.catalog.head.Head",
    "head reproduce": "headstart.jobs.heads.reproduce.Reproduced",
    "head sweep": "headstart.jobs.heads.sweep.Sweep",
    "head sweeps": "[headstart.registry.entities.KeptSweep]",
    "head sweeps ID": "headstart.registry.entities.TriedSweep",
    "head plot": "headstart.jobs.outcomes.Written",
    "head report": "headstart.jobs.outcomes.Written",
    "head attach": "headstart.jobs.heads.attach.Attached",
    "head compare": "headstart.jobs.heads.compare.Compared",
    "head evaluate": "headstart.jobs.heads.care.evaluate.Evaluated",
    "head retrain": "headstart.catalog.head.Head",
    "head remove": "headstart.jobs.heads.care.remove.RemovedHeads",
    "head finetune": "headstart.jobs.heads.finetune.FineTuned",
    "head predict": "headstart.jobs.heads.predicted.Predicted",
    "head predict --output": "headstart.jobs.outcomes.Written",
    "head log": "headstart.jobs.heads.log.Logged",
    "prune": "headstart.registry.selection.age.Pruned",
    "auto": "headstart.jobs.auto.found.Auto",
    "rank": "[headstart.heads.evaluation.ranking.Rank]",
    "rank --detach": "headstart.registry.jobs.Job",
    "ui": "headstart.ui.server.Served",
    "demo": "headstart.demo.DemoResult",
}
"""What each command prints: the class of its result, in brackets where it is a list of them."""
PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": ["number", "null"]},  # what is no number is null
    type(None): {"type": "null"},
    np.ndarray: {"type": "array"},
}
ANYTHING: Schema = {}


@dataclasses.dataclass
class Object:
    """What is known of a JSON object: its fields, which of them are always there, whether there
    may be others."""

    fields: dict[str, Schema] = dataclasses.field(default_factory=dict)
    always: set[str] = dataclasses.field(default_factory=set)
    is_open: bool = False

    def with_all(self, other: Object, *, is_sure: bool = True) -> Object:
        """Both together; fields of the other take the place of those of that name."""
        always = self.always | (other.always if is_sure else set())
        return Object({**self.fields, **other.fields}, always, self.is_open or other.is_open)


class Maker:
    """Makes schemas, and gathers those of classes.

    Args:
        is_strict: objects of classes have no fields besides those that are known.
    """

    def __init__(self, *, is_strict: bool = False) -> None:
        self.is_strict = is_strict
        self.classes: dict[str, Schema] = {}

    def of_document(self, named: str) -> Schema:
        """Of what a command prints, as `DOCUMENTS` has it."""
        cls = found(named.strip("[]"))
        if named.startswith("["):
            return {"type": "array", "items": self.of(cls)}
        made = self.of(cls)
        if issubclass(cls, list):
            return made
        return {
            "allOf": [made],
            "properties": {"schema_version": {"const": SCHEMA_VERSION}},
            "required": ["schema_version"],
        }

    def of(self, hint: Any) -> Schema:
        """Of a value of a type."""
        if hint in PLAIN if isinstance(hint, abc.Hashable) else False:
            return PLAIN[hint]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            return any_of([self.of(one) for one in arguments])
        if origin is typing.Literal:
            return {"enum": list(arguments)}
        if inspect.isclass(origin):
            return self._of_generic(origin, arguments)
        if not inspect.isclass(hint):
            return ANYTHING
        if issubclass(hint, PurePath | str):
            return {"type": "string"}
        if issubclass(hint, date):
            return {"type": "string", "format": "date-time"}
        if issubclass(hint, dict | abc.Mapping) and not typing.is_typeddict(hint):
            return {"type": "object"}
        if hint in (list, tuple, set, frozenset):
            return {"type": "array"}
        is_shown = issubclass(hint, Showable) or dataclasses.is_dataclass(hint)
        return self._of_class(hint) if is_shown or typing.is_typeddict(hint) else ANYTHING

    def _of_generic(self, origin: type, arguments: tuple[Any, ...]) -> Schema:
        if issubclass(origin, abc.Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if issubclass(origin, abc.Iterable):
            items = any_of([self.of(one) for one in arguments if one is not Ellipsis])
            return {"type": "array", "items": items}
        return ANYTHING

    def _of_class(self, cls: type) -> Schema:
        name = f"{cls.__module__}.{cls.__name__}"
        if name not in self.classes:
            self.classes[name] = {}  # which may hold some of its own kind
            self.classes[name] = self._definition(cls)
        return {"$ref": f"#/$defs/{name}"}

    def _definition(self, cls: type) -> Schema:
        told = (inspect.getdoc(cls) or "").partition("\n\n")[0]
        made = self._shape_of(cls)
        schema: Schema = {"description": " ".join(told.split())}
        if not isinstance(made, Object):
            return {**schema, **made}
        schema |= {"type": "object", "properties": dict(sorted(made.fields.items()))}
        schema["required"] = sorted(made.always)
        if self.is_strict and not made.is_open:
            schema["properties"]["schema_version"] = {}
            schema["additionalProperties"] = False
        return schema

    def _shape_of(self, cls: type) -> Object | Schema:
        own = inspect.getattr_static(cls, "_facts", None)
        if typing.is_typeddict(cls) or own in (
            None,
            Showable._facts,
            Record.__dict__.get("_facts"),
        ):
            return self._fields_of(cls)
        if own is Results.__dict__["_facts"]:
            (base,) = (one for one in cls.__orig_bases__ if typing.get_origin(one) is Results)
            return self.of(base)
        return Reader(self, cls, own).shape()

    def _fields_of(self, cls: type) -> Object:
        if not (
            dataclasses.is_dataclass(cls) or typing.is_typeddict(cls) or hasattr(cls, "_fields")
        ):
            return Object(is_open=True)
        hints = hints_of(cls)
        if typing.is_typeddict(cls):
            names = list(hints)
        else:
            named = getattr(cls, "_fields", None)
            names = list(named or (one.name for one in dataclasses.fields(cls)))
        return Object({name: self.of(hints.get(name, Any)) for name in names}, set(names))


class Reader:
    """Reads what a class's `_facts` puts together."""

    def __init__(self, maker: Maker, cls: type, function: Any) -> None:
        self.maker = maker
        self.cls = cls
        self.owner = next(one for one in cls.__mro__ if vars(one).get("_facts") is function)
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        self.body = tree.body[0].body  # type: ignore[attr-defined]
        self.names: dict[str, Object | Schema] = {}
        self.items: dict[str, Any] = {}

    def shape(self) -> Object | Schema:
        returned: list[Object | Schema] = []
        self._read(self.body, returned, is_sure=True)
        made = [one for one in returned if isinstance(one, Object)]
        if len(made) < len(returned):
            return any_of([self._schema(one) for one in returned])
        whole = made[0]
        for one in made[1:]:
            always = whole.always & one.always
            whole = whole.with_all(one)
            whole.always = always
        return whole

    def _read(self, body: list[ast.stmt], returned: list[Any], *, is_sure: bool) -> None:
        for line in body:
            match line:
                case ast.Return(value=value) if value is not None:
                    returned.append(self.of(value))
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.names[name] = self.of(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                    self.names[name] = self.of(value)
                case ast.Assign(
                    targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key))],
                    value=value,
                ):
                    more = Object({str(key): self._schema(self.of(value))}, {str(key)})
                    self.names[name] = self._object(name).with_all(more, is_sure=is_sure)
                case ast.AugAssign(target=ast.Name(id=name), value=value):
                    more = self.of(value)
                    assert isinstance(more, Object)
                    self.names[name] = self._object(name).with_all(more, is_sure=is_sure)
                case ast.Delete(targets=targets):
                    for one in targets:
                        match one:
                            case ast.Subscript(
                                value=ast.Name(id=name), slice=ast.Constant(value=key)
                            ):
                                known = self._object(name)
                                kept = {k: v for k, v in known.fields.items() if k != key}
                                self.names[name] = Object(kept, known.always - {key})
                case ast.If(body=inner, orelse=other):
                    before = dict(self.names)
                    self._read(inner, returned, is_sure=False)
                    if inner and isinstance(inner[-1], ast.Return):
                        self.names = before
                    self._read(other, returned, is_sure=False)

    def _object(self, name: str) -> Object:
        known = self.names.get(name)
        return known if isinstance(known, Object) else Object(is_open=True)

    def _schema(self, shape: Object | Schema) -> Schema:
        if not isinstance(shape, Object):
            return shape
        made: Schema = {
            "type": "object",
            "properties": shape.fields,
            "required": sorted(shape.always),
        }
        if self.maker.is_strict and not shape.is_open:
            made["additionalProperties"] = False
        return made

    def of(self, node: ast.expr) -> Object | Schema:
        """What an expression gives."""
        match node:
            case ast.Dict():
                return self._of_dict(node)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                one, other = self.of(left), self.of(right)
                if isinstance(one, Object) and isinstance(other, Object):
                    return one.with_all(other)
                return Object(is_open=True)
            case ast.IfExp(body=body, orelse=other):
                one, two = self.of(body), self.of(other)
                if isinstance(one, Object) and isinstance(two, Object):
                    both = one.with_all(two)
                    return Object(both.fields, one.always & two.always, both.is_open)
                return any_of([self._schema(one), self._schema(two)])
            case ast.BoolOp(values=values):
                return any_of([self._schema(self.of(one)) for one in values])
            case ast.Call():
                return self._of_call(node)
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Constant(value=value):
                return PLAIN.get(type(value), ANYTHING)
            case ast.JoinedStr():
                return PLAIN[str]
            case ast.ListComp(elt=element, generators=[one]):
                return self._of_comprehension(element, one)
            case ast.List() | ast.Tuple():
                return {"type": "array"}
            case ast.DictComp():
                return Object(is_open=True)
            case ast.Compare():
                return PLAIN[bool]
            case ast.BinOp():
                return PLAIN[float]
            case ast.Attribute(value=inner, attr="__dict__") if _is_self(inner):
                return self.maker._fields_of(self.cls)
            case ast.Attribute():
                if (hint := self._hint(node)) is not Any:
                    return self.maker.of(hint)
        return ANYTHING

    def _of_dict(self, node: ast.Dict) -> Object:
        made = Object()
        for key, value in zip(node.keys, node.values, strict=True):
            part = self.of(value)
            if key is None:
                made = made.with_all(part if isinstance(part, Object) else self._opened(part))
            elif isinstance(key, ast.Constant):
                more = Object({str(key.value): self._schema(part)}, {str(key.value)})
                made = made.with_all(more)
            else:
                made.is_open = True
        return made

    def _opened(self, schema: Schema) -> Object:
        """The fields of a class that is referred to."""
        name = schema.get("$ref", "").removeprefix("#/$defs/")
        known = self.maker.classes.get(name)
        if not known or "properties" not in known:
            return Object(is_open=True)
        fields = {k: v for k, v in known["properties"].items() if k != "schema_version"}
        is_open = self.maker.is_strict and "additionalProperties" not in known
        return Object(fields, set(known["required"]), is_open)

    def _of_call(self, node: ast.Call) -> Object | Schema:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")))):
                bases = self.owner.__mro__[1:]
                base = next(one for one in bases if "_facts" in vars(one))
                own = vars(base)["_facts"]
                if base is Showable:
                    return self.maker._fields_of(self.cls)
                inner = Reader(self.maker, self.cls, own)
                return inner.shape()
            case ast.Call(func=ast.Attribute(value=inner, attr="to_json")):
                return self.maker.of(self._hint(inner))
            case ast.Call(func=ast.Name(id="vars"), args=[ast.Name(id="self")]):
                return self.maker._fields_of(self.cls)
            case ast.Call(func=ast.Name(id="dict"), args=[inner]):
                return self.of(inner)
            case ast.Call(func=ast.Name(id="asdict"), args=[inner]):
                hint = self._hint(inner)
                known = inspect.isclass(hint) and dataclasses.is_dataclass(hint)
                return self.maker._fields_of(hint) if known else Object(is_open=True)
            case ast.Call(func=ast.Name(id="str")):
                return PLAIN[str]
            case ast.Call(func=ast.Name(id="len")):
                return PLAIN[int]
            case ast.Call(func=ast.Name(id="list" | "sorted")):
                return {"type": "array"}
        return ANYTHING

    def _of_comprehension(self, element: ast.expr, one: ast.comprehension) -> Schema:
        if isinstance(one.target, ast.Name):
            hint = self._hint(one.iter)
            self.items[one.target.id] = next(iter(typing.get_args(hint)), Any)
        return {"type": "array", "items": self._schema(self.of(element))}

    def _hint(self, node: ast.expr) -> Any:
        """The type of `self`, of what is gone through, and of their attributes."""
        match node:
            case ast.Name(id="self"):
                if issubclass(self.cls, Results):
                    return next(one for one in self.cls.__orig_bases__)
                return self.cls
            case ast.Name(id=name):
                return self.items.get(name, Any)
            case ast.Attribute(value=inner, attr=attribute):
                hint = self.cls if _is_self(inner) else self._hint(inner)
                if inspect.isclass(hint):
                    return hint_of_attribute(hint, attribute)
        return Any


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def any_of(schemas: list[Schema]) -> Schema:
    """One of several; plain types are put together."""
    different = [one for place, one in enumerate(schemas) if one not in schemas[:place]]
    if not different or ANYTHING in different:
        return ANYTHING
    if len(different) == 1:
        return different[0]
    if all(set(one) == {"type"} for one in different):
        many = [one["type"] for one in different]
        each = [name for one in many for name in ([one] if isinstance(one, str) else one)]
        return {"type": sorted(set(each))}
    return {"anyOf": different}


def found(name: str) -> Any:
    """A class by its module and name."""
    module, _, cls = name.rpartition(".")
    return getattr(importlib.import_module(module), cls)


@functools.cache
def names_of(cls: type) -> dict[str, object]:
    """What annotations in a class's module mean, those that only a type checker imports as well."""
    module = inspect.getmodule(cls)
    assert module is not None
    known = {**vars(typing), **vars(module)}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module:
            home = importlib.import_module(node.module)
            known |= {one.asname or one.name: getattr(home, one.name, None) for one in node.names}
    return known


@functools.cache
def hints_of(cls: type) -> dict[str, Any]:
    """The types of a class's fields, those of its bases included."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        known = inspect.get_annotations(base)
        if known and base.__module__.startswith("headstart"):
            names = names_of(base)
            hints |= {name: _meant(one, names) for name, one in known.items()}
    return hints


def hint_of_attribute(cls: type, name: str) -> Any:
    """The type of a field or property; `Any` where it has none."""
    if name in (hints := hints_of(cls)):
        return hints[name]
    owner = next((one for one in cls.__mro__ if name in vars(one)), None)
    member = None if owner is None else vars(owner)[name]
    function = getattr(member, "fget", None) or getattr(member, "func", None)
    if function is not None and owner is not None:
        return _meant(function.__annotations__.get("return", Any), names_of(owner))
    for base in cls.__mro__:  # what is given to `__init__` and kept under its name
        given = getattr(vars(base).get("__init__"), "__annotations__", {})
        if name in given and base.__module__.startswith("headstart"):
            return _meant(given[name], names_of(base))
    return Any


def _meant(hint: Any, names: dict[str, object]) -> Any:
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    return eval(hint, {}, names) if isinstance(hint, str) else hint


def made(*, is_strict: bool = False) -> Schema:
    """All schemas, as `docs/schemas.json` has them."""
    maker = Maker(is_strict=is_strict)
    documents = {name: maker.of_document(named) for name, named in DOCUMENTS.items()}
    return {
        "$schema": DIALECT,
        "title": "What the commands of headstart print with --json",
        "schema_version": SCHEMA_VERSION,
        "commands": documents,
        "error": ERROR,
        "$defs": dict(sorted(maker.classes.items())),
    }


def of_command(all_of_them: Schema, name: str) -> Schema:
    """One of them, with what it refers to."""
    return {**all_of_them["commands"][name], "$defs": all_of_them["$defs"]}


ERROR: Schema = {
    "description": "A line of standard error, where a command fails that was to print JSON.",
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "hint": {"type": ["string", "null"]},
            },
            "required": ["code", "hint", "message"],
        },
        "schema_version": {"const": SCHEMA_VERSION},
    },
    "required": ["error", "schema_version"],
}

if __name__ == "__main__":
    FILE.write_text(json.dumps(made(), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"wrote {FILE}\n")
