"""The demo's model cards say all that a guarded alias asks for."""

from __future__ import annotations

import pytest

from registry import cards
from serving.demo.model_cards import MODEL_CARDS
from serving.demo.training import DEMO


def test_every_model_of_the_demo_has_a_card() -> None:
    assert set(MODEL_CARDS) == set(DEMO)


@pytest.mark.parametrize("name", MODEL_CARDS)
def test_a_card_of_the_demo_is_complete(name: str) -> None:
    card = MODEL_CARDS[name]
    assert cards.read_card(card) == card
    assert cards.missing(card) == []
