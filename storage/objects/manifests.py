"""The manifests of a workspace with their parts: here, and in a bucket where machines share one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from headstart.errors import DatasetError, ManifestDamaged
from headstart.paths import inside
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import HINT, Manifest, get_parts
from headstart.storage.manifest_parts import parts_folder
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.shared_folder import ObjectDamaged, SharedFolder


class Manifests:
    """See `storage.manifest`.

    Args:
        folder: of manifests on this machine; their parts lie beside it.
        bucket: where they lie for other machines as well, if there are any.

    Attributes:
        whole, parts: the two folders.
    """

    def __init__(self, folder: Path, bucket: Bucket | None = None) -> None:
        self._held = Held()
        self.whole = SharedFolder(folder, bucket)
        self.parts = SharedFolder(parts_folder(folder), bucket)

    def read(self, name: str) -> Manifest:
        """The manifest of that name, with all parts; what is not here, or damaged here, is fetched.

        Raises:
            DatasetError: it, or a part of it, is missing or is not what was written.
            StorageError: it lies in a bucket that does not give it now.
        """
        path, parts = inside(self.whole.root, name), self.part_names(name, fetched=True)
        try:
            return self._held.get(path, Manifest.read)
        except DatasetError:
            if not self._mend(self.parts, sorted(parts)):
                raise
        return Manifest.read(path)

    def open(self, name: str) -> Manifest:
        """As `read`; of what lies on this machine alone a part is read, and found right, when a
        sample of it is asked for: whoever goes through all once need not read it twice.

        Raises:
            DatasetError, StorageError: see `read`; of a part, when it is read.
        """
        if self.whole.bucket is not None:
            return self.read(name)
        return self._held.get(inside(self.whole.root, name), Manifest.open)

    def _mend(self, folder: SharedFolder, names: Sequence[str]) -> bool:
        """Whether files that are damaged here came from the bucket once more."""
        with _as_manifest():
            paths = [inside(folder.root, one) for one in names]
            mended = [folder.mend(path, path.stem) for path in paths]
        return any(mended)

    def write(self, manifest: Manifest, previous: Manifest | None = None) -> str:
        """Write a manifest; see `Manifest.write`. A row may name it when this returns.

        Raises:
            StorageError: the disk, or the bucket, does not take it.
        """
        name = manifest.write(self.whole.root, previous)
        if self.whole.bucket is not None:
            path = inside(self.whole.root, name)
            parts = sorted(get_parts(path))
            if parts:
                paths = [inside(self.parts.root, part) for part in parts]
                self.parts.keep_all(paths, is_trusted=previous is not None)
            self.whole.keep(path, path.stem)
        return name

    def part_names(self, name: str, *, fetched: bool = False) -> set[str]:
        """The names of the files in which a manifest's parts lie; see `get_parts`.

        Args:
            name: of the manifest.
            fetched: whether to fetch those that are not here.

        Raises:
            DatasetError, StorageError: see `read`.
        """
        with _as_manifest():
            path = self.whole.here(inside(self.whole.root, name), Path(name).stem)
        if self.whole.bucket is None and fetched:
            return set()  # whoever reads it finds out
        try:
            found = get_parts(path)
        except DatasetError:
            if not self._mend(self.whole, [name]):
                raise
            found = get_parts(path)
        if fetched:
            with _as_manifest():
                self.parts.all_here(
                    (inside(self.parts.root, part), Path(part).stem) for part in sorted(found)
                )
        return found


class Held:
    """Manifests whose samples somebody has in memory: read, and found right, already. One in parts
    is read anew: its parts are so when they are asked for."""

    def __init__(self) -> None:
        self._samples = WeakValueDictionary[tuple[Any, ...], SampleColumns]()
        self._kinds = dict[tuple[Any, ...], str]()
        self._lock = Lock()

    def get(self, path: Path, read: Callable[[Path], Manifest]) -> Manifest:
        """The manifest of a file that is as it was when it was read, or what reading it gives."""
        try:
            own = path.stat()
        except OSError:  # who reads it says what is wrong
            return read(path)
        sign = path.name, own.st_ino, own.st_size, own.st_mtime_ns, own.st_ctime_ns
        with self._lock:
            samples = self._samples.get(sign)
            if samples is not None:
                return Manifest(self._kinds[sign], samples.source, samples)
        found = read(path)
        if not found.parts:
            self._keep(sign, found)
        return found

    def _keep(self, sign: tuple[Any, ...], found: Manifest) -> None:
        with self._lock:
            self._samples[sign], self._kinds[sign] = found.columns, found.kind
            self._kinds = {one: self._kinds[one] for one in list(self._samples)}


@contextmanager
def _as_manifest() -> Iterator[None]:
    """An object that is damaged is a manifest that is: who adds its dataset again needs neither."""
    try:
        yield
    except ObjectDamaged as error:
        raise ManifestDamaged(error.message, hint=HINT) from error
