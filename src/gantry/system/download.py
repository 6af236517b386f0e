"""One file from the network: resumed where it stopped, checked, and put in its place whole."""

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO

from gantry.errors import UserError
from gantry.progress import ProgressBar
from gantry.system.disk import require_space, writes_to

BLOCK = 1 << 20
TIMEOUT_SECONDS = 30
GOES_ON = "it goes on from where it stopped"


def download(url: str, target: Path, digest: str, algorithm: str, name: str, advice: str = "") -> Path:
    """Download `url` to `target`; return it.

    `digest` is what `algorithm` ("md5", "sha256") makes of the whole; `name` says in messages what it is. An
    interrupted download goes on where it stopped. UserError, with `advice`, where the host does not answer or the
    checksum is wrong: then what came is deleted.
    """
    with writes_to(target.parent, GOES_ON):
        target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        _receive(url, partial, name)
    except (OSError, HTTPException) as error:  # URLError, time-outs and broken connections among them
        got = partial.stat().st_size if partial.exists() else 0
        raise UserError(
            f"{url}: {name}: {getattr(error, 'reason', error)}; {got / 1e6:,.0f} MB are here: "
            f"run the same command again to go on\n{advice}".rstrip()
        ) from error
    with partial.open("rb") as stream:
        found = hashlib.file_digest(stream, algorithm).hexdigest()
    if found != digest:
        partial.unlink()
        raise UserError(
            f"{url}: {name}: the checksum of what came is {found}, not {digest}: "
            "it was damaged on the way or changed there; it is deleted, run the same command again"
        )
    partial.replace(target)
    return target


def _receive(url: str, partial: Path, name: str) -> None:
    """Append to `partial` what of `url` is not in it yet."""
    had = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={had}-", "User-Agent": "gantry"})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and had:  # nothing lies beyond what we have
            return
        raise
    with response:
        resumes = response.status == 206
        had = had if resumes else 0
        left = int(response.headers.get("Content-Length") or 0)
        require_space(partial.parent, left, f"downloading {partial.name.strip('.')}")
        line = ProgressBar(f"fetching {name}", had + left, "bytes", had)
        with writes_to(partial, GOES_ON), partial.open("ab" if resumes else "wb") as stream:
            while block := _block(response):
                stream.write(block)
                line.advance(len(block))
        line.close()
        if left and line.done < line.total:
            raise ConnectionError(f"the connection ended after {line.done:,} of {line.total:,} bytes")


def _block(response: IO[bytes]) -> bytes:
    """The next block; what the network says must not be taken for what the disk says."""
    try:
        return response.read(BLOCK)
    except OSError as error:
        raise HTTPException(str(error)) from error
