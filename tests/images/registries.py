"""Debian's docker-registry on loopback, a proxy before it that behaves badly, and a server of bearer tokens."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.needs import require

PROGRAM = "docker-registry"
# "ann" with the password "open sesame", as `htpasswd -B` writes it.
HTPASSWD = "ann:$2y$05$domkoREvTW9qp9Klbl5F4OL7tBr0sfLIXGIPXQ6t0fQ0ITnM9224i\n"
USER, PASSWORD = "ann", "open sesame"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def registry(folder: Path, auth: str = "") -> Iterator[str]:
    """Run a registry that keeps its content in `folder`; give ``HOST:PORT``."""
    require(PROGRAM)
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'content'}}}}}\n"
        f'http: {{addr: "127.0.0.1:{port}"}}\n{auth}'
    )
    with (
        (folder / "log.txt").open("w") as log,
        subprocess.Popen([PROGRAM, "serve", config], stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def htpasswd(folder: Path) -> str:
    """Return the part of a registry's configuration that asks for a password."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(HTPASSWD)
    return f'auth: {{htpasswd: {{realm: "tests", path: "{folder / "htpasswd"}"}}}}\n'


@dataclass
class Proxy:
    """A registry seen through a line and a server with faults."""

    behind: str
    faults: dict[str, list[str]] = field(default_factory=dict)
    """By ``METHOD kind``, what happens to the next such requests; the last goes on for ever if it ends in ``!``."""
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    """``METHOD kind``, Content-Range header and bytes of each request's body."""
    address: str = ""
    moved: dict[str, str] = field(default_factory=dict)
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def next_fault(self, what: str) -> str:
        pending = self.faults.get(what, [])
        if not pending:
            return ""
        return pending[0].rstrip("!") if pending[0].endswith("!") else pending.pop(0)

    def count(self, what: str) -> int:
        return sum(seen == what for seen, _, _ in self.requests)


def _kind(path: str) -> str:
    parts = urlsplit(path).path.split("/")
    return next((name for name in ("uploads", "blobs", "manifests") if name in parts), "base")


def _handler_of(proxy: Proxy) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one fault after the other
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def handle_any(self) -> None:
            what = f"{self.command} {_kind(self.path)}"
            fault = proxy.next_fault(what)
            length = int(self.headers.get("Content-Length") or 0)
            proxy.requests.append((what, self.headers.get("Content-Range", ""), length))
            if fault == "stall":
                proxy.reached.set()
                proxy.release.wait(60)
                self.close_connection = True
                return
            if fault == "drop":
                self.rfile.read(length // 2)
                self.end()
                return
            body = self.rfile.read(length)
            if fault.isdecimal():
                self.send_response(int(fault))
                self.send_header("Content-Length", "0")
                if fault in ("429", "503"):
                    self.send_header("Retry-After", "0")
                self.end_headers()
                return
            self.forward(fault, body)

        def forward(self, fault: str, body: bytes) -> None:
            headers = dict(self.headers.items())
            if fault == "flip" and body:
                body = bytes([body[0] ^ 1]) + body[1:]
            if fault == "half":
                # What a registry does that keeps the part of a chunk that it got.
                body = body[: len(body) // 2]
                start = int(headers["Content-Range"].partition("-")[0])
                headers["Content-Range"] = f"{start}-{start + len(body) - 1}"
                headers["Content-Length"] = str(len(body))
            connection = http.client.HTTPConnection(proxy.behind, timeout=60)
            connection.request(self.command, proxy.moved.get(self.path, self.path), body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if fault == "half":
                proxy.moved[self.path] = re.sub("^http://[^/]+", "", answer.headers["Location"])
            if fault in ("half", "lost"):
                self.end()
                return
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("connection", "content-length") and not (
                    fault == "lie" and key == "Docker-Content-Digest"
                ):
                    self.send_header(key, value)
            if fault == "lie":
                self.send_header("Docker-Content-Digest", f"sha256:{'0' * 64}")
            if fault == "subject":
                self.send_header("OCI-Subject", "sha256:something")
            self.send_header("Content-Length", answer.headers.get("Content-Length") or str(len(content)))
            self.end_headers()
            self.send(fault, content)

        def send(self, fault: str, content: bytes) -> None:
            if fault == "other" and content:
                content = bytes([content[0] ^ 1]) + content[1:]
            if fault == "cut":
                self.wfile.write(content[: len(content) // 2])
                self.end()
                return
            self.wfile.write(content)

        def end(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815 - http.server's names

    return Handler


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            return  # a client that was told to go, or the other half of a connection that we cut

    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def proxied(behind: str) -> Iterator[Proxy]:
    """Put a proxy before a registry."""
    proxy = Proxy(behind)
    with serving(_handler_of(proxy)) as port:
        proxy.address = f"127.0.0.1:{port}"
        yield proxy
        proxy.release.set()


@dataclass
class TokenServer:
    """Gives bearer tokens that a registry trusts (distribution's token authentication)."""

    folder: Path
    realm: str = ""
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    grants: bool = True
    lifetime_s: float = 300
    identity: str = "an identity token"

    @property
    def auth(self) -> str:
        """The part of the registry's configuration that trusts it."""
        return (
            f'auth: {{token: {{realm: "{self.realm}", service: "the tests", issuer: "tests", '
            f'rootcertbundle: "{self.folder / "token.pem"}"}}}}\n'
        )


@contextmanager
def token_server(folder: Path) -> Iterator[TokenServer]:
    """Run a token server whose certificate lies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = TokenServer(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "token.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]

    def signed(scopes: list[str], user: str) -> str:
        access = []
        for scope in scopes:
            kind, target, actions = scope.split(":")
            granted = actions.split(",") if tokens.grants and user else ["pull"]
            access.append({"type": kind, "name": target, "actions": granted})
        moment = time.time()
        claims = {"iss": "tests", "sub": user, "aud": "the tests", "access": access, "jti": str(moment)}
        claims |= {"nbf": int(moment) - 10, "iat": int(moment) - 10, "exp": int(moment + tokens.lifetime_s)}
        return jwt.encode(claims, key, algorithm="ES256", headers={"x5c": chain})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            tokens.asked.append(query)
            header = self.headers.get("Authorization", "")
            right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if header not in ("", right):
                self.answer(401, {})
            else:
                self.answer(200, {"token": signed(query.get("scope", []), USER if header else "")})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            tokens.asked.append(form)
            if form.get("grant_type") != ["refresh_token"] or form.get("refresh_token") != [tokens.identity]:
                self.answer(401, {})
            else:
                self.answer(200, {"access_token": signed(form["scope"][0].split(), USER)})

        def answer(self, status: int, content: dict[str, str]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as port:
        tokens.realm = f"http://127.0.0.1:{port}/token"
        yield tokens
