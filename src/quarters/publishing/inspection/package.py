"""One package: its row, its file and its signatures."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from pysequoia import Cert

from quarters.formats.format import Format
from quarters.model.errors import PackageInvalid, SignatureRefused
from quarters.model.repository import PackageFile
from quarters.protocol.checks import Damage, Finding
from quarters.publishing.signing import certificates, verification
from quarters.storage.inspection import Registered

_PIECE = 1 << 20


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a package; `file` is what its file says, None where that cannot be had."""

    findings: tuple[Finding, ...]
    file: PackageFile | None = None
    bad_keys: tuple[str, ...] = ()
    """Fingerprints of the keys whose signatures are not good."""


def examine(row: Registered, path: Path, format: Format, trusted: Sequence[Cert], now: datetime) -> Examined:
    """Read a package from its first byte to its last; to be called off the event loop."""
    subject = row.file_name
    if not path.is_file():
        return _lost(Damage.FILE_MISSING, subject, f"The file of {subject} is missing ({path}).")
    if digest(path) != row.sha256:
        return _lost(Damage.FILE_DAMAGED, subject, f"The file of {subject} is not what it was ({path}).")
    file = _read(row, path, format)
    if file is None:
        sentence = f"The row of {subject} does not fit its file {path}, and none of the names in it does."
        return Examined(findings=(Finding(damage=Damage.ROW_DAMAGED, subject=subject, sentence=sentence),))
    findings = []
    if not row.says(file):
        sentence = f"The row of {file.file_name} says something else than its file."
        findings.append(Finding(damage=Damage.ROW_DAMAGED, subject=file.file_name, sentence=sentence))
    bad = []
    known = {certificates.fingerprint(cert): cert for cert in trusted}
    for key, signature in row.signatures.items():
        if key not in known:
            continue  # retired: clients do not look at it any more
        try:
            verification.check(path, signature, [known[key]], now)
        except SignatureRefused as error:
            sentence = f"The signature of {file.file_name} is not good. {error}"
            findings.append(
                Finding(damage=Damage.SIGNATURE_DAMAGED, subject=file.file_name, sentence=sentence)
            )
            bad.append(key)
    if not row.signatures:
        sentence = f"{file.file_name} has no signature."
        findings.append(Finding(damage=Damage.SIGNATURE_MISSING, subject=file.file_name, sentence=sentence))
    return Examined(findings=tuple(findings), file=file, bad_keys=tuple(bad))


def digest(path: Path) -> str:
    """The sha256 of a file's content."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha256.update(piece)
    return sha256.hexdigest()


def _lost(damage: Damage, subject: str, sentence: str) -> Examined:
    return Examined(findings=(Finding(damage=damage, subject=subject, sentence=sentence),))


def _read(row: Registered, path: Path, format: Format) -> PackageFile | None:
    for name in row.file_names():
        try:
            return format.read_package(path, name)
        except PackageInvalid:
            continue
    try:
        return format.identify_package(path)
    except PackageInvalid:
        return None
