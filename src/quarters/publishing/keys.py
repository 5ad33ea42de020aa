"""The keys that repositories are signed with, which of them signs, and how one takes over from another."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pysequoia import Cert

from quarters.model.errors import Conflict, Invalid, NotFound, QuartersError, Unavailable
from quarters.protocol.resources import KeyState, KeyView
from quarters.publishing.settings import PublishingSettings
from quarters.publishing.signing import certificates, external, secrets
from quarters.publishing.signing.file import FileSigner
from quarters.publishing.signing.folder import Held, KeyFolder, Kind
from quarters.publishing.signing.signer import Signer

_FIRST = "quarters"
_WARNED = timedelta(days=60)
"""How long before a key expires people hear of it: their users have to get its new form in time as well."""


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class KeyRing:
    """All keys of a server: one signs, others are trusted by clients already or still, and retired ones are not.

    Keys made here do not expire unless that is asked for: an expired key breaks every client at once, while a lost one
    can be revoked.
    """

    def __init__(
        self,
        folder: Path,
        settings: PublishingSettings | None = None,
        now: Callable[[], datetime] = _wall_clock,
    ) -> None:
        self._keys = KeyFolder(folder)
        self._settings = settings or PublishingSettings()
        self._now = now

    def ensure(self) -> KeyView:
        """The key that signs; the first key is made, but a name that is missing among others is NotFound."""
        if next(iter(self._keys), None) is None:
            try:
                return self.create(self._settings.key or _FIRST, self._settings.user_id)
            except Conflict:  # another process was quicker
                pass
        return self._view(self._current())

    def create(self, name: str, user_id: str, days: int | None = None) -> KeyView:
        """Make a new key, which lasts for `days`; Conflict if the name is taken."""
        until = None if days is None else self._in(days)
        return self._view(self._keys.add(name, Kind.FILE, str(secrets.made(user_id, until))))

    def add(self, name: str, armoured: str, kind: Kind = Kind.FILE) -> KeyView:
        """Import a key; Invalid if it cannot sign, Conflict if the name is taken by another key.

        A secret key without a passphrase or, where gpg or a command signs, the public half. A newer form of a key that
        is here takes its place.
        """
        if kind is Kind.RETIRED:
            raise Invalid("A key is retired after it was used, not imported so.")
        cert, text = self._imported(armoured, kind)
        until = certificates.expires_at(cert)
        if until is not None and until <= self._now():
            raise Invalid(f"This key expired on {until:%Y-%m-%d}.")
        try:
            known = self._keys.get(name)
        except NotFound:
            if kind is not Kind.FILE:
                self._external(name, kind, cert).sign(b"")  # so that what is set up wrongly shows now
            return self._view(self._keys.add(name, kind, text))
        if (known.fingerprint, known.kind) != (certificates.fingerprint(cert), kind):
            raise Conflict(f"There is already a key {name!r}.")
        return self._view(self._keys.replace(known, text))

    def all(self) -> list[KeyView]:
        """Every key, by name."""
        return [self._view(held) for held in self._keys]

    def show(self, name: str) -> KeyView:
        """The public side of one key, or NotFound."""
        return self._view(self._keys.get(name))

    def public(self, name: str | None = None) -> str:
        """A public key, by default of the key that signs, in ASCII armour as `pacman-key --add` takes it."""
        return str((self._current() if name is None else self._keys.get(name)).cert)

    def trusted(self) -> list[Cert]:
        """What clients are to trust: every key that is not retired."""
        return [held.cert for held in self._keys if held.kind is not Kind.RETIRED]

    def retired(self) -> list[Cert]:
        """What clients are to trust no more."""
        return [held.cert for held in self._keys if held.kind is Kind.RETIRED]

    @property
    def fingerprint(self) -> str:
        """Of the key that signs, in capital hexadecimal as gpg shows it."""
        return self._current().fingerprint

    def signer(self) -> Signer:
        """The key that signs now; Unavailable once it expired, or while the clock says that it was not made yet.

        Who notes the fingerprint takes it from the same signer.
        """
        held = self._current()
        if why := certificates.unfit(held.cert):
            raise Unavailable(
                f"Nothing can be signed: the key {held.name} is not valid at the time that the clock shows ({why})."
            )
        until = certificates.expires_at(held.cert)
        if until is not None and until <= self._now():
            raise Unavailable(f"Nothing can be signed: {self._advice(held, until)}")
        return self._signer(held)

    def sign(self, data: bytes) -> bytes:
        """The binary detached signature of `data`, as pacman takes it."""
        return self.signer().sign(data)

    def sign_file(self, path: Path) -> bytes:
        """The binary detached signature of a file of any size; to be called off the event loop."""
        return self.signer().sign_file(path)

    def use(self, name: str) -> KeyView:
        """Let another key sign from now on; Conflict where the configuration says which one does."""
        configured = self._settings.key
        if configured and configured != name:
            raise Conflict(
                f"The configuration says that {configured} signs (publishing.key); change it there."
            )
        held = self._keys.get(name)
        if held.kind is Kind.RETIRED:
            raise Conflict(f"The key {name} is retired.")
        self._signer(held).sign(b"")
        self._keys.choose(name)
        return self._view(held)

    def extend(self, name: str, days: int) -> KeyView:
        """Let a key last for `days` from now on; clients have to get its new form before the old one expires."""
        held = self._keys.get(name)
        if held.secret is None:
            raise Invalid(
                f"The secret of {name} is not here; extend it where it is (`gpg --quick-set-expire`), "
                "and import its public half again."
            )
        return self._view(self._keys.replace(held, str(secrets.prolonged(held.secret, self._in(days)))))

    def retire(self, name: str, *, revoke: bool = False) -> KeyView:
        """Never sign with a key again; its secret is deleted. `revoke` tells clients that it fell into other hands."""
        held = self._keys.get(name)
        if held.kind is Kind.RETIRED:
            raise Conflict(f"The key {name} is retired already.")
        if held.name == self._current_name():
            raise Conflict(f"The key {name} signs; let another one do so first with `quarters key use`.")
        if revoke and held.secret is None:
            raise Invalid(f"The secret of {name} is not here; revoke it where it is, and import the result.")
        cert = secrets.revoked(held.secret) if revoke and held.secret is not None else held.cert
        return self._view(self._keys.retire(held, cert))

    def warnings(self) -> list[str]:
        """What people have to do something about, a sentence each."""
        try:
            held = self._current()
        except QuartersError as error:
            return [str(error)]
        until = certificates.expires_at(held.cert)
        if until is None or until - self._now() > _WARNED:
            return []
        return [self._advice(held, until)]

    def _advice(self, held: Held, until: datetime) -> str:
        expires = "expired" if until <= self._now() else "expires"
        how = f"extend it with `quarters key extend {held.name} --days 365`"
        if held.secret is None:
            how = "extend it where its secret is and import its public half again"
        return (
            f"the key {held.name}, which signs, {expires} on {until:%Y-%m-%d}; {how}, "
            "or let another one sign with `quarters key use`."
        )

    def _current_name(self) -> str:
        name = self._settings.key or self._keys.chosen
        if name is None:
            live = [held for held in self._keys if held.kind is not Kind.RETIRED]
            # One that was imported before the server's first start is the one that is meant.
            name = live[0].name if len(live) == 1 else _FIRST
        return name

    def _current(self) -> Held:
        held = self._keys.get(self._current_name())
        if held.kind is Kind.RETIRED:
            raise Unavailable(f"Nothing can be signed: the key {held.name} is retired.")
        return held

    def _imported(self, armoured: str, kind: Kind) -> tuple[Cert, str]:
        if kind is Kind.FILE:
            secret = secrets.parse(armoured)
            return secret.extract_certificate(), str(secret)
        cert = certificates.parse(armoured)
        return cert, str(cert)

    def _signer(self, held: Held) -> Signer:
        if held.secret is not None:
            return FileSigner(held.path, held.secret, held.quick, self._settings.signing_timeout)
        return self._external(held.name, held.kind, held.cert)

    def _external(self, name: str, kind: Kind, cert: Cert) -> Signer:
        settings = self._settings
        if kind is Kind.GPG:
            return external.gpg(cert, settings.gnupg_home, settings.signing_timeout, self._now)
        if not settings.signing_command:
            raise Unavailable(f"Nothing can be signed with {name}: publishing.signing_command is not set.")
        return external.command(cert, name, settings.signing_command, settings.signing_timeout, self._now)

    def _in(self, days: int) -> datetime:
        if not 0 < days <= 36_500:
            raise Invalid("A key lasts for at least one day, and for a hundred years at most.")
        return self._now().replace(microsecond=0) + timedelta(days=days)

    def _view(self, held: Held) -> KeyView:
        state = KeyState.READY
        if held.kind is Kind.RETIRED:
            state = KeyState.RETIRED
        elif held.name == self._current_name():
            state = KeyState.SIGNING
        return KeyView(
            name=held.name,
            fingerprint=held.fingerprint,
            user_id=certificates.user_id(held.cert),
            created_at=certificates.created_at(held.cert),
            expires_at=certificates.expires_at(held.cert),
            armored=str(held.cert),
            signer=held.kind.value,
            state=state,
        )
