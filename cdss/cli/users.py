"""`cdss users`: add, list, disable."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from typing import TYPE_CHECKING, Any

from cdss.cli.acts import add_verb
from cdss.errors import UsageError

if TYPE_CHECKING:
    from cdss.cli.acts import Verbs
    from cdss.workflow.hospital import Hospital

_EPILOG = """the password is asked for, or is the first line of stdin with --password-stdin

example:
  cdss users add marlow --name "Dr Ines Marlow" --role clinician"""


def add(verbs: Verbs) -> None:
    """Add the verb and its acts to the command line."""
    act = add_verb(verbs, "users", "add, list and disable local accounts", _EPILOG)
    new = act("add", "add an account")
    new.add_argument("login", metavar="LOGIN", help="the name to sign in with")
    new.add_argument("--name", required=True, help="the person's name, as signatures show it")
    new.add_argument("--role", required=True, action="append", help="what they may act as; more than once for several")
    new.add_argument("--password-stdin", action="store_true", help="read the password from stdin")
    act("list", "list the accounts")
    act("disable", "close an account and end its sessions").add_argument("login", metavar="LOGIN", help="whose")


def run(arguments: argparse.Namespace) -> None:
    """Do one act, as whoever runs the command on this machine."""
    from cdss.compose import open_hospital

    with open_hospital(create=arguments.act == "add") as hospital:
        found = {"add": _add, "list": _list, "disable": _disable}[arguments.act](hospital, arguments)
    if arguments.json:
        from cdss.cli.output import print_json

        print_json(found if arguments.act == "list" else found[0])
        return
    for one in found:
        state = f", disabled {one['disabled']}" if one["disabled"] else ""
        print(f"{one['login']}: {one['name']}, {' and '.join(one['roles'])}{state}")


def _operator() -> Any:
    from cdss.access import local_operator

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return local_operator(name)


def _password(arguments: argparse.Namespace) -> str:
    if arguments.password_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for the password. Use --password-stdin.")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise UsageError("The two passwords differ. Nothing was added; try again.")
    return first


def _add(hospital: Hospital, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    added = hospital.ports.accounts.add(
        _operator(), login=arguments.login, name=arguments.name, password=_password(arguments), roles=arguments.role
    )
    return [_shown(added)]


def _list(hospital: Hospital, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    return [_shown(one) for one in hospital.ports.accounts.list()]


def _disable(hospital: Hospital, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    return [_shown(hospital.ports.accounts.disable(_operator(), arguments.login))]


def _shown(account: Any) -> dict[str, Any]:
    return {
        "login": account.login,
        "name": account.name,
        "roles": [role.value for role in account.roles],
        "disabled": account.disabled_at.isoformat() if account.disabled_at else None,
    }
