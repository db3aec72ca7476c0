"""The Helm chart, rendered: its settings, ports, probes, users and times are those of the code and the images."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any

import pytest

from api.app import create_app
from core.config import Settings
from tests.deployment.chart import (
    EVERYTHING,
    ChartError,
    container,
    lint,
    needs_helm,
    of_kind,
    pods,
    render,
    variables,
)
from tests.deployment.files import arguments, compose

pytestmark = needs_helm
VALUES = {"defaults": "", "everything": EVERYTHING}
OWN = {"HOME"}  # beside settings


@pytest.fixture(params=VALUES)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return render(VALUES[request.param])


def ours(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods of the API and of workers."""
    return {name: template for name, template in pods(objects).items() if not name.endswith("-redis")}


def dockerfile(name: str) -> str:
    return "Dockerfile.api" if name.endswith("-api") else "Dockerfile.worker"


@pytest.mark.parametrize("values", VALUES)
def test_helm_finds_nothing_to_complain_about(values: str) -> None:
    assert lint(VALUES[values]) == []


def test_every_variable_is_a_setting_that_takes_the_value(
    objects: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {f"TAILOR_{field.upper()}" for field in Settings.model_fields}
    for template in ours(objects).values():
        environment = variables(template)
        assert set(environment) - OWN <= known
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            settings = Settings(_env_file=None)
        assert settings.storage.startswith("s3://tailor")
        assert settings.redis_url == "redis://demo-tailor-redis:6379/0"


def test_a_pool_overrides_what_all_have() -> None:
    everything = render(EVERYTHING)
    gpu, cpu = (variables(pods(everything)[f"demo-tailor-worker-{pool}"]) for pool in ("gpu", "cpu"))
    assert (gpu["TAILOR_MAX_QUEUED"], cpu["TAILOR_MAX_QUEUED"]) == ("600", "500")
    assert gpu["TAILOR_COMPILE"] == "true"
    assert variables(pods(everything)["demo-tailor-api"])["TAILOR_MAX_PICTURE_PIXELS"] == "20000000"
    assert cpu["TAILOR_S3_SECRET_KEY"] == "s3/secret-key"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("settings: {TAILOR_EDIT_SLOT: 8}", "TAILOR_EDIT_SLOT"),
        ("settings: {TAILOR_STORAGE: data}", "TAILOR_STORAGE"),
        ("settings: {TAILOR_MAX_PICTURE_PIXELS: 20000000}", "TAILOR_MAX_PICTURE_PIXELS"),
        ("storage: {url: /data}", "url"),
        ("redis: {enabled: false}", "redis.url or redis.existingSecret"),
        ("workers: {pools: [{name: GPU}]}", "name"),
        ("workers: {pools: [{replicas: 2}]}", "name"),
        ("worker: {}", "worker"),
        ("workers: {defaults: {terminationGracePeriodSeconds: 10}}", "terminationGracePeriodSeconds"),
    ],
)
def test_values_that_can_t_be_are_refused_with_their_name(values: str, complaint: str) -> None:
    with pytest.raises(ChartError, match=complaint):
        render(values)


def test_pods_run_as_the_images_user_on_a_read_only_root(objects: list[dict[str, Any]]) -> None:
    for name, template in ours(objects).items():
        assert arguments(dockerfile(name), "USER") == [str(template["spec"]["securityContext"]["runAsUser"])]
    for template in pods(objects).values():
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        assert container(template)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_every_folder_that_an_image_writes_to_is_mounted(objects: list[dict[str, Any]]) -> None:
    for name, template in ours(objects).items():
        (home,) = set(arguments(dockerfile(name), "WORKDIR"))
        made = re.search(r"mkdir ([\w ]+?) &&", " ".join(arguments(dockerfile(name), "RUN")))
        assert made
        mounted = {mount["mountPath"] for mount in container(template)["volumeMounts"]}
        assert mounted == {"/tmp", *(str(PurePosixPath(home) / folder) for folder in made[1].split())}
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        assert volumes == {mount["name"] for mount in container(template)["volumeMounts"]}


