"""Executes the steps of a run side by side, each in a thread of the run's process.

A notebook's work is done by its kernel, and most of a report's by programs. A process for each step,
as Dagster's multiprocess executor has, costs seconds and gains nothing; its in-process executor takes
one step after the other.

Dagster has no public way to execute a step. What is private here is what its in-process executor is
made of; test_overlapping_executor.py notices when that changes.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import dagster as dg

from autoflow_dagster.notebooks.kernels import end_kernels
from autoflow_dagster.settings import available_cores

if TYPE_CHECKING:
    from dagster import DagsterEvent
    from dagster._core.execution.context.system import PlanExecutionContext, StepExecutionContext
    from dagster._core.execution.plan.active import ActiveExecution
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode

INTERRUPTED_SECONDS = 5.0
"""For the steps of a run that is cancelled to say how they ended."""

FEWEST_AT_ONCE, MOST_AT_ONCE = 2, 4
"""Steps of a run, whatever the number of cores: other runs want some, and kernels take memory."""

_Event = tuple[str, "DagsterEvent | BaseException | None"]
"""Of a step, by its key; an exception, or None, when the step has ended."""


@dg.executor(
    name="overlapping",
    config_schema={
        "max_concurrent": dg.Field(
            dg.Noneable(int),
            default_value=None,
            description="Steps of a run at once, at most; none: as many as there are cores, from 2 to 4.",
        )
    },
)
def overlapping_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Return an executor of steps side by side."""
    return OverlappingExecutor(context.executor_config["max_concurrent"])  # type: ignore[arg-type]


class OverlappingExecutor(dg.Executor):
    """Executes each step as soon as what it needs is there.

    Parameters
    ----------
    max_concurrent : int or None
        Steps at once, at most; None: as many as there are cores, from 2 to 4.
    """

    def __init__(self, max_concurrent: int | None = None) -> None:
        cores = min(max(FEWEST_AT_ONCE, available_cores()), MOST_AT_ONCE)
        self.max_concurrent = max_concurrent or cores

    @property
    def retries(self) -> RetryMode:
        """Steps that ask for it are tried again."""
        from dagster._core.execution.retries import RetryMode

        return RetryMode.ENABLED

    def execute(self, plan_context: Any, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        """Execute a run's steps; yield what happens."""
        from dagster._core.execution.api import ExecuteRunWithPlanIterable
        from dagster._core.execution.context_creation_job import PlanExecutionContextManager

        manager = PlanExecutionContextManager(
            job=plan_context.job,
            retry_mode=plan_context.retry_mode,
            execution_plan=execution_plan,
            run_config=plan_context.run_config,
            dagster_run=plan_context.dagster_run,
            instance=plan_context.instance,
            raise_on_error=plan_context.raise_on_error,
            output_capture=plan_context.output_capture,
        )
        yield from ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=self._execute_steps,
            execution_context_manager=manager,
        )

    def _execute_steps(
        self, job_context: PlanExecutionContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        from dagster._core.execution.plan.instance_concurrency_context import (
            InstanceConcurrencyContext,
        )

        with (
            InstanceConcurrencyContext(job_context.instance, job_context.dagster_run) as pools,
            execution_plan.start(
                retry_mode=job_context.retry_mode,
                max_concurrent=self.max_concurrent,
                instance_concurrency_context=pools,
            ) as active,
            contextlib.ExitStack() as stack,
        ):
            yield from _captured_output(job_context, execution_plan, stack)
            yield from _Steps(job_context, active).execute()


def _captured_output(
    context: PlanExecutionContext, plan: ExecutionPlan, stack: contextlib.ExitStack
) -> Iterator[DagsterEvent]:
    """Let what the process prints be the output of all steps, until the stack is left."""
    from dagster import DagsterEvent
    from dagster._core.execution.compute_logs import create_compute_log_file_key

    logs = context.instance.compute_log_manager
    file_key = create_compute_log_file_key()  # type: ignore[no-untyped-call]
    key = logs.build_log_key_for_run(context.run_id, file_key)
    try:
        captured = stack.enter_context(logs.capture_logs(key))
    except OSError as error:  # a run without captured output is still a run
        context.log.warning(f"The output of this run is not captured: {error}")
        return
    steps = [step.key for step in plan.get_steps_to_execute_in_topo_order()]
    yield DagsterEvent.capture_logs(context, steps, key, captured)


class _Steps:
    """The steps of one run while they are executed."""

    def __init__(self, context: PlanExecutionContext, active: ActiveExecution) -> None:
        self._context = context
        self._active = active
        self._events: SimpleQueue[_Event] = SimpleQueue()
        self._running: set[str] = set()

    def execute(self) -> Iterator[DagsterEvent]:
        from dagster._core.errors import DagsterExecutionInterruptedError

        try:
            while self._running or not self._active.is_complete:
                self._start_what_is_ready()
                yield from self._active.concurrency_event_iterator(self._context)
                yield from self._active.plan_events_iterator(self._context)  # what is skipped
                if self._running:
                    yield from self._until_one_ends()
                else:
                    self._active.sleep_til_ready()
        except DagsterExecutionInterruptedError:
            end_kernels()
            yield from self._last_events()
            raise

    def _start_what_is_ready(self) -> None:
        for step in self._active.get_steps_to_execute():
            step_context = self._context.for_step(step, self._active.get_known_state())
            self._running.add(step.key)
            surroundings = contextvars.copy_context()
            threading.Thread(
                target=surroundings.run,
                args=(_execute_step, step_context, self._events),
                name=step.key,
                daemon=True,  # a process that has to end does not wait for it
            ).start()

    def _until_one_ends(self) -> Iterator[DagsterEvent]:
        """Take what happens until a step has ended: before that, none is ready that was not."""
        number = len(self._running)
        while len(self._running) == number:
            yield from self._take(*self._next_event())

    def _next_event(self) -> _Event:
        """Wait for what happens next; a run that is cancelled raises here."""
        from dagster._core.errors import raise_execution_interrupts

        with raise_execution_interrupts():
            return self._events.get()

    def _take(self, key: str, event: DagsterEvent | BaseException | None) -> Iterator[DagsterEvent]:
        if event is None or isinstance(event, BaseException):
            self._running.discard(key)
            self._active.verify_complete(self._context, key)
            if event is not None:
                raise event
            return
        yield event
        self._active.handle_event(event)

    def _last_events(self) -> Iterator[DagsterEvent]:
        """Yield what steps say that have been ended; not for long."""
        deadline = time.monotonic() + INTERRUPTED_SECONDS
        with contextlib.suppress(Empty):
            while self._running:
                key, event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
                if event is None or isinstance(event, BaseException):
                    self._running.discard(key)
                else:
                    yield event


def _execute_step(context: StepExecutionContext, events: SimpleQueue[_Event]) -> None:
    from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step

    key, error = context.step.key, None
    try:
        for event in dagster_event_sequence_for_step(context):
            events.put((key, event))
    except BaseException as raised:  # raised again in the thread that takes the events
        error = raised
    events.put((key, error))
