"""adapters.state.worker: an accepted job is done whole and in order, whoever still waits for it."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from sidecar.adapters.state.worker import Worker
from sidecar.flows.sessions import StateError

PATIENCE = 10.0


async def begun(worker: Worker, gate: threading.Event) -> asyncio.Task[bool]:
    """A task whose job holds the thread until *gate* opens."""
    task = asyncio.create_task(worker.run(lambda: gate.wait(PATIENCE)))
    await asyncio.sleep(0)
    return task


async def test_a_job_answers_from_another_thread() -> None:
    async with Worker() as worker:
        assert await worker.run(threading.get_ident) != threading.get_ident()
        assert await worker.run(lambda: threading.current_thread().name) == "lychgate-state"


async def test_jobs_are_done_one_by_one_in_order() -> None:
    done: list[int] = []
    async with Worker() as worker:
        await asyncio.gather(*(worker.run(partial(done.append, number)) for number in range(100)))
    assert done == list(range(100))


async def test_an_exception_reaches_the_caller_and_the_thread_lives_on() -> None:
    async with Worker() as worker:
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        assert await worker.run(lambda: 1) == 1


async def test_a_cancelled_caller_loses_the_answer_and_not_the_job() -> None:
    gate, done = threading.Event(), []
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with Worker() as worker:
        first = await begun(worker, gate)
        waiting = asyncio.create_task(worker.run(lambda: done.append("waiting")))
        await asyncio.sleep(0)
        for task in (first, waiting):
            task.cancel()
        gate.set()
        for task in (first, waiting):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await worker.run(lambda: "next") == "next"
        assert done == ["waiting"]
    assert complaints == []


async def test_too_many_waiting_jobs_are_refused_and_never_done() -> None:
    gate, done = threading.Event(), []
    async with Worker(bound=2) as worker:
        first = await begun(worker, gate)
        second = asyncio.create_task(worker.run(lambda: done.append("second")))
        await asyncio.sleep(0)
        with pytest.raises(StateError, match="too slow"):
            await worker.run(lambda: done.append("third"))
        gate.set()
        await asyncio.gather(first, second)
        assert await worker.run(lambda: "room again") == "room again"
    assert done == ["second"]


async def test_cancelled_callers_still_count_while_their_jobs_wait() -> None:
    gate = threading.Event()
    async with Worker(bound=2) as worker:
        first = await begun(worker, gate)
        second = await begun(worker, gate)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        with pytest.raises(StateError, match="too slow"):
            await worker.run(lambda: None)
        gate.set()
        await first


async def test_closing_does_the_waiting_jobs_then_closes_the_stack_in_the_thread() -> None:
    gate = threading.Event()
    done: list[object] = []
    async with Worker() as worker:
        thread = await worker.run(threading.get_ident)
        await worker.run(lambda: worker.stack.callback(lambda: done.append(threading.get_ident() == thread)))
        tasks = [await begun(worker, gate), asyncio.create_task(worker.run(lambda: done.append("job")))]
        await asyncio.sleep(0)
        gate.set()
    assert done == ["job", True]
    await asyncio.gather(*tasks)


async def test_a_closed_worker_refuses() -> None:
    async with Worker() as worker:
        pass
    with pytest.raises(StateError, match="closed"):
        await worker.run(lambda: None)
