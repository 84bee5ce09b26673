"""What a user server's refusals mean. Shared by the connector and the listing."""

from __future__ import annotations

from sidecar.adapters.accounts.calls import Answer
from sidecar.adapters.accounts.rest import messages, unexpected
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError


def refusal(answer: Answer, doing: str) -> AccountError:
    """As `rest.unexpected`, with the causes that a user server has for a 403."""
    if answer.status != 403:
        return unexpected(answer, doing)
    said = messages(answer)
    detail = (
        f"{doing} was refused with 403: the user server does not let our address in, or the application may not "
        "change users or groups in its directory" + (f": {said}" if said else "")
    )
    reason = Reason.CONNECTOR_REFUSED if doing.startswith("reading") else Reason.ACCOUNT_STEP_FAILED
    return AccountError(reason, detail, retry=False)
