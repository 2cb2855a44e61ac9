"""A registry as OCI distribution-spec v1.1 has it: requests that log in, wait, and try again, but not for ever.

Logging in follows distribution's token specification (auth/token and auth/oauth): a 401 names where a bearer token for
a scope is to be had, or asks for basic authentication.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Literal

import httpx

from env.connections import Connections
from env.retry import Patience, TryAgain, may_pass, retry_after
from images.errors import (
    AccessDeniedError,
    PlainHttpError,
    RegistryRefusedError,
    RegistryUnreachableError,
)
from images.limits import plain
from images.registry.challenges import challenges
from images.registry.credentials import Credentials
from images.registry.reference import Reference, is_loopback

Body = bytes | Callable[[], Iterator[bytes]] | None
"""A request's content; an iterator is made anew for each attempt."""
Access = Literal["pull", "pull,push"]
"""What is asked for at log-in."""
_TIMEOUT = httpx.Timeout(30.0, read=120.0)
_CLIENT_ID = "jupyter-mcp-images"
ANSWER = 4 << 20
"""Bytes of an answer that is no blob: as large as a manifest may be that every registry takes (distribution-spec)."""
ANSWER_S = 300
"""Seconds that such an answer may last."""
REDIRECTS = 10
_OF_TRANSFER = ("content-encoding", "transfer-encoding")


