"""Where a key may go: to the configured scheme, host and port, behind a certificate that holds, and into nothing that is kept."""

import json
import os
import resource
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stamina
import trustme

from conftest import crmbook
from crmbook import config, desk, secrecy
from crmbook.errors import ApiError, ConfigError, CrmbookError, DataError, UsageError
from crmbook.sandbox.server import Sandbox
from crmbook.vendors import freshsales
from crmbook.vendors.usercom import UserCom
from customer_setup import KEY, Customer, scenario
from test_config import GOOD

TOKEN = "tok-5d7e-not-for-you"
PHASES = (
    "01_discovery",
    "02_mapping",
    "03_workspace",
    "04_normalization",
    "05_load",
    "06_reconciliation",
    "07_handoff",
    "rollback",
)


@dataclass
class Server:
    """A real server on loopback that keeps whatever it is sent; `answer` is its status and where it redirects to."""

    port: int
    authority: trustme.CA
    answer: tuple[int, str] = (200, "")
    body: bytes = b"{}"
    got: list[bytes] = field(default_factory=list)

    @property
    def was_told(self) -> bool:
        return any(TOKEN.encode() in request for request in self.got)


@contextmanager
def serving(
    *, tls: bool, names: tuple[str, ...] = ("localhost",), ends: datetime | None = None
) -> Iterator[Server]:
    """A `Server`, with a certificate for *names* until *ends* where it speaks *tls*."""
    authority = trustme.CA()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            made.got.append(self.raw_requestline + bytes(self.headers) + self.rfile.read(length))
            status, location = made.answer
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(made.body)))
            self.end_headers()
            self.wfile.write(made.body)

        do_GET = do_POST = answer  # noqa: N815  the names the library looks for

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Server(server.server_address[1], authority)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(*names, not_after=ends).configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    """Makes the client trust the authority of a server, as a customer with a private one does."""

    def trust(server: Server) -> None:
        server.authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("CRMBOOK_CA_FILE", str(tmp_path / "ca.pem"))

    return trust


def _usercom(base: str) -> None:
    UserCom(f"{base}/api/public/", TOKEN, attempts=1).check()


def _freshsales_read(base: str) -> None:
    freshsales.connect("suite", f"{base}/crm/sales/api", TOKEN, attempts=1).check()


def _freshsales_write(base: str) -> None:
    freshsales.connect("suite", f"{base}/crm/sales/api", TOKEN, attempts=1).create(
        "contacts", {"last_name": "x"}
    )


CLIENTS = [
    pytest.param(client, id=client.__name__) for client in (_usercom, _freshsales_read, _freshsales_write)
]
# Where a redirect may lead: {own} is the configured server, {other} one on another port.
ELSEWHERE = [
    pytest.param("https://localhost:{other}/x", id="other port"),
    pytest.param("https://127.0.0.1:{own}/x", id="other name of the same machine"),
    pytest.param("http://localhost:{own}/x", id="same port without TLS"),
    pytest.param("http://localhost:{plain}/x", id="plain server"),
    pytest.param("//localhost:{other}/x", id="without a scheme"),
    pytest.param("https://localhost:{own}@localhost:{other}/x", id="host as a user"),
]


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("location", ELSEWHERE)
@pytest.mark.parametrize("client", CLIENTS)
def test_no_redirect_carries_the_key_elsewhere(
    client: Callable[[str], None], location: str, status: int, trusting: Callable[[Server], None]
) -> None:
    """The configured server was asked with the key; whoever it sends the client to is not even asked without."""
    with serving(tls=True) as own, serving(tls=True) as other, serving(tls=False) as plain:
        trusting(own)
        own.answer = (status, location.format(own=own.port, other=other.port, plain=plain.port))
        with pytest.raises(ApiError, match="redirects elsewhere") as caught:
            client(f"https://localhost:{own.port}")
    assert (True, [], []) == (own.was_told, other.got, plain.got)
    assert len(own.got) == 1
    assert str(other.port) not in str(caught.value)


