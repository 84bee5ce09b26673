"""Portals with several providers over HTTP: the choice, what is remembered of it, and who stays whom."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from sidecar.demo.provider.faults import Fault
from tests.web.conftest import Worlds
from tests.web.rig import HTML, Browser, World

BOTH: dict[str, Any] = {
    "agents": {
        "provider": ["staff", "customers"],
        "usernames": {"customers": {"prefix": "cust-"}},
        "require": None,
        "rules": [{"paths": ["/partners/**"], "require": {"any_group": ["partner:gold"]}}],
    },
    "staff": {"label": "Staff & Co", "domains": ["example.com"]},
    "buyers": {"label": "Customers", "domains": ["b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"],
               "group_prefix": "partner:"},
}  # fmt: skip
CHOICE = "__Host-lychgate-jira.at-agents"
CHOOSE = "/.lychgate/choose"


def onward(text: str) -> dict[str, str]:
    """Label to address of every button of a page."""
    found = re.findall(r'<a class="button[^"]*" href="([^"]*)">([^<]*)', text)
    return {label.replace("&amp;", "&"): href.replace("&amp;", "&") for href, label in found}


async def arrive(world: World, browser: Browser, path: str = "/browse/KEY-1?a=b%2Fc") -> str:
    """Ask for a page as somebody unknown; the text of the page to choose on."""
    status, place, _ = await browser.go(world.url + path)
    assert (302, CHOOSE) == (status, urlsplit(place).path)
    status, _, text = await browser.go(place)
    assert 200 == status
    return text


async def through(world: World, browser: Browser, service: str, person: str) -> tuple[int, str, str]:
    """Choose a service on the page, a person there, and come back."""
    href = onward(await arrive(world, browser))[service]
    status, place, text = await browser.go(world.origin + href)
    assert 302 == status, text
    return await browser.choose(place, person)


async def test_a_page_leads_to_the_choice_and_the_choice_to_the_page(worlds: Worlds) -> None:
    world = await worlds(**BOTH)
    async with world.browser() as browser:
        text = await arrive(world, browser)
        assert ["Staff & Co", "Customers"] == list(onward(text))
        assert "<script" not in text and "Staff &amp; Co" in text
        status, place, text = await through(world, browser, "Staff & Co", "ada")
        assert (200, world.url + "/browse/KEY-1?a=b%2Fc") == (status, place), text
    assert "staff" == world.told("session.created")[-1]["provider"]


@pytest.mark.parametrize("method", ["POST", "HEAD"])
async def test_what_is_no_page_gets_no_choice(worlds: Worlds, method: str) -> None:
    world = await worlds(**BOTH)
    assert 401 == (await world.ask(method, "/browse/KEY-1", HTML)).status
    assert 401 == (await world.ask("GET", "/rest/api/2/issue/KEY-1", ("Accept", "application/json"))).status


async def test_the_choice_is_remembered_after_a_sign_in_and_outlives_the_sign_out(worlds: Worlds) -> None:
    world = await worlds(**BOTH)
    async with world.browser() as browser:
        href = onward(await arrive(world, browser))["Customers"]
        _ = await browser.go(world.origin + href)
        assert CHOICE not in browser.cookies, "who only looked has not signed in"
        _ = await through(world, browser, "Customers", "carl")
        assert CHOICE in browser.cookies
        await browser.sign_out()
        assert CHOICE in browser.cookies
        status, place, _ = await browser.go(world.url + "/browse/KEY-2")
        assert (302, True) == (status, place.startswith(world.customers.issuer))
        _, _, text = await browser.go(world.url + CHOOSE)
        assert 'class="button primary" href="/.lychgate/login?provider=customers' in text


async def test_somebody_else_chooses_anew(worlds: Worlds) -> None:
    world = await worlds(**BOTH)
    async with world.browser() as browser:
        _ = await through(world, browser, "Customers", "carl")
        status, _, text = await browser.go(world.url + "/partners/x")
        assert 403 == status and "Sign out and sign in as somebody else" in text
        token = re.search(r'name="token" value="([^"]+)"', text)
        assert token is not None
        data = {"token": token[1], "to": "/partners/x"}
        status, place, _ = await browser.go(world.url + "/.lychgate/logout", "POST", data=data)
        assert (303, world.url + "/partners/x") == (status, place)
        assert CHOICE not in browser.cookies
        _ = await arrive(world, browser, "/partners/x")


FORGED = ["staff", "staff.c2ln", "", "x" * 5000]


@pytest.mark.parametrize("value", FORGED)
async def test_a_made_up_choice_is_none(worlds: Worlds, value: str) -> None:
    world = await worlds(**BOTH)
    answer = await world.page("/browse/KEY-1", ("Cookie", f"{CHOICE}={value}"))
    assert CHOOSE in (answer.header("Location") or "")


async def test_a_choice_of_one_portal_is_none_of_another(worlds: Worlds) -> None:
    changed = BOTH | {"support": {"provider": ["customers", "staff"], "accepts": [],
                                  "usernames": {"staff": {"prefix": ""}}}}  # fmt: skip
    world = await worlds(**changed)
    async with world.browser() as browser:
        _ = await through(world, browser, "Customers", "carl")
        value = browser.cookies[CHOICE]
    elsewhere = f"__Host-lychgate-jira.at-support={value}"
    answer = await world.page("/servicedesk/customer/portals", ("Cookie", elsewhere))
    assert CHOOSE in (answer.header("Location") or "")


BY_ADDRESS = {
    "ada@example.com": "staff",
    "nobody.at.all@EXAMPLE.com": "staff",
    "carl@xn--bcher-kva.example": "customers",
    "carl@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example": "customers",
    "ada@a.example.com": None,
    "ada@notexample.com": None,
    "ada@example.com@evil.example": None,
    "<b>@example.org": None,
}


async def test_an_address_leads_on_by_its_domain_alone(worlds: Worlds) -> None:
    world = await worlds(**BOTH)
    async with world.browser() as browser:
        for address, provider in BY_ADDRESS.items():
            query = {"to": "/browse/KEY-1", "email": address}
            status, _, text = await browser.go(world.url + CHOOSE + "?" + urlencode(query))
            assert (200, False) == (status, "<b>" in text)
            if provider is None:
                assert "No sign-in service is set for that address." in text, address
                continue
            href = onward(text)["Continue"]
            assert f'http-equiv="refresh" content="0;url={href}"'.replace("&", "&amp;") in text
            status, place, _ = await browser.go(world.origin + href)
            issuer = {"staff": world.staff, "customers": world.customers}[provider].issuer
            asked = parse_qs(urlsplit(place).query)
            assert (302, True, [address]) == (status, place.startswith(issuer), asked["login_hint"])


async def test_one_domain_gives_one_answer(worlds: Worlds) -> None:
    """Whether there is such an account at the provider, in Jira or in the ledger is not to be seen."""
    world = await worlds(**BOTH)
    pages = set()
    for name in ("ada", "carl", "nobody"):
        answer = await world.page(f"{CHOOSE}?{urlencode({'email': f'{name}@example.com'})}")
        pages.add(re.sub(r'nonce="[^"]*"|<code>[^<]*</code>', "", answer.text.replace(name, "x")))
    assert 1 == len(pages)


UNUSABLE = {
    "a provider of nobody": "provider=elsewhere",
    "one of another portal only": "provider=okta",
    "twice": "provider=staff&provider=customers",
    "nothing": "provider=",
    "too much": "provider=staff&" + "x" * 8200,
}


@pytest.mark.parametrize("query", UNUSABLE.values(), ids=UNUSABLE)
async def test_what_names_no_provider_leads_to_the_choice(worlds: Worlds, query: str) -> None:
    world = await worlds(**BOTH)
    answer = await world.page(f"/.lychgate/login?{query}")
    assert (302, True) == (answer.status, CHOOSE in (answer.header("Location") or ""))


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/.lychgate/logout"])
async def test_the_way_back_is_judged(worlds: Worlds, to: str) -> None:
    world = await worlds(**BOTH)
    for path in ("login", "choose"):
        answer = await world.page(f"/.lychgate/{path}?{urlencode({'to': to, 'provider': ''})}")
        assert (True, False) == (answer.status in {200, 302}, "evil" in answer.text + (answer.header("Location") or ""))


async def test_an_answer_for_one_provider_is_none_of_another(worlds: Worlds) -> None:
    """Mix-up (RFC 9207): each provider has a redirect address of its own, and `iss` is compared."""
    world = await worlds(**BOTH)
    for turned in ("address", "issuer"):
        async with world.browser() as browser:
            href = onward(await arrive(world, browser))["Customers"]
            _, place, _ = await browser.go(world.origin + href)
            _, _, text = await browser.go(place)
            found = re.search(r'name="interaction" value="([^"]+)"', text)
            assert found is not None
            data = {"interaction": found[1], "person": "carl"}
            _, back, _ = await browser.go(f"{world.customers.issuer}/choose", "POST", data=data)
            if turned == "address":
                back = back.replace("/callback/customers", "/callback/staff")
            else:
                back = re.sub(r"iss=[^&]*", f"iss={world.staff.issuer.replace(':', '%3A').replace('/', '%2F')}", back)
            status, _, text = await browser.go(back)
            assert status in {400, 403}, (turned, text)
            assert "__Host-lychgate-jira" not in browser.cookies
    assert [] == world.told("session.created")


async def test_each_session_keeps_its_own_provider_and_name(worlds: Worlds) -> None:
    """Two people who are called the same at two providers are two people, with two accounts and their own groups."""
    world = await worlds(**BOTH, sign_out=True)
    world.customers.provider.people["carl"].claims.update(preferred_username="ada", groups=["gold", "okta-jira-users"])
    async with world.browser() as browser:
        status, _, text = await through(world, browser, "Customers", "carl")
        assert 200 == status, text
        assert 404 == (await browser.go(world.url + "/partners/x"))[0], "Jira's own answer: the rule let it in"
        _, _, text = await browser.go(world.url + "/.lychgate/whoami")
        assert "cust-ada" in text and "partner:gold" in text
        assert "jira-software-users" not in world.jira.state.users["cust-ada"].groups
        status, _, text = await browser.go(world.url + "/.lychgate/logout")
        token = re.search(r'name="token" value="([^"]+)"', text)
        assert token is not None
        status, place, _ = await browser.go(world.url + "/.lychgate/logout", "POST", data={"token": token[1]})
        assert (303, True) == (status, place.startswith(world.customers.issuer)), place
    async with world.browser() as browser:
        status, _, text = await through(world, browser, "Staff & Co", "ada")
        assert 200 == status, text
        assert 403 == (await browser.go(world.url + "/partners/x"))[0], "staff name no partner's group"


async def test_accounts_are_made_by_the_pattern_of_the_persons_own_provider(worlds: Worlds) -> None:
    changed = BOTH | {
        "agents": BOTH["agents"] | {"usernames": {"customers": {"prefix": "cust-", "pattern": "cust-d.+"}}}
    }
    world = await worlds(**changed)
    async with world.browser() as browser:
        status, _, text = await through(world, browser, "Customers", "carl")
        assert (403, True) == (status, "account_absent" in text or "username" in text), text
    assert world.jira.state.find("cust-carl") is None


async def test_a_provider_that_fails_keeps_nobody_from_the_other(worlds: Worlds) -> None:
    world = await worlds(**BOTH)
    async with world.browser() as browser:
        _ = await through(world, browser, "Customers", "carl")
        await browser.sign_out()
        world.customers.provider.fault = Fault.BAD_SIGNATURE
        _, place, _ = await browser.go(world.url + "/browse/KEY-1")
        status, _, text = await browser.choose(place, "carl")
        assert 403 == status or 502 == status, text
        href = onward(text)["Sign in with another service"]
        status, _, text = await browser.go(world.origin + href)
        assert (200, True) == (status, "Staff & Co" in onward(text))


async def test_the_signed_out_page_offers_the_choice(worlds: Worlds) -> None:
    world = await worlds(**BOTH)
    assert "Sign in with another service" in onward((await world.page("/.lychgate/signed-out")).text)


async def test_one_provider_is_no_choice(worlds: Worlds) -> None:
    world = await worlds()
    answer = await world.page(f"{CHOOSE}?{urlencode({'to': '/browse/KEY-1'})}")
    assert (302, True) == (answer.status, (answer.header("Location") or "").startswith(world.staff.issuer))
    assert "Sign in with another service" not in (await world.page("/.lychgate/signed-out")).text
    async with world.browser() as browser:
        await browser.sign_in("ada")
        assert not [name for name in browser.cookies if ".at-" in name]
