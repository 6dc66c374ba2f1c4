"""The ledger's file, and the only door to SQLite. Any number of processes may use it at once.

Nothing is held open between two calls: a connection that crosses a fork is undefined, and imagesmith forks.
What a call has put in survives kill -9 and a power cut (write-ahead log, synchronous=FULL).
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from imagesmith.errors import HostNotReadyError
from imagesmith.host.folders import state_folder
from imagesmith.model.ledger import LedgerRow
from imagesmith.model.outcome import Phase, Result, TableState

_BUSY_S = 5.0
_MIGRATIONS = (
    """
    CREATE TABLE cards (
        run TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT NOT NULL,
        card TEXT NOT NULL,
        path TEXT NOT NULL,
        slot TEXT NOT NULL,
        slot_path TEXT NOT NULL,
        transport TEXT NOT NULL,
        serial TEXT NOT NULL,
        model TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        cluster TEXT NOT NULL,
        node_index INTEGER,
        node TEXT NOT NULL,
        image TEXT NOT NULL,
        image_sha256 TEXT NOT NULL,
        result TEXT NOT NULL,
        "table" TEXT NOT NULL,
        phase TEXT NOT NULL,
        "offset" INTEGER,
        cause TEXT NOT NULL,
        written_bytes INTEGER NOT NULL,
        verified_bytes INTEGER NOT NULL,
        kept_bytes INTEGER NOT NULL,
        seconds TEXT NOT NULL,
        write_bytes_per_s INTEGER NOT NULL,
        verify_bytes_per_s INTEGER NOT NULL,
        retries INTEGER NOT NULL,
        PRIMARY KEY (run, card)
    )
    """,
)
"""The n-th brings a file from user_version n to n + 1. Never edited, only added to."""

_COLUMNS = tuple(column.name for column in fields(LedgerRow))
_NAMES = ", ".join(f'"{column}"' for column in _COLUMNS)
_PLACES = ", ".join(f":{column}" for column in _COLUMNS)
# By rowid: clocks are set back, and two runs may begin in one second. A replaced row keeps its own.
_SELECT = f"SELECT {_NAMES} FROM cards ORDER BY rowid"  # noqa: S608 -- names of our fields
_PUT = (
    f"INSERT INTO cards ({_NAMES}) VALUES ({_PLACES}) ON CONFLICT (run, card) DO UPDATE SET "  # noqa: S608
    + ", ".join(f'"{column}" = excluded."{column}"' for column in _COLUMNS)
)


class LedgerError(HostNotReadyError):
    """The ledger cannot be read or written; cards are flashed without it."""


def ledger_path() -> Path:
    """Return where this user's ledger lies."""
    return state_folder() / "ledger.sqlite3"


@dataclass(frozen=True, slots=True)
class Ledger:
    """One ledger file; made by the first `put`."""

    path: Path = field(default_factory=ledger_path)

    def put(self, rows: Iterable[LedgerRow]) -> None:
        """Add rows, or replace those of the same run and card: all of them, durably, or none.

        Raises:
            LedgerError: it cannot be written; nothing of it changed. Waits 5 s at most for other writers.
        """
        with self._explained("written"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(_connect(f"{self.path.absolute().as_uri()}?mode=rwc")) as connection:
                _use_write_ahead_log(connection)
                with _transaction(connection):
                    _migrate(connection, self.path)
                    connection.executemany(_PUT, map(_values, rows))

    def rows(self) -> tuple[LedgerRow, ...]:
        """Return every row, the oldest first; none where there is no ledger yet.

        Raises:
            LedgerError: it cannot be read.
        """
        with self._explained("read"):
            if not self.path.exists():
                return ()
            with contextlib.closing(self._open_for_reading()) as connection:
                if _known_version(connection, self.path) == 0:
                    return ()  # its first writer died before the first row was in
                return tuple(_row(values) for values in connection.execute(_SELECT))

    def _open_for_reading(self) -> sqlite3.Connection:
        name = self.path.absolute().as_uri()
        connection = _connect(f"{name}?mode=ro")
        try:
            _known_version(connection, self.path)
        except sqlite3.OperationalError:
            connection.close()
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise
            # On a read-only file system the log's index cannot be made, and without a log none is needed.
            connection = _connect(f"{name}?immutable=1")
            _known_version(connection, self.path)
        return connection

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        what = f"the ledger {self.path} cannot be {done}"
        try:
            yield
        except sqlite3.OperationalError as exc:
            raise LedgerError(
                what, why=str(exc), remedy=f"make {self.path.parent} writable for this user, with room on it"
            ) from exc
        except (sqlite3.DatabaseError, ValueError, TypeError) as exc:
            raise LedgerError(
                what,
                why=f"the file is damaged: {exc}",
                remedy=f"put it aside (mv {self.path} {self.path}.damaged): the next run begins a new one",
            ) from exc
        except OSError as exc:
            raise LedgerError(
                what, why=exc.strerror or str(exc), remedy=f"make {self.path.parent} writable for this user"
            ) from exc


def _connect(uri: str) -> sqlite3.Connection:
    # No isolation level: a transaction begins and ends where this module says so.
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    deadline_s = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            # Changing the mode takes a lock without asking the busy handler: two first runs at once.
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
        else:
            return


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.execute("COMMIT")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _known_version(connection, path)
    for migration in _MIGRATIONS[version:]:
        connection.execute(migration)
    connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _known_version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(_MIGRATIONS):
        raise LedgerError(
            f"the ledger {path} was written by a newer imagesmith",
            why=f"it has version {version}, this imagesmith knows {len(_MIGRATIONS)}",
            remedy="use that imagesmith, or put the file aside: the next run begins a new one",
        )
    return version


def _values(row: LedgerRow) -> dict[str, Any]:
    return {**asdict(row), "seconds": json.dumps(dict(row.seconds))}


def _row(values: tuple[Any, ...]) -> LedgerRow:
    found = dict(zip(_COLUMNS, values, strict=True))
    return LedgerRow(
        **{
            **found,
            "result": Result(found["result"]),
            "table": TableState(found["table"]),
            "phase": Phase(found["phase"]),
            "seconds": json.loads(found["seconds"]),
        }
    )
