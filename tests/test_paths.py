"""Names from outside become paths in one place, `headstart.paths`, and nowhere else."""

import ast
import re
from pathlib import Path

import pytest

from headstart.errors import UnsafeName
from headstart.paths import below, by_digest, inside

ROOT = Path(__file__).parent.parent
SAFETY = "extractors/safety"
SHARDS = "extractors/datasets/sources/shards"
BOXES = "extractors/datasets/sources/boxes"
FIRST_LOAD = "extractors/backbones/first_load"
PIPELINE = "extractors/preprocessing/pipeline.py"
FOLDERS = ("registry", "storage", "extractors", "headstart", "heads", "alembic")
DIGEST = "0123456789abcdef" * 4
A_PATH = re.compile(
    r"(^|_)(root|folder|scratch|parent|path|target|place|dir|file|home|source|partial|cwd|tmp)$"
)
OF_A_CONFIG = {"manifests", "features", "artifacts", "compiled", "locks"}
"""Names of values that are paths in this code; `/` on others divides numbers."""
JOINING = {"joinpath", "with_name", "with_stem", "with_suffix", "Path", "PurePath", "PosixPath"}

ALLOWED = {
    # What a person names on the command line or from Python, or the machine itself.
    "Path(path)": "an argument of the public functions",
    "Path(source)": "an argument of `backbone add` and `dataset add`",
    "Path(output)": "an argument of the public functions",
    "headstart/plots/reports.py: resources.files('headstart.plots').joinpath(name)": (
        "names of our own templates"
    ),
    "Path(root)": "the workspace, an argument",
    "headstart/values/installed.py: Path(info, 'entry_points.txt')": "a folder listed in sys.path",
    "Path(home)": "$HEADSTART_HOME",
    "Path(wanted.custom_objects)": "an argument",
    "headstart/jobs/backups/restore.py: Path(tempfile.mkdtemp(prefix='.restored-', "
    "dir=root.parent))": "the system's own",
    "registry/audit/snapshot.py: Path(str(config.sqlite_file))": "a path already",
    "headstart/cli/parameters.py: Path(given)": "--workspace, an argument",
    "headstart/cli/parameters.py: Path(str(super().convert(value, param, ctx)))": "an argument",
    "headstart/cli/exploration/similar.py: Path(sample)": "an argument of `similar`",
    "heads/copied_rows.py: Path(tempfile.gettempdir())": "the system's own",
    "headstart/jobs/features/unchanged.py: PurePath(file)": "looked at by its parts alone",
    "headstart/jobs/features/unchanged.py: Path(sys.modules[f'headstart.{name}'].__path__[0])": (
        "our own modules"
    ),
    "headstart/catalog/cache.py: Path(to)": "an argument of `features sync`",
    "headstart/jobs/backups/places.py: Path(given)": "an argument of the public functions",
    "headstart/jobs/backups/places.py: Path(address.bucket)": "an argument, parsed",
    "headstart/jobs/backups/restore.py: Path(tempfile.mkdtemp(prefix='.restored-', dir=above))": (
        "made by the system"
    ),
    "headstart/jobs/backups/restore.py: root / one.name": "a file that we put beside it",
    "headstart/jobs/backups/restore.py: file.with_name(f'{file.name}{end}')": "SQLite's own files",
    "headstart/values/defaults.py: Path(named)": "$HEADSTART_CONFIG, the user's own",
    "storage/objects/local_copies.py: Path(named)": "$HEADSTART_CACHE, the user's own",
    "storage/objects/local_copies.py: path.with_name(aside)": "beside a name that `inside` made",
    "storage/objects/bucket.py: Path(self.address.bucket)": "the folder of `--store`, an argument",
    "storage/objects/address.py: Path(rest)": "`--store`, an argument",
    "headstart/jobs/doctor.py: contents.folder / file": "a name that `find_name` found",
    "headstart/cli/parameters.py: file.with_suffix(suffix)": "an argument, with a suffix of ours",
    "headstart/jobs/datasets/tokenizer.py: Path(named)": "--tokenizer, an argument",
    "storage/exports/tables.py: target / name": "names of ours, of the `datasets` package's files",
    "Path(wanted.architecture)": "an argument",
    "Path(choice.weights)": "`?weights=` of a source that is an argument",
    "Path(weights)": "the same, expanded",
    "Path(part)": "a source that is an argument, or a part of it",
    "Path(source.text)": "a source that is an argument",
    "Path(place)": "a source that is an argument, located",
    "PurePath(source.partition('?')[0].rstrip('/\\\\'))": "its last part makes a name, no path",
    "Path(given or '')": "--preprocess",
    "extractors/datasets/options.py: Path(given)": "--labels, --root",
    "headstart/jobs/named.py: Path(given)": "an argument, which may be a folder's name",
    "headstart/jobs/named.py: Path(given) / file": "the same, and a literal of ours",
    "headstart/jobs/features/unchanged.py: Path(row['source'])": "asked whether it is absolute",
    "headstart/jobs/datasets/fetched.py: Path(one.source)": "where our own copy was put",
    "headstart/jobs/datasets/fetched.py: Path(dataset.source)": "the same",
    "extractors/datasets/sources/columnar/part.py: Path(os.devnull)": "the system's own",
    "headstart/jobs/datasets/corrections_file.py: Path(given)": "an argument of `dataset correct`",
    "headstart/jobs/raw_samples.py: Path(given)": "an argument of `head predict`",
    "headstart/jobs/raw_samples.py: Path(text)": "the same",
    "headstart/jobs/raw_samples.py: Path(path)": "a cell of a frame in this process",
    "Path(self.workspace)": "an argument",
    "headstart/workspace.py: Path(config)": "an argument, the workspace",
    "headstart/jobs/datasets/correct.py: Path(given)": "an argument, the file of corrections",
    "headstart/jobs/datasets/move.py: Path(dataset.source)": "an argument of `dataset add`",
    "headstart/jobs/datasets/move.py: Path(new)": "an argument of `dataset move`",
    "headstart/jobs/datasets/move.py: Path(value)": "an option that was an argument",
    "headstart/jobs/datasets/move.py: Path(new) / path.relative_to(old)": "both of these",
    "extractors/datasets/named_files.py: Path(os.path.realpath(source))": "our own copy's place",
    "extractors/datasets/memory/packed_tar.py: Path(str(out.name))": "of a file that we opened",
    "extractors/backbones/sources/archive.py: file.with_name(f'{file.name}.level')": "our own file",
    "Path(options['labels'])": "--labels, as it was registered",
    "Path(labels)": "--labels, as it was registered",
    # Data in memory: what a person gives in Python, or a file that it names.
    "extractors/datasets/memory/pictures.py: Path(name)": "the file that a picture was opened from",
    "extractors/datasets/memory/items.py: Path(item)": "a path that a person gave as a sample",
    "extractors/datasets/memory/items.py: Path(text)": "only asked whether it is a file",
    "extractors/datasets/memory/adapter.py: Path(one)": "a path that a person gave as a sample",
    "extractors/datasets/memory/frames.py: Path(path)": "a path in a frame that a person gave",
    "extractors/datasets/memory/frames.py: Path(row['path'])": "the same",
    "extractors/datasets/memory/frames.py: Path(origin)": "words, for messages",
    "extractors/datasets/sources/columnar/columnar.py: self._folder / name": (
        "columns name files relative to their own; nothing outside of --root is read"
    ),
    "Path(sys.argv[1])": "the argument of our own child process",
    "Path(self.database_url.removeprefix(SQLITE))": "--database-url",
    "Path(database_url_file)": "--database-url-file",
    "Path(settings['database_url_file'])": "--database-url-file, as it was registered",
    "Path(spec.origin)": "where Python found an installed package",
    "Path(spec.origin).parent / inside": "a literal of ours inside an installed package",
    "Path(scratch)": "a temporary folder that we made",
    "Path(folder)": "a temporary folder that we made",
    "Path(dir_path)": "a temporary folder that Keras made",
    # Sources of datasets: they may lie anywhere that the user names.
    "Path(str(sample.location))": "a sample of a source that the user named",
    "Path(sample.location)": "a sample of a source that the user named",
    "Path(str(s.location))": "the same",
    "Path(place, name)": "a file that was found while walking the source's folder",
    f"{SHARDS}/tfds.py: Path(builder.data_dir)": "where TensorFlow Datasets has just put it",
    f"{SHARDS}/tfds.py: Path(given or os.environ.get('TFDS_DATA_DIR') or USUAL)": "--data-dir",
    f"{SHARDS}/tfds_info.py: folder / name": "checked to be one step",
    f"{SHARDS}/tfds_info.py: " + "folder / f'{name}{NAMES}'": "the same",
    "extractors/datasets/sources/tables/files.py: Path(self._source)": "the table itself",
    "extractors/datasets/sources/tables/files.py: PurePath(source)": "only its suffix is looked at",
    "Path(self.source)": "an argument of `dataset add`",
    f"{BOXES}/coco.py: Path(self._options['images'])": "--images, as it was registered",
    f"{BOXES}/coco.py: folder / image.name": "checked to lead down; --root bounds links",
    "extractors/datasets/sources/image_folder.py: folder / name": "one of two names of ours",
    f"{BOXES}/coco.py: above.parent / name": "called like the user's file beside it",
    f"{BOXES}/coco.py: above.parent / 'images' / name": "the same",
    f"{BOXES}/pictures.py: Path(found[1])": "as it was registered",
    f"{BOXES}/yolo.py: Path(*parts)": "the labels beside a picture that was found or named",
    f"{BOXES}/yolo.py: folder / name": "a data.yaml names its folders relative to itself",
    f"{BOXES}/yolo.py: path.parent / line.strip()": "a list names its pictures, as a table does",
    "extractors/datasets/sources/image_folder.py: Path(table.source)": "found in the folder",
    "extractors/datasets/sources/image_folder.py: Path(one.source)": "the same",
    "extractors/datasets/kinds.py: Path(_without_scheme(source))": "an argument of `dataset add`",
    "extractors/datasets/places.py: Path(place)": "a path that a table of the user's names; --root",
    "extractors/datasets/sources/trees.py: Path(str(folder))": "found in the source's folder",
    "extractors/datasets/sources/trees.py: Path(str(place))": "the same",
    "extractors/datasets/shard_names.py: Path(one)": "a path that the user's pattern names",
    "extractors/datasets/shard_names.py: Path(one.path)": "found in the source's folder",
    "extractors/datasets/shard_names.py: Path(above, name)": "the same",
    "extractors/datasets/sources/shards/ranges.py: Path(found[1])": "as it was registered",
    "self.source.parent / cell": "a table names its files relative to itself",
    "self.source.parent / cell_in(row.content, self.values[0].columns[0], row.where)": "the same",
    f"{PIPELINE}: folder / name": "a person's preprocessing file names others, below its folder",
    f"{PIPELINE}: folder / step.pop('merges')": "the same",
    "storage/index_files.py: folder / name": "one of two names of ours",
    "extractors/backbones/sources/kerashub.py: folder / name": "names of a tuple of ours",
    "Path(entry.path)": "a file that was found while walking the source's folder",
    "Path(str(location))": "a sample of a source that the user named",
    "Path(str(one.location))": "the same",
    "Path(location)": "the same",
    "Path(os.path.realpath(root))": "--root",
    "Path(os.path.realpath(path))": "only compared with --root",
    "storage/files.py: Path(f'/proc/self/fd/{file.fileno()}')": "the system's name of an open file",
    "storage/files.py: Path(os.path.realpath(told if told.exists() else path))": (
        "only compared with --root or with a model's folder"
    ),
    "Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))": "a temporary folder that we made",
    "Path(tempfile.gettempdir() if parent is None else parent)": "where temporary folders are made",
    "manifests.with_name(f'{manifests.name}-parts')": "beside a folder of the workspace",
    "Path(manifest.source)": "as it was registered by the user",
    # The first load of a model, apart: the parent asks its own process about folders that it made.
    f"{SAFETY}/confinement.py: Path(os.devnull)": "a literal of the system's",
    f"{SAFETY}/confinement.py: scratch / name": "names of a tuple of ours",
    f"{SAFETY}/copies.py: Path(tempfile.mkdtemp(prefix='given-', dir=scratch))": (
        "a temporary folder that we made"
    ),
    f"{SAFETY}/copies.py: target / path.relative_to(folder)": (
        "a file that was found while walking the folder, in a temporary one that we made"
    ),
    f"{SAFETY}/first_load.py: Path(answer['folder'])": "put there by the parent itself",
    f"{SAFETY}/first_load.py: Path(answer['folder']) / Path(str(answer['file'])).name": (
        "only the last part of what the child says, in a folder that the parent made"
    ),
    f"{SAFETY}/first_load.py: Path(str(answer['file']))": "its last part alone is used",
    f"{SAFETY}/first_load.py: Path(tempfile.mkdtemp(dir=path.parent.parent))": (
        "a temporary folder that we made"
    ),
    "Path(tempfile.mkdtemp(dir=path.parent.parent)) / path.name": "the same last part, elsewhere",
    f"{SAFETY}/first_load.py: Path(tempfile.mkdtemp(dir=scratch))": (
        "a temporary folder that we made"
    ),
    f"{FIRST_LOAD}_server.py: Path(request['scratch'])": "a folder that the parent made",
    f"{FIRST_LOAD}_tasks.py: Path(request['architecture'])": "an argument of the user's",
    f"{FIRST_LOAD}_tasks.py: Path(request['scratch'])": "a folder that the parent made",
    f"{FIRST_LOAD}_tasks.py: Path(request['source'])": "an argument of the user's",
    "extractors/backbones/sources/saved_model.py: folder / name": "names of a tuple of ours",
    "extractors/backbones/sources/saved_model.py: target / name": "names of a tuple of ours",
    "storage/artifacts.py: self._root.parent / name": "names of ours alone, such as first_loads",
    # Only the last part of a name is taken, for printing or for its ending.
    "Path(name)": "only its ending or its stem is looked at",
    "Path(what)": "only its last part is printed",
    "Path(prediction.name)": "only its last part is printed",
    # A file beside another one, its name made of that one's.
    "folder / f'.{stem}.{secrets.token_hex(8)}{PARTIAL}'": "beside a name that was checked",
    "folder / name(hashing.result())": "`new_name` of a sha256",
    "folder / stem": "for a message",
    "storage/local_store.py: self._folder / name": "for a message",
    "target.with_name(f'.{target.name}.{secrets.token_hex(8)}{PARTIAL}')": "beside the target",
    "target.with_name(f'.{target.stem}.partial{target.suffix}')": "beside the target",
    "target.with_name(f'.{target.name}.old')": "beside the target",
    "target.with_suffix(suffix)": "a suffix of ours",
    "file.with_name(f'{file.name}-wal')": "SQLite's own name for its log",
    "file.with_name(f'{file.name}.{os.getpid()}.partial')": "beside headstart.toml",
    "scratch / f'{choice.entry.name}.keras'": "a name of the zoo's own table",
    "scratch / f'{name}.keras'": "a name of the zoo's own table",
    "folder / f'{name}.png'": "a code point of the demo's own list",
}
"""Every other way in which a path is made of something, and why it may be."""