def test_a_redirect_to_the_same_place_is_followed_with_the_key(trusting: Callable[[Server], None]) -> None:
    """The record of what arrived would show a key that went on: here it does, to the same scheme, host and port."""
    with serving(tls=True) as own:
        trusting(own)
        own.answer = (308, f"https://localhost:{own.port}/elsewhere/")
        with pytest.raises(ApiError, match="circle"):
            _usercom(f"https://localhost:{own.port}")
    assert [True] * 6 == [TOKEN.encode() in request for request in own.got]


def test_no_link_to_a_next_page_carries_the_key_elsewhere(trusting: Callable[[Server], None]) -> None:
    """`next` is followed verbatim, but to the configured server only."""
    with serving(tls=True) as own, serving(tls=True) as other:
        trusting(own)
        own.body = json.dumps(
            {"results": [], "next": f"https://localhost:{other.port}/api/public/tags/?page=2"}
        ).encode()
        account = UserCom(f"https://localhost:{own.port}/api/public/", TOKEN, attempts=1)
        with pytest.raises(DataError, match="another host"):
            list(account.pages("tags"))
    assert (True, []) == (own.was_told, other.got)


CERTIFICATES = [
    pytest.param({}, False, id="of nobody we know"),
    pytest.param({"names": ("crm.example",)}, True, id="of another name"),
    pytest.param({"ends": datetime.now(UTC) - timedelta(days=1)}, True, id="run out"),
]


