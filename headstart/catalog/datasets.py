"""`ws.datasets`: the datasets of a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.catalog.collection import Collection
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.registry.selection.words import checked_tags
from headstart.storage.manifest import Label, Manifest
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.jobs.datasets.changes import Changes, Version
    from headstart.jobs.datasets.correct import Corrected
    from headstart.jobs.datasets.details import DatasetDetails
    from headstart.jobs.datasets.failures import Unread
    from headstart.jobs.datasets.resplit import Resplit


@checks_arguments
class Datasets(Collection[Dataset, Dataset]):
    """`ws.datasets`: register, refresh, list."""

    _table = "datasets"

    def add(
        self,
        name: str,
        source: str | Path | Any,
        y: Any = None,
        *,
        kind: str | None = None,
        split: str | Sequence[float] | None = None,
        seed: int | None = None,
        on_error: str = "fail",
        tags: dict[str, str] | None = None,
        progress: Progress = silent,
        weights: Any = None,
        **options: Any,
    ) -> Dataset:
        """Register a dataset.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a folder of class folders, a CSV, TSV or JSON Lines file, an `.npz` or `.npy`,
                Parquet or Arrow files or a folder of them, tars (a file, a folder,
                `shards-{000..099}.tar`), TFRecord files, annotations of COCO or YOLO, a folder with
                `metadata.csv`, `tfds:NAME`, `hf:ID[:SPLIT]`; the address of a folder (`s3://`,
                `gs://`, `az://`) or table (also `https://`); or data in memory: an
                array, a dict of arrays, a list of pictures of Pillow, bytes, texts or paths, a
                frame of pandas, polars or pyarrow, `(x, y)`, `((x_train, y_train), (x_test,
                y_test))`, a `datasets.Dataset` or `DatasetDict`, anything that gives `(content,
                label)`. Such data are written once, into the workspace; added again under their
                name they take the place of those before.
            y: the labels of data in memory, if they do not come with it: one for each sample.
            kind: `folder`, `csv` (any table of text), `arrays`, `parquet` and the others that
                `dataset add -h` lists, or one of a plug-in; by what the source is without it.
            split: a ratio such as `70/10/20` (or `80/20`, without validation); `stratified`, in
                every class alike, `stratified:60/20/20`; `hash`, by the content alone; `kfold:5`,
                the first of five folds to test on, `kfold:5:2` the second; `column:NAME` of a
                table; `folders` called train, val, test (in any case); `none`, all to train on.
                Without it as the source says, and samples of which it says nothing `stratified`
                where labels are classes and there are under 50,000, else `hash`. A dataset that is
                added again stays as it was.
            seed: what samples are dealt out by, besides their content.
            on_error: `fail` at a row or file that is no sample, as its label or text is missing or
                it cannot be read; or `skip` it, now and whenever the source is looked at again.
                What was skipped is in `options["skipped"]` of the dataset.
            tags: free keys and values, set besides those that it has.
            progress: called with (samples digested, samples in all).
            weights: for how many samples each of the data in memory counts where heads are trained:
                positive numbers, one for each.
            **options: `path_column`, `text_column`, `values`, `label_column`, `split_column`,
                `id_column`, `group_column` of a table; `weight_column` of a table, or array of an
                `.npz`, with what a sample counts where heads are trained; `labels`, a file, for
                arrays; `group_pattern`, found in the ids, for all; `root`, of a table or folder: a
                folder, or an address, outside of which nothing is read, wherever paths, `..` and
                links lead; `store_options`, texts such as `region=eu-west-1`, for what lies in a
                store; `member` of a tar, or feature of TFDS, that is the sample; `features` of
                TFRecord, as `NAME=TYPE[:SHAPE]`; `data_dir` of TFDS; `boxes` (`picture` or `crop`),
                `margin` and `images`, a folder, of annotations; `window`, `hop`, `tokenizer`, or
                `frames` and `every`, which cut long samples into windows, a row each:
                `window="2s"`, `hop="1s"`.

        Raises:
            DatasetError: it is no dataset, is of a kind that does not know an option, or it cannot
                be told whether a folder is a class or a split.
            SourceGone: nothing is given at an address: no connection, no credentials, no bucket.
            RegistryError: the name cannot be one.

        Warns:
            HeadstartWarning: the source holds columns, arrays or files that are not used; samples
                were skipped.
            FewSamples: a class has fewer than five samples to train on, or none to test on.
            HeadstartNote: folders, or members of an `.npz`, are taken for splits.
        """
        from headstart.jobs.datasets.add import add

        given = checked_tags(tags)
        added = add(
            self._context,
            name,
            source if y is None else (source, y),
            kind=kind,
            split=split,
            seed=seed,
            on_error=on_error,
            progress=progress,
            weights=weights,
            **options,
        )
        return self._context.datasets.set_tags(name, given) if given else added.dataset

    def refresh(self, name: str | Dataset, progress: Progress = silent) -> Dataset:
        """Look at the source again: only files that changed are read, only new samples dealt out.

        Raises:
            SourceGone: the source is not there; the dataset is kept as it was.
        """
        from headstart.jobs.datasets.refresh import refresh

        return refresh(self._context, self._named(name, looks=False), progress).dataset

    def move(
        self,
        name: str | Dataset,
        path: str | Path,
        progress: Progress = silent,
        *,
        force: bool = False,
    ) -> Dataset:
        """Say where the data of a dataset are now: splits, heads and features stay as they are.

        Args:
            name: of the dataset.
            path: where its source is.
            progress: called with (samples digested, samples in all).
            force: also where fewer than half of its samples are there.

        Raises:
            SourceGone: nothing is there.
            DatasetError: what is there has none of its samples, or fewer than half without
                `force`, or is of another kind.

        Warns:
            HeadstartWarning: not all samples are as they were.
        """
        from headstart.jobs.datasets.move import move

        named = self._named(name, adds=False, looks=False)
        return move(self._context, named, path, progress, force=force).dataset

    def resplit(
        self,
        name: str | Dataset,
        split: str | Sequence[float] | None = None,
        *,
        seed: int | None = None,
        progress: Progress = silent,
    ) -> Resplit:
        """Deal all samples to the splits anew; `voided` names heads whose scores no longer hold.

        Args:
            name: of the dataset.
            split: see `add`; in the same way as before without it.
            seed: see `add`.
            progress: called with (samples digested, samples in all).

        Raises:
            SourceGone: the source is not there.
            DatasetError: there is no such way.
        """
        from headstart.jobs.datasets.resplit import resplit

        named = self._named(name, looks=False)
        return resplit(self._context, named, split, seed=seed, progress=progress)

    def correct(
        self, name: str | Dataset, corrections: str | Path | Mapping[str, Label]
    ) -> Corrected:
        """Change labels and leave samples out: a new version of the dataset, its source untouched.

        Corrections are of an id and its content: they hold when the source is looked at again, and
        are left aside where another content has that id. Splits stay; heads of before are compared
        with those of now on the labels of now (`ws.heads.compare`). What was changed when stands in
        `ws.runs`, kind `correct`.

        Args:
            name: of the dataset.
            corrections: new labels by id; or a CSV file with the columns `id`, `new_label` and
                `exclude` (anything in it leaves the sample out), as `features audit --output`
                writes it, with commas, semicolons or tabs, in UTF-8 or UTF-16; where it has a
                column `label`, that must be the label of now.

        Raises:
            DatasetError: the file is none, a sample is not there, its label is another one by now,
                or a new one can be none (`nan`, invisible signs); nothing is changed.

        Warns:
            HeadstartWarning: a new class is spelled nearly like one that is there.
            HeadstartNote: there are new classes.
        """
        from headstart.jobs.datasets.correct import correct

        return correct(self._context, self._named(name, looks=False), corrections)

    def exclude(
        self, name: str | Dataset, ids: str | Sequence[str], *, undo: bool = False
    ) -> Corrected:
        """Leave samples out, as `correct` does; with `undo` take them back, for which the source is
        looked at, as `refresh` does: what else changed in it comes in, too.

        Raises:
            DatasetError: a sample is not there, or was not excluded; nothing is changed.
            SourceGone: the source is not there to take samples back from.

        Warns:
            HeadstartWarning: a sample is excluded no more, and is not in the source any more.
        """
        from headstart.jobs.datasets.correct import exclude

        listed = [ids] if isinstance(ids, str) else ids
        return exclude(self._context, self._named(name, looks=False), listed, undo=undo)

    def get(self, reference: str | Dataset) -> Dataset:
        """The dataset of that name, or the one that was registered from that source."""
        named = self._named(reference, adds=False, looks=False)
        return self._context.datasets.get(named)

    def get_or_add(self, given: str | Path | Dataset) -> Dataset:
        """As `get`; a source is registered first, under a name made of it, or looked at again.

        All verbs take what this takes for a dataset.

        Raises:
            NotFound: it is neither a name nor a source.
            DatasetError: the source cannot be read as a dataset.

        Warns:
            HeadstartNote: under which name a source is registered; that a file has the name of a
                dataset, which is the one that is meant.
        """
        return self._context.datasets.get(self._named(given))

    def details(self, name: str | Dataset) -> DatasetDetails:
        """A dataset with its samples counted, by class and split."""
        from headstart.jobs.datasets.details import details

        return details(self._context, self.get_or_add(name))

    def changes(
        self, name: str | Dataset, before: str | None = None, after: str | None = None
    ) -> Changes:
        """What differs between two versions of a dataset, as long as the lists of their samples
        are kept: `ws.cache.gc` deletes those that nothing needs.

        Args:
            name: of the dataset.
            before: the digest of a version, or its first letters; the one before `after` without.
            after: likewise; the newest without.

        Raises:
            NotFound: there is no such version, or its list is gone.
        """
        from headstart.jobs.datasets.changes import changes

        return changes(self._context, self.get(name), before, after)

    def versions(self, name: str | Dataset) -> Results[Version]:
        """The versions of a dataset that the log knows the lists of, the newest first."""
        from headstart.jobs.datasets.changes import find_versions

        return find_versions(self._context, self.get(name))

    def _records(self) -> Sequence[Dataset]:
        return self._context.datasets.find_all()

    def _made(self, record: Dataset) -> Dataset:
        return record

    def tag(self, name: str | Dataset, tags: dict[str, str | None]) -> Dataset:
        """Set tags, and take those away that are None.

        Raises:
            InvalidValue: a key or value cannot be one.
            NotFound: a tag that is to be taken away is not there.
        """
        given = checked_tags(tags)
        named = self._named(name, adds=False, looks=False)
        return self._context.datasets.set_tags(named, given)

    def failures(self, name: str | Dataset) -> Results[Unread]:
        """The samples that could not be read; extractions and heads leave them out."""
        from headstart.jobs.datasets.failures import find_failures

        return find_failures(self._context, self._named(name))

    def forget_failures(self, name: str | Dataset) -> Results[Unread]:
        """Let the next extraction try them again; gives what was on record."""
        from headstart.jobs.datasets.failures import forget_failures

        return forget_failures(self._context, self._named(name))

    def remove(self, name: str | Dataset, *, force: bool = False) -> Dataset:
        """Forget a dataset; features stay, other datasets may share them.

        Raises:
            StillInUse: labels were corrected, samples excluded, heads trained on it or jobs on it
                queued, and `force` is not given.
        """
        from headstart.jobs.datasets.remove import remove

        named = self._named(name, adds=False, looks=False)
        return remove(self._context, named, force=force)

    def manifest(self, dataset: Dataset | str) -> Manifest:
        """The samples of a dataset as they were last looked at."""
        known = dataset if isinstance(dataset, Dataset) else self._named(dataset)
        return self._context.manifest(known)

    def _named(self, given: Any, *, adds: bool = True, looks: bool = True) -> str:
        from headstart.jobs.datasets.named import dataset_named

        return dataset_named(self._context, given, adds=adds, looks=looks)
