"""What the audit trail hears of sign-ins. Used by `flows.signin`; nothing here repeats what came in a query."""

from __future__ import annotations

from sidecar.core.logins import Attempt, attempt_name
from sidecar.domain.events import UNTOLD, Code, Event, Fact
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.login import LoginError
from sidecar.flows.telling import Audit, Trace


class LoginTeller:
    """One event per step of a sign-in."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def started(self, attempt: Attempt, trace: Trace) -> None:
        """A browser was sent to its provider."""
        self._tell(Code.LOGIN_STARTED, attempt, trace)

    def succeeded(self, attempt: Attempt, session: Session, trace: Trace) -> None:
        """It came back and has a session."""
        self._tell(Code.LOGIN_SUCCEEDED, attempt, trace, session=session)

    def failed(self, attempt: Attempt, error: LoginError, trace: Trace) -> LoginError:
        """It cannot go on; hands *error* back, to be raised, with the page that the attempt was for."""
        error.back_to, error.told = attempt.back_to, True
        self._tell(Code.LOGIN_FAILED, attempt, trace, error=error)
        return error

    def unknown(
        self, application: Application, provider: str, name: str, error: LoginError, trace: Trace
    ) -> LoginError:
        """A callback that belongs to no attempt of this browser: somebody else's, or forged. Hands *error* back.

        *name* is that of the attempt it claims, or "".
        """
        error.told = True
        self._audit.tell(
            Event(
                code=Code.LOGIN_FAILED,
                outcome="failure",
                reason=error.reason,
                attempt=name,
                request=trace.request,
                source=trace.source,
                proxies=trace.proxies,
                application=application.name,
                provider=provider,
                facts={"detail": error.detail},
            )
        )
        return error

    def _tell(
        self,
        code: Code,
        attempt: Attempt,
        trace: Trace,
        *,
        session: Session | None = None,
        error: LoginError | None = None,
    ) -> None:
        facts: dict[str, Fact] = {"silent": attempt.silent}
        identity = session.identity if session is not None else error.identity if error is not None else None
        if error is not None:
            facts["detail"] = error.detail
        if session is not None:
            facts["seconds"] = max(0, session.created_at - attempt.began)
        self._audit.tell(
            Event(
                code=code,
                outcome="success" if error is None else "failure",
                reason=error.reason if error is not None else Reason.OK,
                request=trace.request,
                source=trace.source,
                proxies=trace.proxies,
                person=identity.person if identity is not None else None,
                signed_in=identity.signed_in if identity is not None else UNTOLD,
                application=attempt.application,
                portal=attempt.portal,
                attempt=attempt_name(attempt.state),
                provider=attempt.provider,
                session=session.key[:16] if session is not None else "",
                facts=facts,
            )
        )
