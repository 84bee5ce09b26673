"""`web.texts`: every reason word has one text, it reads well, and docs/reasons.md says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.domain.reason import Reason
from sidecar.web.texts import SECTIONS, TEXTS, filled, reasons_markdown

_ROOT = Path(__file__).parents[2]


def test_every_reason_has_exactly_one_text() -> None:
    written = [reason for _, part in SECTIONS for reason in part]
    assert list(Reason) == written


def test_the_docs_are_what_the_texts_say() -> None:
    in_docs = (_ROOT / "docs" / "reasons.md").read_text("utf-8")
    assert reasons_markdown() == in_docs, "run: python -m sidecar.web.texts > docs/reasons.md"


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("product", ["Jira", ""])
def test_a_text_reads_as_sentences(reason: Reason, product: str) -> None:
    text = TEXTS[reason]
    heading, sentence, cure = (filled(words, product) for words in (text.heading, text.sentence, text.cure))
    assert not heading.endswith((".", " "))
    for words in (heading, sentence, cure):
        assert words[0].isupper()
        assert "{" not in words and "  " not in words and "`" not in words
    assert sentence.endswith(".") and cure.endswith(".") and text.for_admin.endswith(".")
    assert ". " not in sentence.replace("..", ""), "one sentence says what happened"
    # `${…}` is what the product itself asks for.
    assert "{" not in text.for_admin.replace("${", "$")


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.OK])
def test_a_refusal_has_the_status_of_one(reason: Reason) -> None:
    assert 400 <= TEXTS[reason].status <= 504


@pytest.mark.parametrize(
    ("sentence", "product", "expected"),
    [
        ("{product} does not answer", "Jira", "Jira does not answer"),
        ("{product} does not answer", "", "The application does not answer"),
        ("Open {product} again", "", "Open the application again"),
        ("Open {product} again", "{0.__class__}", "Open {0.__class__} again"),
    ],
)
def test_the_product_is_filled_in(sentence: str, product: str, expected: str) -> None:
    assert expected == filled(sentence, product)