class Registry:
    """A repository of a registry, for several threads at once."""

    def __init__(
        self,
        reference: Reference,
        credentials: Credentials | None,
        patience: Patience,
        *,
        insecure: bool = False,
        sources: Iterable[str] = (),
        access: Access = "pull,push",
    ) -> None:
        """Prepare; `sources` are other repositories of it that blobs may be mounted from."""
        self.reference = reference
        self.patience = patience
        self._credentials = credentials
        self._insecure = insecure
        self._access = access
        self._scopes = [f"repository:{reference.repository}:{access}"]
        self._scopes += [f"repository:{source}:pull" for source in sources]
        self._authorization = ""
        self._lock = threading.Lock()
        host = httpx.URL(f"https://{reference.server}").host
        # A proxy that is meant for the world has no way to this machine's own registry.
        self._connections = Connections()
        self._client = httpx.Client(
            timeout=_TIMEOUT,
            trust_env=not is_loopback(host),
            headers={"User-Agent": _CLIENT_ID},
            event_hooks={"request": [self._connections.watch]},
        )
        self._base = httpx.URL(f"https://{reference.server}/v2/")

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def end(self) -> None:
        """Break its connections: who waits for an answer in another thread waits no longer."""
        self._connections.end()

    def open(self) -> None:
        """See that it answers, over TLS or, where that may be, without, and log in.

        Raises:
            ImageError: it does not answer, is no registry, or does not take the credentials.

        """
        if self._may_be_plain(self._base):
            try:
                self.once("GET", "", expected=[HTTPStatus.OK])
            except RegistryUnreachableError:
                self._base = self._base.copy_with(scheme="http")
            except TryAgain as again:
                if isinstance(again.why, RegistryUnreachableError):
                    self._base = self._base.copy_with(scheme="http")
            else:
                return
        self.request("GET", "", expected=[HTTPStatus.OK])

    def request(
        self,
        method: str,
        address: str,
        *,
        expected: Collection[int],
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Make a request until it is answered with one of the `expected` statuses.

        Raises:
            ImageError: by cause, when the attempts are used up or another would not help.
            Stopped: told to stop.

        """
        return self.patience.keep_trying(
            lambda: self.once(method, address, expected=expected, body=body, headers=headers)
        )

    def once(
        self,
        method: str,
        address: str,
        *,
        expected: Collection[int],
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Make one attempt at a request; it logs in first if it is asked to.

        Raises:
            TryAgain: another attempt may go better.
            ImageError: another attempt would not help.

        """
        url = self.address(address)
        what = f"{method} of {_kind(url)}"
        return self._judged(self._whole(self._answered(method, url, body, headers), what), what, expected)

    @contextmanager
    def download(
        self, address: str, *, expected: Collection[int], headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """Make one attempt at a GET whose content is read in pieces; what goes wrong is told as by `once`."""
        url = self.address(address)
        what = f"GET of {_kind(url)}"
        response = self._answered("GET", url, None, headers)
        try:
            if response.status_code not in expected:
                self._judged(self._whole(response, what), what, expected)
            yield response
        except httpx.RequestError as error:
            raise TryAgain(RegistryUnreachableError(url.netloc.decode(), _reason(error))) from None
        finally:
            response.close()

    def _answered(self, method: str, url: httpx.URL, body: Body, headers: Mapping[str, str] | None) -> httpx.Response:
        used = self._authorization
        response = self._send(method, url, body, headers, used)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._is_own(url):
            response.close()
            self._log_in(response, used)
            response = self._send(method, url, body, headers, self._authorization)
        return response

    def _whole(self, response: httpx.Response, what: str) -> httpx.Response:
        """Return an answer with its content, which no registry may let grow or last without an end."""
        content, ends = bytearray(), time.monotonic() + ANSWER_S
        try:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > ANSWER:
                    raise RegistryRefusedError(self.reference.registry, what, f"more than {ANSWER >> 20} MiB")
                if time.monotonic() > ends:
                    raise RegistryRefusedError(self.reference.registry, what, f"no whole answer in {ANSWER_S} s")
        except httpx.DecodingError:
            raise RegistryRefusedError(self.reference.registry, what, "what can't be decoded") from None
        except httpx.RequestError as error:
            raise TryAgain(RegistryUnreachableError(response.url.netloc.decode(), _reason(error))) from None
        finally:
            response.close()
        kept = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_TRANSFER]
        whole = httpx.Response(response.status_code, headers=kept, content=bytes(content), request=response.request)
        if "Content-Length" not in response.headers:
            # httpx adds that of the content, which is none after HEAD.
            whole.headers.pop("Content-Length", None)
        return whole

    def address(self, address: str) -> httpx.URL:
        """Return the whole address of one that is relative to the repository, to the host, or whole already.

        Raises:
            RegistryRefusedError: it is none; a registry names the addresses of uploads.

        """
        inside = address if not address or address.startswith(("http://", "https://", "/")) else None
        return self._joined(f"{self.reference.repository}/{address}" if inside is None else inside)

    def _joined(self, address: str) -> httpx.URL:
        try:
            return self._base.join(address)
        except (httpx.InvalidURL, ValueError):
            raise RegistryRefusedError(self.reference.registry, "a request", "with an address that is none") from None

    def _is_own(self, url: httpx.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port)

    def _may_be_plain(self, url: httpx.URL) -> bool:
        return self._insecure or is_loopback(url.host)

    def _send(
        self,
        method: str,
        url: httpx.URL,
        body: Body,
        headers: Mapping[str, str] | None,
        authorization: str,
    ) -> httpx.Response:
        sent = dict(headers or {})
        # An upload or a download may go on at another server, which has no business with our credentials.
        if authorization and self._is_own(url):
            sent["Authorization"] = authorization
        try:
            request = self._client.build_request(method, url, content=body() if callable(body) else body, headers=sent)
            return self._followed(request)
        except (httpx.InvalidURL, httpx.TooManyRedirects):
            raise RegistryRefusedError(url.host, f"{method} of {_kind(url)}", "a way that leads nowhere") from None
        except httpx.RequestError as error:
            if "[SSL" in str(error):
                if self._may_be_plain(url):
                    raise RegistryUnreachableError(url.netloc.decode(), "no TLS") from None
                reason = "its certificate is not trusted" if "CERTIFICATE" in str(error) else "it speaks something else"
                raise PlainHttpError(url.netloc.decode(), reason) from None
            raise TryAgain(RegistryUnreachableError(url.netloc.decode(), _reason(error))) from None

    def _followed(self, request: httpx.Request) -> httpx.Response:
        # By hand: httpx would read the content of each step whole, however much it is.
        for _ in range(REDIRECTS):
            if request.url.scheme == "http" and not self._may_be_plain(request.url):
                raise PlainHttpError(request.url.netloc.decode(), "it wants to go on over http")
            response = self._client.send(request, stream=True)
            if response.next_request is None or request.method not in ("GET", "HEAD"):
                return response
            response.close()
            request = response.next_request
        raise httpx.TooManyRedirects("too many", request=request)

    def _judged(self, response: httpx.Response, what: str, expected: Collection[int]) -> httpx.Response:
        status = response.status_code
        if status in expected:
            return response
        refused = RegistryRefusedError(self.reference.registry, what, _answer(response))
        if may_pass(status):
            raise TryAgain(refused, retry_after(response.headers.get("Retry-After", "")))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise self._denied()
        raise refused

    def _denied(self) -> AccessDeniedError:
        had = "nobody who has not logged in" if self._credentials is None else "these credentials"
        what = "push to" if "push" in self._access else "pull from"
        return AccessDeniedError(self.reference.registry, f"{what} {self.reference.repository}", had)

    def _log_in(self, response: httpx.Response, used: str) -> None:
        with self._lock:
            if self._authorization != used:
                return  # another thread has just done it
            asked = challenges(response.headers.get_list("WWW-Authenticate"))
            if "bearer" in asked:
                self._authorization = f"Bearer {self._token(asked['bearer'])}"
            elif "basic" in asked and self._credentials is not None and self._credentials.basic:
                self._authorization = self._credentials.basic
            else:
                raise self._denied()

    def _token(self, challenge: Mapping[str, str]) -> str:
        if self._credentials is not None and self._credentials.registry_token:
            return self._credentials.registry_token
        realm = self._joined(challenge.get("realm", ""))
        wanted = challenge.get("scope")
        scopes = self._scopes if wanted is None or wanted in self._scopes else [*self._scopes, wanted]
        fields: list[tuple[str, str]] = [("client_id", _CLIENT_ID)]
        if service := challenge.get("service"):
            fields.append(("service", service))
        what = "a log-in"
        response = self._judged(self._whole(self._ask_token(realm, fields, scopes), what), what, [HTTPStatus.OK])
        answer = said(response)
        token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
        # It becomes part of a header.
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise RegistryRefusedError(realm.host, what, "without a token")
        return token

    def _ask_token(self, realm: httpx.URL, fields: list[tuple[str, str]], scopes: list[str]) -> httpx.Response:
        if realm.scheme != "https" and not self._may_be_plain(realm):
            raise PlainHttpError(realm.netloc.decode(), "its token server would get the password over http")
        known = self._credentials
        try:
            if known is not None and known.identity_token:
                form: dict[str, Any] = dict(fields)
                form |= {"grant_type": "refresh_token", "refresh_token": known.identity_token}
                form["scope"] = " ".join(scopes)
                return self._client.send(self._client.build_request("POST", realm, data=form), stream=True)
            headers = {"Authorization": known.basic} if known is not None and known.basic else {}
            params = realm.params.merge(httpx.QueryParams([*fields, *(("scope", scope) for scope in scopes)]))
            asked = self._client.build_request("GET", realm.copy_with(params=params), headers=headers)
            return self._client.send(asked, stream=True)
        except httpx.InvalidURL:
            raise RegistryRefusedError(self.reference.registry, "a log-in", "with an address that is none") from None
        except httpx.RequestError as error:
            raise TryAgain(RegistryUnreachableError(realm.netloc.decode(), _reason(error))) from None


def said(response: httpx.Response) -> object:
    """Return the JSON of an answer; None where it is something else."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _kind(url: httpx.URL) -> str:
    # The address itself may hold the token of an upload.
    parts = url.path.split("/")
    return next((name for name in ("uploads", "blobs", "manifests", "referrers") if name in parts), "the registry")


def _reason(error: httpx.RequestError) -> str:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "no connection"
        case httpx.TimeoutException():
            return "it answers too late"
        case _:
            return "it drops the connection"


def _answer(response: httpx.Response) -> str:
    """Return the status and, where the registry says it, the reason (distribution-spec, error codes)."""
    status = str(response.status_code)
    match said(response):
        case {"errors": [{"code": str(code), **more}, *_]}:
            return plain(f"{status} {code} {more.get('message') or ''}".strip(), 200)
        case _:
            return status
