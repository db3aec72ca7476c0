"""Renders the Helm chart with the real Helm: its library as a Python package, or the `helm` on the PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.deployment.files import REPOSITORY

try:
    import helm_python
except ImportError:
    helm_python = None

CHART = REPOSITORY / "deploy/helm/tailor"
HELM = shutil.which("helm")
needs_helm = pytest.mark.skipif(helm_python is None and HELM is None, reason="no Helm (make chart installs it)")

# Everything that the chart can have, at once.
EVERYTHING = """
imagePullSecrets: [{name: registry}]
settings: {TAILOR_MODELS: sd15=owner/name, TAILOR_MAX_QUEUED: 500}
storage:
  url: s3://tailor/production
  endpoint: http://s3:8333
  publicEndpoint: https://s3.example.com
  existingSecret: s3
links: {publicUrl: https://tailor.example.com, existingSecret: links}
serviceAccount: {annotations: {a: b}}
redis: {storageClass: fast, nodeSelector: {a: b}}
api:
  autoscaling: {enabled: true}
  settings: {TAILOR_MAX_PICTURE_PIXELS: "20000000"}
  podAnnotations: {a: b}
  nodeSelector: {a: b}
  tolerations: [{key: a, operator: Exists}]
  affinity: {podAntiAffinity: {}}
workers:
  pools:
    - name: cpu
    - name: gpu
      gpu: nvidia.com/gpu
      settings: {TAILOR_EDIT_SLOTS: 16, TAILOR_COMPILE: true, TAILOR_MAX_QUEUED: 600}
      autoscaling: {enabled: true, minReplicas: 0}
      hub: {existingClaim: hub}
      runtimeClassName: nvidia
      tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
    - name: mig
      gpu: nvidia.com/mig-3g.20gb
      resources: {limits: {memory: 8Gi}}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
networkPolicy: {enabled: true}
"""


class ChartError(Exception):
    """Helm refuses the values; the message is Helm's."""


def lint(values: str = "") -> list[str]:
    """What `helm lint --strict` finds, but for its wish for an icon."""
    given = yaml.safe_load(values) or {}
    if helm_python:
        messages = [m["error"] for m in helm_python.lint(str(CHART), given, strict=True)["messages"]]
    else:
        done = _helm("lint", "--strict", str(CHART), values=given)
        messages = [line for line in done.stdout.splitlines() if line.startswith(("[ERROR]", "[WARNING]", "[INFO]"))]
    return [message for message in messages if "icon is recommended" not in message]


def render(values: str = "", name: str = "demo") -> list[dict[str, Any]]:
    """The objects that a release of this name has in the namespace `prod`. Raises ChartError."""
    given = yaml.safe_load(values) or {}
    objects = yaml.safe_load_all(_rendered(given, name))
    return [found for found in objects if found]


def _rendered(values: dict[str, Any], name: str) -> str:
    if not helm_python:
        done = _helm("template", name, str(CHART), "--namespace=prod", values=values)
        if done.returncode:
            raise ChartError(done.stderr)
        return done.stdout
    try:
        with helm_python.Chart.load(str(CHART)) as chart:
            chart.validate_schema(values)
            files = chart.render(values, name=name, namespace="prod")
    except helm_python.HelmError as error:
        raise ChartError(str(error)) from error
    return "\n---\n".join(text for file, text in files.items() if not file.endswith("NOTES.txt"))


def _helm(*arguments: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [str(HELM), *arguments, "--values=-"]
    return subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The objects of one kind by their names."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod templates of Deployments and StatefulSets by the objects' names."""
    return {
        name: found["spec"]["template"]
        for kind in ("Deployment", "StatefulSet")
        for name, found in of_kind(objects, kind).items()
    }


def container(template: dict[str, Any]) -> dict[str, Any]:
    """The only container of a pod template."""
    (only,) = template["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def variables(template: dict[str, Any]) -> dict[str, str]:
    """The environment of a pod template's container; what comes from a Secret is `SECRET/KEY`."""
    found = {}
    for entry in container(template)["env"]:
        assert entry["name"] not in found, f"{entry['name']} is there twice"
        reference = entry.get("valueFrom", {}).get("secretKeyRef")
        found[entry["name"]] = f"{reference['name']}/{reference['key']}" if reference else entry["value"]
    return found
