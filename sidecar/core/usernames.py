"""From claims to the account name in the application (D4; security rules 45 and 46).

Called when a standing is computed and by the account flow. Keeps the rule that one name has one form: the same text is
used for the header, the audit trail, the pins and every cache. A name that normalising would turn into another one is
refused, not repaired.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from sidecar.core.patterns import matches
from sidecar.domain.identity import Claim, Identity
from sidecar.domain.policy import UsernameMapping
from sidecar.domain.reason import Reason
from sidecar.products.atlassian import RESERVED_NAMES

LONGEST = 255
"""Characters that the products store of a username."""

_APOSTROPHE = "'"
_UNSAFE = frozenset('/\\<>&";') | {_APOSTROPHE}
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_ONE_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "HANGUL": "CJK", "BOPOMOFO": "CJK", "KATAKANA-HIRAGANA": "CJK"}

# Letters of other scripts that a reader takes for a Latin one (UTS #39, confusables; the lower-case part that matters).
_LOOKALIKES = str.maketrans(
    "авеһіјкӏмопрԛгсѕтԁхуѵԝьαβεηιϳκμνορτυχωγσɑɡıȷʟɩꜱ",
    "abehijklmonpqrcstdxyvwbabenijkuvoptuxwyoagijlis",
)


def fold(name: str) -> str:
    """The form in which names of accounts and groups are compared and kept in the ledger."""
    return name.casefold()


def folded(names: Iterable[str]) -> frozenset[str]:
    """All of them, in the form in which they are compared."""
    return frozenset(map(fold, names))


def resolve_username(identity: Identity, mapping: UsernameMapping, *, trusted: bool = False) -> str | Reason:
    """The account name for a person, normalised; or why there is none.

    The next claim is asked only if the one before is absent: one that is there and unusable refuses, so that nobody
    chooses among his names by spoiling one. An `email` counts only if it was verified: see `email_is_verified`.

    Returns:
        The name, or `username_missing`, `username_invalid`, `username_foreign`.
    """
    source = next((name for name in mapping.claims if name in identity.claims), None)
    if source is None:
        return Reason.USERNAME_MISSING
    if source == "email" and not email_is_verified(identity, trusted=trusted):
        return Reason.USERNAME_INVALID
    name = normalise(identity.claims[source], apostrophe=mapping.apostrophe)
    if name is None or (source == "email" and "@" not in name):
        return Reason.USERNAME_INVALID
    if mapping.strip_domain:
        local, _, domain = name.partition("@")
        if domain not in {entry.lower().removeprefix("@") for entry in mapping.strip_domain}:
            return Reason.USERNAME_FOREIGN
        name = local
    # The prefix can complete a name into an unusable one, so the whole is looked at again.
    return normalise(mapping.prefix + name, apostrophe=mapping.apostrophe) or Reason.USERNAME_INVALID


def name_with_apostrophe(identity: Identity, mapping: UsernameMapping, *, trusted: bool = False) -> str | None:
    """The name that is refused for nothing but its apostrophe; None if there is none such."""
    name = resolve_username(identity, replace(mapping, apostrophe=True), trusted=trusted)
    return name if not isinstance(name, Reason) and not mapping.apostrophe and _APOSTROPHE in name else None


def email_is_verified(identity: Identity, *, trusted: bool) -> bool:
    """Whether the provider vouches for the address: `email_verified` is JSON `true` (rule 45).

    Whoever may register any address somewhere must get neither another's name nor another's mail. A *trusted* provider
    need not say so (Okta's org server and Entra do not), but it is heard when it says anything else.
    """
    return identity.claims.get("email_verified", trusted) is True


def normalise(claim: Claim, *, apostrophe: bool = False) -> str | None:
    """NFKC and lower case, once; None if the claim is no text, or if another name would come out.

    *apostrophe*: the site has accounts with apostrophes. Rule 46 counts it among the unsafe characters, because others
    put names into texts of theirs; we send names encoded everywhere, and make no account of such a name.
    """
    if not isinstance(claim, str) or not 0 < len(claim) <= LONGEST or claim != claim.strip():
        return None
    name = unicodedata.normalize("NFKC", claim).lower()
    parts = name.split("@")
    sound = (
        len(name) <= LONGEST
        and len(parts) <= 2
        and all(parts)
        and not _changes_meaning(claim, name)
        and all(_is_usable(c) or (apostrophe and c == _APOSTROPHE) for c in name)
        and all(len(_scripts(part)) <= 1 for part in parts)
        and any(map(str.isalnum, name))
    )
    return name if sound else None


def may_be_created(name: str, mapping: UsernameMapping) -> bool:
    """Whether an account of this name may be made. Existing accounts need not fit the pattern."""
    return matches(mapping.pattern, name) and not is_reserved(name) and _UNSAFE.isdisjoint(name)


def is_reserved(name: str, more: Iterable[str] = ()) -> bool:
    """Whether the name is, or looks like, one of the reserved ones or of *more*.

    Asked of the finished name: a prefix and a claim may make one together (`adm` + `in`).
    """
    return skeleton(name) in {skeleton(entry) for entry in (*RESERVED_NAMES, *more)}


def skeleton(name: str) -> str:
    """What a reader sees: without case, width, accents, invisible characters and the alphabet of look-alikes."""
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    seen = (c for c in bare if unicodedata.category(c) not in {"Mn", "Me", "Cf", "Cc"} and c not in _INVISIBLE)
    return "".join(seen).translate(_LOOKALIKES).strip()


def _changes_meaning(claim: str, name: str) -> bool:
    """Whether normalising did more than compose accents and change case: `ａdmin`, `ﬁ`, the Kelvin sign."""
    composed = unicodedata.normalize("NFC", claim)
    widened = sum(map(str.isascii, composed)) > sum(map(str.isascii, claim))
    unstable = unicodedata.normalize("NFKC", name).lower() != name
    return composed.lower() != name or widened or unstable


def _is_usable(character: str) -> bool:
    """Printing and harmless. Outside ASCII only letters, their own marks and digits."""
    if character.isascii():
        return character.isprintable() and character not in _UNSAFE
    category = unicodedata.category(character)
    own_mark = category in {"Mn", "Mc"} and not _first_word(character).startswith(("COMBINING", "VARIATION"))
    return (category[0] == "L" or category == "Nd" or own_mark) and character not in _INVISIBLE


def _scripts(part: str) -> set[str]:
    """The scripts of the letters and of the digits outside ASCII; those that are written together count as one."""
    words = {_first_word(c) for c in part if unicodedata.category(c)[0] == "L" or not (c.isascii() or c.isalpha())}
    return {_ONE_SCRIPT.get(word, word) for word in words}


def _first_word(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").split(" ", 1)[0]
