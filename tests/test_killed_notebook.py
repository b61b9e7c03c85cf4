"""05_load as the command runs it, killed or out of space in the middle of its notebook: the command typed again ends it."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from bench.chaos import worlds
from bench.chaos.trials import Bench, End, Nursery, end
from test_chaos import small

COMMAND = [
    sys.executable,
    "-m",
    "crmbook",
    "run",
    worlds.CUSTOMER,
    "--env",
    "test",
    "--run",
    "test-01",
    "--to",
    "05_load",
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CHAOS_SOURCE", "CHAOS_TARGET", "CRMBOOK_RUNS"):
            patch.setenv(name, "")
        world = worlds.prepared("small", folder / "world", told=small())
        with Nursery(folder / "loads.log") as nursery:
            yield Bench(world, nursery, folder, random.Random(1))


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> End:
    return bench.undisturbed()[0]


def started(world: worlds.World, **more: Any) -> subprocess.Popen[str]:
    """The command, typed."""
    return subprocess.Popen(
        COMMAND, env={**os.environ, "CRMBOOK_RUNS": str(world.runs)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=world.runs, **more,
    )  # fmt: skip


def kernel_of(command: subprocess.Popen[str]) -> int:
    """The process id of the notebook's kernel, once there is one."""
    for _ in range(3_000):
        for child in psutil.Process(command.pid).children(recursive=True):
            if "ipykernel_launcher" in " ".join(child.cmdline()):
                return int(child.pid)
        assert command.poll() is None, command.communicate()
        time.sleep(0.02)
    raise AssertionError("no kernel came up")


@pytest.mark.parametrize("victim", ["command", "kernel"])
def test_killed_amid_the_notebook_the_command_goes_on(bench: Bench, undisturbed: End, victim: str) -> None:
    """SIGKILL to the command or to its kernel while it writes: typed again it ends where an undisturbed one does."""
    with bench._fresh() as (world, box, killer):
        command = started(world)
        try:
            killer.order(command.pid if victim == "command" else kernel_of(command), 45, "processed")
            _out, told = command.communicate(timeout=120)
        finally:
            killer.cancel()
        assert command.returncode == {"command": -signal.SIGKILL, "kernel": 1}[victim], told
        if victim == "kernel":
            assert told == "05_load: the kernel died (out of memory, or killed); run again to continue\n"
        assert again(world) == ""
        assert end(world, box) == undisturbed


def test_out_of_space_amid_the_notebook_the_command_says_so(bench: Bench, undisturbed: End) -> None:
    """Exit 2 and one line that names a file; with space again the command goes on."""

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))

    with bench._fresh() as (world, box, _):
        command = started(world, preexec_fn=small_files)
        _out, told = command.communicate(timeout=120)
        assert (command.returncode, told.count("\n")) == (2, 1), told
        assert "free some space and run again" in told
        assert again(world) == ""
        assert end(world, box) == undisturbed


def again(world: worlds.World) -> str:
    """What the command typed again says on stderr; it ends well."""
    command = started(world)
    _out, told = command.communicate(timeout=120)
    assert command.returncode == 0, told
    return str(told)