def test_the_api_listens_where_its_probes_and_its_service_look(objects: list[dict[str, Any]]) -> None:
    api = container(pods(objects)["demo-tailor-api"])
    assert [str(port["containerPort"]) for port in api["ports"]] == arguments("Dockerfile.api", "EXPOSE")
    routes = set(create_app(Settings(_env_file=None)).openapi()["paths"])
    checks = {kind: api[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: check["path"] for kind, check in checks.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {"/healthz", "/readyz", "/metrics"} <= routes
    assert {check["port"] for check in checks.values()} == {api["ports"][0]["name"]}
    (port,) = of_kind(objects, "Service")["demo-tailor-api"]["spec"]["ports"]
    assert port["targetPort"] == api["ports"][0]["name"]


def test_workers_are_asked_as_their_image_asks_and_never_killed_for_redis(objects: list[dict[str, Any]]) -> None:
    workers = [container(t) for name, t in ours(objects).items() if "-worker-" in name]
    asked_by_image = json.loads(arguments("Dockerfile.worker", "HEALTHCHECK")[0].partition("CMD ")[2])
    assert {tuple(worker["readinessProbe"]["exec"]["command"]) for worker in workers} == {tuple(asked_by_image)}
    assert [worker for worker in workers if "livenessProbe" in worker] == []


def test_pods_have_the_time_that_they_need_to_end(objects: list[dict[str, Any]]) -> None:
    api = pods(objects)["demo-tailor-api"]
    command = json.loads(arguments("Dockerfile.api", "CMD")[0])
    serving = int(command[command.index("--timeout-graceful-shutdown") + 1])
    _, leaving = container(api)["lifecycle"]["preStop"]["exec"]["command"]
    assert api["spec"]["terminationGracePeriodSeconds"] >= int(leaving) + serving + 10
    draining = int(compose()["services"]["worker"]["stop_grace_period"].removesuffix("s"))
    for name, template in pods(objects).items():
        if "-worker-" in name:
            assert template["spec"]["terminationGracePeriodSeconds"] >= draining


def test_services_names_make_no_settings(objects: list[dict[str, Any]]) -> None:
    assert {template["spec"]["enableServiceLinks"] for template in pods(objects).values()} == {False}


def test_a_worker_on_a_gpu_has_one_and_says_so() -> None:
    templates = pods(render(EVERYTHING))
    resources = {"gpu": "nvidia.com/gpu", "mig": "nvidia.com/mig-3g.20gb"}
    for pool, resource in resources.items():
        worker = templates[f"demo-tailor-worker-{pool}"]
        assert container(worker)["resources"]["limits"][resource] == 1
        assert variables(worker)["TAILOR_DEVICE"] == "cuda"
    cpu = templates["demo-tailor-worker-cpu"]
    assert set(container(cpu)["resources"]["limits"]) == {"cpu", "memory"}
    assert "TAILOR_DEVICE" not in variables(cpu)
    assert container(templates["demo-tailor-worker-mig"])["resources"]["limits"]["memory"] == "8Gi"


def test_selectors_find_the_pods_that_they_are_for(objects: list[dict[str, Any]]) -> None:
    labels = {name: template["metadata"]["labels"] for name, template in pods(objects).items()}

    def found(selector: dict[str, str]) -> list[str]:
        return [name for name, theirs in labels.items() if selector.items() <= theirs.items()]

    for kind in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        for name, one in of_kind(objects, kind).items():
            assert found(one["spec"]["selector"]["matchLabels"]) == [name]
    for name, service in of_kind(objects, "Service").items():
        assert found(service["spec"]["selector"]) == [name]
    policies = {n: found(p["spec"]["podSelector"]["matchLabels"]) for n, p in of_kind(objects, "NetworkPolicy").items()}
    if policies:
        workers = [name for name in labels if "-worker-" in name]
        assert policies == {
            "demo-tailor-api": ["demo-tailor-api"],
            "demo-tailor-redis": ["demo-tailor-redis"],
            "demo-tailor-worker": workers,
        }


def test_every_pod_of_ours_may_reach_redis_under_a_policy() -> None:
    everything = render(EVERYTHING)
    (rule,) = of_kind(everything, "NetworkPolicy")["demo-tailor-redis"]["spec"]["ingress"]
    allowed = rule["from"][0]["podSelector"]["matchLabels"].items()
    assert all(allowed <= template["metadata"]["labels"].items() for template in ours(everything).values())


def test_redis_keeps_its_data_and_evicts_nothing(objects: list[dict[str, Any]]) -> None:
    command = container(pods(objects)["demo-tailor-redis"])["args"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert set(options) - {"--maxmemory"} <= set(compose()["services"]["redis"]["command"].split())


@pytest.mark.parametrize("given", ["url: rediss://elsewhere:6379/1", "existingSecret: elsewhere"])
def test_a_redis_elsewhere_leaves_none_here(given: str) -> None:
    elsewhere = render(f"redis: {{enabled: false, {given}}}")
    assert not of_kind(elsewhere, "StatefulSet")
    expected = {"url": "rediss://elsewhere:6379/1", "existingSecret": "elsewhere/redis-url"}[given.partition(":")[0]]
    assert {variables(template)["TAILOR_REDIS_URL"] for template in pods(elsewhere).values()} == {expected}


@pytest.mark.parametrize("version", ["1.25", "1.30", "1.37"])
def test_kubernetes_schemas_accept_every_object(version: str, objects: list[dict[str, Any]]) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for one in objects:
        if one["apiVersion"] not in ("keda.sh/v1alpha1", "monitoring.coreos.com/v1"):  # not Kubernetes' own
            validator.validate(one, version, strict=True)
