"""What the audit trail hears of sign-ins. Used by `flows.signin`; nothing here repeats what came in a query."""

from __future__ import annotations

from sidecar.core.logins import Attempt
from sidecar.domain.events import Code, Event, Fact
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
        error.back_to = attempt.back_to
        self._tell(Code.LOGIN_FAILED, attempt, trace, error=error)
        return error

    def unknown(self, application: Application, provider: str, error: LoginError, trace: Trace) -> LoginError:
        """A callback that belongs to no attempt of this browser: somebody else's, or forged. Hands *error* back."""
        self._audit.tell(
            Event(
                code=Code.LOGIN_FAILED,
                outcome="failure",
                reason=error.reason,
                request=trace.request,
                source=trace.source,
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
                person=session.identity.person if session is not None else None,
                application=attempt.application,
                portal=attempt.portal,
                provider=attempt.provider,
                session=session.key[:16] if session is not None else "",
                facts=facts,
            )
        )
