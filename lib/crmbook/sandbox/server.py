"""One process with both vendors: User.com, two Freshsales tenants and the admin side, each on its own port.

State is one SQLite file; a killed server started again on it goes on with the same data and the same tokens. `serve` runs
until it is interrupted, `Sandbox` is the same in a thread, for tests.
"""

import asyncio
import contextlib
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import trustme
import uvicorn
from starlette.types import ASGIApp

from crmbook.sandbox import admin, freshsales, usercom
from crmbook.sandbox import scenario as scenarios
from crmbook.sandbox.faults import Faults, Faulty
from crmbook.sandbox.journal import Counted, Journal
from crmbook.sandbox.scenario import Scenario
from crmbook.sandbox.store import Store

_NAMES = ("usercom", "freshsales_test", "freshsales_production", "admin")
_TOKEN_LENGTHS = {"usercom": 64, "freshsales_test": 22, "freshsales_production": 22}


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs the four of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class _Site:
    """The four applications over one store, their sockets and what a client needs to know of them."""

    apps: dict[str, ASGIApp]
    sockets: dict[str, socket.socket]
    ready: dict[str, Any]
    store: Store
    tls: dict[str, str] = field(default_factory=dict)

    def servers(self) -> list[tuple[uvicorn.Server, socket.socket]]:
        made: list[tuple[uvicorn.Server, socket.socket]] = []
        for name in _NAMES:
            config = uvicorn.Config(
                self.apps[name],
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
                **self.tls,  # type: ignore[arg-type]
            )
            made.append((_Server(config), self.sockets[name]))
        return made


def _site(*, host: str, port: int, edition: str, scenario: Scenario, state: Path | None, tls: bool) -> _Site:
    store = Store(state)
    clock = freshsales.Clock(store)
    tokens = _tokens(store)
    faults, journal = Faults(), Journal(store)
    scenarios.seed(store, scenario)
    described = scenario.freshsales
    tenants = freshsales.open_tenants(store, clock, edition=edition, described=described)
    bare: dict[str, ASGIApp] = {"usercom": usercom.app(store, token=tokens["usercom"], clock=clock.now)}
    for realm, tenant in tenants.items():
        bare[realm] = freshsales.app(tenant, token=tokens[realm])
    apps: dict[str, ASGIApp] = {
        realm: Counted(Faulty(app, faults, realm), journal, realm) for realm, app in bare.items()
    }
    side = admin.Side(store, clock, tenants, faults, journal)
    side.on_reset(lambda: _reset(store, scenario, tenants, edition))
    apps["admin"] = admin.app(side)
    sockets = _sockets(host, port)
    files = _certificates(host, state) if tls else {}
    ready = _ready(host, sockets, tokens, tenants["freshsales_test"].edition, files)
    store.commit()
    keys = {name: path for name, path in files.items() if name.startswith("ssl_")}
    return _Site(apps, sockets, ready, store, keys)


def _reset(store: Store, scenario: Scenario, tenants: dict[str, freshsales.Tenant], edition: str) -> None:
    for realm in ("usercom", *tenants):
        for kind in store.kinds(realm):
            table = store.table(realm, kind)
            for doc_id in table:
                table.delete(doc_id)
    scenarios.seed(store, scenario)
    for realm, tenant in tenants.items():
        freshsales.open_tenant(store, realm, tenant.clock, edition=edition, described=scenario.freshsales)
        tenant.reindex()


def _tokens(store: Store) -> dict[str, str]:
    table = store.table("sandbox", "tokens")
    kept = table.get(1)
    if kept is None:
        kept = {name: secrets.token_hex(64)[:length] for name, length in _TOKEN_LENGTHS.items()}
        table.put(1, kept)
    return kept


def _sockets(host: str, port: int) -> dict[str, socket.socket]:
    found = {}
    for offset, name in enumerate(_NAMES):
        # named as TCP: asyncio turns Nagle's delay off only for sockets that say so
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port + offset if port else 0))
        found[name] = made
    return found


