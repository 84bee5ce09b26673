"""core.redirects: no return target leads off the application's own origin, and a deep link survives byte for byte."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.redirects import MAX_TARGET, safe_return
from sidecar.domain.policy import Application
from sidecar.products.confluence import CONFLUENCE
from tests.core.builders import ORIGIN, application, jira, payloads

AT_ROOT, BELOW = jira(), jira("/jira")
START = "/secure/Dashboard.jspa"
EVIL = [line.encode().decode("unicode_escape") for line in payloads("return_targets.txt")]


def as_browsers_read(location: str) -> str:
    """The host a browser goes to: blanks and control characters cut, a backslash is a slash (WHATWG URL, 4.4)."""
    cut = "".join(ch for ch in location if ch not in "\t\r\n").strip("".join(map(chr, range(0x21))))
    return urlsplit(urljoin(f"{ORIGIN}/x", cut.replace("\\", "/"))).netloc


def test_there_are_some_hundreds_of_payloads() -> None:
    assert len(set(EVIL)) >= 400


@pytest.mark.parametrize("target", EVIL)
@pytest.mark.parametrize("app", [AT_ROOT, BELOW], ids=["root", "below"])
def test_no_payload_leaves_the_host(app: Application, target: str) -> None:
    found = safe_return(target, app)
    assert found.startswith(app.context + "/") and not found.startswith(("//", "/\\"))
    assert "jira.example.com" == as_browsers_read(found)
    assert found in (target, app.context + START)


@pytest.mark.parametrize("target", EVIL)
def test_a_payload_below_a_path_stays_on_the_host(target: str) -> None:
    found = safe_return(f"/browse/{target}", AT_ROOT)
    assert "jira.example.com" == as_browsers_read(found)


@given(st.text(st.sampled_from("/\\.:;%25FfCc@?#\t\r\n\x00 aé09ae-httpsjv"), max_size=20))
def test_no_text_leaves_the_host(target: str) -> None:
    for app in (AT_ROOT, BELOW):
        found = safe_return(target, app)
        assert f"{ORIGIN}{found}".startswith(f"{ORIGIN}{app.context}/") and found[1:2] not in ("/", "\\")
        assert found.isascii() and found.isprintable() and " " not in found
        assert found in (target, app.context + START)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/browse/ABC-1",
        "/browse/ABC-1?focusedId=1&page=a%2Fb%5C..//x#".rstrip("#"),
        "/issues/?jql=project%20%3D%20ABC%20AND%20text%20~%20%22a%3Bb%22",
        "/display/DS/100%25+sure%3F",
        "/display/DS/My%20Page",
        "/display/DS/%C3%84rger?x=%C3%A4&x=2&&y",
        "/secure/Dashboard.jspa?selectPageId=1",
        "/x?next=https://evil.example/",
        "/x?a=\\b",
        "/.lychgatex/y",
        "/servicedesk/customer/portal/1/create/2?q=1",
    ],
)
@pytest.mark.parametrize("app", [AT_ROOT, BELOW], ids=["root", "below"])
def test_deep_links_survive_byte_for_byte(app: Application, target: str) -> None:
    assert app.context + target == safe_return(app.context + target, app)


@pytest.mark.parametrize("target", ["/browse//A-1", "/browse/A-1;x", "/browse/A-1;jsessionid=1", "/browse/a%2F/b"])
def test_what_would_be_refused_or_sent_elsewhere_leads_to_the_start_page(target: str) -> None:
    assert START == safe_return(target, AT_ROOT)


@pytest.mark.parametrize("target", [None, "", "/x" * 1025, "/x?" + "a" * MAX_TARGET])
def test_nothing_and_too_much_lead_to_the_start_page(target: str | None) -> None:
    assert START == safe_return(target, AT_ROOT)


def test_the_longest_target_is_not_cut() -> None:
    longest = "/x?" + "a" * (MAX_TARGET - 3)
    assert longest == safe_return(longest, AT_ROOT)


@pytest.mark.parametrize(
    "target", ["/", "/x", "/jirafa", "/JIRA/x", "/wiki/x", "/x/jira/", "/jira%2Fx", "/jira;/x", "jira/x"]
)
def test_other_applications_of_the_host_are_no_place_to_return_to(target: str) -> None:
    assert f"/jira{START}" == safe_return(target, BELOW)


@pytest.mark.parametrize(
    "target",
    [
        "/.lychgate",
        "/.lychgate/",
        "/.lychgate/logout",
        "/.lychgate/callback/okta?code=x",
        "/%2Elychgate/logout",
        "/.lychg%61te/logout",
        "/login.jsp",
        "/login.jsp?os_destination=%2Fx",
        "/secure/Logout.jspa",
        "/secure/Logout!default.jspa?atl_token=x",
        "/x/Logout.jspa",
        "/s/x/_/secure/Logout.jspa",
        "/logout",
        "/servicedesk/customer/user/login?destination=portals",
    ],
)
def test_doors_are_no_place_to_return_to(target: str) -> None:
    assert START == safe_return(target, AT_ROOT)
    assert f"/jira{START}" == safe_return("/jira" + target, BELOW)


def test_the_start_page_is_the_products() -> None:
    assert "/wiki/" == safe_return("//evil.example", application(CONFLUENCE, "/wiki"))
