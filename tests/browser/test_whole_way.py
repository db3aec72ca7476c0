"""What a person does with a picture, against the running stack and its real model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from core.config import REPOSITORY
from tests.browser.visitor import PHONE, Visitor
from tests.support.stack import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FIRST_LOAD_BYTES = 150_000
IDEA = "a sitting dog on the beach"


def learn(visitor: Visitor) -> None:
    """Make a tail of the dog, and wait until it is learned."""
    visitor.open("#/")
    visitor.sample()
    visitor.click(visitor.button("Learn it"))
    expect(visitor.page.locator('.learning[data-status="succeeded"]')).to_be_visible()


def test_from_the_page_to_the_first_edit_of_a_sample_in_five_clicks(visitor: Visitor) -> None:
    page = visitor.page
    transferred = []
    page.on("requestfinished", lambda request: transferred.append(request.sizes()["responseBodySize"]))
    visitor.open()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    visitor.shoot("01-home-empty")
    assert sum(transferred) <= FIRST_LOAD_BYTES

    visitor.sample()
    visitor.check_accessible()
    visitor.shoot("02-picture-chosen")
    visitor.click(visitor.button("Learn it"))
    expect(page.get_by_role("heading", level=1, name="a standing dog on the grass")).to_be_visible()
    visitor.click(visitor.button(IDEA))  # while it is still learned
    visitor.click(visitor.button("Make it"))
    expect(page.locator(".edit .waits").first).to_be_visible()
    visitor.shoot("03-learning-and-edit-waiting")
    expect(visitor.edits()).to_have_count(1)
    assert visitor.clicks <= 5

    expect(page.locator(".edit .open img")).to_have_js_property("complete", True)
    visitor.check_accessible()
    visitor.shoot("04-first-edit")
    visitor.check_quiet()
    assert list(visitor.kept()) == ["tailor.last"]
    assert re.fullmatch(r"tail_[0-9a-f]{24}", visitor.kept()["tailor.last"])


def test_a_tail_is_used_in_every_way(visitor: Visitor) -> None:
    page = visitor.page
    learn(visitor)
    page.get_by_role("textbox", name="Prompt 1").fill("a running dog in the snow")
    visitor.button("Another prompt").click()
    page.get_by_role("textbox", name="Prompt 2").fill("a watercolor painting of a dog")
    page.get_by_label("Pictures of each").select_option("2")
    page.get_by_text("Seed and negative prompt").click()
    page.get_by_label("Lock the seed").check()
    page.get_by_label("Seed", exact=True).fill("7")
    visitor.forget_shifts()
    visitor.button("Make 2 edits").click()
    expect(visitor.edits()).to_have_count(2)
    assert [edit.get_by_role("heading").inner_text() for edit in visitor.edits().all()] == [
        "a running dog in the snow",
        "a watercolor painting of a dog",
    ]
    assert "seed 7" in visitor.edits().first.inner_text()
    visitor.shoot("05-two-prompts-two-pictures")

    visitor.button("Remove prompt 2").click()
    visitor.button("Show a strip of strengths").click()
    strip = page.locator(".edit.is-wide", has=page.locator(".strip"))
    expect(strip.locator(".open")).to_have_count(6)
    strip.get_by_label("Strength in the strip").press("ArrowRight")
    visitor.check_accessible()
    visitor.shoot("06-strip-of-strengths")
    strip.get_by_role("button", name="Use strength 1.3").click()
    expect(page.get_by_label("Strength of the subject")).to_have_value("1.3")

    strip.locator(".open").last.click()
    expect(page.get_by_role("dialog")).to_contain_text("1.6")
    page.get_by_text("Receipt").last.click()
    expect(page.get_by_role("dialog").locator("pre")).to_contain_text('"tail_scale": 1.6')
    visitor.check_accessible()
    visitor.shoot("07-picture", whole=False)
    with page.expect_download() as saved:
        page.get_by_role("dialog").get_by_role("link", name="Download").click()
    assert Image.open(saved.value.path()).size == (64, 64)

    visitor.button("Compare with the source").click()
    divider = page.get_by_label("Divider between the two pictures")
    expect(page.get_by_role("dialog").get_by_role("button", name="Close")).to_be_focused()  # it is open
    divider.press("ArrowRight")
    expect(divider).to_have_value("51")
    visitor.check_accessible()
    visitor.shoot("08-compare", whole=False)
    page.keyboard.press("Escape")

    visitor.edits().last.get_by_role("button", name="Again with another seed").click()
    expect(visitor.edits()).to_have_count(4)
    assert "seed 7" not in visitor.edits().first.inner_text()
    visitor.check_quiet()


def test_two_pictures_are_picked_and_compared(visitor: Visitor) -> None:
    learn(visitor)
    visitor.page.get_by_role("textbox", name="Prompt 1").fill("a sitting dog")
    visitor.page.get_by_label("Pictures of each").select_option("2")
    visitor.button("Make it").click()
    picks = visitor.edits().get_by_role("button", name=re.compile("^Compare: a sitting dog"))
    expect(picks).to_have_count(2)
    picks.first.click()
    expect(visitor.page.get_by_text("One picture is picked.")).to_be_visible()
    visitor.check_accessible()
    visitor.shoot("09-one-picked")
    picks.last.click()
    expect(visitor.page.get_by_role("dialog").locator("img")).to_have_count(2)


def test_nothing_is_lost_when_the_api_restarts_in_the_middle(visitor: Visitor, stack: RunningStack) -> None:
    page = visitor.page
    visitor.open("#/")
    visitor.sample("fox")
    page.get_by_text("Model and recipe").click()
    page.get_by_label("Recipe").select_option("paper")  # long enough
    visitor.click(visitor.button("Learn it"))
    expect(page.locator(".telling .said")).to_contain_text(re.compile(r"step \d+ of 1000"))

    visitor.context.set_offline(True)
    stack.kill("api")
    page.get_by_role("textbox", name="Prompt 1").fill("a sitting fox")
    visitor.button("Make it").click()
    expect(page.get_by_text("It is sent as soon as it is back")).to_be_visible()
    expect(page.get_by_text("The server does not answer", exact=True)).to_be_visible()
    visitor.check_accessible()
    visitor.shoot("10-server-away")
    visitor.context.set_offline(False)

    expect(visitor.edits("waiting")).to_have_count(1)
    expect(page.get_by_text("The server does not answer", exact=True)).to_have_count(0)
    before = page.locator(".telling .said").inner_text()
    expect(page.locator(".telling .said")).not_to_have_text(before)
    visitor.shoot("11-server-back")

    tail = page.url.rpartition("/")[2]
    page.goto("about:blank")  # leaving
    page.goto(visitor.url)  # and coming back, to the bare address
    expect(page).to_have_url(f"{visitor.url}/#/{tail}")
    expect(page.locator('.learning[data-status="running"]')).to_be_visible()
    expect(visitor.edits("waiting")).to_have_count(1)
    visitor.button("Stop learning").click()
    expect(page.locator('.learning[data-status="canceled"]')).to_be_visible()
    visitor.check_accessible()
    visitor.shoot("12-stopped")
    assert visitor.errors == []


def test_a_deletion_says_what_goes_and_what_stays(visitor: Visitor) -> None:
    page = visitor.page
    learn(visitor)
    tail = page.url
    visitor.button(IDEA).click()
    visitor.button("Make it").click()
    expect(visitor.edits()).to_have_count(1)

    visitor.button(
        "Delete",
    ).first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Delete its 1 edit, too")
    visitor.check_accessible()
    visitor.shoot("13-deletion", whole=False)
    visitor.button("Delete for good").click()
    expect(page.get_by_text(re.compile(r"Deleted: \d+ files"))).to_be_visible()
    page.goto(tail)

    expect(page.get_by_role("heading", name="This tail was deleted")).to_be_visible()
    expect(visitor.edits()).to_have_count(1)
    visitor.check_accessible()
    visitor.shoot("14-tail-gone")


def test_a_cropped_picture_is_sent_as_it_was_cropped(visitor: Visitor, stack: RunningStack, tmp_path: Path) -> None:
    halves = Image.new("RGB", (300, 150), "red")
    halves.paste("blue", (150, 0, 300, 150))
    halves.save(tmp_path / "halves.png")
    page = visitor.page
    visitor.open("#/")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "halves.png")
    box = page.get_by_role("application")
    box.focus()
    for _ in range(10):
        box.press("Shift+ArrowRight")
    box.press("-")
    visitor.shoot("15-crop")
    page.get_by_label("What does the picture show?").fill("a blue square")
    visitor.click(visitor.button("Learn it"))
    expect(page).to_have_url(re.compile("tail_"))

    shown = page.get_by_role("img", name="The source picture of a blue square")
    path = tmp_path / "source.png"
    path.write_bytes(stack.client.get(shown.get_attribute("src") or "").content)
    assert Image.open(path).getcolors() == [(64 * 64, (0, 0, 255))]


def test_a_phone_shows_all_of_it(browser, stack: RunningStack, visitor: Visitor) -> None:  # type: ignore[no-untyped-def]
    learn(visitor)
    phone = Visitor.of(browser, visitor.url, size=PHONE, has_touch=True, is_mobile=True, color_scheme="dark")
    phone.open("#/")
    expect(phone.page.locator(".tailcard").first).to_be_visible()
    expect(phone.button("Take a photo")).to_be_visible()
    phone.check_width()
    phone.shoot("16-phone-home-dark")
    phone.sample("rabbit")
    phone.check_width()
    phone.shoot("17-phone-chosen-dark")
    phone.page.goto(visitor.page.url)
    phone.button(IDEA).click()
    phone.button("Show a strip of strengths").click()
    expect(phone.edits()).to_have_count(1)
    phone.check_width()
    phone.check_accessible()
    phone.page.emulate_media(color_scheme="dark")
    phone.shoot("18-phone-tail-dark")
    phone.check_quiet()
    phone.context.close()


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_same_as_code_works_as_it_stands(
    visitor: Visitor, stack: RunningStack, tmp_path: Path, language: str
) -> None:
    learn(visitor)
    visitor.button(IDEA).click()
    visitor.button("Make it").click()
    visitor.edits().get_by_role("button", name="The same as code").click()
    visitor.page.get_by_role("tab", name=language).click()
    visitor.check_accessible()
    visitor.shoot(f"19-code-{language.lower()}", whole=False)
    code = visitor.page.get_by_role("tabpanel").inner_text()

    run_code(language, code, tmp_path)

    assert Image.open(tmp_path / "picture.png").size == (64, 64)
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_role("button", name="As code", exact=True).click()
    visitor.page.get_by_role("tab", name=language).click()
    (tmp_path / "picture.png").write_bytes((REPOSITORY / "samples" / "dog.png").read_bytes())
    assert re.search(
        r"tail_[0-9a-f]{24}", run_code(language, visitor.page.get_by_role("tabpanel").inner_text(), tmp_path)
    )


def run_code(language: str, code: str, folder: Path) -> str:
    """Run what the page shows, in a folder; returns what it prints."""
    if language == "JavaScript":
        (folder / "code.mjs").write_text(code)
    command = {
        "curl": ["bash", "-euo", "pipefail", "-c", code],
        "Python": [sys.executable, "-c", code],
        "JavaScript": ["node", "code.mjs"],
    }[language]
    try:
        ran = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=150)
    except FileNotFoundError:
        pytest.skip("there is no node")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.skipif("TAILOR_README_PICTURES" not in os.environ, reason="python -m tests.browser --for-readme")
def test_the_readme_shows_the_page_as_it_is(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("#/")
    visitor.sample()
    page.get_by_label("Its name").fill("Rex")
    keep(visitor.shoot("readme-make"), "playground-make", 760)
    visitor.click(visitor.button("Learn it"))
    expect(page.locator('.learning[data-status="succeeded"]')).to_be_visible()
    page.get_by_role("textbox", name="Prompt 1").fill(IDEA)
    visitor.button("Show a strip of strengths").click()
    expect(visitor.edits()).to_have_count(1)
    page.get_by_role("textbox", name="Prompt 1").fill("a running dog in the snow")
    page.get_by_label("Pictures of each").select_option("4")
    visitor.button("Make it").click()
    expect(visitor.edits()).to_have_count(2)
    expect(page.locator(".toast")).to_have_count(0)
    keep(visitor.shoot("readme-edits"), "playground-edits", 1700)


def keep(shot: Path, name: str, height: int) -> None:
    """Copy a picture to docs/, small."""
    picture = Image.open(shot).convert("RGB")
    picture.crop((0, 0, picture.width, min(height, picture.height))).save(
        REPOSITORY / "docs" / f"{name}.webp", quality=82, method=6
    )
