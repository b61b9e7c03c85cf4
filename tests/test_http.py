"""The one HTTP client: what is sent again, what every answer means, and what never leaks."""

import gzip
import json
import logging
import socket
import ssl
import threading
from contextlib import contextmanager

import httpx
import pytest
import stamina
import trustme

from crmbook.errors import (
    ApiError,
    AuthError,
    ConfigError,
    CrmbookError,
    DataError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
)
from crmbook.vendors.answers import transport_error
from crmbook.vendors.http import Client
from crmbook.vendors.quota import Quota
from crmbook.vendors.trust import TokenAuth, checked_base_url

TOKEN = "tok-3c1f9a-secret"
BASE = "https://crm.example/crm/sales/api/"


@pytest.fixture(autouse=True)
def no_backoff():
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


def client(handler, base_url=BASE, **options):
    auth = TokenAuth(TOKEN, prefix="Token token=")
    return Client(base_url, auth, transport=httpx.MockTransport(handler), **options)


def answering(*answers):
    """A handler that gives the answers in turn, the last one for ever, and keeps the requests."""
    seen = []

    def handler(request):
        seen.append(request)
        answer = answers[min(len(seen), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )

    return handler, seen


def get(handler, path="contacts/1", **options):
    return client(handler).request("GET", path, idempotent=True, **options)


def test_a_request_carries_key_accept_and_json_and_the_answer_is_parsed():
    """The plain case."""
    handler, seen = answering(httpx.Response(201, json={"contact": {"id": 7}}, headers={"X-Thing": "a"}))
    answer = client(handler).request("POST", "contacts", idempotent=False, json={"contact": {"a": "ż"}})
    request = seen[0]
    assert (str(request.url), request.headers["authorization"], request.headers["accept"]) == (
        f"{BASE}contacts",
        f"Token token={TOKEN}",
        "application/json",
    )
    assert (request.headers["content-type"], request.content) == (
        "application/json",
        '{"contact":{"a":"ż"}}'.encode(),
    )
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (201, {"contact": {"id": 7}}, "a")


def test_a_leading_slash_does_not_leave_the_base_path():
    """`/contacts` is the API's, not the host's."""
    handler, seen = answering(httpx.Response(200, json={}))
    get(handler, "/contacts/1", params={"include": "owner"})
    assert str(seen[0].url) == f"{BASE}contacts/1?include=owner"


def test_an_empty_answer_has_no_body():
    """A 204, or a 200 with nothing in it."""
    handler, _ = answering(httpx.Response(204))
    assert get(handler).body is None


EXPECTED = {
    **dict.fromkeys((300, 304), ApiError),
    **dict.fromkeys(
        (400, 402, 405, 406, 409, 411, 412, 413, 414, 415, 417, 418, 422, 423, 428, 431, 451), Rejected
    ),
    **dict.fromkeys((401, 403, 407), AuthError),
    **dict.fromkeys((404, 410), NotFound),
    429: RateLimited,
    **dict.fromkeys((408, 425, 500, 501, 502, 503, 504, 507, 511, 520, 599), Unavailable),
}


def meaning(status):
    """The error an answer of *status* to a creation becomes."""
    handler, _ = answering(httpx.Response(status, json={"errors": {"message": ["no"]}}))
    made = client(handler, base_url="http://127.0.0.1/api", max_wait_s=0)
    with pytest.raises(ApiError) as caught:
        made.request("POST", "contacts", idempotent=False, json={})
    return caught.value


def test_every_status_from_300_on_is_one_of_our_errors():
    """No status is a traceback, and each class of status has its meaning."""
    expected = {
        status: EXPECTED.get(status, ApiError if status < 400 else Rejected if status < 500 else Unavailable)
        for status in range(300, 600)
    }
    assert {status: type(meaning(status)) for status in range(300, 600)} == expected


@pytest.mark.parametrize("status", [304, 400, 401, 404, 503])
def test_an_error_answer_is_named_by_method_route_and_status(status):
    """What a person needs to find the call."""
    error = meaning(status)
    assert (error.method, error.route, error.status) == ("POST", "/contacts", status)


def test_a_refusal_carries_the_vendors_sentences():
    """`messages` is what the ledger keeps."""
    body = {
        "errors": {"code": 400, "message": ["Deal name can't be empty", "ada@example.org already exists."]}
    }
    handler, _ = answering(httpx.Response(400, json=body))
    with pytest.raises(Rejected) as caught:
        client(handler).request("POST", "deals", idempotent=False, json={}, entity="deals")
    assert caught.value.messages == ["Deal name can't be empty", "ada@example.org already exists."]
    assert str(caught.value) == (
        "POST /deals: refused (HTTP 400) for deals; Deal name can't be empty; … already exists."
    )


def all_of(kind):
    return [kind, *(found for child in kind.__subclasses__() for found in all_of(child))]


FAILURES = [kind for kind in all_of(httpx.RequestError) if kind.__module__ == "httpx"]
NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.__name__)
def test_every_failure_of_httpx_is_one_of_our_errors(kind):
    """And says whether the vendor may have done the work."""
    error = transport_error(kind("boom"), "crm.example", method="POST", route="/contacts", attempt=1)
    assert (type(error), error.sent) == (Unavailable, kind.__name__ not in NEVER_SENT)


