"""What a product must be told where we are its Crowd server, for the eye (`lychgate landing show`)."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.core.landing_setup import Line


@dataclass(frozen=True, slots=True)
class CrowdSetup:
    """Where we are, who the product is here, where its password stands, and the class that asks."""

    base: str
    application: str
    secret_at: str
    authenticator: str


def crowd_lines(name: str, setup: CrowdSetup, *, landed: bool, directory: bool) -> tuple[Line, ...]:
    """Every line of the product's two files, and every field of its form for a directory of type Crowd."""
    return (*(_files(setup) if landed else ()), *_form(name, setup, landed=landed, filled=directory))


def _files(setup: CrowdSetup) -> tuple[Line, ...]:
    return (
        Line("seraph-config.xml", f'<authenticator class="{setup.authenticator}"/>', "in place of the one there"),
        Line("crowd.properties", f"application.name={setup.application}"),
        Line("crowd.properties", "application.password=…", f"what stands in {setup.secret_at}"),
        Line("crowd.properties", f"crowd.server.url={setup.base}/", "the product itself must reach it"),
        Line("crowd.properties", f"crowd.base.url={setup.base}/"),
        Line("crowd.properties", f"application.login.url={setup.base}/", "no browser ever goes there"),
        Line("crowd.properties", "session.isauthenticated=session.isauthenticated"),
        Line("crowd.properties", "session.tokenkey=session.tokenkey"),
        Line("crowd.properties", "session.validationinterval=5", "minutes; Lychgate decides on each request anyway"),
        Line("crowd.properties", "session.lastvalidation=session.lastvalidation"),
        Line("cookie", "nothing to set", "its name and domain are asked of Lychgate; no browser gets it"),
    )


def _form(name: str, setup: CrowdSetup, *, landed: bool, filled: bool) -> tuple[Line, ...]:
    if not landed and not filled:
        return ()
    why = "" if filled else "it stays empty; Confluence asks for tokens only where there is one"
    return (
        Line("User directories, add", "Atlassian Crowd", why),
        Line("Name", f"Lychgate ({name})"),
        Line("Server URL", f"{setup.base}/"),
        Line("Application name", setup.application),
        Line("Application password", f"what stands in {setup.secret_at}"),
        Line("Directory permissions", "Read only", "nothing can be written there"),
        Line("Nested groups", "off", "there are none"),
        Line("Incremental synchronisation", "off", "how products read its events is not confirmed"),
        Line("Update group memberships", "every time the user logs in"),
        Line("Synchronisation interval", "as short as the form lets you", "leavers stay active there until then"),
    )
