"""What scales the chart's Deployments, and what the autoscaler of workers asks Prometheus for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deployment.chart import EVERYTHING, needs_helm, of_kind, render
from tests.deployment.expressions import asked
from tests.deployment.promtool import needs_promtool, promtool

pytestmark = needs_helm


def test_what_scales_a_deployment_is_the_only_one_that_counts_its_replicas() -> None:
    everything = render(EVERYTHING)
    deployments = of_kind(everything, "Deployment")
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(everything, "ScaledObject").values()}
    scaled |= {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(everything, "HorizontalPodAutoscaler").values()}
    assert scaled == {"demo-tailor-api", "demo-tailor-worker-gpu"}
    assert {name for name, one in deployments.items() if "replicas" not in one["spec"]} == scaled


def test_workers_are_scaled_by_series_that_metrics_gives() -> None:
    triggers = of_kind(render(EVERYTHING), "ScaledObject")["demo-tailor-worker-gpu"]["spec"]["triggers"]
    series = [one for trigger in triggers for one in asked(trigger["metadata"]["query"])]
    assert {one.name for one in series} == {"tailor_jobs_queued", "tailor_engine_running_jobs"}
    assert {one.labels for one in series} == {frozenset({"namespace"})}
    assert all(isinstance(value, str) for trigger in triggers for value in trigger["metadata"].values())


@needs_promtool
@pytest.mark.parametrize(
    ("edits", "length", "age"),
    [
        ("3 3 3 3 3 3 3", 3 + 5 + 8, 1.5),  # somebody has waited all the time
        ("0 0 0 3 3 3 3", 3 + 5 + 8, 1.5),  # another kind has
    ],
)
def test_the_length_of_all_queues_and_the_age_of_one_ask_for_workers(
    edits: str, length: float, age: float, tmp_path: Path
) -> None:
    scaling(tmp_path, {"edit": edits, "personalize": "5 5 5 5 5 5 5"}, length, age)


@needs_promtool
def test_queues_that_run_empty_now_and_then_ask_by_their_length_alone(tmp_path: Path) -> None:
    scaling(tmp_path, {"edit": "3 3 0 3 3 3 3", "personalize": "5 5 5 5 0 5 5"}, 3 + 5 + 8, 0)


def scaling(folder: Path, queued: dict[str, str], length: float, age: float) -> None:
    """Hold what the triggers of the autoscaler come to after six minutes against what they should."""
    triggers = of_kind(render(EVERYTHING), "ScaledObject")["demo-tailor-worker-gpu"]["spec"]["triggers"]
    queries = {trigger["name"]: trigger["metadata"]["query"] for trigger in triggers}
    series = [
        {"series": f'{name}{{namespace="prod", pod="{pod}"{labels}}}', "values": values}
        for pod in ("api-1", "api-2")  # both tell the same, which counts once
        for name, labels, values in [
            ("tailor_engine_running_jobs", "", "8 8 8 8 8 8 8"),
            *(("tailor_jobs_queued", f', kind="{kind}"', values) for kind, values in queued.items()),
        ]
    ]
    expected = [
        {"expr": queries[name], "eval_time": "6m", "exp_samples": [{"labels": "{}", "value": value}]}
        for name, value in (("length", length), ("age", age))
    ]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": expected}]
    (folder / "scaling.yml").write_text(json.dumps({"evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", folder / "scaling.yml")
