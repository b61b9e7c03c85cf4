"""Who on this machine gets to see a key? The process that talks to that vendor, and nobody else.

Keys stand in environment variables that customer.toml names. A notebook's kernel is given the one its phase asks with;
helpers that talk to nobody are given an environment of their own. A process that holds one leaves no core file: the
limit of one byte also stops handlers the kernel would pipe the core to, which a limit of zero does not (core(5)).
PR_SET_DUMPABLE was decided against: it takes /proc/self from the process itself, which psutil and dask read.
"""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from crmbook import config, runs

_CORE_BYTES: Final = 1
_HARMLESS: Final = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "TMPDIR",
        "TEMP",
        "TMP",
        "LANG",
        "LANGUAGE",
        "TZ",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
    }
)
_HARMLESS_KINDS: Final = ("LC_", "PYTHON", "POLARS_", "OMP_", "OPENBLAS_", "RAYON_", "COV_", "COVERAGE_")


def leave_no_core() -> None:
    """From now on neither this process nor one it starts leaves a core file, wherever cores go on this machine."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    limit = _CORE_BYTES if most == resource.RLIM_INFINITY or most > _CORE_BYTES else most
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def keys(customer: config.Customer) -> dict[str, str]:
    """The variables that hold keys, by whom the key is for: `source`, `test`, `production`, `model`."""
    found = {"source": customer.source.token_env, "model": customer.ai.key_env if customer.ai else ""}
    for env in ("test", "production"):
        target = getattr(customer.targets, env)
        found[env] = target.token_env if target else ""
    return {whom: variable for whom, variable in found.items() if variable}


def withheld(customer: config.Customer, env: config.Env, phase: str) -> frozenset[str]:
    """The variables with keys that the notebook of *phase* has no use for in a run on *env*."""
    asked = next((p.asks for p in (*runs.PHASES, runs.ROLLBACK) if p.name == phase), "")
    known = keys(customer)
    needed = known.get(env if asked == "target" else asked, "")
    return frozenset(known.values()) - {needed}


def helper_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of *environment* a helper process gets that talks to nobody: where programs and texts are, no more."""
    return {
        name: value
        for name, value in environment.items()
        if name in _HARMLESS or name.startswith(_HARMLESS_KINDS)
    }


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """*values* in the environment until the block ends; kernels and helpers started inside inherit them."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