def test_the_failures_enumerated_are_all_httpx_has():
    """An httpx with a new one fails here, not in a customer's run."""
    known = {
        *("RequestError", "TransportError", "TimeoutException", "NetworkError", "ProtocolError"),
        *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "ConnectError", "ReadError"),
        *("WriteError", "CloseError", "LocalProtocolError", "RemoteProtocolError", "ProxyError"),
        *("UnsupportedProtocol", "DecodingError", "TooManyRedirects"),
    }
    assert {kind.__name__ for kind in FAILURES} == known


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
        httpx.Response(500),
        httpx.Response(502, text="<html>"),
    ],
    ids=["timeout", "dropped", "500", "502"],
)
def test_an_unclear_write_is_sent_once_and_said_to_be_unclear(trouble):
    """The ledger looks the record up; a second POST could make a second record."""
    handler, seen = answering(trouble, httpx.Response(200, json={}))
    with pytest.raises(Unavailable) as caught:
        client(handler).request("POST", "deals", idempotent=False, json={})
    assert (caught.value.sent, len(seen)) == (True, 1)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
        httpx.Response(503),
        httpx.Response(200, text='{"a": [1'),
    ],
    ids=["timeout", "dropped", "503", "cut"],
)
def test_an_unclear_repeatable_request_is_sent_again(trouble):
    """Reading, and writing the same value twice, does no harm."""
    handler, seen = answering(trouble, trouble, httpx.Response(200, json={"id": 1}))
    assert (get(handler).body, len(seen)) == ({"id": 1}, 3)


def test_a_request_that_never_left_is_sent_again_even_if_not_repeatable():
    """A refused connection did no work."""
    handler, seen = answering(httpx.ConnectError("x"), httpx.Response(200, json={"id": 1}))
    body = client(handler).request("POST", "deals", idempotent=False, json={}).body
    assert (body, len(seen)) == ({"id": 1}, 2)


def test_retries_end_after_five_attempts_and_the_error_says_so():
    """Exit 5, with how often it was tried."""
    handler, seen = answering(httpx.ConnectError("x"))
    with pytest.raises(Unavailable) as caught:
        get(handler)
    assert (len(seen), caught.value.attempt, caught.value.exit_code) == (5, 5, 5)
    assert str(caught.value) == (
        "GET /contacts/1: no usable answer after 5 attempts; cannot connect to crm.example (ConnectError)"
    )


def test_a_429_is_waited_out_and_sent_again_also_for_a_creation():
    """Nothing was done, so nothing is doubled."""
    handler, seen = answering(
        httpx.Response(429, headers={"Retry-After": "30"}), httpx.Response(200, json={})
    )
    now = [0.0]
    waits = []

    def sleep(wait_s):
        now[0] += wait_s

    quota = Quota(None, "crm.example", {}, clock=lambda: now[0], sleep=sleep)
    made = client(handler, quota=quota, on_wait=lambda wait_s, reason: waits.append((wait_s, reason)))
    made.request("POST", "deals", idempotent=False, json={})
    assert (len(seen), now[0], waits[0]) == (2, 30.0, (30.0, "crm.example asks for a pause"))


def test_a_429_that_asks_for_too_long_is_an_error_with_the_time():
    """Exit 5 instead of a night's silence."""
    handler, seen = answering(httpx.Response(429, headers={"Retry-After": "5000"}))
    with pytest.raises(RateLimited) as caught:
        get(handler)
    assert (len(seen), round(caught.value.retry_after_s), caught.value.route) == (1, 5000, "/contacts/1")


