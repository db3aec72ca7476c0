from __future__ import annotations

import pytest

from core.models.location import Adapter, ModelLocation
from core.models.words import spelled_out


def test_a_location_is_a_place_and_what_is_merged_in_that_order() -> None:
    assert ModelLocation.parse("owner/name") == ModelLocation("owner/name")
    assert ModelLocation.parse("/m/a+b.safetensors+lora:/l/x.safetensors@0.8+ti:/t/y@z.safetensors@<cat>") == (
        ModelLocation(
            "/m/a+b.safetensors",
            (Adapter("lora", "/l/x.safetensors", scale=0.8), Adapter("ti", "/t/y@z.safetensors", word="<cat>")),
        )
    )
    assert ModelLocation.parse("m+lora:x+ti:y").adapters == (Adapter("lora", "x"), Adapter("ti", "y"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("+lora:x", "names no folder, file or hub name"),
        ("m+lora:", "names no file"),
        ("m+lora:x@much", "'much' after @ is no number"),
        ("m+lora:x@nan", "is no number"),
        ("m+ti:x@", "without a word"),
    ],
)
def test_a_location_that_cannot_be_read_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelLocation.parse(text)


def test_an_added_word_of_several_vectors_is_spelled_out_whatever_its_capitals() -> None:
    words = {"<cat>": 3, "plain": 1}
    assert spelled_out("a plain <cat>, <CAT>", words) == "a plain <cat> <cat>_1 <cat>_2, <cat> <cat>_1 <cat>_2"


@pytest.mark.parametrize(
    "text", ["owner/name", "/m/a.safetensors+lora:/l/x.safetensors@0.8+lora:/l/y+ti:/t/y+ti:/t/z@<cat>"]
)
def test_a_location_is_written_as_it_is_read(text: str) -> None:
    assert str(ModelLocation.parse(text)) == text
