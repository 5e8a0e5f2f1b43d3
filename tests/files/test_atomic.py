"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from mpt.files.atomic import delete_whole, write_whole

KILLED_HALF_WAY = """
import os, pathlib, signal, sys
from mpt.files.atomic import write_whole
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_whole(pathlib.Path(sys.argv[1]), b"new")
"""


def test_deletion_removes_what_a_killed_writer_left(tmp_path):
    file, other = tmp_path / "a[1].safetensors", tmp_path / "a1.safetensors"
    write_whole(file, b"old")
    write_whole(other, b"other")
    command = [sys.executable, "-c", KILLED_HALF_WAY, str(file)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 3
    delete_whole(file)
    assert os.listdir(tmp_path) == [other.name]
    delete_whole(file)