def test_every_request_sent_is_counted_repeats_included():
    """The forecast of calls is checked against it."""
    handler, _ = answering(httpx.ReadTimeout("x"), httpx.Response(200, json={}))
    made = client(handler)
    made.request("GET", "contacts/1", idempotent=True)
    assert made.calls == 2


def test_a_redirect_on_the_same_host_is_followed_for_get_with_the_key():
    """The slash-less path of User.com."""
    handler, seen = answering(
        httpx.Response(301, headers={"location": "/crm/sales/api/contacts/1/"}),
        httpx.Response(200, json={"id": 1}),
    )
    assert get(handler).body == {"id": 1}
    assert (str(seen[1].url), seen[1].headers["authorization"]) == (
        f"{BASE}contacts/1/",
        f"Token token={TOKEN}",
    )


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/steal",
        "http://crm.example/crm/sales/api/contacts/1",
        "https://crm.example:8443/x",
        "//evil.example/x",
        "https://crm.example@evil.example/x",
        "http://[broken",
    ],
    ids=["host", "plain-http", "port", "scheme-relative", "userinfo", "malformed"],
)
def test_the_key_never_follows_a_redirect_elsewhere(location):
    """One request, one error, and the other address gets nothing."""
    handler, seen = answering(
        httpx.Response(302, headers={"location": location}), httpx.Response(200, json={})
    )
    with pytest.raises(ApiError, match="redirects elsewhere") as caught:
        get(handler)
    assert (len(seen), caught.value.exit_code) == (1, 2)


def test_a_redirected_write_is_an_error():
    """A client that turned it into a GET would lose the write in silence."""
    handler, seen = answering(httpx.Response(301, headers={"location": "/crm/sales/api/contacts/"}))
    with pytest.raises(ApiError, match="trailing slash"):
        client(handler).request("POST", "contacts", idempotent=False, json={})
    assert len(seen) == 1


def test_a_circle_of_redirects_ends():
    """And the error says what to check."""
    handler, seen = answering(httpx.Response(302, headers={"location": "/crm/sales/api/x"}))
    with pytest.raises(ApiError, match="redirects in a circle"):
        get(handler)
    assert len(seen) == 6


def test_a_link_of_the_vendor_is_followed_verbatim():
    """Cursors are opaque."""
    handler, seen = answering(httpx.Response(200, json={}))
    get(handler, "https://crm.example/elsewhere/?cursor=a%2Fb%3D&x=1")
    assert seen[0].url.raw_path == b"/elsewhere/?cursor=a%2Fb%3D&x=1"


def test_a_plain_http_link_of_the_vendor_to_itself_is_followed_over_tls():
    """A server behind a TLS terminator writes such links; the key is never sent in clear."""
    handler, seen = answering(httpx.Response(200, json={}))
    get(handler, "http://crm.example/crm/sales/api/users/?cursor=1")
    assert str(seen[0].url) == f"{BASE}users/?cursor=1"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/x?cursor=1",
        "https://crm.example:444/x",
        "http://[",
        "https://crm.example.evil.example/",
    ],
    ids=["host", "port", "malformed", "suffix"],
)
def test_a_link_to_another_host_is_not_followed(link):
    """And not shown: it may hold anything."""
    handler, seen = answering(httpx.Response(200, json={}))
    with pytest.raises(DataError) as caught:
        get(handler, link, entity="users")
    assert (seen, str(caught.value).startswith("users: the vendor"), "evil" in str(caught.value)) == (
        [],
        True,
        False,
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<html>login</html>", DataError),
        (b"\xff\xfe{}", DataError),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", DataError),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", DataError),
        (b'{"a": ' + b"9" * 5000 + b"}", DataError),
        (b'{"a": 1e999}', DataError),
        (b'{"a": NaN}', DataError),
        (b'{"a": "x', Unavailable),
        (b'{"a": [1, 2', Unavailable),
    ],
    ids=["html", "not-utf8", "very-deep", "deep", "huge-int", "huge-float", "nan", "cut-text", "cut-list"],
)
def test_an_unusable_answer_to_a_read_is_one_line(body, expected):
    """Never a traceback, never the body."""
    handler, _ = answering(httpx.Response(200, content=body, headers={"content-type": "text/html"}))
    with pytest.raises(expected) as caught:
        get(handler)
    assert len(str(caught.value)) < 200


def test_an_unusable_answer_to_a_creation_leaves_it_unclear():
    """The record may exist: the ledger must look, not give up."""
    handler, _ = answering(httpx.Response(200, text="<html>gateway</html>"))
    with pytest.raises(Unavailable) as caught:
        client(handler).request("POST", "contacts", idempotent=False, json={})
    assert caught.value.sent


