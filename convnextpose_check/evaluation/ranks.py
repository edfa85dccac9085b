"""Several processes that share one run, as torchrun starts them: rank 0 leads, the others help.

Rank 0 alone runs the tests and writes results. The others wait for its orders, measure their share
of the batches and send back what they found. What is sent are small arrays that lie in the host's
memory, so gloo carries them, also between machines with GPUs: it notices at once that a process is
gone, for which NCCL needs its time-out.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.human36m.geometry import Array

TIMEOUT = timedelta(minutes=30)
"""So long a process waits for another one that still has work to do."""

Answers = dict[str, Measurements | ConvNeXtPoseCheckError]


@dataclass(frozen=True)
class Order:
    """Measure these variants of a subject; ``done`` has the samples that need no measuring."""

    subject: str
    done: Mapping[str, Array]


class Ranks:
    """A process among those that share the run: number ``rank`` of ``count``.

    Of these ``local_count`` are on this machine, and it is number ``local_rank`` of them.
    """

    def __init__(
        self, rank: int = 0, count: int = 1, local_rank: int = 0, local_count: int | None = None
    ) -> None:
        self.rank = rank
        self.count = count
        self.local_rank = local_rank
        self.local_count = count if local_count is None else local_count
        self._is_joined = False
        self._store: Any = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Ranks:
        """As torchrun says; a process that it did not start is alone."""
        if "RANK" not in environment or "WORLD_SIZE" not in environment:
            return cls()
        count = environment["WORLD_SIZE"]
        return cls(
            int(environment["RANK"]),
            int(count),
            int(environment.get("LOCAL_RANK", "0")),
            int(environment.get("LOCAL_WORLD_SIZE", count)),
        )

    @property
    def helps(self) -> bool:
        """Whether this process only helps another one."""
        return self.rank > 0

    def device_name(self, name: str) -> str:
        """The device of this process where ``name`` is that of the run.

        Alone on its machine it has all cards, else one of its own. Raises
        ``ConvNeXtPoseCheckError`` (``bad-option``) where several would share a card.
        """
        if self.local_count == 1:
            return name
        if name.startswith("cuda:"):
            raise ConvNeXtPoseCheckError(
                "bad-option",
                f"--device {name} is one card, for {self.local_count} processes on one machine",
                "Leave --device out, and each takes a card of its own; or start one process on each"
                " machine, which uses all its cards",
            )
        return f"cuda:{self.local_rank}" if name == "cuda" else name

    def join(self) -> None:
        """Wait for the other processes, if there are any.

        One that only helps has nothing to put in order: from here on Ctrl-C ends it at once, also
        where it waits outside Python, which hears of no signal there.
        """
        if self.count > 1:
            import torch.distributed
            from torch.distributed.rendezvous import rendezvous

            earlier = signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                place = rendezvous("env://", timeout=TIMEOUT)
                self._store, rank, count = next(place)
                self._store.set_timeout(TIMEOUT)
                torch.distributed.init_process_group(
                    "gloo", store=self._store, rank=rank, world_size=count, timeout=TIMEOUT
                )
            except (RuntimeError, ValueError):
                raise self._lost() from None
            finally:
                if not self.helps:
                    signal.signal(signal.SIGINT, earlier)
            self._is_joined = True

    def hear_of_leader(self) -> None:
        """Raise ``rank-lost`` where rank 0 is gone, for whom it is no use to work on."""
        if self._is_joined and self.helps:
            try:
                self._store.check(["any"])
            except RuntimeError:
                raise self._lost() from None

    def order(self, order: Order | None) -> None:
        """Tell the others what to measure, or with None that there is no more."""
        if self.count > 1:
            self._together(lambda distributed: distributed.broadcast_object_list([order], src=0))

    def next_order(self) -> Order | None:
        """What rank 0 says next."""
        heard: list[Order | None] = [None]
        self._together(lambda distributed: distributed.broadcast_object_list(heard, src=0))
        return heard[0]

    def help(self, work: Callable[[Order], Answers]) -> None:
        """Carry out orders until there are no more."""
        while (order := self.next_order()) is not None:
            self.answer(work(order))
        self.leave()

    def answer(self, answers: Answers) -> None:
        """Send what was found to rank 0."""
        sendable = {
            name: (answer.code, answer.problem, answer.remedy)
            if isinstance(answer, ConvNeXtPoseCheckError)
            else answer
            for name, answer in answers.items()
        }
        self._together(lambda distributed: distributed.gather_object(sendable, None, dst=0))

    def answers(self) -> list[Answers]:
        """What the other processes found."""
        if self.count == 1:
            return []
        heard: list[Any] = [None] * self.count
        self._together(lambda distributed: distributed.gather_object(None, heard, dst=0))
        return [
            {
                name: ConvNeXtPoseCheckError(*answer) if isinstance(answer, tuple) else answer
                for name, answer in answers.items()
            }
            for answers in heard[1:]
        ]

    def leave(self) -> None:
        """Have nothing more to do with the others; they end when they notice."""
        if self._is_joined:
            import torch.distributed

            self._is_joined = False
            torch.distributed.destroy_process_group()

    def end(self) -> None:
        """Send the others home at the end of the run."""
        if self._is_joined and not self.helps:
            self.order(None)
        self.leave()

    def _together(self, work: Any) -> None:
        """Run a collective; one that fails leaves the processes out of step, so all is over.

        It waits in a thread of its own, so that this one hears of signals meanwhile.
        """
        import torch.distributed

        failures: list[Exception] = []

        def wait() -> None:
            try:
                work(torch.distributed)
            except Exception as error:  # noqa: BLE001 - it is raised below
                failures.append(error)

        if self._is_joined:
            waiting = threading.Thread(target=wait, daemon=True)
            try:
                waiting.start()
                waiting.join()
            except BaseException:
                self._is_joined = False  # and never left, which would wait as well
                raise
            if not failures:
                return
            self._is_joined = False
            if not isinstance(failures[0], (RuntimeError, ValueError)):  # torch has several kinds
                raise failures[0]
        raise self._lost()

    def _lost(self) -> ConvNeXtPoseCheckError:
        return ConvNeXtPoseCheckError(
            "rank-lost",
            f"one of the {self.count} processes that share this run is gone or does not answer",
            "Start the run again with --resume; what that process printed may say why it ended",
        )
