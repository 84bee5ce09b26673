"""Sessions of browsers: opened at sign-in, found on every request, ended at sign-out.

The memory is the truth of this process and the store outlives it; of several instances each is believed while it is
vouched for (`flows.others`). What has an effect runs in a task of this object: a closed tab stops no sign-out half-way.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sidecar.core.kept import Kept, kept
from sidecar.core.revocations import is_named
from sidecar.core.standing import standing_of
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import Revocation
from sidecar.domain.session import Jar, Session, jars_after
from sidecar.domain.standing import Standing
from sidecar.flows.barrier import Barrier
from sidecar.flows.login import LoginError
from sidecar.flows.owned import OwnedTasks, quietly
from sidecar.flows.session_bounds import MOST_REMEMBERED, Bounds, forget
from sidecar.flows.session_cookies import Cookies
from sidecar.flows.session_events import about
from sidecar.flows.session_jars import WRITES, write_jars
from sidecar.flows.session_making import is_same_seat, new_session
from sidecar.flows.session_ports import Closers, Entry, Opening, SessionStore, Signer, StateError, Stored, Vouching
from sidecar.flows.telling import AuditError, Chance, Clock, SureAudit, Trace

__all__ = ["RENEWAL_PAUSE", "Closers", "Entry", "Opening", "SessionStore", "Sessions", "Signer", "StateError"]

LOG = logging.getLogger(__name__)
SEEN_EVERY = 60
RENEWAL_PAUSE = 300
_BARRED = {Reason.SESSION_REVOKED: "the sign-in was revoked before it was finished"}

NO_TRACE = Trace()


class Sessions:
    """Finds, opens, changes and ends sessions. A signed-in request costs a dictionary hit."""

    def __init__(
        self,
        store: SessionStore,
        barrier: Barrier,
        signer: Signer,
        policy: Callable[[], Policy],
        audit: SureAudit,
        clock: Clock,
        chance: Chance,
        vouching: Vouching | None = None,
    ) -> None:
        """*vouching*: where other instances have the same store; kept in step by `flows.others`."""
        self._store = store
        self._bounds = Bounds(store)
        self._vouching = vouching or Vouching()
        self._barrier = barrier
        self._cookies = Cookies(signer)
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._chance = chance
        self._entries: dict[str, Entry] = kept("sessions", Kept(), MOST_REMEMBERED)
        self._loading: dict[str, asyncio.Task[Entry | None]] = {}
        self._tasks = OwnedTasks()

    async def find(self, application: str, cookie: str | None) -> Entry | None:
        """The live session behind a cookie of this application, with its standing; None if there is none.

        Raises:
            StateError: the store could not be asked, or has not answered for longer than its grace.
        """
        key = self._cookies.key_of(application, cookie) if cookie else None
        return await self.find_by_key(application, key) if key is not None else None

    async def find_by_key(self, application: str, key: str) -> Entry | None:
        """The same for somebody who has no cookie of it, but knows its key."""
        now, limits = self._clock.now(), self._policy().limits
        entry = self._entries.get(key)
        if entry is None:
            entry = await self._load(key)
        elif not self._vouching.holds(now):
            raise StateError("the state has not answered for too long: what is remembered counts no more")
        if entry is None or entry.ended or entry.session.application != application:
            return None
        if self._vouching.shared and not entry.session.is_live(now, entry.seen, limits.idle):
            await self._ask_when_seen(entry)
        if not entry.session.is_live(now, entry.seen, limits.idle):
            cause = "absolute" if now >= entry.session.ends_at else "idle"
            _ = await self.end(key, cause)
            return None
        return entry if self.standing(entry) is not None else None

    def at_hand(self, application: str, cookie: str | None, now: UnixSeconds) -> Entry | None:
        """As `find`, from memory alone; None also where the store would have to be asked or told."""
        key = self._cookies.known.get((application, cookie)) if cookie and self._vouching.is_fresh(now) else None
        entry = self._entries.get(key) if key is not None else None
        if entry is None or entry.ended or entry.session.application != application:
            return None
        if not entry.session.is_live(now, entry.seen, self._policy().limits.idle):
            return None
        return entry if self.standing(entry) is not None else None

    def standing(self, entry: Entry) -> Standing | None:
        """How a session stands under the policy of now; None if it is over, or its door is no longer there."""
        policy = self._policy()
        if entry.ended:
            return None
        if entry.standing is None or entry.standing.policy != policy.hash:
            entry.standing = self._barrier.admitted(entry.session, standing_of(entry.session, policy))
            entry.forwards.clear()
        return entry.standing

    def holds(self, entry: Entry, standing: Standing | None) -> bool:
        """Whether what was decided upon *standing* may still be done: asked after every wait.

        A session that was renewed meanwhile goes on under another key; then its streams go on too. A policy that came
        into force meanwhile may want the account otherwise, or nobody at this path.
        """
        live = entry.session.is_live(self._clock.now(), entry.seen, self._policy().limits.idle)
        return live and not entry.closers.over and entry.standing is standing and self.is_of_now(standing)

    def is_of_now(self, standing: Standing | None) -> bool:
        """Whether *standing* was computed under the policy that is in force."""
        return standing is not None and standing.policy == self._policy().hash

    def used(self, entry: Entry, now: UnixSeconds | None = None) -> None:
        """Move the idle end; the store hears of it at most once a minute (design, section 7)."""
        entry.seen = max(entry.seen, self._clock.now() if now is None else now)
        if entry.seen - entry.noted >= SEEN_EVERY:
            entry.noted = entry.seen
            _ = self._tasks.begin(quietly(self._store.touch(entry.session.key, entry.seen)))

    def wants_renewal(self, entry: Entry, at: UnixSeconds | None = None) -> bool:
        """From 80 % of the absolute life on, once every few minutes."""
        now, session = self._clock.now() if at is None else at, entry.session
        due = session.created_at + (session.ends_at - session.created_at) * 4 // 5
        return now >= due and now - entry.renewal_tried >= RENEWAL_PAUSE

    async def open(self, opening: Opening, replaces: Entry | None, trace: Trace) -> tuple[Session, str]:
        """Begin a session under a fresh key; the one it replaces ends. Returns the session and the cookie's value.

        Raises:
            LoginError: `session_revoked`: the sign-in was taken back before it was finished.
            StateError: nobody is signed in.
        """
        now, limits = self._clock.now(), self._policy().limits
        token, form = self._chance.token(), self._chance.token(16)
        same = replaces is not None and not replaces.ended and is_same_seat(replaces.session, opening)
        entry = Entry(new_session(token, opening, now, limits.absolute, form, trace.source), seen=now, noted=now)
        if replaces is not None and same:
            # A renewal: the application's session goes on.
            entry.session = replace(entry.session, jars=replaces.session.jars)
        await self._store.add(entry.session)
        # In memory before the barrier is asked: who revokes meanwhile ends it there too.
        _ = self._keep(entry)
        await self._ask_barrier(entry, opening.began)
        if replaces is not None and same and not replaces.ended:
            # So does what is open for the person; unless all of it was closed while we asked.
            entry.closers = replaces.closers
            replaces.successor = entry
        session = entry.session = entry.session.light()
        try:
            await self._tell_surely(Code.SESSION_CREATED, session, trace)
            if replaces is not None:
                _ = await self._end(replaces.session.key, "replaced", trace, closing=not same)
            for key in await self._bounds.beyond(session, limits.per_person, limits.most):
                _ = await self._end(key, "bound", trace)
        except StateError:
            # Nobody gets its cookie, so it must not linger.
            _ = self._tasks.begin(quietly(self._end(session.key, "unfinished", trace, closing=not same)))
            raise
        return session, self._cookies.made(opening.application, token)

    async def end(self, key: str, cause: str, trace: Trace = NO_TRACE) -> Session | None:
        """End a session and everything that is open for it. Harmless if it is over already.

        Raises:
            StateError: the store could not be told; this process has forgotten the session all the same.
        """
        return await self._tasks.finish(self._end(key, cause, trace))

    def end_at_hand(self, revocation: Revocation) -> None:
        """End what this process remembers of a revoked sign-in, now and without the store: its streams close."""
        for key, entry in list(self._entries.items()):
            session = entry.session
            if is_named(session.identity, revocation) and session.created_at <= revocation.at:
                self._drop(key)

    async def review_bans(self) -> None:
        """End what is banned since, and whatever bears a cookie that is not ours any more; all else stands anew.

        Raises:
            StateError: the store could not be told; this process has forgotten them all the same.
        """
        lost, unseen = self._cookies.doubted()
        ending: list[str] = []
        for key, entry in list(self._entries.items()):
            entry.standing = None
            standing = standing_of(entry.session, self._policy())
            if key in lost or self._barrier.banned(entry.session, standing) is not Reason.OK:
                self._drop(key)
                ending.append(key)
            elif key in unseen:
                # Its cookie was not seen lately: whoever brings a good one finds the session in the store.
                self._drop(key, over=False)
        for key in ending:
            _ = await self.end(key, "blocked")

    def keep_jar(self, entry: Entry, seat: str, jar: Jar) -> None:
        """Remember the application's cookies for this session and seat; written soon, in order, compare-and-set.

        Whoever sat at the same node before under another username sits there no more.
        """
        entry.session = replace(entry.session, jars=jars_after(entry.session.jars, seat, jar))
        if entry.writing is None or entry.writing.done():
            entry.writing = self._tasks.begin(quietly(write_jars(self._store, entry)))

    async def whole(self, entry: Entry) -> Session | None:
        """The record with its tokens, from the store; None if it is gone.

        Raises:
            StateError: the store could not be asked.
        """
        stored = await self._store.get(entry.session.key)
        return stored[0] if stored is not None and not entry.ended else None

    async def change(self, entry: Entry, change: Callable[[Session], Session]) -> bool:
        """Write a changed record, compare-and-set: what ended meanwhile stays ended, and False comes back.

        Raises:
            StateError: the store did not take it.
        """
        for _ in range(WRITES):
            stored = await self._store.get(entry.session.key)
            if stored is None or entry.ended:
                return False
            ready = replace(change(stored[0]), version=stored[0].version + 1)
            if await self._store.replace(ready):
                # Its names may be other ones now: who revokes may have looked for the session just before.
                if await self._barrier.bars(ready.identity, ready.created_at):
                    _ = await self.end(ready.key, "revoked")
                    return False
                # The jars in memory may be ahead of the store's; their own write follows.
                entry.session = replace(ready, jars=entry.session.jars).light()
                entry.standing = None
                return not entry.ended
        raise StateError("a session could not be changed: others write all the time")

    async def sweep(self) -> None:
        """Remove what is dead. Called every minute by the owner of the process.

        Raises:
            StateError: what is left is removed the next time.
        """
        now, idle = self._clock.now(), self._policy().limits.idle
        # What others see, the store hears of up to a minute later.
        idle += SEEN_EVERY if self._vouching.shared else 0
        for entry in list(self._entries.values()):
            # The store is behind by up to a minute; it must not end what is still in use.
            if entry.noted + idle <= now < entry.seen + idle:
                await self._store.touch(entry.session.key, entry.seen)
                entry.noted = max(entry.noted, entry.seen)
        for session in await self._store.sweep(now, idle):
            self._drop(session.key)
            self._tell(Code.SESSION_ENDED, session, "absolute" if now >= session.ends_at else "idle", NO_TRACE)
        forget(self._entries, now)
        await self._bounds.count()

    def is_vouched_for(self, now: UnixSeconds) -> bool:
        """Whether memory is as the store, for rules that forgive nothing."""
        return self._vouching.is_fresh(now)

    def remembered(self, since: UnixSeconds) -> Sequence[str]:
        """See `flows.others.Remembers`."""
        return [key for key, entry in self._entries.items() if entry.seen >= since or entry.closers]

    def ended_elsewhere(self, key: str) -> None:
        """See `flows.others.Remembers`."""
        self._drop(key)

    async def changed_elsewhere(self, key: str, stored: Stored) -> None:
        """See `flows.others.Remembers`."""
        entry = self._entries.get(key)
        if entry is None or entry.ended:
            return
        entry.seen, entry.noted = max(entry.seen, stored.seen), max(entry.noted, stored.seen)
        if stored.version > entry.session.version:
            found = await self._store.get(key)
            if found is None:
                self._drop(key)
            else:
                entry.learn(found[0])

    def forget_cookies(self) -> None:
        """Look at the signature of every cookie once more: other keys are in force."""
        self._cookies.verify_anew(self._entries)

    def seen_at(self, key: str) -> UnixSeconds:
        """Last use of a session in memory; 0 where it is not there."""
        entry = self._entries.get(key)
        return entry.seen if entry is not None else UnixSeconds(0)

    @property
    def stored(self) -> int:
        """How many the store has, as far as is known; asked every minute."""
        return self._bounds.stored

    def counts(self) -> Mapping[str, int]:
        """Sessions in memory by application, for the gauge."""
        return Counter(entry.session.application for entry in self._entries.values())

    async def close(self) -> None:
        """Write what is still to be written."""
        for entry in self._entries.values():
            if entry.seen > entry.noted:
                _ = self._tasks.begin(quietly(self._store.touch(entry.session.key, entry.seen)))
        await self._tasks.close()

    async def _load(self, key: str) -> Entry | None:
        """One look into the store however many requests of a page ask at once."""
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = self._tasks.begin(self._read(key))
        return await asyncio.shield(task)

    async def _read(self, key: str) -> Entry | None:
        this = asyncio.current_task()
        try:
            found = await self._store.get(key)
            # If the session was ended meanwhile, this look is no longer the one that counts.
            if found is None or self._loading.get(key) is not this:
                return None
            if self._barrier.holds(found[0].identity, found[0].created_at):
                return None
            return self._keep(Entry(found[0].light(), seen=found[1], noted=found[1]))
        finally:
            if self._loading.get(key) is this:
                del self._loading[key]

    async def _ask_when_seen(self, entry: Entry) -> None:
        """Another instance may have seen the session used; it tells the store once a minute."""
        found = await self._store.get(entry.session.key)
        if found is not None:
            entry.seen = max(entry.seen, min(self._clock.now(), UnixSeconds(found[1] + SEEN_EVERY)))

    async def _ask_barrier(self, entry: Entry, began: UnixSeconds) -> None:
        """Take a session back that was revoked while it began, or must not begin. It has no cookie yet: nobody hears
        of it."""
        session, reason = entry.session, Reason.INTERNAL
        try:
            reason = await self._barrier.verdict(session, standing_of(session, self._policy()), began)
            reason = Reason.SESSION_REVOKED if entry.ended and reason is Reason.OK else reason
        finally:
            if reason is not Reason.OK:
                self._drop(session.key)
                _ = self._tasks.begin(quietly(self._store.end(session.key)))
        if reason is not Reason.OK:
            raise LoginError(reason, _BARRED.get(reason, "an administrator took it back"))

    async def _end(self, key: str, cause: str, trace: Trace, *, closing: bool = True) -> Session | None:
        self._drop(key, closing=closing)
        ended = await self._store.end(key)
        # Somebody may have read it once more before it was gone.
        self._drop(key, closing=closing)
        if ended is not None:
            self._tell(Code.SESSION_ENDED, ended, cause, trace)
        return ended

    def _drop(self, key: str, *, closing: bool = True, over: bool = True) -> None:
        self._loading.pop(key, None)
        if over:
            self._vouching.note_end(key)
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.ended = True
            if closing:
                entry.closers.close_all()

    def _keep(self, entry: Entry) -> Entry:
        """In memory; what somebody else read first is the one that counts."""
        if len(self._entries) >= MOST_REMEMBERED:
            forget(self._entries, self._clock.now())
        return self._entries.setdefault(entry.session.key, entry)

    def _tell(self, code: Code, session: Session, cause: str, trace: Trace) -> None:
        self._audit.tell(about(session, code, trace, facts={"cause": cause} if cause else None))

    async def _tell_surely(self, code: Code, session: Session, trace: Trace) -> None:
        try:
            await self._audit.sure(about(session, code, trace))
        except AuditError as error:
            raise StateError(str(error)) from error
