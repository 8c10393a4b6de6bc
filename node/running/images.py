"""A workload's image: a root folder in the node's store, copied for each instance.

An image's digest is SHA-256 of its listing, a line for each entry in order of its path's bytes:

    d PATH            f|x SHA-256 PATH (x: executable by its owner)            l TARGET PATH

with backslash, newline and, in targets, space written as \\\\, \\n and \\s. Owners, times and the other bits of modes
don't count. Symbolic links may not lead out of the folder, and there are no devices, sockets or pipes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.running.errors import CannotRun

SCHEME = "dir://"
MOST_ENTRIES = 200_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in an image: path relative to its root; kind d, f, x or l; size in bytes; where a link leads."""

    path: str
    kind: str
    size: int = 0
    target: str = ""


def find_image(folder: str, store: Path | None) -> Path:
    """The image's folder: a name in the store, or dir:///… which must lie in the store. CannotRun if it isn't there.

    An intent is somebody else's word: it never names what lies outside of the store.
    """
    if store is None:
        raise CannotRun(f"image {folder!r}: this node has no images: its operator names a folder with --images")
    root = store.resolve()
    found = Path(folder.removeprefix(SCHEME)) if folder.startswith(SCHEME) else root / folder
    resolved = found.resolve()
    if not resolved.is_relative_to(root) or resolved == root:
        raise CannotRun(f"image {folder!r}: lies outside of this node's images: name a folder inside --images")
    if not resolved.is_dir():
        raise CannotRun(f"image {folder!r}: isn't among this node's images: put that folder into --images")
    return resolved


def entries(root: Path) -> Iterator[Entry]:
    """All that the image holds, in order of the paths' bytes. CannotRun for what no image may hold."""
    found = (Path(base) / name for base, folders, files in os.walk(root) for name in folders + files)
    paths = sorted(found, key=os.fsencode)
    if len(paths) > MOST_ENTRIES:
        raise CannotRun(f"image {root.name}: holds {len(paths)} entries: at most {MOST_ENTRIES}")
    for path in paths:
        status = path.lstat()
        name = str(path.relative_to(root))
        if stat.S_ISDIR(status.st_mode):
            yield Entry(name, "d")
        elif stat.S_ISREG(status.st_mode):
            yield Entry(name, "x" if status.st_mode & stat.S_IXUSR else "f", status.st_size)
        elif stat.S_ISLNK(status.st_mode):
            target = str(path.readlink())
            # As text: what it leads to need not be there, and links on the way are judged by themselves.
            led = Path(os.path.normpath(path.parent.relative_to(root) / target))
            if Path(target).is_absolute() or led.parts[:1] == ("..",):
                raise CannotRun(f"image {root.name}: link {name} leads out of it, to {target}: make it lead inside")
            yield Entry(name, "l", 0, target)
        else:
            raise CannotRun(f"image {root.name}: {name} is a device, socket or pipe: remove it")


def digest(root: Path) -> str:
    """The image's digest, 64 hex digits. CannotRun as of `entries`."""
    whole = hashlib.sha256()
    for entry in entries(root):
        middle = ""
        if entry.kind in "fx":
            middle = _file_digest(root / entry.path) + " "
        elif entry.kind == "l":
            middle = _escaped(entry.target).replace(" ", "\\s") + " "
        whole.update(f"{entry.kind} {middle}{_escaped(entry.path)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def copy_image(image: Path, to: Path, expected: str, storage_mb: int) -> str:
    """Copy the image to the new folder `to` and return its digest.

    It appears whole, with the expected digest ("": any), or not at all. CannotRun for another digest, for more than
    `storage_mb` and as of `entries`; OSError if the disk fails.
    """
    found = list(entries(image))
    size = sum(entry.size for entry in found)
    if size > storage_mb << 20:
        raise CannotRun(f"image {image.name}: has {size >> 20} MB, the job {storage_mb} MB: ask for more storage")
    part = to.with_name(to.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for entry in found:
        place = part / entry.path
        if entry.kind == "d":
            place.mkdir()
        elif entry.kind == "l":
            place.symlink_to(entry.target)
        else:
            shutil.copyfile(image / entry.path, place, follow_symlinks=False)
            place.chmod(0o755 if entry.kind == "x" else 0o644)
    # Of the copy, so that it doesn't matter who changes the store meanwhile.
    real = digest(part)
    if expected and real != expected:
        shutil.rmtree(part, ignore_errors=True)
        raise CannotRun(f"image {image.name}: its digest is {real}, the job wants {expected}: bring the right one here")
    shutil.rmtree(to, ignore_errors=True)
    part.rename(to)
    return real


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
