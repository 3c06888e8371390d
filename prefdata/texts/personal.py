"""Personal data in texts, found by its form: a heuristic, which misses names and addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

# Cheap signs of any kind below, for a first pass over all texts.
SIGN = (
    r"[0-9A-Za-z+_-]@[0-9A-Za-z]|\+[0-9]{1,3}[ .(0-9-]|\([0-9]{3}\) ?[0-9]{3}"
    r"|[0-9]{3}[-.][0-9]{3}[-.][0-9]|(?:[0-9][ -]?){13}|[A-Z]{2}[0-9]{2} ?[0-9A-Z]{4}"
    r"|(?:[0-9]{1,3}\.){3}[0-9]"
)

_NOBODY = re.compile(
    r"^(?:your?|user|name|first|last|e?mail|test|foo|bar|abc|x+|someone|somebody|info|support|help"
    r"|contact|sales|admin|office|service|customer|feedback|hello|team|press|media|jobs|hr|legal"
    r"|privacy|security|abuse|postmaster|webmaster|no-?reply|donotreply|recipient|sender|john\.?doe"
    r"|jane\.?doe|git)[\w.+-]*@",
    re.IGNORECASE,
)
_NOWHERE = re.compile(
    r"@(?:[\w-]+\.)*(?:example|domain|company|yourdomain|yourcompany|website|email|mail|test|xyz"
    r"|abc|invalid|localhost|local)\b",
    re.IGNORECASE,
)
_CARD = re.compile(r"4\d{15}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}")
_TOLL_FREE = re.compile(r"\+?1?(?:800|888|877|866|855|844|833|900)\d{7}")
_FICTION = re.compile(r"\+?1?(?:555\d{7}|\d{3}555\d{4})")
_RESOLVERS = {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9"}


class Personal(NamedTuple):
    """One find: what it looks like, and the text itself."""

    kind: str
    value: str


def personal_data(text: str) -> Iterator[Personal]:
    """Yields what looks like personal data; made-up and general addresses are left out."""
    for kind, (pattern, holds) in _KINDS.items():
        for match in pattern.finditer(text):
            if holds(match[0]):
                yield Personal(kind, match[0])


def luhn(digits: str) -> bool:
    """Tells whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).

    >>> luhn("79927398713"), luhn("79927398710")
    (True, False)
    """
    doubled = "0246813579"  # the digit sum of twice a digit
    odd, even = digits[::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(int(doubled[int(d)]) for d in even)) % 10 == 0


def iban(text: str) -> bool:
    """Tells whether an account number, spaces allowed, has the right check digits (ISO 13616).

    >>> iban("GB82 WEST 1234 5698 7654 32"), iban("GB83 WEST 1234 5698 7654 32")
    (True, False)
    """
    account = text.replace(" ", "")
    moved = account[4:] + account[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _is_email(address: str) -> bool:
    return not _NOBODY.match(address) and not _NOWHERE.search(address)


def _is_phone(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    made_up = len(set(digits)) < 4 or digits in "12345678901234567890"
    general = _TOLL_FREE.fullmatch(digits) or _FICTION.fullmatch(digits)
    return 8 <= len(digits) <= 13 and not made_up and not general


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return _CARD.fullmatch(digits) is not None and luhn(digits) and len(set(digits)) > 4


def _is_public_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    section = all(part < 32 for part in address.packed)  # 1.2.3.4 counts chapters or versions
    return address.is_global and not address.is_multicast and not section and text not in _RESOLVERS


_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "an e-mail address": (
        re.compile(r"(?<![\w.+/:-])\w[\w.+-]{1,63}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b", re.ASCII),
        _is_email,
    ),
    "a phone number": (
        re.compile(
            r"(?<![\w.+(-])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}"
            r"|(?:1[ .-])?\(\d{3}\) ?\d{3}[-. ]\d{4}|(?:1[.-])?\d{3}([-.])\d{3}\1\d{4})(?![\w.-]*\d)",
            re.ASCII,
        ),
        _is_phone,
    ),
    "a bank account": (
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b", re.ASCII),
        iban,
    ),
    "a payment card": (
        re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", re.ASCII),
        _is_card,
    ),
    "an IP address": (
        re.compile(r"(?<![\w.-])(?<!ersion )\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)", re.ASCII),
        _is_public_ip,
    ),
}
