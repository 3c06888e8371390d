"""Access keys, tokens and passwords in texts, as detect-secrets recognises them; nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from detect_secrets.plugins.base import RegexBasedDetector

# Plugins of detect-secrets whose tokens have a form of their own, and what such a text must hold.
# Left out are those that go by entropy or by a word nearby: in prose they are mostly wrong.
PLUGINS = {
    "aws.AWSKeyDetector": ("AKIA", "ASIA", "ABIA", "ACCA", "A3T"),
    "azure_storage_key.AzureStorageKeyDetector": ("AccountKey=",),
    "basic_auth.BasicAuthDetector": ("://",),
    "github_token.GitHubTokenDetector": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    "gitlab_token.GitLabTokenDetector": ("glpat-", "gldt-", "glrt-", "GR1348941", "glcbt-"),
    "jwt.JwtTokenDetector": ("eyJ",),
    "npm.NpmDetector": (":_authToken=",),
    "openai.OpenAIDetector": ("T3BlbkFJ",),
    "private_key.PrivateKeyDetector": ("PRIVATE KEY",),
    "pypi_token.PypiTokenDetector": ("pypi-AgE",),
    "sendgrid.SendGridDetector": ("SG.",),
    "slack.SlackDetector": ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "hooks.slack.com"),
    "square_oauth.SquareOAuthDetector": ("sq0csp-",),
    "stripe.StripeDetector": ("sk_live_", "rk_live_"),
}
SIGNS = tuple(sign for signs in PLUGINS.values() for sign in signs)

_KEY_BODY = re.compile(r"PRIVATE KEY(?: BLOCK)?-----\s+(?:[\w-]+: .*\s+)*[A-Za-z0-9+/=]{40}")
_PLACEHOLDER = re.compile(
    r"example|sample|your|placeholder|dummy|fake|[xX*.]{4}|1234|abcd|[<>{}$%\[\]]"
    r"|^:?(?:pass(?:word|wd|wort)?|pwd|pw|secret|token|key|user(?:name)?|admin|root|test|guest)\d*$",
    re.IGNORECASE,
)
_LONGEST_PREFIX = 6
_FEW = 5  # a real token has more different characters


class Secret(NamedTuple):
    """What a text gives away: the kind as detect-secrets names it, and the secret itself."""

    kind: str
    value: str


def secrets(text: str) -> Iterator[Secret]:
    """Yields the secrets in a text; values that only stand for one (`user:password@`) are none."""
    for name, signs in PLUGINS.items():
        if any(sign in text for sign in signs):
            plugin = _plugin(name)
            for value in _matches(plugin, text):
                if _is_real(value, text):
                    yield Secret(plugin.secret_type, value)


def _matches(plugin: RegexBasedDetector, text: str) -> Iterator[str]:
    """Yields what a plugin finds, whole.

    Its own `analyze_string` yields the groups of a pattern: of a GitHub token, `ghp`.
    """
    for pattern in plugin.denylist:
        for match in pattern.finditer(text):
            group = match[match.lastindex or 0]
            value = group if len(group) > _LONGEST_PREFIX else match[0]
            if any(plugin.analyze_string(match[0])):
                yield value


def _is_real(value: str, text: str) -> bool:
    if "PRIVATE KEY" in value:
        return _KEY_BODY.search(text) is not None
    return len(set(value)) > _FEW and not _PLACEHOLDER.search(value)


@cache
def _plugin(name: str) -> RegexBasedDetector:
    from importlib import import_module

    module, _, kind = name.partition(".")
    return getattr(import_module(f"detect_secrets.plugins.{module}"), kind)()
