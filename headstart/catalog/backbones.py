"""`ws.backbones`: the backbones of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.catalog.collection import Collection
from headstart.errors import RegistryError
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset, Run
from headstart.registry.names import check_name
from headstart.registry.selection.words import checked_tags
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results, brief

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.extractors.run.verification import Check
    from headstart.jobs.backbones.cuts import ListedCut
    from headstart.jobs.backbones.import_bundle import ImportedBundle
    from headstart.jobs.exploration.preview import Step


@checks_arguments
class Backbones(Collection[Backbone, Backbone]):
    """`ws.backbones`: register, list, cut."""

    _table = "backbones"

    def add(
        self,
        name: str,
        source: str | Path | Any,
        *,
        cut: str | None = None,
        preprocess: str | Preprocessing | None = None,
        orient: str | None = None,
        licence: str | None = None,
        tags: dict[str, str] | None = None,
        trust: bool = False,
        custom_objects: str | Path | None = None,
        architecture: str | Path | None = None,
        max_model_bytes: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Backbone:
        """Register a backbone; the same name with another model is its next version.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a `.keras` or `.h5` file, a SavedModel folder, `applications:NAME?weights=…`,
                `zoo:NAME`, `kerashub:DIR`, or a Keras model.
            cut: the default cut, if not the penultimate one.
            preprocess: `raw`, `unit`, `tf`, `torch`, `caffe`, `array`, a JSON or TOML file, or
                a `Preprocessing`.
            orient: `exif` turns pictures as their EXIF says; Keras does not, nor do we without it.
            licence: SPDX name.
            tags: free keys and values.
            trust: load the file even if it brings code; recorded with user, time and sha256.
            custom_objects: a Python file with the model's own layers and functions; it is run.
            architecture: for a file of weights alone, a saved model or JSON with its architecture.
            max_model_bytes: what a model that is not trusted may take in memory, if not some
                times what its file stores.
            say: told what its first load, in a process of its own, cost, if that is noticeable, and
                what converting its trunk for the engines here takes.
        """
        from headstart.extractors.backbones.registration import Wanted
        from headstart.extractors.safety.first_load import FOLDER, FirstLoad, unheard
        from headstart.jobs.backbones.add import add

        verdicts = self._context.artifacts.beside(FOLDER)
        wanted = Wanted(
            cut=cut,
            preprocess=preprocess,
            orient=orient,
            licence=licence,
            tags=tags,
            trust=trust,
            custom_objects=custom_objects,
            architecture=architecture,
            first=FirstLoad(verdicts, max_model_bytes, say or unheard),
        )
        return add(self._context, name, source, wanted)

    def export(
        self,
        reference: str | Backbone,
        path: str | Path,
        *,
        features: bool = False,
        progress: Progress = silent,
    ) -> Path:
        """Write a backbone with its preprocessing and cuts into one `.zip` for another workspace.

        Args:
            reference: the backbone.
            path: the file.
            features: take along all features that were extracted with it.
            progress: called with (bytes written, bytes in all).
        """
        from headstart.jobs.backbones.export_bundle import export_bundle

        named = self._named(reference)
        return export_bundle(self._context, named, path, features=features, progress=progress)

    def import_(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        trust: bool = False,
        progress: Progress = silent,
        max_model_bytes: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> ImportedBundle:
        """Register a backbone from a file that `export` wrote, with the features in it.

        The model is looked into and cut anew; it is refused where it is not what the bundle says.
        Features have the sha256 that the bundle states and are of the model's cuts; whether their
        numbers are right, `features verify` tells. All of it is registered, or nothing.

        Args:
            path: the `.zip`.
            name: to register it under, if not the one it had.
            trust: load the model even if it brings code.
            progress: called with (bytes read, bytes in all).
            max_model_bytes: what a model that is not trusted may take in memory, if not some
                times what its file stores.
            say: told what its first load, in a process of its own, cost, if that is noticeable.

        Returns:
            The backbone, and the number of rows that came along and were new.

        Raises:
            BackboneError: the file is no bundle, or is not what it says.
            UnsafeModel: the model could run code, and `trust` is not given.
            FeatureError: it brings features of another backbone.
        """
        from headstart.extractors.safety.first_load import unheard
        from headstart.jobs.backbones.import_bundle import import_bundle

        file = Path(path).expanduser()
        return import_bundle(
            self._context,
            file,
            name,
            trust=trust,
            progress=progress,
            max_bytes=max_model_bytes,
            say=say or unheard,
        )

    def register(self, backbone: Backbone) -> Backbone:
        """Register a backbone whose files are in the artifact store; see `add`.

        Raises:
            RegistryError: it is no backbone.
        """
        if not isinstance(backbone, Backbone):
            raise RegistryError(
                f"{brief(backbone)}, of type {type(backbone).__name__}, is not a backbone",
                hint="Register a model with `add`.",
            )
        return self._context.backbones.add(backbone)

    def get(self, reference: str | Backbone) -> Backbone:
        """The backbone of that name (its latest version), `NAME:VERSION`, or alias; or the one that
        was registered from that source."""
        return self._context.backbones.get(self._named(reference, adds=False))

    def get_or_add(self, given: str | Path | Backbone | Any) -> Backbone:
        """As `get`; a source that is not registered is registered first, under a name made of it.

        All verbs take what this takes for a backbone.

        Raises:
            NotFound: it is neither a name nor a source.
            BackboneError: the source cannot be opened.

        Warns:
            HeadstartNote: under which name a source is registered; that a file has the name of a
                backbone, which is the one that is meant.
        """
        return self._context.backbones.get(self._named(given))

    def _records(self) -> Sequence[Backbone]:
        return self._context.backbones.find_all()

    def _made(self, record: Backbone) -> Backbone:
        return record

    def cuts(self, reference: str | Backbone, pattern: str | None = None) -> Results[ListedCut]:
        """The cut points of a backbone, from the input upwards.

        Those of which `is_candidate` holds are worth a look first: blocks end there, they are
        defaults, or their features are cached.

        Args:
            reference: the backbone.
            pattern: only those whose name holds it, or matches it as a glob such as `*_add`.
        """
        from headstart.jobs.backbones.cuts import find_cuts

        return find_cuts(self._context, self.get_or_add(reference), pattern)

    def preview(
        self, reference: str | Backbone, dataset: str | Dataset, sample: str | None = None
    ) -> Results[Step]:
        """A sample after each step of a backbone's preprocessing.

        Args:
            reference: the backbone.
            dataset: whose sample is taken.
            sample: its id; the first sample without it.

        Raises:
            NotFound: there is no such sample.
            SampleError: it is not what the backbone takes, or cannot be read.
        """
        from headstart.jobs.datasets.named import dataset_named
        from headstart.jobs.exploration.preview import preview, sample_named

        backbone = self.get_or_add(reference)
        named = self._context.datasets.get(dataset_named(self._context, dataset))
        chosen = sample_named(self._context.manifest(named), sample)
        return preview(self._context, backbone, named, chosen)

    def verify(
        self,
        reference: str | Backbone,
        *,
        dataset: str | Dataset | None = None,
        samples: int = 32,
        seed: int = 0,
    ) -> Results[Check]:
        """Compare trunk and tail with the whole model, on real samples or on random ones.

        Args:
            reference: the backbone.
            dataset: whose first samples are taken; seeded random ones without it.
            samples: how many, 2 or more.
            seed: of the random ones.

        Returns:
            The checks, which are also stored as a run.
        """
        from headstart.jobs.backbones.verify import verify_backbone
        from headstart.jobs.datasets.named import dataset_named

        named = self._named(reference)
        of = None if dataset is None else dataset_named(self._context, dataset)
        return verify_backbone(self._context, named, dataset=of, samples=samples, seed=seed)

    def find_verification(self, reference: str | Backbone) -> Run | None:
        """The last `verify` of this version; None if there was none."""
        subject = self.get(reference).reference
        return next(iter(self._context.runs.find_latest("verify", subject, 1)), None)

    def alias(self, alias: str, reference: str | Backbone) -> Backbone:
        """Let `alias` mean this backbone."""
        check_name(alias, "alias")
        return self._context.backbones.set_alias(alias, self._named(reference))

    def tag(self, reference: str | Backbone, tags: dict[str, str | None]) -> Backbone:
        """Set tags of a version, and take those away that are None.

        Raises:
            InvalidValue: a key or value cannot be one.
            NotFound: a tag that is to be taken away is not there.
            BackboneError, NotFound: the tag `text-backbone` names no backbone that takes texts.
        """
        from headstart.jobs.backbones.text_tower import check_link

        given = checked_tags(tags)
        check_link(self._context, given)
        return self._context.backbones.set_tags(self._named(reference, adds=False), given)

    def remove(self, reference: str | Backbone, *, force: bool = False) -> Backbone:
        """Forget a backbone; refused while features, heads or queued jobs depend on it, unless
        forced."""
        named = self._named(reference, adds=False)
        return self._context.backbones.remove(named, force=force)

    def _named(self, given: Any, *, adds: bool = True) -> str:
        from headstart.jobs.backbones.named import backbone_named

        return backbone_named(self._context, given, adds=adds)
