"""Machines of one computer: network namespaces on a bridge, that find each other by their names."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

NETNS = Path("/etc/netns")
"""Whose files `ip netns exec` lays over those of /etc."""


@dataclass(frozen=True)
class Network:
    """Machines by their names, and what they reach of the computer that they are on.

    Attributes:
        gateway: Address at which servers of this process can be reached from the machines.
        spaces: Network namespace of each machine.
    """

    gateway: str
    spaces: dict[str, str]

    def start(
        self, machine: str, command: Sequence[str], environment: dict[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Starts a program on a machine; what it says goes to the end of a file."""
        with log.open("ab") as output:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.spaces[machine], *command],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )


def reason_against() -> str:
    """Why this computer cannot make such machines; nothing where it can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "needs root and `ip`"
    name = f"ss-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return "" if made.returncode == 0 else "network namespaces are not allowed here"


@contextmanager
def named_machines(names: Sequence[str]) -> Iterator[Network]:
    """Makes machines, each with an address of its own; a name is known to all of them."""
    token = secrets.token_hex(2)
    bridge, subnet = f"ss-{token}", f"10.213.{secrets.randbelow(250)}"
    addresses = {name: f"{subnet}.{10 + number}" for number, name in enumerate(names)}
    hosts = "127.0.0.1 localhost\n" + "".join(f"{a} {name}\n" for name, a in addresses.items())
    spaces = {name: f"{bridge}-{number}" for number, name in enumerate(names)}
    with ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        _ip("addr", "add", f"{subnet}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for name, space in spaces.items():
            _ip("netns", "add", space)
            stack.callback(_ip, "netns", "del", space)
            (NETNS / space).mkdir(parents=True)
            stack.callback(shutil.rmtree, NETNS / space)
            (NETNS / space / "hosts").write_text(hosts)
            _plug_in(space, bridge, addresses[name])
        yield Network(f"{subnet}.1", spaces)


def _plug_in(space: str, bridge: str, address: str) -> None:
    outer = f"{space}o"
    _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", space)
    _ip("link", "set", outer, "master", bridge)
    _ip("link", "set", outer, "up")
    for words in (("addr", "add", f"{address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
        _ip("-n", space, *words)
    _ip("-n", space, "link", "set", "lo", "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
