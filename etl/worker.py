"""The worker: takes loads from the queue and runs each in a process of its own.

A load that brings its process down, or fills the memory, takes neither the worker nor the other
loads with it. A worker that dies takes its processes along: they look at a pipe that it holds.
"""

import asyncio
import os
import signal
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

import orjson
import structlog

from etl.jobs import Tools, after_death
from etl.spool import sweep
from gis.scratch import sweep_scratch
from layers.errors import OneMapError
from layers.job_queue import WorkSettings, work
from layers.job_types import Again, JobOfLoad

#: Seconds that a process gets to roll back once it was told to end.
_ROLL_BACK_S = 10.0
_SWEEP_EVERY_S = 3600.0
#: Seconds after which a job is looked at again whose load still runs elsewhere.
_ELSEWHERE_S = 5.0
_GIVEN_BACK = "its worker was stopped; it waits for another"
_log = structlog.get_logger(__name__)


class Worker:
    """Runs loads until it is stopped; several may run on several machines."""

    def __init__(self, database_url: str, tools: Tools, command: Sequence[str]) -> None:
        """Make a worker.

        Args:
            database_url: The address of the database.
            tools: Store, desk, catalogue and settings.
            command: What runs one load, given the load's and the job's number: a program that
                ends with the line of ``answer_line`` on standard output.
        """
        self._database_url = database_url
        self._tools = tools
        self._command = tuple(command)
        self._processes: dict[int, Process] = {}
        self._told_to_end: set[int] = set()
        self._counts = {"ended": 0, "again": 0, "died": 0}

    async def run(self, stop: asyncio.Event, concurrency: int) -> None:
        """Work until ``stop`` is set, then end or give back what runs."""
        settings = self._tools.settings
        _log.info("worker.started", concurrency=concurrency, heartbeat_s=settings.heartbeat_s)
        helpers = [
            asyncio.create_task(self._tend(stop)),
            asyncio.create_task(self._end_loads(stop)),
        ]
        try:
            await work(
                self._database_url,
                WorkSettings(concurrency, settings.heartbeat_s),
                self._handle,
                stop,
            )
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            for process in self._processes.values():
                process.kill()
        _log.info("worker.stopped", **self._counts)

    async def _handle(self, job: JobOfLoad) -> Again | None:
        try:
            verdict = await asyncio.to_thread(
                self._tools.desk.look_at_job,
                job.load_id,
                job.job_id,
                self._tools.settings.max_attempts,
            )
            if verdict == "drop":
                return None
            if verdict == "wait":
                return Again(_ELSEWHERE_S, "the load still runs elsewhere")
            return await self._run(job)
        except OneMapError as error:
            # The record could not be reached; whoever takes the job next puts it in order.
            _log.warning("load.unreachable", load_id=job.load_id, reason=str(error))
            return Again(self._tools.settings.retry_s, str(error))

    async def _run(self, job: JobOfLoad) -> Again | None:
        started = time.monotonic()
        _log.info("load.started", load_id=job.load_id)
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(job.load_id),
            str(job.job_id),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        self._processes[job.load_id] = process
        try:
            assert process.stdout is not None  # noqa: S101 -- asked for above
            said = await process.stdout.read()
            status = await process.wait()
        finally:
            del self._processes[job.load_id]
            if process.returncode is None:
                process.kill()
        try:
            again = read_answer(said)
            self._counts["ended" if again is None else "again"] += 1
        except ValueError:
            self._counts["died"] += 1
            given_back = job.load_id in self._told_to_end
            cause = _GIVEN_BACK if given_back else _cause_of_death(status)
            again = await asyncio.to_thread(
                after_death, job.load_id, cause, self._tools, counts=not given_back
            )
        _log.info(
            "load.ended" if again is None else "load.postponed",
            load_id=job.load_id,
            seconds=round(time.monotonic() - started, 1),
            exit_status=status,
            again_in_s=None if again is None else round(again.delay_s, 1),
            reason=None if again is None else again.reason,
        )
        return again

    async def _end_loads(self, stop: asyncio.Event) -> None:
        """Once the worker is to stop: wait a little, then have the loads given back."""
        await stop.wait()
        _log.info("worker.stopping", running=sorted(self._processes))
        await asyncio.sleep(self._tools.settings.grace_s)
        self._told_to_end |= set(self._processes)
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for load_id in list(self._processes):
            # A process that waits for the database hears no signal until it is answered.
            with suppress(OneMapError):
                await asyncio.to_thread(self._tools.desk.interrupt, load_id)
        await asyncio.sleep(_ROLL_BACK_S)
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.kill()

    async def _tend(self, stop: asyncio.Event) -> None:
        swept = -_SWEEP_EVERY_S
        while not stop.is_set():
            try:
                interrupted = await asyncio.to_thread(self._tools.desk.tend)
                for load_id in interrupted:
                    _log.warning("load.interrupted", load_id=load_id)
                if time.monotonic() - swept > _SWEEP_EVERY_S:
                    swept = time.monotonic()
                    await asyncio.to_thread(sweep, self._tools.settings, self._tools.desk)
                    await asyncio.to_thread(sweep_scratch)
            except OneMapError as error:
                _log.warning("worker.cannot_tend", reason=str(error))
            _log.info("worker.alive", running=sorted(self._processes), **self._counts)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._tools.settings.heartbeat_s)


def answer_line(again: Again | None) -> str:
    """Return how a process tells its worker what became of the load."""
    value = None if again is None else {"delay_s": again.delay_s, "reason": again.reason}
    return orjson.dumps({"again": value}).decode()


def read_answer(said: bytes) -> Again | None:
    """Read what ``answer_line`` wrote, the last line of a process's output.

    Raises:
        ValueError: If it is not there.
    """
    lines = said.strip().splitlines()
    if not lines:
        raise ValueError("the process said nothing")
    answer = orjson.loads(lines[-1])
    if not isinstance(answer, dict) or "again" not in answer:
        raise ValueError("the process said something else")
    again = answer["again"]
    return None if again is None else Again(float(again["delay_s"]), str(again["reason"]))


def die_with_parent() -> None:
    """End this process at once when the worker that started it is gone."""

    def watch() -> None:
        # The end of the pipe that nobody writes to: the worker has died, however that was.
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _cause_of_death(status: int) -> str:
    if status < 0:
        return f"the load was interrupted: its process was ended by {signal.Signals(-status).name}"
    return f"the load was interrupted: its process ended with status {status}"
