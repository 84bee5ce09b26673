"""What `lychgate doctor` looks at inside Jira and Confluence, as far as their REST interfaces tell.

`None` always means that the product does not tell. A name and a password that are tried are made up anew each time, so
that no account ever counts a failed log-in.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sidecar.adapters.accounts.calls import Answer
from sidecar.adapters.accounts.jira import moment
from sidecar.adapters.accounts.questions import Questions, Token, object_in, objects_in, reasons_in
from sidecar.core.doctor.products import Place, Rights

_FAILED = frozenset({"AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED"})
_BASIC_OFF = b"Basic Authentication has been disabled"
"""The words of Jira and Confluence (8.16, 7.16 and later) with their 403."""

_SUPER_GROUP = "confluence-administrators"
"""Its members may do everything, whatever the global permissions say."""


async def rights(questions: Questions, token: Token, account: str) -> Rights:
    """What the account of *token* may do."""
    if questions.product.name == "jira":
        return await _rights_in_jira(questions, token)
    listed = await questions.get("/rest/api/user/list?limit=1", token)
    sign_on = await questions.get("/rest/authconfig/1.0/sso", token)
    groups = objects_in(
        await questions.get(f"/rest/api/user/memberof?username={quote(account, safe='')}&limit=200", token), "results"
    )
    is_super = groups is not None and any(group.get("name") == _SUPER_GROUP for group in groups)
    return Rights(administrator=_may(listed.status), system=True if is_super else _may(sign_on.status))


async def _rights_in_jira(questions: Questions, token: Token) -> Rights:
    found = object_in(await questions.get("/rest/api/2/mypermissions", token)) or {}
    permissions = found.get("permissions")

    def has(name: str) -> bool | None:
        entry = permissions.get(name) if isinstance(permissions, dict) else None
        said = entry.get("havePermission") if isinstance(entry, dict) else None
        return said if isinstance(said, bool) else None

    return Rights(administrator=has("ADMINISTER"), system=has("SYSTEM_ADMIN"))


def _may(status: int) -> bool | None:
    return {200: True, 401: False, 403: False}.get(status)


async def token_end(questions: Questions, token: Token, now: float) -> float | None:
    """When the first living token of the account ends, in Unix seconds; None also where none does."""
    answer = await questions.get("/rest/pat/latest/tokens", token)
    if answer.status != 200:
        return None
    listed = _list_in(answer)
    ends = [moment(entry.get("expiringAt")) for entry in listed]
    return min((end for end in ends if end is not None and end > now), default=None)


def _list_in(answer: Answer) -> Sequence[Mapping[str, object]]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ()
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else ()


async def directories(questions: Questions, token: Token) -> tuple[Sequence[Place] | None, str]:
    """The user directories in their order; or None, and why. For system administrators only."""
    answer = await questions.get("/rest/crowd/latest/directory", token)
    if answer.status in {401, 403}:
        return None, f"{answer.status}: only a system administrator's token may see the directories"
    # Jira and Confluence name the list differently.
    listed = objects_in(answer, "directories", "directory") if answer.status == 200 else None
    if listed is None:
        return None, f"asked for its directories, it answered {answer.status} and no list"
    return [_place(entry) for entry in listed], ""


def _place(entry: Mapping[str, object]) -> Place:
    name, synchronisation = entry.get("name"), entry.get("synchronisation")
    if not isinstance(synchronisation, dict):
        return Place(str(name)[:80])
    return Place(str(name)[:80], str(synchronisation.get("syncStatus") or ""))


async def shadowed(questions: Questions, token: Token) -> int | None:
    """How many names are in several directories. Jira only."""
    if questions.product.name != "jira":
        return None
    answer = await questions.get("/rest/api/2/user/duplicated/list", token)
    found = object_in(answer) if answer.status == 200 else None
    return None if found is None else len(found)


async def takes_basic(questions: Questions) -> bool | None:
    """Whether a name and a password are looked at on the REST interface."""
    made_up = b64encode(f"{_made_up()}:{secrets.token_urlsafe(16)}".encode()).decode()
    answer = await questions.get(questions.product.whoami[0], fields={"Authorization": f"Basic {made_up}"})
    if answer.status == 403 and _BASIC_OFF in answer.body:
        return False
    return True if answer.status == 401 or reasons_in(answer) & _FAILED else None


async def asks_for_password(questions: Questions, token: Token) -> bool | None:
    """Whether an administrator's page asks for the password again (secure administrator sessions, "websudo")."""
    page, marker = questions.product.websudo
    answer = await questions.get(page, token)
    if marker in answer.headers.get("Location", ""):
        return True
    shown = answer.headers.get(questions.product.user_header, "anonymous")
    return False if answer.status == 200 and shown != "anonymous" else None


async def takes_forms(questions: Questions) -> bool | None:
    """Whether an action that is no log-in tries a name and a password. The log-in itself must show what that looks
    like, or nothing is known."""
    action, log_in = questions.product.forms
    form = {"os_username": _made_up(), "os_password": secrets.token_urlsafe(16)}
    if not reasons_in(await questions.post(log_in, form)) & _FAILED:
        return None
    answer = await questions.post(action, form)
    return bool(reasons_in(answer) & _FAILED) if answer.status < 500 else None


async def base_url(questions: Questions) -> tuple[str | None, str]:
    """Where the application believes to be, and its answer's `Date`. It tells everybody, for application links."""
    answer = await questions.get("/rest/applinks/1.0/manifest")
    found = object_in(answer) if answer.status == 200 else None
    said = (found or {}).get("url")
    return said if isinstance(said, str) else None, answer.headers.get("Date", "")


def _made_up() -> str:
    return f"lychgate-doctor-{secrets.token_hex(6)}"
