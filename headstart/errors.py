"""The errors a user can meet, as one tree; this module imports nothing that can fail.

::

    HeadstartError
    ├── InvalidValue (ValueError)
    ├── FileMissing
    ├── WorkspaceError
    │   ├── WorkspaceNotFound (FileNotFoundError)
    │   ├── WorkspaceDenied (PermissionError)
    │   ├── DatabaseMissing
    │   ├── ForeignDatabase
    │   ├── SchemaOutdated
    │   └── SchemaTooNew
    ├── RegistryError
    │   ├── NotFound (LookupError)
    │   ├── AlreadyExists (ValueError)
    │   ├── StillInUse (ValueError)
    │   ├── LeaseLost
    │   ├── DatabaseGone (ConnectionError)
    │   ├── DatabaseBusy
    │   ├── DatabaseDamaged
    │   ├── DatabaseFull
    │   ├── DatabaseDenied
    │   └── Deadlocked
    ├── BackboneError
    │   ├── ModelFileError (ValueError)
    │   │   ├── ModelFileMissing (FileMissing)
    │   │   ├── WeightsOnly
    │   │   └── UnsafeModel
    │   ├── WeightsUnavailable (ConnectionError)
    │   ├── LayerNotFound (LookupError)
    │   └── PreprocessingError (ValueError)
    ├── DatasetError (ValueError)
    │   ├── SourceMissing (FileMissing)
    │   ├── ManifestDamaged
    │   └── SourceGone
    ├── SampleError (ValueError)
    │   ├── SampleUnreadable
    │   └── SampleChanged
    ├── FeatureError
    │   ├── FeaturesMissing (LookupError)
    │   ├── NonFiniteFeatures (ValueError)
    │   ├── ShardDamaged (ValueError)
    │   ├── Stalled (TimeoutError)
    │   └── Cancelled
    ├── StorageError (OSError)
    │   └── ShardExists (FileExistsError)
    ├── ArtifactDamaged (ValueError)
    ├── BackupDamaged (ValueError)
    ├── UnsafeName (ValueError)
    ├── ClusterError (ConnectionError)
    └── HeadError (ValueError)
        ├── InputMissing (FileMissing)
        └── ParityError

Every message says what was received and where; `hint` says what to do next. What the command line
ends with is `EXITS`.
"""

from __future__ import annotations

from headstart.visible import in_number, visible, without_addresses

EXITS = {
    "failed": 1,
    "bug": 1,
    "usage": 2,
    "not_found": 3,
    "damaged": 4,
    "unreadable": 4,
    "changed": 4,
    "busy": 5,
    "exists": 6,
    "in_use": 6,
    "unsafe": 7,
    "unavailable": 8,
    "cluster": 8,
    "storage": 9,
    "schema": 10,
    "foreign_database": 10,
    "denied": 11,
    "interrupted": 130,
}
"""With what the command line ends, by the code of an error: `usage` of a command line that is none,
`bug` of what nobody foresaw, `interrupted` of Ctrl-C, and the codes of the classes below; 1 of any
other, as of a plug-in; 143 is of SIGTERM.
"""


class HeadstartError(Exception):
    """Base of all errors that Headstart raises on purpose.

    Args:
        message: what was received, and where (file, dataset, row).
        hint: what to do next; printed behind the message.
        code: its kind, where it is not that of its class.

    Attributes:
        code: its kind in a word, for programs, one of `EXITS`; `--json` gives it, and
            docs/commands.md says what each means.
    """

    code: str = "failed"

    def __init__(self, message: str, *, hint: str | None = None, code: str = "") -> None:
        self.message = in_number(without_addresses(message))
        super().__init__(self.message)
        self.hint = hint
        self.code = code or self.code

    def __str__(self) -> str:
        text = visible(" ".join(self.message.split()))
        if self.hint is None:
            return text
        return f"{text.rstrip('.')}. {visible(' '.join(self.hint.split()))}"


class InvalidValue(HeadstartError, ValueError):
    """An argument is of a kind, or of a form, that is not taken there."""

    code = "usage"


class FileMissing(HeadstartError):
    """There is nothing at a path that was given."""

    code = "not_found"


class WorkspaceError(HeadstartError):
    """Something is wrong with the workspace as a whole."""


class WorkspaceNotFound(WorkspaceError, FileNotFoundError):
    """There is no workspace in the folder named."""

    code = "not_found"


class WorkspaceDenied(WorkspaceError, PermissionError):
    """The system does not let this user read, or change, the workspace."""

    code = "denied"


class DatabaseMissing(WorkspaceError):
    """The workspace is there, its database is not."""

    code = "damaged"


class ForeignDatabase(WorkspaceError):
    """The database belongs to another workspace."""

    code = "foreign_database"


class SchemaOutdated(WorkspaceError):
    """The database was made by older code and needs `headstart db upgrade`."""

    code = "schema"


class SchemaTooNew(WorkspaceError):
    """The database was made by newer code than this."""

    code = "schema"


