"""The spool: where uploaded surveys wait for their load, each in a folder of its own."""

import re
import shutil
import time
from pathlib import Path
from uuid import uuid4

from etl.settings import EtlSettings
from layers.errors import LoadNotFound, LoadRefused
from layers.load_desk import LoadDesk

#: Characters of a file's name that are kept; all others become ``_``.
_UNSAFE = re.compile(r"[^\w.() -]", re.UNICODE)
_LONGEST_NAME = 120
_SECONDS_A_DAY = 86_400.0
#: Name of the note in an upload's folder that says which load it is for.
_NOTE = ".load"


def safe_name(name: str) -> str:
    """Return the last part of a file's name, with nothing in it that a path could mean.

    Raises:
        LoadRefused: If nothing is left.
    """
    last = re.split(r"[\\/]", name)[-1]
    cleaned = _UNSAFE.sub("_", last).strip(" .")
    if len(cleaned.encode()) > _LONGEST_NAME:
        stem, dot, suffix = cleaned.rpartition(".")
        keep = _LONGEST_NAME - len(suffix.encode()) - 1
        cleaned = (stem or suffix).encode()[: max(keep, 1)].decode(errors="ignore") + dot + suffix
    if not cleaned:
        raise LoadRefused("an uploaded file has no name")
    return cleaned


def open_folder(settings: EtlSettings) -> Path:
    """Make a folder for one upload, which only this user can read.

    Raises:
        OSError: If it cannot be made.
    """
    folder = settings.spool_dir.absolute() / uuid4().hex
    folder.mkdir(mode=0o700, parents=True)
    return folder


def note_load(folder: Path, load_id: int) -> None:
    """Keep which load an upload is for."""
    (folder / _NOTE).write_text(str(load_id), encoding="ascii")


def discard(folder: Path) -> None:
    """Remove an upload."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(settings: EtlSettings, desk: LoadDesk) -> int:
    """Remove uploads that no load needs: of loads that are done, and old ones of all that ended.

    Returns:
        How many were removed.
    """
    spool = settings.spool_dir.absolute()
    removed = 0
    for folder in sorted(spool.iterdir()) if spool.is_dir() else []:
        if folder.is_dir() and not _needed(folder, settings, desk):
            discard(folder)
            removed += 1
    return removed


def _needed(folder: Path, settings: EtlSettings, desk: LoadDesk) -> bool:
    old = time.time() - folder.stat().st_mtime > settings.spool_days * _SECONDS_A_DAY
    try:
        record = desk.record(int((folder / _NOTE).read_text(encoding="ascii")))
    except (OSError, ValueError, LoadNotFound):
        # An upload that is under way, or was broken off.
        return not old
    if record.status == "done":
        return False
    return not (record.final and old)
