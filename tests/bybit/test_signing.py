"""Signatures against vectors computed outside this code."""

from __future__ import annotations

from alpha.bybit.signing import Credentials, sign_rest, sign_stream

KEY = Credentials("demo-key", "demo-secret")


def test_get_signature_covers_the_raw_query() -> None:
    query = "category=linear&settleCoin=USDT&limit=100&cursor=132766%3A2%2C132766%3A2"
    assert (
        sign_rest(KEY, 1658384314791, 5000, query)
        == "0632df3c43c07ff56cc8b7af9311e93f70e37e225a57af352193e0744c5bafd7"
    )


def test_an_unquoted_cursor_signs_differently() -> None:
    query = "category=linear&settleCoin=USDT&limit=100&cursor=132766:2,132766:2"
    assert (
        sign_rest(KEY, 1658384314791, 5000, query)
        == "c474557c1c09c6c46df3a4b2470f39bb3b709092db3883fc8f44f9ec14428dce"
    )


def test_post_signature_covers_the_raw_body() -> None:
    body = (
        '{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Market",'
        '"qty":"0.001","orderLinkId":"ss1-ts-l8x2k0-0001"}'
    )
    expected = "06af69c7c34e6a27a3e98ee0cd6d9488c9864583ff23559ea990638d463f2963"
    assert sign_rest(KEY, 1658385579423, 5000, body) == expected
    assert sign_rest(KEY, 1658385579423, 5000, body.encode()) == expected


def test_stream_signature() -> None:
    assert (
        sign_stream(KEY, 1662350400000)
        == "527dd30dfa1fcb23158358f744fef2f1a83228db537a1f5177138f1ee67bd8cc"
    )


def test_neither_half_of_a_key_pair_is_printed() -> None:
    credentials = Credentials("A1b2C3d4E5f6G7h8", "S9s8S7s6S5s4S3s2")
    for text in (repr(credentials), str(credentials), f"{credentials}"):
        assert "S9s8S7s6S5s4S3s2" not in text
        assert "A1b2C3d4E5f6G7h8" not in text
