"""The floor: a bare MLLP echo that commits each message durably before it answers.

`python -m tests.bench.durable_echo PORT FOLDER`, on the database of DATABASE_URL, else in an SQLite file in
the folder.
"""

import asyncio
import contextlib
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path


def _commit() -> Callable[[bytes], None]:
    url = os.environ.get("DATABASE_URL", "")
    if url:
        import psycopg2

        server = psycopg2.connect(url)
        server.autocommit = True
        cursor = server.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS durable_echo (raw bytea)")
        return lambda raw: cursor.execute("INSERT INTO durable_echo VALUES (%s)", [raw])
    file = sqlite3.connect(Path(sys.argv[2]) / "echo.sqlite3", isolation_level=None)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.execute("CREATE TABLE durable_echo (raw blob)")

    def write(raw: bytes) -> None:
        file.execute("INSERT INTO durable_echo VALUES (?)", [raw])

    return write


async def _serve(port: int) -> None:
    commit = _commit()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while frame := await reader.readuntil(b"\x1c\r"):
                commit(frame)
                writer.write(b"\x0bMSH|^~\\&|A|B|C|D|20260101||ACK|1|P|2.5.1\rMSA|AA|1\r\x1c\r")
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