def _certificates(host: str, state: Path | None) -> dict[str, str]:
    """A throw-away authority and a certificate for the host; beside the state file, else in a temporary folder."""
    folder = state.parent if state else Path(tempfile.mkdtemp(prefix="crmbook-sandbox-"))
    authority = trustme.CA()
    certificate = authority.issue_cert(host, "localhost", "127.0.0.1")
    paths = {name: folder / f"sandbox-{name}.pem" for name in ("ca", "key", "cert")}
    authority.cert_pem.write_to_path(paths["ca"])
    paths["key"].touch(mode=0o600)
    certificate.private_key_pem.write_to_path(paths["key"])
    for i, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(paths["cert"], append=i > 0)
    return {
        "ca_file": str(paths["ca"]),
        "ssl_keyfile": str(paths["key"]),
        "ssl_certfile": str(paths["cert"]),
    }


def _ready(
    host: str,
    sockets: dict[str, socket.socket],
    tokens: dict[str, str],
    edition: str,
    files: dict[str, str],
) -> dict[str, Any]:
    scheme = "https" if files else "http"
    origin = {name: f"{scheme}://{host}:{made.getsockname()[1]}" for name, made in sockets.items()}
    crm = "/crm/sales/api" if edition == "suite" else "/api"
    return {
        "usercom": {"base_url": origin["usercom"] + "/api/public/", "token": tokens["usercom"]},
        **{realm: {"base_url": origin[realm] + crm, "token": tokens[realm]} for realm in freshsales.REALMS},
        "admin": {"base_url": origin["admin"] + "/admin"},
        "ca_file": files.get("ca_file"),
    }


async def _run(site: _Site, stop: asyncio.Event, on_ready: Callable[[dict[str, Any]], None]) -> None:
    servers = site.servers()
    tasks = [asyncio.create_task(server.serve([made])) for server, made in servers]
    while not all(server.started for server, _ in servers):
        if any(task.done() for task in tasks):
            break
        await asyncio.sleep(0.005)
    else:
        on_ready(site.ready)
        await stop.wait()
    for server, _ in servers:
        server.should_exit = True
    try:
        await asyncio.gather(*tasks)
    finally:
        site.store.close()


def serve(
    *,
    port: int,
    edition: str,
    scenario: Scenario,
    state: Path | None,
    tls: bool,
    on_ready: Callable[[dict[str, Any]], None],
    host: str = "127.0.0.1",
) -> None:
    """Serves until SIGINT or SIGTERM. *on_ready* gets base URLs, tokens and the authority's file once all four answer.

    *port* is User.com's, the two tenants and the admin side follow; 0 picks four free ones. *state* None keeps
    everything in memory.

    Raises:
        OSError: a port is taken.
        ScenarioError: the scenario can't be served.
    """
    site = _site(host=host, port=port, edition=edition, scenario=scenario, state=state, tls=tls)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await _run(site, stop, on_ready)

    asyncio.run(main())


class Sandbox:
    """The servers in a thread: `with Sandbox(scenario) as box:` gives `box.ready` and `box.admin(...)`.

    *scenario* None is an empty source account. *switches* are keys of `freshsales.json` that win over the scenario's.
    Ports are free ones. With *state* the data outlives the block, and what is in the file already wins over
    the scenario, the edition and the switches.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        edition: str = "suite",
        switches: dict[str, Any] | None = None,
        state: Path | None = None,
        tls: bool = False,
        port: int = 0,
    ) -> None:
        given = scenario or scenarios.load(None)
        merged = Scenario(given.usercom, _switched(given.freshsales, switches or {}), given.switches)
        self._site = _site(
            host="127.0.0.1", port=port, edition=edition, scenario=merged, state=state, tls=tls
        )
        self.ready = self._site.ready
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name="sandbox", daemon=True)
        self._started = threading.Event()

    def _main(self) -> None:
        try:
            self._loop.run_until_complete(_run(self._site, self._stop, lambda _ready: self._started.set()))
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(30):
            raise RuntimeError("the sandbox did not start within 30 seconds")
        verify = self.ready["ca_file"] or True
        self._client = httpx.Client(verify=_context(verify), trust_env=False, timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def admin(self, method: str, path: str, json: Any = None) -> Any:
        """The admin side's JSON answer; raises httpx.HTTPStatusError when it refuses."""
        url = f"{self.ready['admin']['base_url']}/{path.lstrip('/')}"
        answer = self._client.request(method, url, json=json)
        answer.raise_for_status()
        return answer.json()


def _switched(described: dict[str, Any], switches: dict[str, Any]) -> dict[str, Any]:
    sections: dict[str, Any] = {
        name: {**described[name], **switches} for name in ("test", "production") if name in described
    }
    return {**described, **switches, **sections}


def _context(verify: str | bool) -> Any:
    import ssl

    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else True
