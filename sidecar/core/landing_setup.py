"""What a product's own OpenID client must be told of us: for the eye (`lychgate landing show`), and for its REST
interface (`lychgate landing configure`), whose names are those of "SSO for Atlassian Data Center"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.core.grants import Client

MAPPING = "${preferred_username}"
"""An expression: without the `${}` it is a plain word, and everybody would be signed in as the user of that name."""

NAME = "Lychgate"
SECRET_FIELD = "client-secret"  # noqa: S105 - the name of a field


@dataclass(frozen=True, slots=True)
class Line:
    """A field of the form, what goes into it, and why where that is not plain."""

    field: str
    value: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that the product has otherwise than it must be; values are for people, never the secret."""

    field: str
    found: str
    wanted: str


def lines(client: Client, secret_at: str, *, customers: bool) -> tuple[Line, ...]:
    """Every field of the form, in its order."""
    return (
        Line("Authentication method", "OpenID Connect single sign-on"),
        Line("Name", NAME),
        Line("Issuer URL", client.issuer, "no slash at the end; it is compared to the letter"),
        Line("Client ID", client.client_id),
        Line("Client secret", f"what stands in {secret_at}"),
        Line("Username mapping", MAPPING, 'with the ${}: else everybody becomes the user "preferred_username"'),
        Line("Additional scopes", "none"),
        Line("Fill the data automatically", "off", "the endpoints are written by hand, so nothing is fetched"),
        Line("Authorization endpoint", client.authorization_endpoint, "no browser ever goes there"),
        Line("Token endpoint", f"{client.issuer}/token", "the product itself must reach it"),
        Line("User info endpoint", f"{client.issuer}/userinfo"),
        Line("Create users on login", "off", "Lychgate makes accounts ready; this would strip local groups"),
        Line("Remember user logins", "off", "else sessions come back behind the gate"),
        *([Line("Customer logins", "on", "people of the customer portal land by it too")] if customers else []),
        Line("Show on login page", "off", "nobody has to choose it"),
        Line("Login button text", NAME),
        Line("Redirect URL (shown there)", client.redirect_uri, "if it differs, mend the product's base URL or `url`"),
    )


def wanted(client: Client, *, customers: bool) -> dict[str, object]:
    """The same as the body of a request, without the secret."""
    return {
        "name": NAME,
        "enabled": True,
        "sso-type": "OIDC",
        "include-customer-logins": customers,
        "enable-remember-me": False,
        "button-text": NAME,
        "issuer-url": client.issuer,
        "client-id": client.client_id,
        "discovery-enabled": False,
        "authorization-endpoint": client.authorization_endpoint,
        "token-endpoint": f"{client.issuer}/token",
        "userinfo-endpoint": f"{client.issuer}/userinfo",
        "additional-scopes": [],
        "username-claim": MAPPING,
    }


def differences(found: Mapping[str, object], client: Client, *, customers: bool) -> tuple[Difference, ...]:
    """What the product has otherwise; a field that it does not show counts as other."""
    told = [
        Difference(name, _spelt(found.get(name)), _spelt(value))
        for name, value in wanted(client, customers=customers).items()
        if name not in ("name", "button-text") and found.get(name) != value
    ]
    if creates_users(found):
        told.append(Difference("creation of users on login", "on", "off"))
    return tuple(told)


def creates_users(found: Mapping[str, object]) -> bool:
    """Whether any switch of an object for just-in-time creation is on; the exact names differ by version."""
    objects = [value for name, value in found.items() if name.startswith("jit") and isinstance(value, Mapping)]
    return any(value is True and "enable" in name for jit in objects for name, value in jit.items())


def _spelt(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "on" if value else "off"
        case list():
            return " ".join(map(str, value)) or "none"
        case _:
            return str(value)
