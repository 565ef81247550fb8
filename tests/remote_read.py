"""Pictures in a bucket and on the web, read as datasets."""

from headstart.extractors.datasets import SOURCES, checked, open_source, scan

CLASSES = ("blue", "green", "red")


def facts(manifest) -> list[tuple]:
    return [(one.id, one.digest, one.label, one.split) for one in manifest.samples]


def opened(kind: str, source: str, **options):
    given = checked(SOURCES[kind], options, SOURCES.values())
    return open_source(kind, source, given), given


def manifest_of(kind: str, source: str, previous=None, **options):
    made, given = opened(kind, source, **options)
    return scan(made, given, previous)
