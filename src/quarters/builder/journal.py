"""The steps of an attempt: when each began and ended, and its place in the log."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from quarters.builder.log import BuildLog
from quarters.model.build import Step, StepRecord


class Journal:
    """Records steps one after the other and marks them in the log."""

    def __init__(self, log: BuildLog, now: Callable[[], datetime], steps: Sequence[StepRecord] = ()) -> None:
        """`steps` are those that a predecessor recorded, of which the last one may still run."""
        self.log = log
        self.changed = asyncio.Event()
        self.applied: list[str] = []
        """What was done to the recipe and its root beyond what the recipe itself says."""
        self._now = now
        self._steps = list(steps)

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """All steps so far."""
        return tuple(self._steps)

    @property
    def running(self) -> Step | None:
        """The step that has begun and not ended."""
        if self._steps and self._steps[-1].ended_at is None:
            return self._steps[-1].step
        return None

    def begin(self, step: Step) -> None:
        """End what runs, as done, and begin `step`."""
        self.end(0)
        started = self._now()
        self._steps.append(StepRecord(step=step, started_at=started, log_offset=self.log.size))
        self.log.say(f"step {step} started {_stamp(started)}")
        self.changed.set()

    def end(self, exit_code: int | None) -> None:
        """End the running step, if there is one; None where no command's exit code speaks for it."""
        if self.running is None:
            return
        ended = self._now()
        last = self._steps[-1]
        self._steps[-1] = msgspec.structs.replace(last, ended_at=ended, exit_code=exit_code)
        code = "" if exit_code is None else f" exit={exit_code}"
        self.log.say(f"step {last.step} ended {_stamp(ended)}{code}")
        self.changed.set()

    @contextmanager
    def hook(self, path: str) -> Iterator[Callable[[int], None]]:
        """Mark the beginning and, with the exit code that is handed to what this yields, the end of the hook at `path`."""
        codes: list[int] = []
        self.log.say(f"hook {path} started {_stamp(self._now())}")
        try:
            yield codes.append
        finally:
            code = f" exit={codes[-1]}" if codes else ""
            self.log.say(f"hook {path} ended {_stamp(self._now())}{code}")

    def blame(self, step: Step, exit_code: int) -> None:
        """End the running step as one that never was: what failed belonged to `step`, which becomes the last one."""
        running = self._steps.pop()
        earlier = [record for record in self._steps if record.step is step]
        self._steps = [record for record in self._steps if record.step is not step]
        record = earlier[0] if earlier else msgspec.structs.replace(running, step=step)
        self._steps.append(msgspec.structs.replace(record, ended_at=None, exit_code=None))
        self.end(exit_code)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
