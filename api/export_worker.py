"""The process that writes an export: ``python -m api.export_worker``.

Its input is one line with the job as JSON, and then frames of rows (``api.exporting.rows``). It
writes to its output, or to the file that the line names. Its exit status says how it went.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class _WithoutPandas:
    """Nothing here needs pandas, but pyogrio loads it if it can: 40 MB and a quarter second."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in ("pandas", "geopandas"):
            raise ModuleNotFoundError(name)
        return None


if __name__ == "__main__":
    sys.meta_path.insert(0, _WithoutPandas)

import shutil  # noqa: E402 -- after the line above, like those below
import traceback  # noqa: E402

import orjson  # noqa: E402

from api.export_registry import export_format  # noqa: E402
from api.exporting.format import ExportRefused, heard  # noqa: E402
from api.exporting.rows import RowsCutOff, batches, schema_of  # noqa: E402
from layers.disk_room import is_no_room  # noqa: E402

DONE, REFUSED, DISK_FULL, CUT_OFF, BROKEN = 0, 3, 4, 5, 6
#: A disk with less room than this is taken for the cause where a library does not name one.
_NO_ROOM_BYTES = 8 << 20


def main() -> int:
    """Write one export and return the exit status; what was refused is told on the error output."""
    # Whoever waits for a page or a tile goes first.
    os.nice(5)
    order = orjson.loads(sys.stdin.buffer.readline())
    target = Path(order["target"]) if order["target"] else None
    job = heard(order["job"])
    try:
        writer = export_format(job.format)
        writer.write(
            job, schema_of(job), batches(job, sys.stdin.buffer), target or sys.stdout.buffer
        )
        sys.stdout.buffer.flush()
    except ExportRefused as error:
        sys.stderr.write(str(error))
        return REFUSED
    except RowsCutOff:
        return CUT_OFF
    except BrokenPipeError:
        return BROKEN
    except Exception as error:
        room = target is not None and shutil.disk_usage(target.parent).free < _NO_ROOM_BYTES
        if is_no_room(error) or room:
            return DISK_FULL
        raise
    return DONE


def _end() -> None:
    """Run, and leave at once: the thread that reads ahead may wait for rows for ever."""
    status = 1
    try:
        status = main()
    except Exception:  # noqa: BLE001 -- what is said here stands in the server's log
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _end()
