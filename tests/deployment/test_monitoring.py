"""Alerts and dashboard ask for series and labels that /metrics gives; promtool reads them where it is installed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from core.services import Services
from tests.api.serving import PretendingWorker, personalize
from tests.deployment.expressions import (
    SCRAPED,
    alert_expressions,
    asked,
    dashboard,
    dashboard_expressions,
    exported,
    grouping_labels,
)
from tests.deployment.files import REPOSITORY
from tests.deployment.promtool import needs_promtool, promtool

EXPRESSIONS = alert_expressions() | dashboard_expressions()


@pytest.fixture(scope="session")
def series(api: httpx.Client, worker: PretendingWorker, services: Services) -> dict[str, set[str]]:
    """What /metrics gives of an API that has a worker and a job: every series and its labels."""
    assert personalize(api).status_code == 202
    counts = {"calls": 10, "rows": 40, "padded_rows": 0, "seconds": 1.0}
    engine = {"requests": {"NoiseLoss": counts, "PredictNoise": counts}, "running": 3}
    storage = {"put": {"requests": 1, "failed": 0, "seconds": 0.01}}
    services.live.workers.beat("one", {"engine": engine, "storage": storage}, ttl_s=60)
    return exported(api.get("/metrics").text)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_asks_for_series_and_labels_that_metrics_gives(name: str, series: dict[str, set[str]]) -> None:
    expression = EXPRESSIONS[name]
    assert asked(expression)
    for one in asked(expression):
        assert one.name in series
        assert one.labels <= series[one.name] | SCRAPED
    known = set().union(*(series[one.name] for one in asked(expression)))
    assert grouping_labels(expression) - {""} <= known | SCRAPED


def test_everything_that_metrics_gives_is_on_the_dashboard(series: dict[str, set[str]]) -> None:
    shown = {one.name for expression in dashboard_expressions().values() for one in asked(expression)}
    ours = {name for name in series if name.startswith("tailor_") and not name.endswith(("_created", "_count", "_sum"))}
    assert shown == ours


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (column, line)
        for at in (panel["gridPos"] for panel in panels)
        for column in range(at["x"], at["x"] + at["w"])
        for line in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(column for column, _ in cells) == 23


def test_every_variable_of_the_dashboard_is_defined() -> None:
    defined = {variable["name"] for variable in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard()["panels"])))
    assert used - {"__rate_interval"} == defined


def test_every_alert_says_what_it_means_and_how_bad_it_is() -> None:
    rules = re.findall(
        r"- alert: \w+.*?(?=- alert:|\Z)", (REPOSITORY / "deploy/prometheus/alerts.yml").read_text(), re.S
    )
    assert len(rules) == len(alert_expressions())
    for rule in rules:
        assert re.search(r"labels: \{severity: (critical|warning)\}", rule), rule
        assert re.search(r"\n +summary: \S", rule), rule


def test_every_alert_is_seen_to_fire() -> None:
    tests = (REPOSITORY / "deploy/prometheus/alerts_test.yml").read_text()
    fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts:(?! \[\])", tests))
    assert fired == set(alert_expressions())


@needs_promtool
def test_promtool_accepts_the_alerts_and_sees_them_fire_when_they_should() -> None:
    promtool("check", "rules", REPOSITORY / "deploy/prometheus/alerts.yml")
    promtool("test", "rules", REPOSITORY / "deploy/prometheus/alerts_test.yml")


@needs_promtool
def test_promtool_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    expressions = [
        expression.replace("$__rate_interval", "5m").replace("$job", "tailor")
        for expression in dashboard_expressions().values()
    ]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    promtool("check", "rules", file)
