"""The errors a user can meet, as one tree; nothing here imports what can fail.

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
    │   ├── InvalidBackboneSetting (InvalidValue)
    │   ├── ModelFileError (ValueError)
    │   │   ├── ModelFileMissing (FileMissing)
    │   │   ├── WeightsOnly
    │   │   └── UnsafeModel
    │   ├── WeightsUnavailable (ConnectionError)
    │   ├── LayerNotFound (LookupError)
    │   └── PreprocessingError (ValueError)
    ├── DatasetError (ValueError)
    │   ├── SourceMissing (FileMissing)
    │   ├── SourceEmpty
    │   ├── InvalidSplit (InvalidValue)
    │   ├── SampleNotFound (LookupError)
    │   ├── DatasetChanged
    │   ├── ManifestDamaged
    │   └── SourceGone
    ├── SampleError (ValueError)
    │   ├── SampleUnreadable
    │   └── SampleChanged
    ├── FeatureError
    │   ├── InvalidFeatureSetting (InvalidValue)
    │   ├── FeaturesMissing (LookupError)
    │   ├── NonFiniteFeatures (ValueError)
    │   ├── ShardDamaged (ValueError)
    │   ├── Stalled (TimeoutError)
    │   └── Cancelled
    ├── StorageError (OSError)
    │   ├── StorageDenied (PermissionError)
    │   └── ShardExists (FileExistsError)
    ├── ArtifactDamaged (ValueError)
    ├── BackupDamaged (ValueError)
    ├── UnsafeName (ValueError)
    ├── ClusterError (ConnectionError)
    └── HeadError (ValueError)
        ├── InvalidHeadSetting (InvalidValue)
        ├── InputMissing (FileMissing)
        └── ParityError

Every message says what was received and where; `hint` says what to do next. What the command line
ends with is `EXITS`.
"""

from __future__ import annotations

from headstart.errors.base import (
    EXITS,
    FileMissing,
    HeadstartError,
    InvalidValue,
    first_line,
)
from headstart.errors.data import (
    DatasetChanged,
    DatasetError,
    InvalidSplit,
    ManifestDamaged,
    SampleChanged,
    SampleError,
    SampleNotFound,
    SampleUnreadable,
    SourceEmpty,
    SourceGone,
    SourceMissing,
)
from headstart.errors.models import (
    BackboneError,
    HeadError,
    InputMissing,
    InvalidBackboneSetting,
    InvalidHeadSetting,
    LayerNotFound,
    ModelFileError,
    ModelFileMissing,
    ParityError,
    PreprocessingError,
    UnsafeModel,
    WeightsOnly,
    WeightsUnavailable,
)
from headstart.errors.registry import (
    AlreadyExists,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseDenied,
    DatabaseFull,
    DatabaseGone,
    DatabaseMissing,
    Deadlocked,
    ForeignDatabase,
    LeaseLost,
    NotFound,
    RegistryError,
    SchemaOutdated,
    SchemaTooNew,
    StillInUse,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
)
from headstart.errors.storage import (
    ArtifactDamaged,
    BackupDamaged,
    Cancelled,
    ClusterError,
    FeatureError,
    FeaturesMissing,
    InvalidFeatureSetting,
    NonFiniteFeatures,
    ShardDamaged,
    ShardExists,
    Stalled,
    StorageDenied,
    StorageError,
    UnsafeName,
)

__all__ = [
    "EXITS",
    "AlreadyExists",
    "ArtifactDamaged",
    "BackboneError",
    "BackupDamaged",
    "Cancelled",
    "ClusterError",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseDenied",
    "DatabaseFull",
    "DatabaseGone",
    "DatabaseMissing",
    "DatasetChanged",
    "DatasetError",
    "Deadlocked",
    "FeatureError",
    "FeaturesMissing",
    "FileMissing",
    "ForeignDatabase",
    "HeadError",
    "HeadstartError",
    "InputMissing",
    "InvalidBackboneSetting",
    "InvalidFeatureSetting",
    "InvalidHeadSetting",
    "InvalidSplit",
    "InvalidValue",
    "LayerNotFound",
    "LeaseLost",
    "ManifestDamaged",
    "ModelFileError",
    "ModelFileMissing",
    "NonFiniteFeatures",
    "NotFound",
    "ParityError",
    "PreprocessingError",
    "RegistryError",
    "SampleChanged",
    "SampleError",
    "SampleNotFound",
    "SampleUnreadable",
    "SchemaOutdated",
    "SchemaTooNew",
    "ShardDamaged",
    "ShardExists",
    "SourceEmpty",
    "SourceGone",
    "SourceMissing",
    "Stalled",
    "StillInUse",
    "StorageDenied",
    "StorageError",
    "UnsafeModel",
    "UnsafeName",
    "WeightsOnly",
    "WeightsUnavailable",
    "WorkspaceDenied",
    "WorkspaceError",
    "WorkspaceNotFound",
    "first_line",
]