def joins(tree):
    """The expressions that make a path of something that is not a literal or a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            if is_path(node.left) or isinstance(node.right, ast.JoinedStr):
                yield from () if is_fixed(node.right) else [ast.unparse(node)]
        elif isinstance(node, ast.Call) and not all(map(is_fixed, node.args)):
            is_joining = last_name(node.func) in JOINING and ast.unparse(node.func) != "click.Path"
            yield from [ast.unparse(node)] if is_joining else []


def is_path(node):
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return is_path(node.left)
    if isinstance(node, ast.Call):
        return last_name(node.func) in {*JOINING, "expanduser", "absolute", "resolve"}
    if isinstance(node, ast.Attribute) and node.attr in OF_A_CONFIG:
        return True
    return bool(A_PATH.search(last_name(node)))


def last_name(node):
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_fixed(node):
    """A literal, a constant of the module, or where this file itself lies."""
    if isinstance(node, ast.Name | ast.Attribute):
        return last_name(node).isupper() or last_name(node) == "__file__"
    if isinstance(node, ast.Subscript):
        return is_fixed(node.value)
    return isinstance(node, ast.Constant)


def test_nothing_but_one_module_makes_paths_of_names():
    found = {
        (f"{file.relative_to(ROOT).as_posix()}: {join}", join)
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*.py")
        if file != ROOT / "headstart" / "paths.py"
        for join in joins(ast.parse(file.read_text(encoding="utf-8")))
    }
    unknown = [where for where, join in found if not {where, join} & ALLOWED.keys()]
    assert not unknown, "Use headstart.paths.inside, or say in ALLOWED why this can be believed."


@pytest.mark.parametrize(
    ("code", "is_seen"),
    [
        ("folder / shard.file", True),
        ("self._root / digest[:2] / f'{digest}.h5'", True),
        ("cache.folder / key", True),
        ("config.features / name", True),
        ("Path(record['name'])", True),
        ("folder.joinpath(*names)", True),
        ("path.with_name(name)", True),
        ("x / f'{name}.h5'", True),
        ("root / 'artifacts'", False),
        ("root / CONFIG_FILE", False),
        ("inside(folder, name)", False),
        ("total / count", False),
    ],
)
def test_the_walk_sees_joins(code, is_seen):
    assert bool(list(joins(ast.parse(code)))) == is_seen


BAD_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a\n",
    ".hidden",
    "C:x",
    "~",
    "é",
    "x" * 300,
    "-x",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_more_than_a_name_is_refused(tmp_path, name):
    with pytest.raises(UnsafeName):
        inside(tmp_path, name)
    with pytest.raises(UnsafeName):
        inside(tmp_path, "good", name)
    with pytest.raises(UnsafeName):
        by_digest(tmp_path, name)
    with pytest.raises(UnsafeName):
        by_digest(tmp_path, DIGEST, name or ".exe")


def test_a_good_name_stays_below_its_folder(tmp_path):
    assert inside(tmp_path, "a", "b.h5") == tmp_path / "a" / "b.h5"
    assert below(tmp_path, f"01/{DIGEST}/x.h5") == tmp_path / "01" / DIGEST / "x.h5"
    assert by_digest(tmp_path, DIGEST, ".part") == tmp_path / "01" / f"{DIGEST}.part"


@pytest.mark.parametrize("digest", [DIGEST.upper(), DIGEST[:-1], DIGEST + "0", DIGEST + "\n"])
def test_a_digest_is_64_lower_hex_digits(tmp_path, digest):
    with pytest.raises(UnsafeName):
        by_digest(tmp_path, digest)