def test_half_a_surrogate_pair_becomes_a_replacement_character():
    """No UTF-8 file could hold it; whole pairs stay."""
    handler, _ = answering(httpx.Response(200, content=rb'{"a": ["x\ud83d", "\ud83d\ude00"], "\uDC00": 1}'))
    assert get(handler).body == {"a": ["x\ufffd", "😀"], "\ufffd": 1}


def test_an_endless_answer_is_cut_off():
    """A few kilobytes of gzip can't fill the memory."""
    bomb = gzip.compress(b" " * (70 * 2**20))

    def compressed(request):
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb))

    with pytest.raises(DataError, match="longer than 64 MiB"):
        get(compressed)


@pytest.mark.parametrize(
    "body", [{"a": float("nan")}, {"a": "\ud800"}, {"a": object()}], ids=["nan", "surrogate", "object"]
)
def test_a_record_that_is_no_json_is_refused_before_it_leaves(body):
    """Named by route, without the value."""
    handler, seen = answering(httpx.Response(200, json={}))
    with pytest.raises(DataError, match=r"POST /contacts: the record cannot be written as JSON"):
        client(handler).request("POST", "contacts", idempotent=False, json=body)
    assert seen == []


@pytest.mark.parametrize(
    "url",
    ["http://crm.example/api", "ftp://crm.example/", "crm.example/api", "https://", "", "https://u:p@crm.example/",
     "https://crm.example/?key=x", "https://crm.example:99999999/", "http://127.0.0.1.evil.example/"],
    ids=["plain-http", "ftp", "no-scheme", "no-host", "empty", "userinfo", "query", "port", "looks-like-loopback"],
)  # fmt: skip
def test_a_base_url_the_key_must_not_go_to_is_refused(url):
    """Before anything is sent."""
    with pytest.raises(ConfigError, match="^base_url: "):
        Client(url, None)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8700/x", "http://localhost:1/", "http://[::1]:8700/", "https://crm.example/api"]
)
def test_https_and_loopback_are_taken(url):
    """With a slash at the end, so that joining keeps the path."""
    assert str(checked_base_url(url)).endswith("/")


@pytest.mark.parametrize(
    "token", ["", "a b", "a\nb", "zażółć", "a\x00"], ids=["empty", "blank", "line", "letters", "nul"]
)
def test_a_key_that_cannot_stand_in_a_header_is_refused_without_showing_it(token):
    """A mistyped .env is a line, not a traceback."""
    with pytest.raises(ConfigError) as caught:
        TokenAuth(token, prefix="Token ")
    assert not token.strip() or token not in str(caught.value)


def test_no_key_query_or_value_is_in_any_error_repr_or_log(caplog):
    """Neither our messages nor the HTTP library's."""
    secret_value = "ada.berg@example.org"
    outcomes = [
        httpx.Response(status, json={"detail": f'"{secret_value}"'}) for status in (400, 401, 404, 500)
    ]
    outcomes += [httpx.ReadTimeout(f"at {BASE}?q={secret_value}"), httpx.Response(200, text=secret_value)]
    shown = []
    with caplog.at_level(logging.DEBUG):
        for outcome in outcomes:
            made = client(answering(outcome)[0])
            with pytest.raises(CrmbookError) as caught:
                made.request(
                    "POST", "lookup", idempotent=True, params={"q": secret_value}, json={"v": secret_value}
                )
            shown += [str(caught.value), repr(caught.value), *caught.value._render_traceback_()]
    shown += [repr(TokenAuth(TOKEN, prefix="x")), repr(made), caplog.text]
    assert [text for text in shown if TOKEN in text or secret_value in text or "?" in text] == []


def test_a_retry_prints_nothing(capsys):
    """stdout belongs to --json."""
    get(answering(httpx.ReadTimeout("x"), httpx.Response(200, json={}))[0])
    assert capsys.readouterr() == ("", "")


