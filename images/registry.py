"""A registry as OCI distribution-spec v1.1 has it: requests that log in, wait, and try again, but not for ever.

Logging in follows distribution's token specification (auth/token and auth/oauth): a 401 names where a bearer token for
a scope is to be had, or asks for basic authentication.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Literal

import httpx

from env.retry import Patience, TryAgain, may_pass, retry_after
from images.challenges import challenges
from images.dockerauth import Credentials
from images.errors import (
    AccessDeniedError,
    PlainHttpError,
    RegistryRefusedError,
    RegistryUnreachableError,
)
from images.reference import Reference, is_loopback

Body = bytes | Callable[[], Iterator[bytes]] | None
"""A request's content; an iterator is made anew for each attempt."""
Access = Literal["pull", "pull,push"]
"""What is asked for at log-in."""
_TIMEOUT = httpx.Timeout(30.0, read=120.0)
_CLIENT_ID = "jupyter-mcp-images"


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
        self._client = httpx.Client(
            timeout=_TIMEOUT, trust_env=not is_loopback(host), headers={"User-Agent": _CLIENT_ID}
        )
        self._base = httpx.URL(f"https://{reference.server}/v2/")

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

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
        response = self._answered(method, url, body, headers)
        return self._judged(response, f"{method} of {_kind(url)}", expected)

    @contextmanager
    def download(
        self, address: str, *, expected: Collection[int], headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """Make one attempt at a GET whose content is read in pieces; what goes wrong is told as by `once`."""
        url = self.address(address)
        response = self._answered("GET", url, None, headers, stream=True)
        try:
            if response.status_code not in expected:
                response.read()
            yield self._judged(response, f"GET of {_kind(url)}", expected)
        except httpx.TransportError as error:
            raise TryAgain(RegistryUnreachableError(url.netloc.decode(), _reason(error))) from None
        finally:
            response.close()

    def _answered(
        self, method: str, url: httpx.URL, body: Body, headers: Mapping[str, str] | None, *, stream: bool = False
    ) -> httpx.Response:
        used = self._authorization
        response = self._send(method, url, body, headers, used, stream=stream)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._is_own(url):
            response.close()
            self._log_in(response, used)
            response = self._send(method, url, body, headers, self._authorization, stream=stream)
        return response

    def address(self, address: str) -> httpx.URL:
        """Give the whole address of one that is relative to the repository, to the host, or whole already."""
        if address.startswith(("http://", "https://", "/")):
            return self._base.join(address)
        return self._base.join(f"{self.reference.repository}/{address}" if address else "")

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
        *,
        stream: bool = False,
    ) -> httpx.Response:
        if url.scheme == "http" and not self._may_be_plain(url):
            raise PlainHttpError(url.netloc.decode(), "it wants to go on over http")
        sent = dict(headers or {})
        # An upload or a download may go on at another server, which has no business with our credentials.
        if authorization and self._is_own(url):
            sent["Authorization"] = authorization
        try:
            request = self._client.build_request(method, url, content=body() if callable(body) else body, headers=sent)
            return self._client.send(request, follow_redirects=method in ("GET", "HEAD"), stream=stream)
        except httpx.TransportError as error:
            if "[SSL" in str(error):
                if self._may_be_plain(url):
                    raise RegistryUnreachableError(url.netloc.decode(), "no TLS") from None
                reason = "its certificate is not trusted" if "CERTIFICATE" in str(error) else "it speaks something else"
                raise PlainHttpError(url.netloc.decode(), reason) from None
            raise TryAgain(RegistryUnreachableError(url.netloc.decode(), _reason(error))) from None

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
        realm = self._base.join(challenge.get("realm", ""))
        wanted = challenge.get("scope")
        scopes = self._scopes if wanted is None or wanted in self._scopes else [*self._scopes, wanted]
        fields: list[tuple[str, str]] = [("client_id", _CLIENT_ID)]
        if service := challenge.get("service"):
            fields.append(("service", service))
        response = self._judged(self._ask_token(realm, fields, scopes), "a log-in", [HTTPStatus.OK])
        try:
            answer = response.json()
            return str(answer.get("token") or answer["access_token"])
        except (ValueError, KeyError, AttributeError):
            raise RegistryRefusedError(realm.host, "a log-in", "without a token") from None

    def _ask_token(self, realm: httpx.URL, fields: list[tuple[str, str]], scopes: list[str]) -> httpx.Response:
        if realm.scheme != "https" and not self._may_be_plain(realm):
            raise PlainHttpError(realm.netloc.decode(), "its token server would get the password over http")
        known = self._credentials
        try:
            if known is not None and known.identity_token:
                form: dict[str, Any] = dict(fields)
                form |= {"grant_type": "refresh_token", "refresh_token": known.identity_token}
                return self._client.post(realm, data={**form, "scope": " ".join(scopes)})
            headers = {"Authorization": known.basic} if known is not None and known.basic else {}
            params = realm.params.merge(httpx.QueryParams([*fields, *(("scope", scope) for scope in scopes)]))
            return self._client.get(realm.copy_with(params=params), headers=headers)
        except httpx.TransportError as error:
            raise TryAgain(RegistryUnreachableError(realm.netloc.decode(), _reason(error))) from None


def _kind(url: httpx.URL) -> str:
    # The address itself may hold the token of an upload.
    parts = url.path.split("/")
    return next((name for name in ("uploads", "blobs", "manifests", "referrers") if name in parts), "the registry")


def _reason(error: httpx.TransportError) -> str:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "no connection"
        case httpx.TimeoutException():
            return "it answers too late"
        case _:
            return "it drops the connection"


def _answer(response: httpx.Response) -> str:
    """Give the status and, where the registry says it, the reason (distribution-spec, error codes)."""
    status = str(response.status_code)
    try:
        first = response.json()["errors"][0]
        words = f"{first['code']} {first.get('message') or ''}"
    except (ValueError, KeyError, IndexError, TypeError):
        return status
    shown = "".join(letter if letter.isprintable() else " " for letter in words)[:200]
    return f"{status} {shown.strip()}"
