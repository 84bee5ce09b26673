"""core.rendezvous: a node that goes or comes moves those only who sat there or belong there."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.rendezvous import choose, client_of

NAMES = st.lists(st.text("abc:0123456789.", min_size=1, max_size=12), min_size=2, max_size=8, unique=True)


@given(NAMES, st.text(max_size=64), st.randoms())
def test_the_order_of_the_nodes_does_not_matter(names: list[str], key: str, chance: object) -> None:
    mixed = list(names)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert choose(key, names) == choose(key, mixed)


@given(NAMES, st.text(max_size=64), st.data())
def test_the_loss_of_a_node_moves_only_its_own(names: list[str], key: str, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(names))
    before, after = choose(key, names), choose(key, [name for name in names if name != gone])
    assert after == before or before == gone
    # And when it comes back, they alone come back to it.
    assert before == choose(key, names)


def test_everybody_gets_a_share() -> None:
    names = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]
    shares = Counter(choose(f"{number:064x}", names) for number in range(3000))
    assert set(names) == set(shares)
    assert min(shares.values()) > 900


def test_what_names_a_program_is_the_same_for_all_its_requests() -> None:
    first = 'OAuth oauth_consumer_key="jenkins", oauth_token="t", oauth_nonce="1", oauth_signature="a"'
    second = 'OAuth oauth_token="t", oauth_consumer_key="jenkins", oauth_nonce="2", oauth_signature="b"'
    assert client_of(first) == client_of(second)
    assert set(client_of(first).split()) == {
        'oauth_consumer_key="jenkins"', 'oauth_token="t"'
    }  # fmt: skip
    assert "Bearer abc" == client_of("Bearer abc")
    assert "OAuth x" == client_of("OAuth x")
