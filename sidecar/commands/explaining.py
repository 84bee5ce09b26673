"""The question behind `lychgate explain`: from the command line and a file of claims, completed from the config."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sidecar.adapters.clock import SystemClock
from sidecar.commands.doors import QuestionError, door_of
from sidecar.core.explain import Line, Question, explain
from sidecar.domain.policy import Application, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know, as written on the command line."""

    portal: str | None
    provider: str | None
    url: str
    method: str


def explained(policy: Policy, application: Application, claims: Path, asked: Asked) -> Iterator[Line]:
    """The answer, line by line.

    Raises:
        QuestionError: there is no such portal or provider, the file is no JSON object, or the address is elsewhere.
    """
    door = door_of(application, asked.portal, asked.provider)
    id_token, userinfo = claims_in(claims)
    question = Question(
        application=application,
        portal=door.portal,
        provider=door.provider,
        claims=id_token,
        userinfo=userinfo,
        method=asked.method.upper(),
        target=_target(application, asked.url),
    )
    return explain(question, policy, SystemClock().now())


def claims_in(path: Path) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """The claims of an ID token and of userinfo in a JSON file.

    Raises:
        QuestionError: they are not there.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise QuestionError(f"{path} cannot be read as JSON: {error}") from None
    parts = document if isinstance(document, dict) and "id_token" in document else {"id_token": document}
    id_token, userinfo = parts["id_token"], parts.get("userinfo", {})
    if not isinstance(id_token, dict) or not isinstance(userinfo, dict):
        raise QuestionError(f"{path} holds no object of claims; write the ID token's, or id_token and userinfo")
    return id_token, userinfo


def _target(application: Application, url: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if parts.netloc and origin != application.origin:
        raise QuestionError(f"{url} is not at {application.origin}{application.context}")
    return parts.path + (f"?{parts.query}" if parts.query else "")
