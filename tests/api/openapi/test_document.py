from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jsonschema_rs
import pytest

from api.app import create_app
from api.intake.fields import EditFields, ImportFields, PersonalizeFields
from api.intake.webhook import FORM_EVENTS
from core.config import Settings
from core.models.parameters import EditParams, PersonalizeParams
from scripts import openapi
from tests.api.documented import PROBLEM

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(openapi.text())
    return document


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All operations by method and path."""
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def test_the_document_in_the_repository_is_what_the_routes_say() -> None:
    command = ".venv/bin/python scripts/openapi.py"
    assert openapi.FILE.read_text() == openapi.text(), f"docs/openapi.json is out of date: run `{command}`, commit it"


def test_operations_are_called_as_functions_are_each_once(operations: dict[str, dict[str, Any]]) -> None:
    ids = [operation["operationId"] for operation in operations.values()]

    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_a_server_tells_the_address_at_which_its_calls_lie(api: httpx.Client) -> None:
    for path in ("/openapi.json", "/v1/openapi.json"):
        [server] = api.get(path).json()["servers"]
        assert server["url"] == "/v1"


def test_both_bodies_have_every_field_with_this_servers_limits(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for fields, request, form, file in (
        (PersonalizeFields, "PersonalizeRequest", "PersonalizeForm", "picture"),
        (EditFields, "EditRequest", "EditForm", "picture"),
        (ImportFields, "ImportRequest", "ImportForm", "file"),
    ):
        names = fields.model_fields.keys() | {file}
        assert schemas[request]["properties"].keys() == names
        assert schemas[form]["properties"].keys() - {FORM_EVENTS} == names
        assert all("default" not in field for name in (request, form) for field in schemas[name]["properties"].values())
    positions = schemas["PersonalizeForm"]["properties"]["positions"]
    assert (positions["minimum"], positions["maximum"]) == (1, 32)
    assert schemas["PersonalizeRequest"]["properties"]["steps"]["maximum"] == Settings.model_construct().max_steps
    assert PersonalizeFields.model_fields.keys() > PersonalizeParams.model_fields.keys()
    assert EditFields.model_fields.keys() > EditParams.model_fields.keys()


def test_a_server_with_other_limits_tells_them(settings: Settings) -> None:
    smaller = settings.model_copy(update={"max_num_images": 2, "max_prompt_chars": 50, "retention": 3600.0})

    schemas = create_app(smaller).openapi()["components"]["schemas"]

    assert schemas["EditRequest"]["properties"]["num_images"]["maximum"] == 2
    assert schemas["NewEdit"]["properties"]["prompt"]["maxLength"] == 50
    assert schemas["EditForm"]["properties"]["ttl"]["maximum"] == 3600


def test_every_operation_says_what_it_is_for_and_shows_what_it_answers(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], f"{name} has no docstring"
        for status, response in operation["responses"].items():
            for kind, content in response.get("content", {}).items():
                shown = content.get("examples") or content.get("example")
                assert shown, f"{name}: {status} {kind} has no example; api/openapi/answers.py has those of views"


def test_every_error_is_a_problem_with_an_example_of_each_type(
    document: dict[str, Any], operations: dict[str, dict[str, Any]]
) -> None:
    examples = document["components"]["examples"]
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status[0] in "45":
                content = response["content"][PROBLEM]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, name
                shown = [examples[type_]["value"] for type_ in content["examples"]]
                assert {str(each["status"]) for each in shown} == {status}, name


def test_examples_are_what_their_schemas_say(document: dict[str, Any], operations: dict[str, dict[str, Any]]) -> None:
    shown = [
        (f"{name} {kind}", content)
        for name, operation in operations.items()
        for body in (operation.get("requestBody", {}), *operation["responses"].values())
        for kind, content in body.get("content", {}).items()
        if kind.endswith("json") or kind == "text/plain"
    ]
    for name, content in shown:
        validator = jsonschema_rs.validator_for(content["schema"] | {"components": document["components"]})
        only = {"": {"value": content["example"]}} if "example" in content else {}
        for title, example in (content.get("examples", {}) | only).items():
            value = (document["components"]["examples"][title] if "$ref" in example else example)["value"]
            assert [str(error) for error in validator.iter_errors(value)] == [], f"{name}: {title}"


def test_links_lead_to_operations_and_to_parameters_that_they_take(operations: dict[str, dict[str, Any]]) -> None:
    by_id = {operation["operationId"]: operation for operation in operations.values()}
    links = [
        link
        for one in operations.values()
        for each in one["responses"].values()
        for link in each.get("links", {}).values()
    ]
    assert links
    for link in links:
        taken = {parameter["name"] for parameter in by_id[link["operationId"]].get("parameters", [])}
        assert set(link.get("parameters", {})) <= taken


def test_calls_of_jobs_and_tails_need_a_key(document: dict[str, Any], operations: dict[str, dict[str, Any]]) -> None:
    [scheme] = document["components"]["securitySchemes"]
    free = {operation["operationId"] for operation in operations.values() if "security" not in operation}

    assert free == {"healthz", "readyz", "metrics"}
    assert {json.dumps(operation["security"]) for operation in operations.values() if "security" in operation} == {
        json.dumps([{scheme: []}])
    }
    assert re.fullmatch(r"[A-Za-z0-9._-]+", scheme)  # as OpenAPI wants names to be
