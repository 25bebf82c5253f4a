"""How the texts of policies and requests are read as numbers, dates, addresses, bytes and booleans."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)\Z", re.ASCII)
_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?)?)?\Z", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def number(text: str) -> Fraction | None:
    """The exact rational that `text` writes (integer or decimal, optional sign), or None.

    Source: IAM User Guide, "IAM JSON policy elements: Condition operators", numeric condition operators.
    """
    return Fraction(text) if _NUMBER.match(text) and len(text) <= 200 else None


@lru_cache(maxsize=4096)
def date(text: str) -> Fraction | None:
    """The instant that `text` writes, in seconds since 1970, or None: the W3C profile of ISO 8601 or epoch seconds.

    A bare four-digit integer has two readings; `ambiguous_date` tells.
    Source: IAM User Guide, "IAM JSON policy elements: Condition operators", date condition operators.
    """
    if re.fullmatch(r"[+-]?\d+", text, re.ASCII) and not re.fullmatch(r"\d{4}", text, re.ASCII):
        return Fraction(int(text)) if len(text) <= 20 else None
    m = _DATE.match(text)
    if not m:
        return None
    year, month, day, hour, minute, second, fraction, zone = m.groups()
    try:
        tz = UTC if zone in (None, "Z") else timezone(_offset(zone))
        moment = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=tz
        )
    except ValueError:
        return None
    span = moment - _EPOCH
    return Fraction(span.days * 86400 + span.seconds) + (Fraction(fraction) if fraction else 0)


def _offset(zone: str) -> timedelta:
    sign = -1 if zone[0] == "-" else 1
    return sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))


def ambiguous_date(text: str) -> Fraction | None:
    """The other reading, as epoch seconds, of a bare four-digit integer; None for every other text."""
    return Fraction(int(text)) if re.fullmatch(r"\d{4}", text, re.ASCII) else None


def date_text(seconds: Fraction) -> str:
    """The instant in AWS's form `YYYY-MM-DDThh:mm:ssZ`, with a fraction if it has one; `date` reads it back.

    Instants outside the years 1 to 9999 are printed as epoch seconds.
    """
    whole = seconds.numerator // seconds.denominator
    try:
        moment = _EPOCH + timedelta(seconds=whole)
    except OverflowError:
        return str(whole)
    rest = seconds - whole
    tail = ""
    if rest:
        digits = f"{float(rest):.9f}".split(".")[1].rstrip("0")
        tail = "." + digits if digits else ""
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment.hour:02}:{moment.minute:02}:{moment.second:02}{tail}Z"


def number_text(value: Fraction) -> str:
    """The number in decimal digits; `number` reads it back exactly if it has a finite decimal form."""
    if value.denominator == 1:
        return str(value.numerator)
    scaled, digits = value, 0
    while scaled.denominator != 1 and digits < 30:
        scaled, digits = scaled * 10, digits + 1
    if scaled.denominator != 1:
        return repr(float(value))
    sign, whole = ("-" if scaled < 0 else ""), f"{abs(scaled.numerator):0{digits + 1}}"
    return f"{sign}{whole[:-digits]}.{whole[-digits:]}"


@lru_cache(maxsize=4096)
def address(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address that `text` writes, or None. A zone (`%eth0`) is no part of an address."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def network(text: str) -> IPv4Network | IPv6Network | None:
    """The CIDR block that `text` writes, host bits masked off; a bare address is a block of one. None if neither."""
    base, slash, bits = text.partition("/")
    if "%" in text or (slash and not re.fullmatch(r"\d{1,3}", bits, re.ASCII)):
        return None
    try:
        return ip_network(text if slash else base, strict=False)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def binary(text: str) -> bytes | None:
    """The bytes that `text` writes in base64, or None."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def boolean(text: str) -> bool | None:
    """True or False for `true` or `false` in any case, else None."""
    low = text.lower()
    return True if low == "true" else False if low == "false" else None
