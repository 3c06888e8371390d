"""Secrets and personal data: what counts as one, and that none is shown."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.texts.masking import masked
from prefdata.texts.personal import SIGN, iban, luhn, personal_data
from prefdata.texts.secrets import SIGNS, secrets

digits = st.text("0123456789", min_size=1, max_size=18)
REAL = {
    "AWS Access Key": "AKIAQ7T5ZV3M2XWB6RLK",
    "Azure Storage Account access key": "AccountKey=" + "aB3dE5gH7jK9" * 7 + "mQ==",
    "Basic Auth Credentials": "https://ada:hunter2rT9@git.acme.org",
    "GitLab Token": "glpat-Zx8Qw3Lm5Vb7Nc1Kd9Rt",
    "GitHub Token": "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5",
    "JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJ1IjoxfQ.c2lnbmVk",
    "NPM tokens": "//registry.npmjs.org/:_authToken=npm_Zx8Qw3Lm5Vb7Nc1Kd9Rt",
    "OpenAI Token": "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",
    "Private Key": "-----BEGIN EC PRIVATE KEY-----\n" + "Zx8Qw3Lm5Vb7Nc" * 4,
    "PyPI Token": "pypi-AgEIcHlwaS5vcmc" + "Zx8Qw3Lm5Vb7Nc" * 6,
    "SendGrid API Key": "SG."
    + "aB3dE5gH7jK9mN1pQ3sT5v"
    + "."
    + "W7yZ9bC2dE4fG6hJ8kL" * 2
    + "aB3dE",
    "Slack Token": "xoxb-263594206564-FGqddMF8t08v8N7Oq4i57vs1",
    "Square OAuth Secret": "sq0csp-" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC2dE4fG6hJ8kL0m",
    "Stripe Access Key": "sk_live_" + "Zx8Qw3Lm5Vb7Nc1Kd9RtPf2H",
}


@pytest.mark.parametrize(("kind", "text"), REAL.items())
def test_every_kind_is_found_and_let_through_by_the_first_pass(kind: str, text: str) -> None:
    assert kind in {secret.kind for secret in secrets(f"It is {text} I think")}
    assert pl.select(pl.lit(text).str.contains_any(SIGNS)).item()


@given(st.text(min_size=1))
def test_a_masked_secret_is_not_shown(secret: str) -> None:
    shown = masked(secret).partition("…")[0]
    assert len(shown) <= 4
    assert len(shown) <= len(secret) / 4


@pytest.mark.parametrize("text", REAL.values())
def test_what_is_masked_is_the_whole_find(text: str) -> None:
    """A kind whose pattern has a group of the prefix only would be masked wrongly."""
    assert all(len(secret.value) > 6 for secret in secrets(text))


@given(digits)
def test_one_digit_makes_the_check_sum_of_a_card_right(number: str) -> None:
    right = [last for last in "0123456789" if luhn(number + last)]
    assert len(right) == 1


@given(digits, st.data())
def test_a_wrong_digit_is_noticed(number: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(number) - 1))
    wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
    assert not (luhn(number) and luhn(wrong))


@given(st.text("0123456789ABCXYZ", min_size=11, max_size=28))
def test_check_digits_of_an_account(account: str) -> None:
    right = [f"{check:02}" for check in range(2, 99) if iban(f"DE{check:02}{account}")]
    assert len(right) == 1


@pytest.mark.parametrize(
    "value",
    [
        "ada.lovelace@gmail.com",
        "+49 171 2345689",
        "(415) 867-5309",
        "GB82 WEST 1234 5698 7654 32",
        "4539 1488 0343 6467",
        "93.184.216.34",
    ],
)
def test_the_first_pass_lets_every_kind_of_personal_data_through(value: str) -> None:
    assert [found.value for found in personal_data(f"It is {value}, I think")] == [value]
    assert pl.select(pl.lit(value).str.contains(SIGN)).item()


@given(st.text("0123456789 -.+()@abcDE", max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    if [*personal_data(text)]:
        assert pl.select(pl.lit(text).str.contains(SIGN)).item()
