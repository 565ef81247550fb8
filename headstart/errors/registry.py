"""The workspace as a whole, its database, and what is registered there."""

from __future__ import annotations

from headstart.errors.base import HeadstartError


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
