"""A workspace that cannot be written to: reading works, and writing says so."""

import os

import pytest


@pytest.fixture
def frozen(ready):
    """The workspace after an extraction, with nothing in it writable."""
    ready.extract("net@features,relu|gap", "pics")
    ready.database.close()
    folders = [ready.config.root, *(p for p in ready.config.root.rglob("*") if p.is_dir())]
    files = [p for p in ready.config.root.rglob("*") if p.is_file()]
    for path in files:
        path.chmod(0o444)
    for path in folders:
        path.chmod(0o555)
    yield ready
    for path in folders:
        path.chmod(0o755)


@pytest.fixture
def reader(frozen, zygote, tmp_path):
    """Runs a command that may not write there, which root may."""

    def call(*arguments):
        command = [*arguments, "--workspace", frozen.config.root]
        zygote.start(command, powerless=True, said=tmp_path / "said")
        code = os.waitstatus_to_exitcode(zygote.wait())
        return code, *((tmp_path / f"said.{name}").read_text() for name in ("out", "err"))

    return call


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_reading_works_and_writing_says_that_it_cannot(frozen, reader, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in frozen.config.root.rglob("*")}
    for arguments in ("backbone list", "dataset list", "features list", "doctor"):
        code, _, error = reader(*arguments.split())
        assert code == 0, error
    code, _, error = reader("features", "export", "net", "pics", tmp_path / "f.npy")
    assert code == 0, error
    code, out, error = reader("extract", "net", "pics", "--json")
    assert code == 0, error
    assert '"computed": 0' in out
    code, out, error = reader("features", "verify", "net", "pics", "--full", "--json")
    assert code == 0, error
    assert '"corrupt": 0' in out
    code, _, error = reader("extract", "net@relu|gmp", "pics")
    assert code == 11
    (line,) = [line for line in error.splitlines() if line.startswith("error:")]
    assert "readonly" in line or "read-only" in line.lower() or "cannot write" in line
    assert {p: p.stat().st_mtime_ns for p in frozen.config.root.rglob("*")} == before


def test_a_log_that_was_not_written_back_is_not_passed_over(ready, reader, frozen):
    frozen.config.root.chmod(0o755)
    log = frozen.config.root / "headstart.db-wal"
    log.write_bytes(b"changes")
    frozen.config.root.chmod(0o555)
    code, _, error = reader("features", "list")
    assert code == 1
    assert "its last changes are still in headstart.db-wal" in error
