"""Files of columns: written, and read as datasets."""

import pyarrow as pa
import pyarrow.parquet as pq

from headstart.extractors.datasets import open_source


def source(path, **options):
    return open_source("parquet", str(path), options)


def labels_of(path, **options):
    return [entry.label for entry in source(path, **options).scan()]


def written(path, columns, **how):
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **how)
    return path
