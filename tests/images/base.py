"""A stand-in for a Python base image that can't be pulled: a Debian made by debootstrap, with its own Python."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from tests.images.builder import Builder, qualified
from tests.images.errors import CannotRunError
from tests.images.shell import output

MAKE_S = 900
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_IN_SLIM = [
    *(f"usr/share/{name}" for name in ("doc", "man", "locale", "info")),
    "var/lib/apt/lists",
    "var/cache/apt",
]


def ensure_base(builder: Builder, tag: str, folder: Path) -> str | None:
    """Have the base image in the store; returns None, or which Python stands in where it can't be pulled."""
    if not builder.has(tag) and not builder.pull(tag):
        _import(builder, _debian(builder, tag, folder), tag)
        shutil.rmtree(folder / "debian")
    mark = folder / "stand-in.txt"
    return mark.read_text() if mark.exists() else None


def _debian(builder: Builder, tag: str, folder: Path) -> Path:
    if builder.name == "docker":
        raise CannotRunError(f"docker can't pull {tag}, and a stand-in under its name would stay in docker's own store")
    if shutil.which("debootstrap") is None:
        raise CannotRunError(f"{tag} can't be pulled, and debootstrap, which could make a stand-in, is not installed")
    root, suite = folder / "debian", _suite()
    shutil.rmtree(root, ignore_errors=True)
    output("debootstrap", "--variant=minbase", "--include=python3-venv", suite, str(root), timeout_s=MAKE_S)
    # As in the image that it stands for: `python` and `pip` in /usr/local, which Debian's own Python does not manage.
    output("chroot", str(root), "python3", "-m", "venv", "/usr/local")
    for name in NOT_IN_SLIM:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    version = output("chroot", str(root), "/usr/local/bin/python", "--version")
    (folder / "stand-in.txt").write_text(f"Debian {suite} by debootstrap, {version}")
    return root


def _suite() -> str:
    """Return this machine's release of Debian, as its folders of wheels then fit; else the stable one."""
    found = platform.freedesktop_os_release()
    return found.get("VERSION_CODENAME", "stable") if found.get("ID") == "debian" else "stable"


def _import(builder: Builder, root: Path, tag: str) -> None:
    if builder.name == "podman":
        archive = root.with_suffix(".tar")
        output("tar", "--create", "--file", str(archive), "--directory", str(root), ".", timeout_s=MAKE_S)
        output(
            *builder.program, "import", "--change", f"ENV PATH={PATH}", str(archive), qualified(tag), timeout_s=MAKE_S
        )
        archive.unlink()
        return
    container = output(*builder.program, "from", "scratch")
    output(*builder.program, "copy", "--quiet", container, str(root), "/", timeout_s=MAKE_S)
    output(*builder.program, "config", "--env", f"PATH={PATH}", container)
    output(*builder.program, "commit", "--quiet", "--rm", container, qualified(tag), timeout_s=MAKE_S)
