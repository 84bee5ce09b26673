"""The authorization endpoint: a code goes only to a known client, for a request that is right."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from yarl import URL

from tests.demo.provider.relying_party import RETURN_TO, RelyingParty


async def test_a_button_gives_a_code_with_state_and_iss(party: RelyingParty) -> None:
    answer = await party.press(await party.authorize(state="a b&c=ü"), person="anna")
    assert (303, RETURN_TO) == (answer.status, answer.target)
    assert {"code", "state", "iss"} == set(answer.returned)
    assert "a b&c=ü" == answer.returned["state"]
    assert party.running.issuer == answer.returned["iss"]


async def test_the_request_may_come_by_post(party: RelyingParty) -> None:
    page = await party.call("POST", "/authorize", data=party.request())
    assert "code" in (await party.press(page, person="ben")).returned


async def test_an_answer_may_go_back_in_a_form(party: RelyingParty) -> None:
    page = await party.authorize(response_mode="form_post", state='a"><b>&amp;')
    good = await party.press(page, person="anna")
    wrong = await party.authorize(response_mode="form_post", prompt="none", max_age="soon")
    for answer, expected in ((good, {"code", "state", "iss"}), (wrong, {"error", "error_description", "state", "iss"})):
        assert (200, False) == (answer.status, "Location" in answer.headers)
        assert f'<form method="post" action="{RETURN_TO}">' in answer.text
        assert expected == set(re.findall(r'type="hidden" name="(\w+)"', answer.text))
        assert "form-action 'self' http://127.0.0.1:9;" in answer.headers["Content-Security-Policy"]
    assert ("<b>" not in good.text, "no-store") == (True, good.headers["Cache-Control"])


async def test_without_state_none_is_given(party: RelyingParty) -> None:
    answer = await party.press(await party.authorize(state=None), person="anna")
    assert {"code", "iss"} == set(answer.returned)


async def test_the_page_is_strict_and_carries_nothing_of_the_request(party: RelyingParty) -> None:
    page = await party.authorize(state="canary-state", nonce="canary-nonce")
    assert 200 == page.status
    assert (
        "default-src 'none'; style-src 'self'; form-action 'self' http://127.0.0.1:9; "
        "frame-ancestors 'none'; base-uri 'none'"
    ) == page.headers["Content-Security-Policy"]
    assert "no-store" == page.headers["Cache-Control"]
    assert "canary" not in page.text
    assert "<script" not in page.text
    assert "Ben &lt;b&gt;Okafor&lt;/b&gt;" in page.text


async def test_cancel_is_access_denied(party: RelyingParty) -> None:
    answer = await party.press(await party.authorize(), cancel="yes")
    assert RETURN_TO == answer.target
    assert "access_denied" == answer.returned["error"]
    assert ("state-1", party.running.issuer) == (answer.returned["state"], answer.returned["iss"])
    assert "login_required" == (await party.authorize(prompt="none")).returned["error"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"request": "e30"}, "request_not_supported"),
        ({"request_uri": "http://x/"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_a_wrong_request_goes_back_as_an_error(
    party: RelyingParty, changes: dict[str, str | None], error: str
) -> None:
    answer = await party.authorize(**changes)
    assert (303, RETURN_TO) == (answer.status, answer.target)
    assert error == answer.returned["error"]
    assert "state-1" == answer.returned["state"]
    assert party.running.issuer == answer.returned["iss"]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": RETURN_TO + "/"},
        {"redirect_uri": RETURN_TO + "?x=1"},
        {"redirect_uri": RETURN_TO.upper()},
        {"redirect_uri": "http://127.0.0.1:9/other"},
    ],
)
async def test_an_unknown_client_or_address_gets_no_redirect(
    party: RelyingParty, changes: dict[str, str | None]
) -> None:
    answer = await party.authorize(**changes)
    assert 400 == answer.status
    assert "Location" not in answer.headers
    assert "name=" not in answer.text.split("<main>")[1]


async def test_a_doubled_parameter_is_refused_here(party: RelyingParty) -> None:
    doubled = [*party.request().items(), ("state", "state-2")]
    answer = await party.call("GET", "/authorize", params=doubled)
    assert (400, False) == (answer.status, "Location" in answer.headers)


async def test_the_browser_stays_signed_in(party: RelyingParty) -> None:
    await party.sign_in()
    for prompt in ("none", None):
        answer = await party.authorize(prompt=prompt)
        assert (303, {"code", "state", "iss"}) == (answer.status, set(answer.returned))


@pytest.mark.parametrize("prompt", ["login", "consent", "select_account"])
async def test_a_prompt_shows_the_page_again(party: RelyingParty, prompt: str) -> None:
    await party.sign_in()
    page = await party.authorize(prompt=prompt)
    assert 200 == page.status
    assert 1 == page.text.count("Signed in now")


async def test_max_age_asks_again_when_the_sign_in_is_older(party: RelyingParty) -> None:
    first = await party.tokens()
    party.clock.seconds += 30
    assert 303 == (await party.authorize(max_age="31")).status
    assert 200 == (await party.authorize(max_age="30")).status
    assert "login_required" == (await party.authorize(max_age="30", prompt="none")).returned["error"]
    second = await party.tokens(max_age="0")
    before = await party.verified(first["id_token"])
    after = await party.verified(second["id_token"])
    assert before["auth_time"] + 30 == after["auth_time"]
    assert before["sid"] == after["sid"]


async def test_another_person_gets_another_sid(party: RelyingParty) -> None:
    anna = await party.verified((await party.tokens("anna"))["id_token"])
    ben = await party.verified((await party.tokens("ben", prompt="login"))["id_token"])
    assert ("sub-anna", "sub-ben") == (anna["sub"], ben["sub"])
    assert anna["sid"] != ben["sid"]


@pytest.mark.parametrize("hint", ["BEN", "sub-ben", "ben"])
async def test_a_login_hint_puts_that_person_first(party: RelyingParty, hint: str) -> None:
    page = (await party.authorize(login_hint=hint)).text
    assert page.index('value="ben"') < page.index('value="anna"')
    assert (1, 1) == (page.count("autofocus"), page.count("Suggested"))


async def test_without_a_hint_the_order_is_the_owners(party: RelyingParty) -> None:
    page = (await party.authorize()).text
    assert page.index('value="anna"') < page.index('value="ben"')
    assert "autofocus" not in page


async def test_a_hint_of_somebody_else_does_not_use_the_sign_in(party: RelyingParty) -> None:
    anna = await party.tokens("anna")
    by_name = await party.authorize(prompt="none", login_hint="ben")
    assert "login_required" == by_name.returned["error"]
    by_token = await party.authorize(prompt="none", id_token_hint=anna["id_token"])
    assert "code" in by_token.returned
    await party.sign_in("ben", prompt="login")
    by_token = await party.authorize(prompt="none", id_token_hint=anna["id_token"])
    assert "login_required" == by_token.returned["error"]


async def test_a_page_works_for_one_person_and_a_double_click_only(party: RelyingParty) -> None:
    page = await party.authorize()
    first = await party.press(page, person="anna")
    party.clock.seconds += 9
    # The second click of a double click: the same way on, with a code that works, and nothing longer than that.
    second = await party.press(page, person="anna")
    assert [303, 303] == [first.status, second.status]
    assert first.returned["state"] == second.returned["state"]
    assert 200 == (await party.redeem(second.returned["code"])).status
    party.clock.seconds += 2
    assert 400 == (await party.press(page, person="anna")).status


@pytest.mark.parametrize("button", [{"person": "ben"}, {"person": "anna", "cancel": "yes"}, {}])
async def test_a_page_that_was_answered_takes_no_other_answer(party: RelyingParty, button: dict[str, str]) -> None:
    page = await party.authorize()
    assert 303 == (await party.press(page, person="anna")).status
    assert 400 == (await party.press(page, **button)).status


async def test_a_page_that_was_cancelled_is_used_up(party: RelyingParty) -> None:
    page = await party.authorize()
    assert 303 == (await party.press(page, cancel="yes")).status
    assert 400 == (await party.press(page, person="anna")).status


async def test_a_page_works_in_its_own_browser_only(party: RelyingParty) -> None:
    page = await party.authorize()
    form = {"interaction": page.interaction, "person": "anna"}
    url = party.running.issuer + "/choose"
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as stranger,
        stranger.post(url, data=form, allow_redirects=False) as answer,
    ):
        assert 400 == answer.status
        assert "Location" not in answer.headers


async def test_a_page_grows_too_old(party: RelyingParty) -> None:
    page = await party.authorize()
    party.clock.seconds += 601
    assert 400 == (await party.press(page, person="anna")).status


async def test_nobody_of_that_name(party: RelyingParty) -> None:
    answer = await party.press(await party.authorize(), person="nobody")
    assert (400, False) == (answer.status, "Location" in answer.headers)


async def test_a_sign_in_key_is_new_each_time(party: RelyingParty) -> None:
    name = f"lychgate-demo-sign-in-{URL(party.running.issuer).port}"

    def key() -> str:
        return party.http.cookie_jar.filter_cookies(URL(party.running.issuer))[name].value

    async def answered(cookie: str) -> str:
        url, params = party.running.issuer + "/authorize", party.request(prompt="none")
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.get(url, params=params, headers={"Cookie": f"{name}={cookie}"}, allow_redirects=False) as answer,
        ):
            return answer.headers["Location"]

    await party.sign_in()
    first = key()
    assert "code=" in await answered(first)
    await party.sign_in(prompt="login")
    assert key() != first
    assert "error=login_required" in await answered(first)


async def test_pages_that_were_opened_together_can_all_be_used(party: RelyingParty) -> None:
    opened = await asyncio.gather(*(party.authorize() for _ in range(5)))
    answers = [await party.press(page, person="anna") for page in opened]
    assert [303] * 5 == [answer.status for answer in answers]
