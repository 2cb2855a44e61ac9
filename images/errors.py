"""Every way that images can fail: one class a cause, with a message that says what to do next; codes as in env."""

from __future__ import annotations

from collections.abc import Sequence

from env.errors import EnvError, Exit


class ImageError(EnvError):
    """Something the person who ran the command can put right. Its text is one line that says how."""


class UnknownImageError(ImageError):
    """No recipe of that name."""

    exit_code = Exit.USAGE

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"unknown image {name!r}: there are recipes for {', '.join(known) or 'none'} in images/")


class RecipeError(ImageError):
    """A recipe or part that does not fit the schema."""

    exit_code = Exit.DATA

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class UnknownEnvironmentError(ImageError):
    """An environment that the recipe does not offer."""

    exit_code = Exit.USAGE

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"unknown environment {name!r}: use --env {' or --env '.join(known)}")


class KernelNameError(ImageError):
    """Two environments whose kernels would have one name."""

    exit_code = Exit.USAGE

    def __init__(self, path: object, one: str, other: str) -> None:
        super().__init__(
            f"{path}: the environments {one} and {other} would have one kernel name in Jupyter: leave one out, or "
            "rename it where it is defined and lock again"
        )


class PlatformNotOfferedError(ImageError):
    """A platform the recipe is not made for."""

    exit_code = Exit.USAGE

    def __init__(self, platform: object, image: str, offered: Sequence[str], why: str = "") -> None:
        reason = f": {why}" if why else ""
        super().__init__(f"image {image!r} is not made for {platform}{reason}: use --platform {','.join(offered)}")


class PackageContentError(ImageError):
    """A package whose content can't be used, or reaches outside the root filesystem."""

    exit_code = Exit.DATA

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(f"{package}: {reason}; lock another version of it, where its lock is made")


class PathClashError(ImageError):
    """Two packages bring different files to one path."""

    exit_code = Exit.DATA

    def __init__(self, path: str, first: str, second: str) -> None:
        super().__init__(
            f"/{path} comes from both {first} and {second}: omit one of them, or what nobody needs of them with a "
            "[[drop]] in a part.toml of the recipe"
        )


class InterpreterError(ImageError):
    """The locked interpreter can't run here, so bytecode can't be made."""

    exit_code = Exit.HOST

    def __init__(self, reason: str) -> None:
        super().__init__(f"bytecode needs the locked Python to run on this host: {reason}")


class NoSpaceError(ImageError):
    """The disk is full."""

    exit_code = Exit.IO

    def __init__(self, path: object) -> None:
        super().__init__(f"no space left on the disk of {path}: free some, or choose another with --store or --output")


class LayoutError(ImageError):
    """A folder that is not a whole OCI image layout."""

    exit_code = Exit.DATA

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}; build it with `./noxw -s build-image`, or get it again from where it is")


class TooManyLayersError(ImageError):
    """More layers than runtimes accept."""

    exit_code = Exit.DATA

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(f"the recipe makes {count} layers and runtimes accept {limit}: raise its own-layer-size")


class TooFewLayersError(ImageError):
    """Fewer layers asked for than an image can have."""

    exit_code = Exit.DATA

    def __init__(self, path: object, limit: int, least: int) -> None:
        super().__init__(f"{path}: max-layers = {limit} is too few for what goes in: let it have {least} or more")


class OutputInUseError(ImageError):
    """The output folder holds something that is not an image layout."""

    exit_code = Exit.BUSY

    def __init__(self, path: object) -> None:
        super().__init__(f"{path} exists and is not an OCI image layout: move it away, or choose another --output")


class ChecksFailedError(ImageError):
    """An image does not do what it promises."""

    exit_code = Exit.FAULTS

    def __init__(self, failed: int, total: int, log: object) -> None:
        super().__init__(f"{failed} of {total} checks failed; what the image said is in {log}")


class SandboxError(ImageError):
    """The host can't run an unpacked image."""

    exit_code = Exit.HOST

    def __init__(self, reason: str, way_out: str) -> None:
        super().__init__(f"bubblewrap can't run the image here: {reason}; {way_out}")


class EmulationError(ImageError):
    """The host can't run the other platform's programs."""

    exit_code = Exit.HOST

    def __init__(self, platform: object, reason: str) -> None:
        super().__init__(
            f"{platform} can't be emulated here: {reason}; it needs Linux 6.7 or later with user namespaces and "
            "binfmt_misc, or choose this host's own with --platform"
        )


