"""What went wrong at a store: told apart by what to do about it."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from migrator.errors import StorageError
from migrator.files import is_full
from migrator.places.addresses import shown

MISSING, EXISTS, DENIED, REFUSED, LOST = "missing", "exists", "denied", "refused", "lost"
"""Nothing there, something there already, no right to it, no sense in it, no answer from it."""

_MOST = 300
_NO_RIGHTS = frozenset(
    (
        "CredentialRetrievalError",
        "DefaultCredentialsError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "RefreshError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    )
)
"""Of boto and Google, which are not ours to import."""
_NO_SENSE = frozenset(
    getattr(errno, name)
    for name in ("EINVAL", "EPERM", "ENOSYS", "ENAMETOOLONG", "EMSGSIZE", "EREMCHG", "EROFS")
    if hasattr(errno, name)
)
_REDIRECTS = {
    "TooManyRedirects": "the server redirects again and again",
    "NonHttpUrlRedirectClientError": "the server redirects to what is no web address, which is "
    "not followed",
    "InvalidUrlRedirectClientError": "the server redirects to what is no address",
}
"""Of aiohttp; another try gives the same."""
_AGAIN = frozenset((408, 425, 429))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``kind`` is one of the above; ``passes``: another try may do."""

    kind: str
    text: str
    passes: bool = False


def fault_of(error: BaseException) -> Fault:
    """What an exception of fsspec, or of what is under it, means."""
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and cause is not None and _is_of_network(cause):
        error = cause  # fsspec takes a web server that gives no answer for one without the file
    text = _text(error)
    name = type(error).__name__
    if name in _REDIRECTS:
        return Fault(kind=REFUSED, text=_REDIRECTS[name])
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status == 404:
        if "bucket" in text.lower() and "not exist" in text:
            return Fault(kind=REFUSED, text=text)
        return Fault(kind=MISSING, text="there is nothing at this address")
    if isinstance(error, FileExistsError) or status == 412:
        return Fault(kind=EXISTS, text="exists already")
    if isinstance(error, PermissionError) or status in (401, 403) or name in _NO_RIGHTS:
        return Fault(kind=DENIED, text=f"the store refuses: {text}")
    # aiohttp's broken connections and bad answers are ValueErrors too.
    is_ours = isinstance(error, (NotImplementedError, ValueError, TypeError, ImportError))
    is_ours = is_ours and "aiohttp" not in type(error).__module__
    if is_ours or name == "ParamValidationError":
        return Fault(kind=REFUSED, text=text)
    if isinstance(error, OSError) and is_full(error):
        return Fault(kind=REFUSED, text=text)
    if 400 <= status < 500 and status not in _AGAIN:
        return Fault(kind=REFUSED, text=text)
    if isinstance(error, OSError) and error.errno in _NO_SENSE:
        return Fault(kind=REFUSED, text=text)
    return Fault(kind=LOST, text=text, passes=True)


def storage_error(fault: Fault, address: str, *, tries: int = 1) -> StorageError:
    """The error for ``fault`` at ``address``."""
    text = f"{fault.text} (in {tries} tries)" if tries > 1 else fault.text
    hint = "check the credentials, and their right to it" if fault.kind == DENIED else ""
    return StorageError(text, kind=fault.kind, where=shown(address), hint=hint)


def _is_of_network(error: BaseException) -> bool:
    is_ours = isinstance(error, (ConnectionError, TimeoutError))
    return is_ours or "aiohttp" in type(error).__module__


def _text(error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) else ""
    text = " ".join(shown(reason or str(error)).split()) or type(error).__name__
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."


def _status(error: BaseException) -> int:
    """The HTTP status in it, or in what it was made of; 0 for none."""
    for item in (error, error.__cause__):
        if "aiohttp" in type(item).__module__ and not hasattr(item, "request_info"):
            continue  # an answer that was cut short has a code too
        response = getattr(item, "response", None)
        if isinstance(response, dict):
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            found = getattr(item, "status", None) or getattr(item, "code", None)
        if isinstance(found, int) and 100 <= found < 600:
            return found
    return 0
