"""The command line: one module a command, imported only when it is run.

`prefdata --help` has to answer at once, so the group reads each command's one-line help from the
module's docstring without importing the module, and with it polars, pyarrow or transformers.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any, cast

import click

from prefdata.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, PrefError
from prefdata.registry import did_you_mean
from prefdata.version import __version__

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class CommandPackage(click.Group):
    """A group whose commands are the modules of a package, each with a click command `command`."""

    def __init__(self, package: str, **kwargs: Any) -> None:
        super().__init__(context_settings=CONTEXT, no_args_is_help=True, **kwargs)
        self.package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the module names of the package, sorted."""
        path = importlib.import_module(self.package).__path__
        return sorted(
            info.name for info in pkgutil.iter_modules(path) if not info.name.startswith("_")
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{self.package}.{cmd_name}")
        return cast(click.Command, module.command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Adds the closest command to click's message about an unknown one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message} {hint or ''}".rstrip(), ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands with their one-line help, importing none of them."""
        rows = [(name, self._short_help(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _short_help(self, name: str) -> str:
        spec = importlib.util.find_spec(f"{self.package}.{name}")
        source = Path(cast(str, cast(Any, spec).origin)).read_text(encoding="utf-8")
        return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def run(group: click.Group, name: str) -> None:
    """Runs a group as a program: errors become messages, and exit codes mean what design.md says."""
    debug = "--debug" in sys.argv
    argv = [arg for arg in sys.argv[1:] if arg != "--debug"]
    try:
        code = group.main(argv, prog_name=name, standalone_mode=False)
    except click.exceptions.Abort:
        code = EXIT_INTERRUPTED
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = EXIT_ERROR
    except PrefError as error:
        if debug:
            traceback.print_exc()
        _report(error)
        code = error.exit_code
    except BrokenPipeError:
        # The reader has gone (`| head`): point stdout elsewhere so that the flush at exit is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_OK
    except Exception as error:  # noqa: BLE001 - the last place that can turn a bug into a message
        if debug:
            traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        what = f"a bug in {name}: {type(error).__name__} at {where}: {error}"
        _report(
            PrefError(what, hint="run the command again with --debug and report what it prints")
        )
        code = EXIT_ERROR
    sys.exit(code if isinstance(code, int) else EXIT_OK)


def _report(error: PrefError) -> None:
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(error.message, err=True)
    if error.hint:
        click.secho("hint: ", fg="cyan", bold=True, nl=False, err=True)
        click.echo(error.hint, err=True)


@click.command(cls=CommandPackage, package="prefdata.cli")
@click.version_option(__version__, "-V", "--version", prog_name="prefdata")
def prefdata() -> None:
    """Convert, check and split preference data; every row is accounted for.

    \b
    prefdata show votes.json                     what have I got?
    prefdata convert votes.json -o pairs.parquet
    prefdata check pairs.parquet                 what is wrong with it?
    """


def main() -> None:
    """Entry point of the `prefdata` program."""
    run(prefdata, "prefdata")
