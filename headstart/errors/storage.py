"""Features, and the files in which they and all else is kept."""

from __future__ import annotations

from headstart.errors.base import HeadstartError, InvalidValue


class FeatureError(HeadstartError):
    """Features cannot be computed or served."""


class InvalidFeatureSetting(FeatureError, InvalidValue):
    """A setting of what is done with features cannot be that."""


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


class StorageDenied(StorageError, PermissionError):
    """The system does not let this user write, read or delete there."""

    code = "denied"


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
