"""The drawings by others that the menagerie takes in, all of free licenses, and fetching them from their packages."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

NOTO = "@iconify-json/noto"  # Apache-2.0, from npm
_NOTO_VERSION = "1.2.9"
CLIPART = "openclipart-svg"  # public domain, from Debian
_RASTER = 360


@dataclass(frozen=True)
class Drawing:
    """One animal by somebody else: its name in the package, what a caption may call it, how it stands, which way."""

    package: str
    name: str
    noun: str
    pose: str
    side: str = "left"
    held_out: bool = False  # never trained on: what the report is about


_M = "mammals/"
DRAWINGS: tuple[Drawing, ...] = (
    Drawing(NOTO, "cat", "cat", "standing", held_out=True),
    Drawing(NOTO, "black-cat", "cat", "standing"),
    Drawing(NOTO, "dog", "dog", "standing", held_out=True),
    Drawing(NOTO, "poodle", "dog", "standing", held_out=True),
    Drawing(NOTO, "guide-dog", "dog", "standing"),
    Drawing(NOTO, "service-dog", "dog", "standing"),
    Drawing(NOTO, "pig", "pig", "standing", held_out=True),
    Drawing(NOTO, "rabbit", "rabbit", "sitting", held_out=True),
    Drawing(NOTO, "ewe", "sheep", "standing", held_out=True),
    Drawing(NOTO, "ram", "sheep", "standing"),
    Drawing(NOTO, "elephant", "elephant", "standing", held_out=True),
    Drawing(NOTO, "mammoth", "elephant", "standing"),
    *(
        Drawing(NOTO, name, "animal", "standing")
        for name in ("raccoon", "goat", "cow", "ox", "deer", "llama", "tiger", "leopard", "mouse", "giraffe", "zebra",
                     "hippopotamus", "rhinoceros", "badger", "skunk", "camel", "hedgehog")
    ),
    Drawing(NOTO, "horse", "animal", "running"),
    Drawing(NOTO, "chipmunk", "animal", "sitting"),
    Drawing(NOTO, "monkey", "animal", "sitting"),
    Drawing(NOTO, "beaver", "animal", "sitting"),
    Drawing(CLIPART, _M + "bears/orso_architetto_francesc_03.svg", "bear", "standing", "right", held_out=True),
    Drawing(CLIPART, _M + "cartoon_cat_gerald_g._01.svg", "cat", "standing", "right"),
    Drawing(CLIPART, _M + "coniglio_architetto_fran_01.svg", "rabbit", "sitting", "right"),
    Drawing(CLIPART, _M + "dog_01_drawn_with_strai_01.svg", "dog", "sitting", held_out=True),
    Drawing(CLIPART, _M + "dog_03_drawn_with_strai_01.svg", "dog", "standing"),
    Drawing(CLIPART, _M + "dog_04_drawn_with_strai_01.svg", "dog", "standing", held_out=True),
    Drawing(CLIPART, _M + "dog_05_drawn_with_strai_01.svg", "dog", "lying"),
    Drawing(CLIPART, _M + "dog_06_drawn_with_strai_01.svg", "dog", "standing", "right"),
    Drawing(CLIPART, _M + "dogs/beagle_copper_ganson.svg", "dog", "standing", held_out=True),
    Drawing(CLIPART, _M + "elefante02_architetto_fr_01.svg", "elephant", "standing"),
    Drawing(CLIPART, _M + "housecats/gatto_cat_architetto_fra_01.svg", "cat", "lying"),
    Drawing(CLIPART, _M + "housecats/gatto_cat_architetto_fra_03.svg", "cat", "sitting", "right"),
    Drawing(CLIPART, _M + "housecats/gatto_cat_architetto_fra_04.svg", "cat", "sitting", held_out=True),
    Drawing(CLIPART, _M + "pig_marcelo_caiafa1.svg", "pig", "standing", "right"),
    Drawing(CLIPART, _M + "sheep-md-v0.1.svg", "sheep", "standing"),
    Drawing(CLIPART, _M + "big_cats/leone_01_architetto_fran_01.svg", "animal", "standing", "right"),
    Drawing(CLIPART, _M + "big_cats/tigre04_architetto_franc_01.svg", "animal", "standing", "right"),
    Drawing(CLIPART, _M + "vacca_pezzata_rossa_val_01.svg", "animal", "standing"),
    Drawing(CLIPART, _M + "topo_architetto_francesc_01.svg", "animal", "standing", "right"),
)  # fmt: skip


def held_out() -> tuple[Drawing, ...]:
    """Return the drawings that nothing is trained on."""
    return tuple(drawing for drawing in DRAWINGS if drawing.held_out)


def fetch(folder: Path) -> Path:
    """Fetch both packages with npm and apt-get and draw their animals into folder/outside; what is there stays.

    Raises CalledProcessError when a package can't be had; needs resvg-py.
    """
    target = folder / "outside"
    if target.exists():
        return target
    unfinished = folder / "outside.unfinished"
    unfinished.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        sources = _sources(Path(place))
        for drawing in DRAWINGS:
            _rasterized(sources[drawing.package, drawing.name]).save(unfinished / file_of(drawing))
    unfinished.rename(target)
    return target


def _sources(place: Path) -> dict[tuple[str, str], str]:
    """Return every drawing's SVG."""
    # ruff: noqa: S603, S607 - fixed names, found on the PATH of whoever fetches
    subprocess.run(
        ["npm", "pack", "--silent", f"{NOTO}@{_NOTO_VERSION}"], cwd=place, check=True, stdout=subprocess.DEVNULL
    )
    subprocess.run(["apt-get", "-q", "download", CLIPART], cwd=place, check=True, stdout=subprocess.DEVNULL)
    [archive], [package] = place.glob("*.tgz"), place.glob("*.deb")
    subprocess.run(["dpkg", "-x", package, place / "clipart"], check=True)
    with tarfile.open(archive) as opened:
        member = opened.extractfile("package/icons.json")
        if member is None:
            raise ValueError(f"{NOTO} has no icons.json")
        icons = json.load(member)["icons"]
    [animals] = (place / "clipart").rglob("animals")
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">'
    return {
        (drawing.package, drawing.name): f"{head}{icons[drawing.name]['body']}</svg>"
        if drawing.package == NOTO
        else (animals / drawing.name).read_text(encoding="utf-8", errors="replace")
        for drawing in DRAWINGS
    }


def _rasterized(svg: str) -> Image.Image:
    import resvg_py  # noqa: PLC0415 - only whoever fetches needs it

    image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=_RASTER)))).convert("RGBA")
    image = image.crop(image.getchannel("A").getbbox())
    image.thumbnail((_RASTER, _RASTER))
    return image


def file_of(drawing: Drawing) -> str:
    """Return the name of a drawing's picture in the folder that `fetch` returns."""
    return drawing.name.split("/")[-1].removesuffix(".svg") + ".png"