class RegistryError(HeadstartError):
    """The registry cannot do what was asked."""


class NotFound(RegistryError, LookupError):
    """Nothing of that name is registered."""

    code = "not_found"


class AlreadyExists(RegistryError, ValueError):
    """The name is taken by something else."""

    code = "exists"


class StillInUse(RegistryError, ValueError):
    """Other things depend on what was to be removed."""

    code = "in_use"


class LeaseLost(RegistryError):
    """Others took over what this process had claimed, as it was not heard of for too long."""

    code = "busy"


class DatabaseGone(RegistryError, ConnectionError):
    """The registry's database answered before, and does so no longer."""

    code = "busy"


class DatabaseBusy(RegistryError):
    """The registry's database does not answer, or not in time; nothing was changed."""

    code = "busy"


class DatabaseDamaged(RegistryError):
    """The registry's database is a file that is none, or not what SQLite wrote."""

    code = "damaged"


class DatabaseFull(RegistryError):
    """No space is left where the registry's database lies; nothing was changed."""

    code = "storage"


class DatabaseDenied(RegistryError):
    """The registry's database does not let this user in, or takes no changes from them."""

    code = "denied"


class Deadlocked(RegistryError):
    """The database ended a transaction that waited for another, and that one for it."""

    code = "busy"


class BackboneError(HeadstartError):
    """A backbone cannot be loaded, cut or run."""


class ModelFileError(BackboneError, ValueError):
    """A model file is missing, damaged or of a kind that cannot be read."""


class ModelFileMissing(ModelFileError, FileMissing):
    """There is no model file at the path that was given."""

    code = "not_found"


class WeightsOnly(ModelFileError):
    """The file holds weights but no architecture."""


class UnsafeModel(ModelFileError):
    """The file could run code, or harm the process, when it is loaded."""

    code = "unsafe"


class WeightsUnavailable(BackboneError, ConnectionError):
    """Pretrained weights could not be fetched."""

    code = "unavailable"


class LayerNotFound(BackboneError, LookupError):
    """The backbone has no such cut point."""

    code = "not_found"


class PreprocessingError(BackboneError, ValueError):
    """A preprocessing specification is not valid."""


class DatasetError(HeadstartError, ValueError):
    """A dataset's source cannot be read as a dataset."""


class SourceMissing(DatasetError, FileMissing):
    """There is no file or folder at the path that was given, or that a table names."""

    code = "not_found"


class ManifestDamaged(DatasetError):
    """The list of a dataset's samples is missing, or is not what was written."""

    code = "damaged"


class SourceGone(DatasetError):
    """A dataset's source is not there now; its cached features still are."""

    code = "not_found"


class SampleError(HeadstartError, ValueError):
    """One sample of a dataset is at fault; the message names it."""


class SampleUnreadable(SampleError):
    """The sample's content cannot be decoded."""

    code = "unreadable"


class SampleChanged(SampleError):
    """The sample's content is no longer what the manifest says."""

    code = "changed"


class FeatureError(HeadstartError):
    """Features cannot be computed or served."""


class FeaturesMissing(FeatureError, LookupError):
    """Features were asked for that have not been extracted."""

    code = "not_found"


class NonFiniteFeatures(FeatureError, ValueError):
    """The trunk gave NaN or infinity for a sample."""


class ShardDamaged(FeatureError, ValueError):
    """A shard's file is missing, or is not what was committed."""

    code = "damaged"


class Stalled(FeatureError, TimeoutError):
    """A step of an extraction takes for ever; the message names the samples it is about."""

    code = "busy"


class Cancelled(FeatureError):
    """A run was ended by somebody; what was computed by then is committed."""


class StorageError(HeadstartError, OSError):
    """The disk cannot take, or give, what it should; what was committed is kept."""

    code = "storage"


class ShardExists(StorageError, FileExistsError):
    """A shard is written once, and its name is taken; the one that is there was not touched."""


class ArtifactDamaged(HeadstartError, ValueError):
    """A stored artifact is missing, or is not what was registered."""

    code = "damaged"


class BackupDamaged(HeadstartError, ValueError):
    """A file of a backup is missing, or is not what was written."""

    code = "damaged"


class UnsafeName(HeadstartError, ValueError):
    """A name from outside cannot be made a path; nothing was read or written by it."""

    code = "unsafe"


class ClusterError(HeadstartError, ConnectionError):
    """A cluster cannot be reached, or cannot do what was asked."""

    code = "cluster"


class HeadError(HeadstartError, ValueError):
    """A head cannot be trained, attached or used."""


class InputMissing(HeadError, FileMissing):
    """There is nothing to predict at the path that was given."""

    code = "not_found"


class ParityError(HeadError):
    """Two ways that must give the same numbers do not."""


def first_line(error: BaseException, limit: int = 200) -> str:
    """A foreign exception in one line: its type and the first line of its message."""
    text = without_addresses(str(error)).strip()
    line = text.splitlines()[0].strip() if text else ""
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
