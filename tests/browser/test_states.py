"""Each state that a visitor may meet, against the API with a worker that does what the test says."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from core.access.keyring import Keyring
from core.access.keys import SCOPES
from core.clock import utc_now
from core.config import Settings
from core.services import Services, open_services
from tests.api.serving import PretendingWorker, api_server, edit, personalize, picture
from tests.browser.visitor import PHONE, Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Visit = Callable[..., Visitor]


def learned(api: httpx.Client, worker: PretendingWorker, **fields: str) -> str:
    """Return a tail that a worker has learned."""
    job = personalize(api, **fields).json()
    worker.succeed(worker.take(job["id"]))
    return str(job["tail_id"])


def made(api: httpx.Client, worker: PretendingWorker, tail: str, **fields: object) -> str:
    """Return an edit that a worker has made."""
    job = edit(api, tail, **fields).json()
    worker.succeed(worker.take(job["id"], "edit"))
    return str(job["id"])


def test_without_a_worker_a_job_is_accepted_and_says_that_it_waits(
    settings: Settings, services: Services, visit: Visit
) -> None:
    with api_server(settings) as api:
        visitor = visit(api.base_url)
        visitor.open()
        expect(visitor.page.get_by_text("No worker is there")).to_be_visible()
        visitor.check_accessible()
        visitor.shoot("20-no-worker")
        visitor.sample()
        visitor.button("Learn it").click()
        expect(visitor.page.get_by_text("No worker serves this model just now")).to_be_visible()
        visitor.check_accessible()
        visitor.shoot("21-no-worker-waiting")

        services.live.workers.beat("pretender", {"models": {"critters": "c0ffee"}}, ttl_s=600)

        expect(visitor.page.get_by_text("No worker is there")).to_have_count(0)
        expect(visitor.page.get_by_text("it is next")).to_be_visible()
        visitor.check_quiet()


def test_while_no_model_is_loaded_it_says_so(settings: Settings, visit: Visit) -> None:
    with api_server(settings) as api:
        open_services(settings).live.workers.beat("pretender", {}, ttl_s=600)
        visitor = visit(api.base_url)
        visitor.open()
        expect(visitor.page.get_by_text("The model is being loaded")).to_be_visible()
        visitor.shoot("22-model-loading")


def test_progress_loss_place_and_end_are_told_as_they_come(
    settings: Settings, worker: PretendingWorker, visit: Visit
) -> None:
    with api_server(settings) as api:
        first = personalize(api).json()
        job = personalize(api, labels='{"name": "Rex"}').json()
        visitor = visit(api.base_url)
        visitor.open(f"#/{job['tail_id']}")
        expect(visitor.page.get_by_text("1 job is before it")).to_be_visible()
        visitor.shoot("23-queued")
        worker.succeed(worker.take(first["id"]))
        attempt = worker.take(job["id"])
        for step in range(1, 8):
            worker.progress(attempt, step, 30)
        expect(visitor.page.get_by_text("step 7 of 30 · about 2 seconds left")).to_be_visible()
        expect(visitor.page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "23")
        visitor.check_accessible()
        visitor.check_quiet()
        worker.fail(attempt, "the loss is no number at 8 steps in a row")
        expect(visitor.page.get_by_text("The learning went off the rails.")).to_be_visible()
        expect(visitor.page.get_by_text("the loss is no number")).to_be_attached()
        visitor.check_accessible()
        visitor.shoot("24-failed")
        visitor.check_unbroken()


def test_a_full_queue_holds_a_request_back_and_one_may_give_up(
    settings: Settings, worker: PretendingWorker, visit: Visit
) -> None:
    with api_server(settings.model_copy(update={"max_queued": 1})) as api:
        blocking = personalize(api).json()
        visitor = visit(api.base_url)
        visitor.open()
        visitor.sample()
        visitor.button("Learn it").click()
        expect(visitor.page.get_by_text(re.compile(r"The queue is full. It is sent again in \d+ s"))).to_be_visible()
        visitor.check_accessible()
        visitor.shoot("25-queue-full")
        visitor.button("Cancel").click()
        expect(visitor.page.get_by_text("The queue is full")).to_have_count(0)
        api.delete(f"/jobs/{blocking['id']}")
        visitor.button("Learn it").click()
        expect(visitor.page).to_have_url(re.compile("tail_"))


def test_a_wrong_key_is_said_and_a_good_one_is_kept_for_the_session_only(
    settings: Settings, worker: PretendingWorker, services: Services, visit: Visit
) -> None:
    key, secret = Keyring(services.storage).create("alice", SCOPES, utc_now())
    with api_server(settings.model_copy(update={"require_keys": "always"})) as api:
        visitor = visit(api.base_url)
        page = visitor.page
        visitor.open()
        field = page.get_by_label("API key")
        expect(field).to_be_visible()
        visitor.check_accessible()
        visitor.shoot("26-key-wanted", whole=False)
        field.fill("secret")
        field.press("Enter")
        expect(page.get_by_text("A key begins with “tailor_”.")).to_be_visible()
        field.fill("tailor_wrong")
        field.press("Enter")
        expect(page.get_by_text("This key opens nothing here.")).to_be_visible()
        visitor.check_accessible()
        visitor.shoot("27-key-wrong", whole=False)
        field.fill(secret)
        field.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        visitor.sample()
        visitor.button("Learn it").click()
        expect(page.get_by_text("it is next")).to_be_visible()
        job = page.url.rpartition("/")[2].replace("tail_", "job_")
        worker.progress(worker.take(job), 3, 30)
        expect(page.get_by_text("step 3 of 30")).to_be_visible()  # events come without a header
        assert secret not in str(visitor.kept())
        assert visitor.page.evaluate("sessionStorage['tailor.key']") == secret
        assert services.jobs.owner(job) == key.owner


def test_wrong_fields_are_said_where_they_are(settings: Settings, worker: PretendingWorker, visit: Visit) -> None:
    with api_server(settings) as api:
        visitor = visit(api.base_url)
        page = visitor.page
        visitor.open()
        visitor.button("Learn it").click()
        expect(page.get_by_text("Choose a picture first.")).to_be_visible()
        visitor.sample()
        prompt = page.get_by_label("What does the picture show?")
        prompt.fill("")
        visitor.button("Learn it").click()
        expect(prompt).to_be_focused()
        expect(page.get_by_text("Say what the picture shows.")).to_be_visible()
        prompt.fill(" ".join(["dog"] * 30))
        expect(page.get_by_text("32 of 27 tokens")).to_be_visible()
        expect(prompt).to_have_attribute("aria-invalid", "true")
        visitor.check_accessible()
        visitor.shoot("28-too-long")
        prompt.fill("a dog")
        page.get_by_text("Model and recipe").click()
        page.get_by_label("Seed").fill("4294967296")
        visitor.button("Learn it").click()
        expect(page.locator("#seed-hint")).to_have_text("A seed is a whole number from 0 to 4294967295.")
        visitor.shoot("29-wrong-seed")
        page.locator("input[type=file]").first.set_input_files(
            {"name": "cat.heic", "mimeType": "image/heic", "buffer": b"no picture"}
        )
        expect(page.get_by_text("cat.heic can't be shown here. Take a JPEG, PNG or WebP.")).to_be_visible()
        visitor.check_unbroken()


def test_an_edit_that_is_refused_or_fails_says_why_in_its_place(
    settings: Settings, worker: PretendingWorker, visit: Visit
) -> None:
    with api_server(settings) as api:
        tail = learned(api, worker)
        visitor = visit(api.base_url)
        visitor.open(f"#/{tail}")
        visitor.page.get_by_role("textbox", name="Prompt 1").fill(" ".join(["dog"] * 40))
        visitor.button("Make it").click()
        expect(visitor.edits("refused")).to_contain_text("That takes 42 tokens, and 27 fit.")
        visitor.page.get_by_role("textbox", name="Prompt 1").fill("a sitting dog")
        visitor.button("Make it").click()
        expect(visitor.edits("queued")).to_have_count(1)
        job = api.get("/jobs?kind=edit").json()["items"][0]["id"]
        worker.services.jobs.fail(
            worker.take(job, "edit").spec, "out-of-memory", "Out of device memory", "it does not fit", attempt=1
        )
        expect(visitor.edits("failed")).to_contain_text("It needs more memory than the worker has.")
        visitor.check_accessible()
        visitor.shoot("30-edits-refused-and-failed")
        visitor.check_unbroken()


def test_a_tail_that_never_was_and_one_with_a_name(settings: Settings, worker: PretendingWorker, visit: Visit) -> None:
    with api_server(settings) as api:
        visitor = visit(api.base_url)
        visitor.open(f"#/tail_{'0' * 24}")
        expect(visitor.page.get_by_role("heading", name="There is no such tail")).to_be_visible()
        visitor.check_accessible()
        tail = learned(api, worker)
        for prompt in ("a sitting dog", "a running dog", "a dog in the snow"):
            made(api, worker, tail, prompt=prompt)
        visitor.page.goto(f"{visitor.url}/#/{tail}")
        visitor.button("Rename").click()
        visitor.page.get_by_label("Its name").fill("Rex")
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.get_by_role("heading", name="Rex", level=1)).to_be_visible()
        assert api.get(f"/tails/{tail}").json()["labels"] == {"name": "Rex"}
        visitor.page.get_by_role("link", name="Your tails").click()
        card = visitor.page.locator(".tailcard", has_text="Rex")
        expect(card.locator(".latest img")).to_have_count(3)
        visitor.check_accessible()
        visitor.shoot("31-gallery")
        visitor.check_quiet()


def test_everything_is_done_with_the_keyboard_alone(
    settings: Settings, worker: PretendingWorker, working: None, visit: Visit
) -> None:
    with api_server(settings) as api:
        visitor = visit(api.base_url)
        page, keys = visitor.page, visitor.page.keyboard
        visitor.open()
        keys.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        keys.press("Enter")
        tab_to(visitor, "Use the sample: dog")
        keys.press("Enter")
        expect(page.get_by_label("What does the picture show?")).to_be_focused()
        keys.press("Enter")
        expect(page.get_by_role("heading", level=1, name="a standing dog on the grass")).to_be_focused()
        tab_to(visitor, "a sitting dog on the beach")
        keys.press("Enter")
        tab_to(visitor, "Make it")
        keys.press("Enter")
        expect(visitor.edits()).to_have_count(1)
        tab_to(visitor, "Open: a sitting dog on the beach")
        keys.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        keys.press("Escape")
        expect(page.get_by_role("button", name="Open: a sitting dog on the beach")).to_be_focused()
        visitor.shoot("32-keyboard")
        visitor.check_unbroken()


def tab_to(visitor: Visitor, name: str) -> None:
    """Press Tab until the button of that name has the focus."""
    for _ in range(60):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText.trim()") == name:
            return
    raise AssertionError(f"no way to {name}")


def test_in_german_and_on_a_phone(settings: Settings, worker: PretendingWorker, working: None, visit: Visit) -> None:
    with api_server(settings) as api:
        tail = learned_by_itself(api)
        visitor = visit(api.base_url, size=PHONE, locale="de-DE", has_touch=True, is_mobile=True)
        visitor.open()
        expect(visitor.page.get_by_role("heading", name="Einmal zeigen. Überall sehen.")).to_be_visible()
        assert visitor.page.evaluate("document.documentElement.lang") == "de"
        visitor.check_width()
        visitor.check_accessible()
        visitor.shoot("33-german-phone")
        visitor.page.goto(f"{visitor.url}/#/{tail}")
        expect(visitor.page.get_by_role("heading", name="Gelernt")).to_be_visible()
        visitor.check_width()
        visitor.shoot("34-german-phone-tail")
        visitor.page.get_by_role("radio", name="English").check()
        expect(visitor.page.get_by_role("heading", name="Learned")).to_be_visible()


def learned_by_itself(api: httpx.Client) -> str:
    """Return a tail that the worker in the background has learned."""
    job = personalize(api).json()
    assert api.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=30"}).json()["id"] == job["id"]
    return str(job["tail_id"])


def test_several_pictures_each_with_words_of_its_own(
    settings: Settings, worker: PretendingWorker, visit: Visit
) -> None:
    with api_server(settings) as api:
        visitor = visit(api.base_url)
        page = visitor.page
        visitor.open()
        visitor.sample("dog")
        page.locator("input[type=file]").last.set_input_files(
            {"name": "red.png", "mimeType": "image/png", "buffer": picture("red", (120, 80))}
        )
        expect(page.get_by_role("button", name="Picture 2")).to_have_attribute("aria-pressed", "true")
        page.get_by_label("Each picture has a description of its own").check()
        page.get_by_label("What does picture 2 show?").fill("a red dog")
        page.get_by_role("radio", name="Whole picture").check()
        visitor.check_accessible()
        visitor.shoot("35-two-pictures")
        visitor.button("Learn it").click()
        expect(page).to_have_url(re.compile("tail_"))
        job = api.get("/jobs").json()["items"][0]
        assert (job["prompts"], job["parameters"]["fit"], job["parameters"]["previews"]) == (
            ["a standing dog on the grass", "a red dog"],
            "pad",
            True,
        )
