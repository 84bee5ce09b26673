"""adapters.accounts.looks and questions: what an answer does not say clearly is `None`, whatever its status."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from sidecar.adapters.accounts import looks
from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.questions import Questions
from sidecar.adapters.secrets import SecretError
from sidecar.core.doctor.products import Rights
from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.jira import JiraState, RunningJira, serve_jira
from sidecar.demo.jira.listening import Listening
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.products import PRODUCTS

JSON = (("Content-Type", "application/json"),)
FAILED = ("X-Seraph-LoginReason", "OUT, AUTHENTICATED_FAILED")


class Jira(NamedTuple):
    server: RunningJira
    questions: Questions
    token: str

    def read(self) -> str:
        return f" {self.token}\n"


@pytest.fixture
async def jira() -> AsyncIterator[Jira]:
    state = JiraState.sample()
    async with serve_jira(state) as server, open_session() as session:
        questions = Questions(session, server.url, PRODUCTS["jira"], "jira.example.com")
        yield Jira(server, questions, state.add_token("admin"))


class Wiki(NamedTuple):
    server: Listening
    state: ConfluenceState
    questions: Questions


@pytest.fixture
async def wiki() -> AsyncIterator[Wiki]:
    state = ConfluenceState.sample()
    async with serve_confluence(state, ConfluenceConfig()) as server, open_session() as session:
        yield Wiki(server, state, Questions(session, server.url, PRODUCTS["confluence"], "wiki.example.com"))


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (200, '{"name": "ada"}', JSON, "ada"),
        # A dead credential is served as nobody where anybody may read.
        (200, '{"name": "ada"}', (*JSON, FAILED), None),
        (200, '{"name": 7}', JSON, None),
        (200, "{}", JSON, None),
        (401, "", (), None),
        (403, "", (), None),
        (302, "", (("Location", "/login.jsp"),), None),
        (200, "<html>", (), Reason.CONNECTOR_REFUSED),
        (200, "[]", JSON, Reason.CONNECTOR_REFUSED),
        (500, "", (), Reason.CONNECTOR_REFUSED),
    ],
)
async def test_whom_it_serves(
    jira: Jira, status: int, body: str, headers: tuple[tuple[str, str], ...], expected: str | Reason | None
) -> None:
    jira.server.fail_next("/rest/api/2/myself", status, body, headers=headers)
    if isinstance(expected, Reason):
        with pytest.raises(AccountError) as caught:
            _ = await jira.questions.served(())
        assert expected is caught.value.reason
        return
    assert expected == await jira.questions.served(())


async def test_an_answer_that_breaks_off_is_none_at_all(jira: Jira) -> None:
    jira.server.cut_next("/rest/api/2/myself", times=9)
    with pytest.raises(AccountError) as caught:
        _ = await jira.questions.served(())
    assert Reason.CONNECTOR_UNREACHABLE is caught.value.reason


async def test_a_token_that_cannot_be_read_goes_nowhere(jira: Jira) -> None:
    def read() -> str:
        raise SecretError("the file is gone", "put it back")

    with pytest.raises(AccountError, match="the token cannot be read: the file is gone"):
        _ = await jira.questions.account(read)
    assert ([], "admin") == (list(jira.server.calls), await jira.questions.account(jira.read))
    assert f"Bearer {jira.token}" == jira.server.calls[-1].header("Authorization")
    assert "jira.example.com" == jira.server.calls[-1].header("Host")


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (403, '{"message":"Basic Authentication has been disabled on this instance."}', JSON, False),
        (403, "something else stands in the way", (), None),
        (401, "", (), True),
        (200, "{}", (*JSON, FAILED), True),
        (200, "{}", JSON, None),
        (502, "", (), None),
    ],
)
async def test_names_and_passwords(
    jira: Jira, status: int, body: str, headers: tuple[tuple[str, str], ...], expected: bool | None
) -> None:
    jira.server.fail_next("/rest/api/2/myself", status, body, headers=headers)
    assert expected is await looks.takes_basic(jira.questions)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (302, (("Location", "/secure/admin/WebSudoAuthenticate!default.jspa"),), True),
        (302, (("Location", "/login.jsp"),), None),
        (200, (("X-AUSERNAME", "admin"),), False),
        (200, (("X-AUSERNAME", "anonymous"),), None),
        (200, (), None),
        (500, (("X-AUSERNAME", "admin"),), None),
    ],
)
async def test_administrators_pages(
    jira: Jira, status: int, headers: tuple[tuple[str, str], ...], expected: bool | None
) -> None:
    jira.server.fail_next("/secure/admin", status, headers=headers)
    assert expected is await looks.asks_for_password(jira.questions, jira.read)


async def test_forms_say_nothing_where_the_log_in_itself_says_nothing(wiki: Wiki) -> None:
    assert False is await looks.takes_forms(wiki.questions)
    wiki.server.fail_next("/dologin.action", 200)
    assert None is await looks.takes_forms(wiki.questions)
    wiki.server.fail_next("/index.action", 503)
    assert None is await looks.takes_forms(wiki.questions)


async def test_rights_that_are_not_told(jira: Jira, wiki: Wiki) -> None:
    path = "/rest/api/2/mypermissions"
    for body in ("", "[]", "{}", '{"permissions": []}', '{"permissions": {"ADMINISTER": {"havePermission": "yes"}}}'):
        jira.server.fail_next(path, 200, body, headers=JSON)
        assert Rights(administrator=None, system=None) == await looks.rights(jira.questions, jira.read, "admin")
    assert Rights(administrator=True, system=True) == await looks.rights(jira.questions, jira.read, "admin")
    token = wiki.state.add_token("alice")
    assert Rights(administrator=False, system=False) == await looks.rights(wiki.questions, lambda: token, "alice")
    # Before 8.4 nobody is listed, and an app without the private interface says nothing.
    wiki.server.fail_next("/rest/api/user/list", 404)
    wiki.server.fail_next("/rest/authconfig", 404)
    assert Rights(administrator=None, system=None) == await looks.rights(wiki.questions, lambda: token, "alice")


@pytest.mark.parametrize("name", ["directories", "directory"])
async def test_directories_by_either_name(jira: Jira, name: str) -> None:
    listed = [{"name": "Internal"}, {"name": "AD", "synchronisation": {"syncStatus": "Done."}}, "no object"]
    jira.server.fail_next("/rest/crowd", 200, json.dumps({name: listed}), headers=JSON)
    places, _ = await looks.directories(jira.questions, jira.read)
    assert [("Internal", None), ("AD", "Done.")] == [(one.name, one.synchronised) for one in places or ()]


async def test_directories_that_are_not_told(jira: Jira) -> None:
    for status, body in ((401, ""), (403, ""), (404, ""), (200, "<html>"), (200, "{}"), (500, "")):
        jira.server.fail_next("/rest/crowd", status, body)
        places, why = await looks.directories(jira.questions, jira.read)
        assert places is None and str(status) in why


async def test_ends_of_tokens_and_shadowed_names_that_are_not_told(jira: Jira) -> None:
    for status, body in ((403, ""), (200, "<html>"), (200, '{"no": "list"}')):
        jira.server.fail_next("/rest/pat", status, body)
        assert None is await looks.token_end(jira.questions, jira.read, 0.0)
        jira.server.fail_next("/rest/api/2/user/duplicated", status, body if status != 200 else "[]")
        assert None is await looks.shadowed(jira.questions, jira.read)
