"""The domain of an e-mail address, by which a sign-in page finds the provider. Pure.

Called by `web.entrance`, and by the configuration for the domains themselves: two spellings of one domain are one. What
stands before the @ is never looked at, so the answer tells nothing of whether somebody has an account.
"""

from __future__ import annotations

import idna

LONGEST_ADDRESS = 254
"""Characters of an address (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""


def domain_of(address: str) -> str | None:
    """The domain in ASCII and lower case; None if this is no address.

    Quoted local parts with an @ in them are no address here: they would let two readers find two domains.
    """
    address = address.strip(" ")
    local, mark, domain = address.partition("@")
    if not local or not mark or len(address) > LONGEST_ADDRESS:
        return None
    if not address.isprintable() or any(character.isspace() for character in address):
        return None
    return ascii_domain(domain)


def ascii_domain(domain: str) -> str | None:
    """The one spelling of a domain: A-labels (RFC 5890, section 2.3.2.1), lower case; None if it is none.

    Whole labels only, and at least two of them: `example.com` is neither `notexample.com` nor `a.example.com`.
    """
    try:
        spelled = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    return spelled.lower() if "." in spelled.strip(".") and not spelled.endswith(".") else None
