"""A provider that cannot even be asked: from the sign-in that was chosen, there is a way to the portal's others."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from sidecar.demo.provider.faults import Fault
from tests.web.conftest import Worlds
from tests.web.test_choices import CHOOSE, onward

PAGE = "/servicedesk/customer/portals?a=b"


async def test_a_chosen_provider_that_is_down_leads_to_the_choice_of_the_same_portal(worlds: Worlds) -> None:
    world = await worlds(
        support={"provider": ["customers", "staff"], "accepts": [], "usernames": {"staff": {"prefix": ""}}}
    )
    world.customers.provider.fault = Fault.DISCOVERY_OTHER_ISSUER
    answer = await world.page(f"/.lychgate/login?{urlencode({'provider': 'customers', 'to': PAGE})}")
    assert 302 != answer.status
    assert f"{CHOOSE}?to={quote(PAGE)}" == onward(answer.text)["Sign in with another service"]
