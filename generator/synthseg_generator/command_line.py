"""What the commands of this project share: errors in one line, exit code 2. Imports only click."""

from __future__ import annotations

from typing import Any

import click

WRONG_USE = 2


class UsageProblem(click.ClickException):
    """An error of the user's, told in one line."""

    exit_code = WRONG_USE


class ErrorReportingGroup(click.Group):
    """Turns a package's own errors, and missing extras, into one line and exit code 2.

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
            raise UsageProblem(str(error)) from error
        except ModuleNotFoundError as error:
            raise UsageProblem(
                f"{error.name} is not installed: pip install 'synthseg-serving[{self.extra}]'."
            ) from error
