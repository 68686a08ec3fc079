"""Which TPM a certificate is for, in its maker's words: manufacturer, model, version, specification.

These are claims of the maker under its signature: told and recorded, and not judged here.
What is missing or malformed is a remark. The forms that are met: three relative names, or
all three attributes in one; among other general names or alone.

Source: TCG EK Credential Profile 2.5, 3.2 (subjectAltName, subjectDirectoryAttributes);
TCG TPM Vendor ID Registry.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.attest.endorsement import der, oids
from reconciler.attest.endorsement.certificate import Certificate
from reconciler.attest.endorsement.endorsed import TpmClaims
from reconciler.attest.endorsement.names import Attribute, relative_names, text_of
from reconciler.attest.reader import MalformedError

_SAN, _SDA = "subject alternative name", "subject directory attributes"
_DIRECTORY_NAME = 0xA4
_VENDOR = "id:"
_VENDOR_DIGITS = 8
_MAX_TEXT = 128
_FIELDS = {oids.TPM_MANUFACTURER: "manufacturer", oids.TPM_MODEL: "model", oids.TPM_VERSION: "version"}


def tpm_claims(certificate: Certificate) -> TpmClaims:
    """Return what ``certificate`` says of its TPM; nothing in it raises."""
    remarks: list[str] = []
    found: dict[str, str] = {}
    extension = certificate.extensions.get(oids.SUBJECT_ALT_NAME)
    if extension is None:
        remarks.append("there is no subject alternative name (TCG EK Credential Profile, 3.2)")
    else:
        try:
            found = _san(extension.value)
        except MalformedError as error:
            remarks.append(str(error))
        else:
            remarks += [f"the {_SAN} has no TPM {name}" for name in _FIELDS.values() if name not in found]
    manufacturer = found.get("manufacturer")
    vendor = _vendor(manufacturer)
    if manufacturer is not None and vendor is None:
        remarks.append("the TPM manufacturer is not id: and eight hexadecimal digits")
    specification = None
    try:
        specification = _specification(certificate)
    except MalformedError as error:
        remarks.append(str(error))
    return TpmClaims(
        manufacturer=manufacturer,
        vendor=vendor,
        model=found.get("model"),
        version=found.get("version"),
        specification=specification,
        remarks=tuple(remarks),
    )


def check_alternative_name(certificate: Certificate) -> None:
    """Raise MalformedError if ``certificate`` has a critical subject alternative name that cannot be read."""
    extension = certificate.extensions.get(oids.SUBJECT_ALT_NAME)
    if extension is not None and extension.critical:
        _san(extension.value)


def _san(value: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for general in der.elements(der.only_element(value, tag=der.SEQUENCE, what=_SAN).content, what=_SAN):
        if general.tag != _DIRECTORY_NAME:
            continue
        for kind, attribute in _attributes(general.content):
            name = _FIELDS.get(kind)
            text = text_of(attribute)
            if name is None:
                continue
            if text is None or not text.isprintable() or len(text) > _MAX_TEXT:
                raise MalformedError(_SAN, f"its TPM {name} is not text")
            if found.setdefault(name, text) != text:
                raise MalformedError(_SAN, f"names two TPM {name}s")
    return found


def _attributes(name: bytes) -> Iterator[Attribute]:
    for group in relative_names(name):
        yield from group


def _vendor(manufacturer: str | None) -> str | None:
    """Return the letters of ``id:`` and eight hexadecimal digits, without the filling at their end."""
    digits = "" if manufacturer is None else manufacturer.removeprefix(_VENDOR)
    try:
        letters = bytes.fromhex(digits).decode("ascii").rstrip("\0 ")
    except ValueError:
        return None
    is_vendor = len(digits) == _VENDOR_DIGITS and manufacturer != digits and letters.isprintable() and letters
    return letters if is_vendor else None


def _specification(certificate: Certificate) -> str | None:
    extension = certificate.extensions.get(oids.SUBJECT_DIRECTORY_ATTRIBUTES)
    if extension is None:
        return None
    for attribute in der.elements(der.only_element(extension.value, tag=der.SEQUENCE, what=_SDA).content, what=_SDA):
        children = der.elements(attribute.content, what=_SDA)
        if oids.dotted(der.expect(children, tag=der.OBJECT_IDENTIFIER, what=_SDA).content) == oids.TPM_SPECIFICATION:
            values = der.elements(der.expect(children, tag=der.SET, what=_SDA).content, what=_SDA)
            return _family(der.expect(values, tag=der.SEQUENCE, what=_SDA).content)
    return None


def _family(content: bytes) -> str:
    fields = der.elements(content, what=_SDA)
    first = next(fields, None)
    family = None if first is None else text_of(first)
    level = der.expect(fields, tag=der.INTEGER, what=_SDA).content[:8]
    revision = der.expect(fields, tag=der.INTEGER, what=_SDA).content[:8]
    if family is None or not family.isprintable() or len(family) > _MAX_TEXT:
        raise MalformedError(_SDA, "the TPM specification's family is not text")
    return f"{family} level {int.from_bytes(level)} revision {int.from_bytes(revision)}"
