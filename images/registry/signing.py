"""Have what was pushed signed, by a program of the person's own: cosign, or anything that takes an image by digest."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from images.errors import SignerError


@dataclass(frozen=True)
class Signer:
    """A command that signs the image whose reference is its last argument, ``REGISTRY/NAME@sha256:…``."""

    words: tuple[str, ...]

    def sign(self, references: Iterable[str]) -> None:
        """Run it for each reference, one after the other; what it prints goes to standard error.

        Its words are never shown: a key's password may be among them.

        Raises:
            SignerError: it did not sign one of them; the rest is not tried.

        """
        for reference in references:
            try:
                run = subprocess.run([*self.words, reference], stdout=sys.stderr, check=False)
            except OSError as error:
                raise SignerError(self.words[0], f"does not start ({error.strerror})") from None
            if run.returncode:
                raise SignerError(self.words[0], f"ended with {run.returncode} for {reference}")


def parse_signer(command: str) -> Signer:
    """Read a command as a shell would split it; no shell runs it.

    Raises:
        SignerError: it is no command, or its program is not there.

    """
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        raise SignerError("the signer", "has quotes that do not end") from None
    if not words:
        raise SignerError("the signer", "is an empty command")
    if shutil.which(words[0]) is None:
        raise SignerError(words[0], "is not installed")
    return Signer(words)
