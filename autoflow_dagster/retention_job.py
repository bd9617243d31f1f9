"""The job that deletes old runs and files, and its daily schedule. What may go: `retention`."""

# No postponed annotations here: Dagster reads the type of `context` from the function itself.

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from autoflow_dagster import retention
from autoflow_dagster.ledger import PARTITION_TAG
from autoflow_dagster.parser.job_checks import RETENTION_JOB, RETENTION_OP
from autoflow_dagster.settings import Settings
from autoflow_dagster.site import SiteOptions, delete_outputs
from autoflow_dagster.workflows import WorkflowConfig, WorkflowDefinitions

JOB_NAME = RETENTION_JOB
DAILY = "30 3 * * *"
SHOWN = 20
"""Lines in the log for what is deleted; the rest is counted."""


def build_retention(
    definitions: WorkflowDefinitions, settings: Settings
) -> tuple[dg.JobDefinition, list[dg.ScheduleDefinition]]:
    """Return the job, and its schedule when the settings say that anything is ever deleted."""

    @dg.op(
        name=RETENTION_OP,
        description=_description(settings),
        config_schema={
            "dry_run": dg.Field(
                bool, default_value=False, description="Say what would go; delete nothing."
            )
        },
    )
    def delete_what_is_old(context: dg.OpExecutionContext) -> None:
        is_dry = bool(context.op_config["dry_run"])
        # The files first: runs know which of them were superseded.
        _delete_outputs(context, settings, is_dry)
        _delete_runs(context, definitions.configs, settings, is_dry)

    @dg.job(
        name=JOB_NAME,
        description=_description(settings),
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        delete_what_is_old()

    schedules = []
    if settings.keep_runs is not None or settings.keep_outputs is not None:
        schedules.append(
            dg.ScheduleDefinition(
                job=job,
                cron_schedule=DAILY,
                execution_timezone=definitions.timezone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description=_description(settings),
            )
        )
    return job, schedules


def _description(settings: Settings) -> str:
    return (
        f"Deletes runs {_kept(settings.keep_runs)} (`AUTOFLOW_KEEP_RUNS`) and superseded notebooks "
        f"and reports {_kept(settings.keep_outputs)} (`AUTOFLOW_KEEP_OUTPUTS`). With `dry_run: "
        "true` in its config it only says what it would delete."
    )


def _kept(setting: timedelta | int | None) -> str:
    """Return after "runs" or "files" which of them go."""
    if setting is None:
        return "never (not set)"
    if isinstance(setting, timedelta):
        return f"older than {setting.days} days"
    return f"before the newest {setting}"


def _delete_runs(
    context: dg.OpExecutionContext,
    configs: Sequence[WorkflowConfig],
    settings: Settings,
    is_dry: bool,
) -> None:
    if settings.keep_runs is None:
        context.log.info("AUTOFLOW_KEEP_RUNS is not set: no runs are deleted.")
        return
    deleted = kept = 0
    # All of them first: the list is read in portions, by a run that must still be there.
    for record in list(retention.old_runs(context.instance, configs, settings.keep_runs)):
        run = record.dagster_run
        if settings.keep_outputs is not None and retention.has_files_to_delete(
            context.instance, run.run_id, settings.outputs_dir
        ):
            continue  # until those are old enough, too
        deleted += 1
        if deleted <= SHOWN:
            partition = run.tags.get(PARTITION_TAG, "")
            context.log.info(f"run {run.run_id}: {run.job_name} {partition} ({run.status.value})")
        if not is_dry:
            kept += retention.delete_run(context.instance, run.run_id)
    verb = "would be deleted" if is_dry else f"were deleted; {kept} entries of the ledger were kept"
    context.log.info(f"{deleted} runs {_kept(settings.keep_runs)} {verb}.")


def _delete_outputs(context: dg.OpExecutionContext, settings: Settings, is_dry: bool) -> None:
    if settings.keep_outputs is None:
        context.log.info("AUTOFLOW_KEEP_OUTPUTS is not set: no files are deleted.")
        return
    before = datetime.now(UTC) - settings.keep_outputs
    old = retention.old_outputs(context.instance, settings.outputs_dir, before)
    names = [str(path.relative_to(settings.outputs_dir)) for path in old]
    for name in names[:SHOWN]:
        context.log.info(f"file {name}")
    size = sum(path.stat().st_size for path in old)
    if not is_dry:
        options = SiteOptions(base_url=settings.reports_url or "")
        delete_outputs(settings.outputs_dir, names, options)
    verb = "would be deleted" if is_dry else "were deleted"
    context.log.info(f"{len(old)} files of {size / 1e6:.1f} MB {verb}.")
