"""Datasets and their samples."""

from __future__ import annotations

from headstart.errors.base import FileMissing, HeadstartError, InvalidValue


class DatasetError(HeadstartError, ValueError):
    """A dataset's source cannot be read as a dataset."""


class SourceMissing(DatasetError, FileMissing):
    """There is no file or folder at the path that was given, or that a table names."""

    code = "not_found"


class SourceEmpty(DatasetError):
    """The source is there, and holds nothing that could be a sample."""

    code = "not_found"


class InvalidSplit(DatasetError, InvalidValue):
    """Samples cannot be split so."""


class SampleNotFound(DatasetError, LookupError):
    """A dataset has no sample of that id."""

    code = "not_found"


class DatasetChanged(DatasetError):
    """Somebody else changed the dataset meanwhile; nothing of what was asked was stored."""

    code = "busy"


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
