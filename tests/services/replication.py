"""Replicas of a private MariaDB or PostgreSQL, by the servers' own replication."""

from __future__ import annotations

from abc import abstractmethod

from tests.services.database import ACCOUNT, OWNER, PASSWORD, Database
from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL, _program
from tests.services.process import Seen, until


class Replica(Database):
    """A copy that follows its primary, and takes no writes from ACCOUNT."""

    @abstractmethod
    def pause(self) -> None:
        """Follow no more."""

    @abstractmethod
    def resume(self) -> None:
        """Follow again."""


class MariaDBPrimary(MariaDB):
    """A MariaDB that replicas can follow."""

    def __init__(self) -> None:
        super().__init__(
            "--log-bin=changes", "--server-id=1", "--binlog-format=ROW", "--skip-binlog-annotate-row-events"
        )


class MariaDBReplica(MariaDB, Replica):
    def __init__(self, primary: MariaDB, number: int) -> None:
        self.primary = primary
        super().__init__("--server-id", str(number), "--skip-slave-start", "--read-only", "--slave-net-timeout=5")

    def prepare(self) -> None:
        super().prepare()
        with (self.folder / "accounts.sql").open("a") as accounts:  # GRANT ALL lets it write all the same
            accounts.write(f"REVOKE SUPER, READ ONLY ADMIN ON *.* FROM '{ACCOUNT}'@'%';\n")

    def start(self) -> None:
        super().start()
        self.execute("STOP SLAVE")
        self.execute(
            f"CHANGE MASTER TO MASTER_HOST='{self.primary.host}', MASTER_PORT={self.primary.port}, "
            f"MASTER_USER='{OWNER}', MASTER_PASSWORD='{PASSWORD}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        )
        self.resume()

    def parse(self, journal: str) -> Seen:
        seen = super().parse(journal)
        seen[:] = [
            statement for statement in seen if not statement.startswith(("BEGIN", "COMMIT"))
        ]  # of following, too
        return seen

    def pause(self) -> None:
        self.execute("STOP SLAVE SQL_THREAD")

    def resume(self) -> None:
        self.execute("START SLAVE")


class PostgreSQLReplica(PostgreSQL, Replica):
    def __init__(self, primary: PostgreSQL, number: int) -> None:
        self.primary = primary
        super().__init__()

    def prepare(self) -> None:
        self.run(
            _program("pg_basebackup"),
            f"--pgdata={self.folder / 'data'}",
            f"--host={self.primary.folder}",
            f"--port={self.primary.port}",
            f"--username={OWNER}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--no-sync",
        )

    def pause(self) -> None:
        self.execute("SELECT pg_wal_replay_pause()")
        until(lambda: self.execute("SELECT pg_get_wal_replay_pause_state()") == [("paused",)], "It replays on.")

    def resume(self) -> None:
        self.execute("SELECT pg_wal_replay_resume()")
