"""What the commands of this project share: errors in one line, one policy of exit codes; light."""

from __future__ import annotations

import sys
from typing import Any

import click

from synthseg_common.errors import INTERRUPTED, WRONG_USE, SynthSegError, exit_code_of


class UsageProblem(click.ClickException):
    """An error of the user's, told in one line."""

    exit_code = WRONG_USE


class ErrorReportingGroup(click.Group):
    """Turns this project's own errors, and missing extras, into one line and an exit code.

    Args:
        extra: What to install when a package is missing.
        options: As `click.Group` takes them.
    """

    def __init__(self, *args: Any, extra: str = "all", **options: Any) -> None:
        super().__init__(*args, **options)
        self.extra = extra

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except SynthSegError as error:
            wrong_use = exit_code_of(error) == WRONG_USE
            raise (UsageProblem if wrong_use else click.ClickException)(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)
        except ModuleNotFoundError as error:
            raise UsageProblem(
                f"{error.name} is not installed: pip install 'synthseg-serving[{self.extra}]'."
            ) from error
