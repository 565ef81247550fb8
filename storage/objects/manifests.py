"""The manifests of a workspace with their parts: here, and in a bucket where machines share one."""

from __future__ import annotations

from pathlib import Path

from headstart.paths import inside
from headstart.storage.manifest import Manifest, get_parts
from headstart.storage.manifest_parts import parts_folder
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.shared_folder import SharedFolder


class Manifests:
    """See `storage.manifest`.

    Args:
        folder: of manifests on this machine; their parts lie beside it.
        bucket: where they lie for other machines as well, if there are any.

    Attributes:
        whole, parts: the two folders.
    """

    def __init__(self, folder: Path, bucket: Bucket | None = None) -> None:
        self.whole = SharedFolder(folder, bucket)
        self.parts = SharedFolder(parts_folder(folder), bucket)

    def read(self, name: str) -> Manifest:
        """The manifest of that name, with all parts; what is not here is fetched.

        Raises:
            DatasetError: it, or a part of it, is missing or is not what was written.
            StorageError: it lies in a bucket that does not give it now.
        """
        self.part_names(name, fetched=True)
        return Manifest.read(inside(self.whole.root, name))

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
                self.parts.keep_all(inside(self.parts.root, part) for part in parts)
            self.whole.keep(path, path.stem)
        return name

    def part_names(self, name: str, *, fetched: bool = False) -> set[str]:
        """The names of the files in which a manifest's parts lie; see `get_parts`.

        Args:
            name: of the manifest.
            fetched: whether to fetch those that are not here.
        """
        path = self.whole.here(inside(self.whole.root, name), Path(name).stem)
        if self.whole.bucket is None and fetched:
            return set()  # whoever reads it finds out
        found = get_parts(path)
        if fetched:
            self.parts.all_here(
                (inside(self.parts.root, part), Path(part).stem) for part in sorted(found)
            )
        return found
