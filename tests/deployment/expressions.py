"""Reads PromQL as far as the tests need it: which series and labels an expression asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deployment.files import text

_SELECTOR = re.compile(r"\b(?P<name>tailor_\w+)(?:\{(?P<matchers>[^}]*)\})?")
_MATCHER = re.compile(r"(?P<label>\w+)\s*(?:=~|!~|!=|=)\s*\"")
_GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
SCRAPED = {"job", "instance", "namespace", "pod", "service", "le"}  # labels that come from the scrape, or a histogram


@dataclass(frozen=True)
class Asked:
    """One series that an expression asks for, and the labels that it is chosen by."""

    name: str
    labels: frozenset[str]


def asked(expression: str) -> list[Asked]:
    """Every series that an expression names."""
    return [
        Asked(found["name"], frozenset(m["label"] for m in _MATCHER.finditer(found["matchers"] or "")))
        for found in _SELECTOR.finditer(expression)
    ]


def grouping_labels(expression: str) -> set[str]:
    """Every label that an expression groups by."""
    return {label.strip() for match in _GROUPING.finditer(expression) for label in match[1].split(",")}


def exported(exposition: str) -> dict[str, set[str]]:
    """The name and labels of every series in what /metrics answers."""
    series: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return series


def alert_expressions() -> dict[str, str]:
    """Every alert's expression by its name."""
    groups = yaml.safe_load(text("deploy/prometheus/alerts.yml"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard."""
    loaded = json.loads(text("deploy/grafana/tailor.json"))
    assert isinstance(loaded, dict)
    return loaded


def dashboard_expressions() -> dict[str, str]:
    """Every expression of the dashboard by its panel's title and its letter."""
    return dict(_dashboard_expressions())


def _dashboard_expressions() -> Iterator[tuple[str, str]]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]
