from __future__ import annotations

from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from api.metrics import engine_gauges
from cli.contact_sheet import MARGIN, TILE, Tile, contact_sheet
from cli.demo import EDITS, edit_batches
from cli.parts import demo_picture

ENGINES = [
    {"requests": {"PredictNoise": {"calls": 10, "rows": 80}, "NoiseLoss": {"calls": 100, "rows": 100}}},
    {"requests": {"PredictNoise": {"calls": 5, "rows": 10}}},
]


class Engines(Collector):
    def collect(self) -> list[Metric]:
        return list(engine_gauges(ENGINES))


def test_the_batches_of_edits_are_read_from_the_apis_own_metrics() -> None:
    registry = CollectorRegistry()
    registry.register(Engines())
    assert edit_batches(generate_latest(registry).decode()) == (90, 15)


def test_metrics_without_any_edit_count_nothing() -> None:
    assert edit_batches("") == (0, 0)


def test_the_sheet_shows_every_picture_at_256_pixels_whatever_its_size() -> None:
    colors = ("red", "green", "blue", "teal", "orange", "pink")
    sheet = contact_sheet([Tile(Image.new("RGB", (64, 64), color), color) for color in colors])
    middles = [(MARGIN + TILE // 2 + column * (TILE + MARGIN), MARGIN + TILE // 2) for column in range(5)]
    expected = [Image.new("RGB", (1, 1), color).getpixel((0, 0)) for color in colors[:5]]
    assert [sheet.getpixel(middle) for middle in middles] == expected
    assert sheet.height > 2 * TILE


def test_the_sample_picture_and_at_least_four_edits_are_there() -> None:
    with Image.open(demo_picture()) as picture:
        assert picture.format == "PNG"
    assert len(set(EDITS)) >= 4
