"""What the commands of this project share: errors in one line, exit codes 1 and 2; light."""

from __future__ import annotations

from typing import Any

import click

from synthseg_generator.errors import is_outage

WRONG_USE = 2
"""Exit code of what is as wrong at the next try; where trying again may help it is 1."""


class UsageProblem(click.ClickException):
    """An error of the user's, told in one line."""

    exit_code = WRONG_USE


class ErrorReportingGroup(click.Group):
    """Turns a package's own errors, and missing extras, into one line and an exit code.

    It is 2 for what the user has to change and 1 for an outage (`errors.is_outage`): who starts
    programs again, as Kubernetes does, goes by it.

    Args:
        errors: Base classes of the errors that the commands raise on purpose.
        extra: What to install when a package is missing.
        options: As `click.Group` takes them.
    """

    def __init__(
        self,
        *args: Any,
        errors: tuple[type[Exception], ...] = (),
        extra: str = "all",
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.errors = errors
        self.extra = extra

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except self.errors as error:
            problem = click.ClickException if is_outage(error) else UsageProblem
            raise problem(str(error)) from error
        except ModuleNotFoundError as error:
            raise UsageProblem(
                f"{error.name} is not installed: pip install 'synthseg-serving[{self.extra}]'."
            ) from error
