# SPDX-License-Identifier: Apache-2.0
"""Images: what their digest is of, and what no image may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.running.errors import CannotRun
from node.running.images import copy_image, digest, find_image


def make(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "run").write_text("#!/bin/sh\n")
    (root / "bin" / "run").chmod(0o755)
    (root / "a\nb").write_text("odd")
    (root / "empty").mkdir()
    (root / "link").symlink_to("bin/run")
    return root


def test_digest__owner_times_and_place_differ__the_same(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "deep" / "other")
    os.utime(other / "bin" / "run", (1, 1))
    (other / "a\nb").chmod(0o600)
    # Made with sha256sum from the listing that the module describes.
    assert digest(one) == digest(other) == "a84ed21f670b7cecd62b9c28be0d611aba435ba854fed6f248a9009f8a2a5d9f"


def test_digest__anything_that_counts_differs__another(tmp_path: Path) -> None:
    found = {digest(make(tmp_path / "0"))}

    def other(name: str) -> Path:
        return make(tmp_path / name)

    (root := other("1")).joinpath("bin", "run").chmod(0o644)
    found.add(digest(root))
    (root := other("2")).joinpath("bin", "run").write_text("#!/bin/sh\n\n")
    found.add(digest(root))
    (root := other("3")).joinpath("empty").rmdir()
    found.add(digest(root))
    (root := other("4")).joinpath("link").unlink()
    root.joinpath("link").symlink_to("empty")
    found.add(digest(root))
    assert len(found) == 5


def test_copy__as_expected__whole_and_equal(tmp_path: Path) -> None:
    image = make(tmp_path / "image")
    assert copy_image(image, tmp_path / "copy", digest(image), 1) == digest(image) == digest(tmp_path / "copy")
    assert (tmp_path / "copy" / "link").is_symlink()
    assert os.access(tmp_path / "copy" / "bin" / "run", os.X_OK)


def test_copy__another_digest_or_too_large__nothing_left(tmp_path: Path) -> None:
    image = make(tmp_path / "image")
    with pytest.raises(CannotRun, match="bring the right one"):
        copy_image(image, tmp_path / "copy", "00" * 32, 1)
    (image / "large").write_bytes(bytes(2 << 20))
    with pytest.raises(CannotRun, match="ask for more storage"):
        copy_image(image, tmp_path / "copy", "", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "bin/../../outside", ".."])
def test_copy__link_leads_out__refused(tmp_path: Path, target: str) -> None:
    image = make(tmp_path / "image")
    (image / "bad").symlink_to(target)
    with pytest.raises(CannotRun, match="leads out of it"):
        copy_image(image, tmp_path / "copy", "", 1)


def test_copy__pipe__refused(tmp_path: Path) -> None:
    image = make(tmp_path / "image")
    os.mkfifo(image / "pipe")
    with pytest.raises(CannotRun, match="device, socket or pipe"):
        copy_image(image, tmp_path / "copy", "", 1)


def test_find__inside_of_the_store_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make(store / "web")
    (store / "out").symlink_to(tmp_path)
    assert find_image("web", store) == store / "web" == find_image(f"dir://{store}/web", store)
    for folder in ("dir:///etc", "../store2", "out", f"dir://{store}", f"dir://{store}/../x", "."):
        with pytest.raises(CannotRun, match="outside of this node's images"):
            find_image(folder, store)
    with pytest.raises(CannotRun, match="isn't among"):
        find_image("other", store)
    with pytest.raises(CannotRun, match="--images"):
        find_image("web", None)