@contextmanager
def serving(reply, context=None):
    """A real socket that answers every connection with *reply* and hangs up; gives its port and what it got."""
    server = socket.create_server(("127.0.0.1", 0))
    got = []

    def serve():
        while True:
            try:
                raw, _ = server.accept()
            except OSError:
                return
            try:
                connection = context.wrap_socket(raw, server_side=True) if context else raw
                got.append(connection.recv(65536))
                connection.sendall(reply)
                connection.close()
            except OSError:
                raw.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], got
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=5)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"garbage\r\n\r\n",
    ],
    ids=["hangs-up", "short-of-its-length", "chunk-missing", "no-http"],
)
def test_a_connection_that_breaks_leaves_a_creation_unclear(reply):
    """On a real socket: sent once, and said to be unclear."""
    with serving(reply) as (port, got), Client(f"http://127.0.0.1:{port}/", None) as made:
        with pytest.raises(Unavailable) as caught:
            made.request("POST", "contacts", idempotent=False, json={})
        assert (caught.value.sent, len(got)) == (True, 1)


def test_a_closed_port_was_never_reached():
    """On a real socket: exit 5 and the host's name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}/", None) as made, pytest.raises(Unavailable) as caught:
        made.request("POST", "contacts", idempotent=False, json={})
    assert (caught.value.sent, "cannot connect to 127.0.0.1" in str(caught.value)) == (False, True)


def test_a_server_that_keeps_silent_times_out():
    """On a real socket: unclear, within the time given."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Client(f"http://127.0.0.1:{server.getsockname()[1]}/", None, timeout_s=0.05)
        with pytest.raises(Unavailable) as caught:
            made.request("POST", "contacts", idempotent=False, json={})
    assert (caught.value.sent, "ReadTimeout" in str(caught.value)) == (True, True)


def test_a_certificate_nobody_vouches_for_is_refused_and_the_way_out_named(monkeypatch):
    """No key is sent; exit 2."""
    monkeypatch.delenv("CRMBOOK_CA_FILE", raising=False)
    with serving(HEAD + b"Content-Length: 2\r\n\r\n{}", server_context()[0]) as (port, got):
        made = Client(f"https://localhost:{port}/", TokenAuth(TOKEN, prefix=""))
        with pytest.raises(ConfigError, match="CRMBOOK_CA_FILE"):
            made.request("GET", "x", idempotent=True)
        assert not any(TOKEN.encode() in request for request in got)


def test_a_private_authority_is_trusted_through_the_environment(monkeypatch, tmp_path):
    """The sandbox's TLS, or a customer's proxy."""
    context, authority = server_context()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("CRMBOOK_CA_FILE", str(tmp_path / "ca.pem"))
    with serving(HEAD + b"Content-Length: 8\r\n\r\n" + json.dumps({"a": 1}).encode(), context) as (port, _):
        made = Client(f"https://localhost:{port}/", None)
        assert made.request("GET", "x", idempotent=True).body == {"a": 1}


def test_an_authority_file_that_is_none_is_one_line(monkeypatch, tmp_path):
    """Names the variable."""
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("CRMBOOK_CA_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match="^CRMBOOK_CA_FILE: "):
        Client("https://crm.example/", None)


def test_a_proxy_of_the_environment_is_never_asked_for_loopback(monkeypatch):
    """The sandbox's keys stay on the machine."""
    with serving(HEAD + b"Content-Length: 2\r\n\r\n{}") as (proxy, asked):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        with serving(HEAD + b"Content-Length: 8\r\n\r\n" + b'{"a": 2}') as (port, _):
            made = Client(f"http://127.0.0.1:{port}/", TokenAuth(TOKEN, prefix=""))
            assert (made.request("GET", "x", idempotent=True).body, asked) == ({"a": 2}, [])


def test_a_proxy_that_cannot_be_used_is_one_line(monkeypatch):
    """A corporate setting we don't support is named."""
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy.example")
    with pytest.raises(ConfigError, match="HTTPS_PROXY or ALL_PROXY"):
        Client("https://crm.example/", None)


def test_a_file_is_sent_whole_again_after_a_429(tmp_path):
    """The second multipart body isn't empty."""
    (tmp_path / "a.txt").write_bytes(b"hello file")
    bodies = []

    def handler(request):
        bodies.append(request.read())
        return httpx.Response(429 if len(bodies) == 1 else 200, json={})

    quota = Quota(None, "x", {}, sleep=lambda _s: None, clock=iter(range(0, 10_000, 100)).__next__)
    with (tmp_path / "a.txt").open("rb") as file:
        client(handler, quota=quota).request(
            "POST",
            "documents",
            idempotent=False,
            files={"file": ("a.txt", file)},
            data={"file_name": "a.txt"},
        )
    assert [b"hello file" in body for body in bodies] == [True, True]


def server_context():
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context, authority
