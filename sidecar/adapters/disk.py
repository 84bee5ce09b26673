"""What a file system forgets at a power cut unless it is told otherwise. Used by the state and by the audit trail."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Write the names of files through to the disk: a file whose name is lost is lost."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
