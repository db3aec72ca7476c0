"""The chart's schema of values, which needs no Helm to be read."""

from __future__ import annotations

import json

import yaml

from core.config import Settings
from tests.deployment.chart import CHART

# Settings that have a value of their own in the chart
PLACED = {
    "storage",
    "redis_url",
    "s3_endpoint_url",
    "s3_public_endpoint_url",
    "s3_region",
    "s3_access_key",
    "webhook_secrets",
}
PLACED |= {"s3_secret_key", "secret", "public_url", "device"}


def test_every_setting_can_be_given_and_nothing_else() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    offered = set(schema["definitions"]["settings"]["propertyNames"]["enum"])
    assert offered == {f"TAILOR_{field.upper()}" for field in Settings.model_fields if field not in PLACED}


def test_every_value_has_a_default_that_values_yaml_shows() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
    for name in ("storage", "links", "redis", "api", "keda", "serviceMonitor"):
        assert set(schema["properties"][name]["properties"]) == set(values[name])
    workers = schema["properties"]["workers"]["properties"]
    assert set(workers["defaults"]["properties"]) == set(values["workers"]["defaults"])
    assert set(workers["pools"]["items"]["properties"]) == {"name", *values["workers"]["defaults"]}