class NotOfferedError(ImageError):
    """A layout that lacks a platform that was asked for."""

    exit_code = Exit.USAGE

    def __init__(self, layout: object, platform: object, known: Sequence[str]) -> None:
        super().__init__(f"{layout} holds no image for {platform}: it has {', '.join(known) or 'none'}")


class OnePlatformError(ImageError):
    """A docker-archive of more than one platform."""

    exit_code = Exit.USAGE

    def __init__(self, held: Sequence[str]) -> None:
        super().__init__(
            f"a docker-archive holds one platform: choose one with --platform ({', '.join(held)}), or take "
            "--format oci-archive, which holds several"
        )


class ReferenceFormatError(ImageError):
    """A name in a registry that can't be read as one."""

    exit_code = Exit.USAGE

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r} {reason}: write REGISTRY/NAME:TAG, e.g. registry.example.org/team/jupyter:1")


class RegistryUnreachableError(ImageError):
    """A registry that does not answer, or drops the connection again and again."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, registry: str, reason: str) -> None:
        super().__init__(
            f"{registry} can't be reached ({reason}): check its name and the network, then run it again: what has "
            "arrived is not sent twice"
        )


class AccessDeniedError(ImageError):
    """A registry that does not let these credentials push or pull there, or wants some."""

    exit_code = Exit.PERMISSION

    def __init__(self, registry: str, what: str, had: str) -> None:
        super().__init__(
            f"{registry} does not let {had} {what}: run `podman login {registry}` or "
            f"`docker login {registry}` with an account that may"
        )


class RegistryRefusedError(ImageError):
    """A registry that keeps answering with an error."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, registry: str, what: str, answer: str) -> None:
        super().__init__(f"{registry} answers {answer} to {what}: try again later, or ask who runs it")


class CredentialsError(ImageError):
    """Credentials that are configured and can't be read."""

    exit_code = Exit.PERMISSION

    def __init__(self, source: object, reason: str) -> None:
        super().__init__(f"credentials from {source}: {reason}; put that right or log in again")


class PlainHttpError(ImageError):
    """A registry, or its token server, that offers no TLS."""

    exit_code = Exit.PERMISSION

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(
            f"{server} offers no TLS that can be trusted ({reason}): give it a certificate, name its authority with "
            "SSL_CERT_FILE, or take --insecure where nobody else listens"
        )


class NotInRegistryError(ImageError):
    """A registry that holds no image of that name."""

    exit_code = Exit.MISSING

    def __init__(self, reference: object) -> None:
        super().__init__(f"{reference} is not there: check its name and its tag or digest")


class WrongContentError(ImageError):
    """A registry that sends, again and again, other content than its digest says."""

    exit_code = Exit.CONTENT

    def __init__(self, reference: object, digest: str) -> None:
        super().__init__(f"{reference}: what is sent for {digest} has another digest: it is not used; ask who runs it")


class NotGoldenError(ImageError):
    """Layers without the diff_ids that are committed for them."""

    exit_code = Exit.FAULTS

    def __init__(self, count: int, golden: str) -> None:
        super().__init__(
            f"{count} layers are not as {golden} says: `./noxw -s images -- diff` against a layout from elsewhere "
            "tells the files; if the change is meant, `./noxw -s images -- golden --write`"
        )


class DifferentError(ImageError):
    """Two layouts that do not hold the same."""

    exit_code = Exit.FAULTS

    def __init__(self, count: int) -> None:
        super().__init__(f"the layouts differ in {count} places")


class UnreadableInputError(ImageError):
    """A file given on the command line that can't be read as what it should be."""

    exit_code = Exit.DATA

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} {reason}")


class NoChecksError(ImageError):
    """An image that carries no checks for a running server."""

    exit_code = Exit.USAGE

    def __init__(self, origin: object) -> None:
        super().__init__(f"{origin} carries no checks of scope deploy in its org.overthinkos.tests label")


class McpRefusedError(ImageError):
    """An MCP server that does not answer, or answers with an error."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, url: object, reason: str) -> None:
        super().__init__(f"{url}: {reason}")


class SignerError(ImageError):
    """A signer that did not sign, so that the tag is as it was."""

    exit_code = Exit.HOST

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(f"{program} {reason}: the tag is as it was; put that right and push again")
