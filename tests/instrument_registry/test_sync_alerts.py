"""Trouble is told to a webhook, to nobody else, and what it answers changes no verdict."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from instrument_registry.errors import SettingRefused
from instrument_registry.settings import read_settings
from instrument_registry.sync.check import Verdict
from instrument_registry.sync.settings import read_monitor_settings
from instrument_registry.sync.webhook import WebhookFailed, place, post
from tests.instrument_registry.sync_market import Site, make_site

SECRET = "T0k3n-0f-the-h00k"


@dataclass
class Hook:
    """A web server that takes alerts, and answers as it is told."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(200, {})])
    got: list[tuple[str, str, bytes]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False
    url: str = ""

    @property
    def documents(self) -> list[dict]:
        return [json.loads(body) for _, _, body in self.got]


def serve(hook: Hook) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            hook.got.append((self.command, self.path, body))
            if hook.hangs:
                hook.release.wait(30)
            at = min(len(hook.got), len(hook.answers)) - 1
            status, headers = hook.answers[at]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/{SECRET}/hook"
    yield hook
    hook.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def hook() -> Iterator[Hook]:
    yield from serve(Hook())


@pytest.fixture
def other() -> Iterator[Hook]:
    yield from serve(Hook())


@pytest.fixture
def site(postgres_dsn: str, tmp_path: Path) -> Site:
    return make_site(tmp_path, postgres_dsn)


@pytest.fixture
def damaged(site: Site, hook: Hook) -> Site:
    """A site in trouble whose alerts go to the hook."""
    site.execute("delete from marts.focus_instruments where underlying = 'SENSEX'")
    site.said["REGISTRY_ALERT_WEBHOOK"] = hook.url
    return site


def test_trouble_is_posted_once_with_what_is_wrong(damaged: Site, hook: Hook) -> None:
    status = damaged.check("published_table", "token_lookup")
    assert status.alert == {"webhook": place(hook.url), "delivered": True, "error": None}
    ((method, path, _),) = hook.got
    assert (method, path) == ("POST", f"/{SECRET}/hook")
    (document,) = hook.documents
    assert document["verdict"] == "trouble"
    assert document["publication"]["number"] == 7
    assert document["holders"]["published_table"]["missing"] == 86
    assert document["holders"]["token_lookup"]["state"] == "in_step"
    assert "86 missing" in document["text"]


def test_nothing_is_posted_while_all_is_in_step(site: Site, hook: Hook) -> None:
    status = site.check(REGISTRY_ALERT_WEBHOOK=hook.url)
    assert status.verdict is Verdict.IN_STEP
    assert status.alert is None
    assert hook.got == []


def test_no_source_is_posted_too(hook: Hook, tmp_path: Path) -> None:
    site = Site(tmp_path, "", [])
    assert site.check(REGISTRY_ALERT_WEBHOOK=hook.url).verdict is Verdict.NO_SOURCE
    assert hook.documents[0]["verdict"] == "no_source"
    assert hook.documents[0]["publication"] is None


def test_trouble_is_logged_with_keys_and_without_secrets(
    damaged: Site, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [(500, {})]
    with caplog.at_level(logging.INFO, logger="instrument_registry"):
        damaged.check("published_table")
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage().split()[0] for record in told] == [
        "registry_out_of_step", "registry_alert_not_delivered",
    ]  # fmt: skip
    assert "verdict=trouble publication=7 holders=published_table:out_of_step" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_a_refusing_webhook_is_told_and_the_verdict_stands(
    damaged: Site, hook: Hook, code: int
) -> None:
    hook.answers = [(code, {})]
    status = damaged.check("published_table")
    assert status.verdict is Verdict.TROUBLE
    assert status.alert is not None
    assert status.alert["delivered"] is False
    assert status.alert["error"].endswith(f"it answered {code}")
    assert SECRET not in json.dumps(status.facts(5))
    assert len(hook.got) == 1


def test_a_hanging_webhook_is_given_up_within_its_time(hook: Hook) -> None:
    hook.hangs = True
    with pytest.raises(WebhookFailed, match=r"no answer within 0\.2 s|TimeoutError|timed out"):
        post(hook.url, {}, seconds=0.2)


def test_a_webhook_that_trickles_gets_no_more_time_than_one_that_hangs() -> None:
    """Each byte comes within a socket's limit; all of them never."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not done.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        try:
            with pytest.raises(WebhookFailed, match="no answer within"):
                post(url, {}, seconds=0.4)
        finally:
            done.set()
            thread.join()


def test_nobody_listening_is_told(hook: Hook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(WebhookFailed, match="Connection refused") as failed:
        post(f"http://127.0.0.1:{port}/{SECRET}", {})
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed_with_the_alert(hook: Hook, code: int) -> None:
    hook.answers = [(code, {"Location": "/moved"}), (204, {})]
    post(hook.url, {"a": 1})
    assert [(method, path) for method, path, _ in hook.got] == [
        ("POST", f"/{SECRET}/hook"), ("POST", "/moved"),
    ]  # fmt: skip
    assert hook.documents == [{"a": 1}, {"a": 1}]


def test_a_redirect_to_another_host_or_scheme_is_not_followed(hook: Hook, other: Hook) -> None:
    for location in (other.url, hook.url.replace("http:", "https:"), "file:///etc/passwd",
                     hook.url.replace("127.0.0.1", "localhost")):  # fmt: skip
        hook.answers = [(307, {"Location": location})]
        with pytest.raises(WebhookFailed, match="redirects elsewhere") as failed:
            post(hook.url, {})
        assert SECRET not in str(failed.value)
    assert other.got == []


def test_a_redirect_in_a_circle_ends(hook: Hook) -> None:
    hook.answers = [(307, {"Location": hook.url})]
    with pytest.raises(WebhookFailed, match="redirects more than"):
        post(hook.url, {})
    assert len(hook.got) == 3


def test_a_redirect_to_nowhere_is_no_delivery(hook: Hook) -> None:
    hook.answers = [(302, {})]
    with pytest.raises(WebhookFailed, match="it answered 302"):
        post(hook.url, {})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x", "file:///x", "host/x", "http:///x", "http://host:port/x",
        "http://host:99999/x", "https://ho st/x", "http://host/a\nb/x", "http://[half/x",
        "http://höst/x", "https://me:pw@host/x",
    ],
)  # fmt: skip
def test_what_cannot_be_posted_to_is_refused_and_not_shown(url: str) -> None:
    url = url.replace("/x", f"/{SECRET}")
    with pytest.raises(SettingRefused, match="REGISTRY_ALERT_WEBHOOK") as refused:
        read_monitor_settings(read_settings({"REGISTRY_ALERT_WEBHOOK": url}))
    assert SECRET not in str(refused.value)


def test_settings_do_not_show_the_webhook() -> None:
    url = f"https://host:8443/{SECRET}"
    settings = read_monitor_settings(read_settings({"REGISTRY_ALERT_WEBHOOK": url}))
    assert settings.webhook == url
    assert SECRET not in repr(settings)
    assert place(url) == "https://host:8443/..."
