"""What the gate says: one `Text` per reason word, for `web.pages` and for docs/reasons.md.

The words stand in `web.wording`, part by part; here they are gathered, filled in and printed.
`python -m sidecar.web.texts` prints docs/reasons.md; a test compares the file with it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from sidecar.domain.reason import Reason
from sidecar.web.wording.accounts import ACCOUNTS, APPLICATION, OURS
from sidecar.web.wording.requests import RULES, UNJUDGED
from sidecar.web.wording.sign_in import SIGN_IN, USERNAMES
from sidecar.web.wording.text import Text

SECTIONS: tuple[tuple[str, Mapping[Reason, Text]], ...] = (
    ("The request cannot be judged", UNJUDGED),
    ("A rule refuses", RULES),
    ("The sign-in failed", SIGN_IN),
    ("There is no usable account name", USERNAMES),
    ("The account could not be made ready", ACCOUNTS),
    ("The application did not take the person in, or did not answer", APPLICATION),
    ("Lychgate failed", OURS),
)
"""The parts of docs/reasons.md, in the order of `Reason`."""

TEXTS: Mapping[Reason, Text] = {reason: text for _, part in SECTIONS for reason, text in part.items()}
"""Every reason has exactly one text."""

_INTRODUCTION = """\
# Reason words

<!-- Made by `python -m sidecar.web.texts`. Change the words in `sidecar/web/wording/`, not here. -->

When Lychgate refuses something, it says why in one word. The same word stands on the page, in the JSON answer
(`error`), in the audit event and in the label of the metric. A word is never renamed.

A page also shows a request id. Search the log and the audit trail for it to see the details: they are never shown on
the page. The status is the usual one; where a client cannot use it, the answer may carry another.
"""


def filled(sentence: str, product: str) -> str:
    """*sentence* with the product's name, or with "the application" where *product* is empty."""
    text = sentence.replace("{product}", product or "the application")
    return text[:1].upper() + text[1:]


def reasons_markdown() -> str:
    """docs/reasons.md as it has to be."""
    parts = [_INTRODUCTION]
    for title, texts in SECTIONS:
        parts.append(f"## {title}\n")
        parts += [_entry(reason, text) for reason, text in texts.items()]
    return "\n".join(parts)


def _entry(reason: Reason, text: Text) -> str:
    heading, sentence, cure = (filled(words, "Jira") for words in (text.heading, text.sentence, text.cure))
    return (
        f"### `{reason}`\n\n"
        f"Status {text.status}. The page says: “{heading}. {sentence} {cure}”\n\n"
        f"**For the administrator.** {text.for_admin}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(reasons_markdown())
