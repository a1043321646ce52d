"""The reference of the command line: every command with its arguments and options as one markdown page.

``python -m etl.cli.reference`` prints it; docs/cli.md is that output, and a test holds the two together.
"""

import sys
from collections.abc import Iterable
from typing import Any

import typer

from etl.cli import app

_HEAD = """\
# Commands

Generated from the command line by `just docs`; change a command, not this page. Exit codes, settings and files are in
[README.md](../README.md)."""
_SHELL = ("--install-completion", "--show-completion")


def render() -> str:
    """The whole page, ending in one newline. It does not depend on the terminal."""
    program: Any = typer.main.get_command(app)
    return "\n\n".join([_HEAD, _plain(program.help), *_commands(program, "etl")]) + "\n"


def _commands(group: Any, path: str) -> Iterable[str]:
    """Every command below a group, in the order of `--help`."""
    for name, command in group.commands.items():
        whole = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from _commands(command, whole)
        else:
            yield from _command(command, whole)


def _command(command: Any, path: str) -> Iterable[str]:
    given = [param for param in command.params if not set(param.opts) & {"--help", *_SHELL}]
    arguments = [param for param in given if param.param_type_name == "argument"]
    usage = " ".join([path, *(_placeholder(argument) for argument in arguments), "[OPTIONS]"])
    yield f"## {path}"
    yield _plain(command.help)
    yield f"    {usage}"
    yield "\n".join(_entry(param) for param in given)
    if command.epilog:
        yield _plain(command.epilog)


def _placeholder(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _entry(param: Any) -> str:
    told = getattr(param, "show_default", None)
    default = "" if param.default is None or param.default is False else f" Default: {_default(param)}."
    if isinstance(told, str):  # what an option that was left out stands for
        default = f" Default: `{told}`."
    return f"- `{_form(param)}` {_plain(param.help)}{default}"


def _form(param: Any) -> str:
    if param.param_type_name == "argument":
        return _placeholder(param)
    names = ", ".join(param.opts)
    if param.secondary_opts:
        return f"{names} / {', '.join(param.secondary_opts)}"
    return names if param.is_flag else f"{names} {param.opts[0].lstrip('-').replace('-', '_').upper()}"


def _default(param: Any) -> str:
    return f"`{param.opts[0] if param.default is True else param.default}`"


def _plain(text: str | None) -> str:
    """Help as markdown that shows it letter by letter."""
    return " ".join((text or "").split()).replace("<", "\\<").replace("[", "\\[")


if __name__ == "__main__":
    sys.stdout.write(render())