@pytest.mark.parametrize(("made", "is_trusted"), CERTIFICATES)
@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_is_sent_behind_a_certificate_that_does_not_hold(
    client: Callable[[str], None], made: dict[str, Any], is_trusted: bool, trusting: Callable[[Server], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One line, exit 2, and the server got no request."""
    monkeypatch.delenv("CRMBOOK_CA_FILE", raising=False)
    with serving(tls=True, **made) as server:
        if is_trusted:
            trusting(server)
        with pytest.raises(ConfigError, match="certificate cannot be verified"):
            client(f"https://localhost:{server.port}")
    assert server.got == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "host", ["crm.example", "0.0.0.0", "10.0.0.1", "localhost.crm.example", "[::]", "127.0.0.1.nip.io"]
)
def test_no_key_goes_over_plain_http_beyond_loopback(client: Callable[[str], None], host: str) -> None:
    """Refused before any connection is made."""
    with pytest.raises(ConfigError, match="plain http"):
        client(f"http://{host}")


@pytest.mark.parametrize(
    "url",
    ["http://model.example/v1", "http://10.0.0.1/v1", "ftp://model.example", "https://u:p@model.example/v1"],
)
def test_the_models_key_has_the_same_rules(tmp_path: Path, url: str) -> None:
    """An address in [ai] that would show its key is refused with the file and the key's name."""
    path = tmp_path / "acme" / "customer.toml"
    path.parent.mkdir()
    path.write_text(f'{GOOD}\n[ai]\nmodel = "openai-chat:x"\nbase_url = "{url}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^acme/customer\.toml: ai\.base_url: "):
        config.read(path)


def test_the_doctor_of_an_untrusted_vendor_sends_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command a person types, against the sandbox with TLS and without its authority: named, and nothing was asked."""
    monkeypatch.delenv("CRMBOOK_CA_FILE", raising=False)
    monkeypatch.setenv("CRMBOOK_RUNS", str(tmp_path))
    said: list[str] = []
    with stamina.set_testing(True, attempts=1), Sandbox(scenario(), tls=True) as box:
        acme = Customer(box, tmp_path)
        acme.write_settings()
        for variable, token in acme.tokens.items():
            monkeypatch.setenv(variable, token)
        with pytest.raises(UsageError, match="checks failed"):
            desk.doctor(KEY, "test", said.append)
        asked = [
            box.admin("GET", f"/requests?realm={realm}")["by_route"]
            for realm in ("usercom", "freshsales_test")
        ]
    assert [{}, {}] == asked
    assert 2 == sum("certificate cannot be verified" in line for line in said)


@pytest.mark.parametrize("phase", PHASES)
def test_a_kernel_is_spared_every_key_its_phase_does_not_ask_with(phase: str, tmp_path: Path) -> None:
    """Of a customer with four keys at most one is left."""
    path = tmp_path / "acme" / "customer.toml"
    path.parent.mkdir()
    production = GOOD.partition("[target.test]")[2].replace("ACME_TEST", "ACME_PRODUCTION")
    path.write_text(
        f'{GOOD}[target.production]{production}\n[ai]\nmodel = "a:b"\nkey_env = "AI_KEY"\n', encoding="utf-8"
    )
    customer = config.read(path)
    needed = {
        "01_discovery": {"ACME_TOKEN"},
        "02_mapping": {"AI_KEY"},
        "04_normalization": set(),
        "07_handoff": set(),
    }
    every = {"ACME_TOKEN", "ACME_TEST_TOKEN", "ACME_PRODUCTION_TOKEN", "AI_KEY"}
    assert every - needed.get(phase, {"ACME_PRODUCTION_TOKEN"}) == secrecy.withheld(
        customer, "production", phase
    )


def test_a_helper_is_told_nothing_but_where_things_are() -> None:
    """Whatever a key is called, it isn't in the environment of a process that talks to nobody."""
    given = {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "PYTHONPATH": "/p", "ACME_KEY": "1", "AWS_SECRET_ACCESS_KEY": "2",
             "HTTPS_PROXY": "http://u:p@proxy", "CRMBOOK_RUNS": "/r"}  # fmt: skip
    assert {"PATH", "HOME", "LC_ALL", "PYTHONPATH"} == set(secrecy.helper_environment(given))


def test_a_process_that_crashes_leaves_no_core(tmp_path: Path) -> None:
    """Even where cores were allowed before: the limit is one byte afterwards, for its children too, and there is no file."""
    crash = (
        "import os, resource, subprocess, sys; from crmbook import secrecy; secrecy.leave_no_core();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), flush=True);"
        "subprocess.run([sys.executable, '-c', 'import os; os.abort()']); os.abort()"
    )
    _, most = resource.getrlimit(resource.RLIMIT_CORE)

    def allowed() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (most, most))

    done = subprocess.run(
        [sys.executable, "-c", crash], cwd=tmp_path, preexec_fn=allowed, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "(1, 1)" in done.stdout or "(0, 0)" in done.stdout
    assert done.returncode < 0
    assert [] == list(tmp_path.iterdir())


PLANTED = """
import httpx

def broken(self, request, **rest):
    headers = dict(request.headers)
    raise RuntimeError("planted: a bug below everything")

httpx.Client.send = broken
"""


def test_a_notebook_that_died_of_a_bug_tells_no_key(tmp_path: Path) -> None:
    """A bug where the key is at hand: its traceback stands in the notebook and on the screen, the key in no file of the run."""
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-planted.py").write_text(PLANTED, encoding="utf-8")
    folder = tmp_path / "runs" / "acme"
    folder.mkdir(parents=True)
    settings = GOOD.replace("https://acme.user.com", "http://127.0.0.1:9")
    (folder / "customer.toml").write_text(settings, encoding="utf-8")
    keys = {"ACME_TOKEN": TOKEN, "ACME_TEST_TOKEN": f"{TOKEN}-test", "IPYTHONDIR": str(tmp_path / "ipython")}
    said = crmbook("run", "acme", "--env", "test", "--only", "01_discovery", runs=folder.parent, env=keys)
    notebook = folder / "test-01" / "01_discovery" / "notebook.ipynb"
    assert "planted: a bug below everything" in notebook.read_text(encoding="utf-8")
    assert 1 == said.code
    assert TOKEN not in said.out + said.err
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path.name for path in files if TOKEN.encode() in path.read_bytes()] == []


def test_a_key_in_the_wrong_place_is_not_told() -> None:
    """A key typed where a name belongs is refused like any other text, without being repeated."""
    said = [str(_refused(lambda: config.token(TOKEN, section="source", key="acme")))]
    os.environ["FUZZ_EMPTY"] = " "
    said.append(str(_refused(lambda: config.token("FUZZ_EMPTY", section="source", key="acme"))))
    del os.environ["FUZZ_EMPTY"]
    assert [TOKEN in line for line in said] == [False, False]


def _refused(call: Callable[[], Any]) -> CrmbookError:
    with pytest.raises(CrmbookError) as caught:
        call()
    return caught.value
