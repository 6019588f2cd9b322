"""Shares: stable, as large as their weights, and few keys move when a weight does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from serving.shares import Shares, is_within

KEYS = [f"customer-{n}" for n in range(20_000)]
NAMES = ("champion", "challenger", "3")


def picked(weights: tuple[int, ...], names: tuple[str, ...] = NAMES) -> list[str]:
    shares = Shares("churn", names, weights)
    return [names[shares.pick(key)] for key in KEYS]


@pytest.mark.parametrize("weights", [(90, 10, 0), (50, 30, 20), (34, 33, 33), (1, 0, 99)])
def test_each_name_gets_its_share(weights: tuple[int, ...]) -> None:
    got = picked(weights)
    chi_square = sum(
        (got.count(name) - expected) ** 2 / expected
        for name, weight in zip(NAMES, weights, strict=True)
        if (expected := len(KEYS) * weight / 100)
    )
    assert chi_square < 13.8  # 0.1 % of fair draws are farther off, with two degrees of freedom
    assert all(got.count(n) == 0 for n, w in zip(NAMES, weights, strict=True) if w == 0)


def test_keys_move_only_from_who_loses_weight_to_who_gains_it() -> None:
    moves = {
        (old, new)
        for old, new in zip(picked((50, 30, 20)), picked((45, 30, 25)), strict=True)
        if old != new
    }
    assert moves <= {("champion", "3"), ("champion", "challenger"), ("challenger", "3")}


def test_a_small_change_of_weights_moves_few_keys() -> None:
    before, after = picked((90, 10, 0)), picked((85, 15, 0))
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    assert 0.045 < moved / len(KEYS) < 0.055


def test_who_falls_out_leaves_the_keys_of_the_others_alone() -> None:
    before = picked((50, 30, 20))
    after = picked((50, 30), NAMES[:2])
    assert all(new == old for old, new in zip(before, after, strict=True) if old != "3")


def test_the_order_of_the_names_does_not_matter() -> None:
    turned = picked((20, 30, 50), NAMES[::-1])
    assert turned == picked((50, 30, 20))


def test_another_process_picks_the_same() -> None:
    code = (
        "from serving.shares import Shares, is_within\n"
        "s = Shares('churn', ('champion', 'challenger', '3'), (50, 30, 20))\n"
        "print([s.pick(f'customer-{n}') for n in range(40)])\n"
        "print([is_within(30, f'customer-{n}', 'churn') for n in range(40)])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    shares = Shares("churn", NAMES, (50, 30, 20))
    expected = [[shares.pick(key) for key in KEYS[:40]]]
    expected += [[is_within(30, key, "churn") for key in KEYS[:40]]]
    assert told == "".join(f"{line}\n" for line in expected)


def test_fixed_keys_keep_their_picks_for_ever() -> None:
    # Another hash would send people elsewhere at an update: this line may not change.
    shares = Shares("churn", NAMES, (50, 30, 20))
    assert "".join(str(shares.pick(key)) for key in KEYS[:30]) == "101222102000001000110000012010"


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 100])
def test_a_percentage_of_the_keys_is_within(percent: int) -> None:
    within = [key for key in KEYS if is_within(percent, key, "churn")]
    assert abs(len(within) / len(KEYS) - percent / 100) < 0.01
    assert all(is_within(100, key, "churn") for key in within)


def test_a_larger_percentage_holds_the_smaller_one() -> None:
    small = {key for key in KEYS if is_within(5, key, "churn")}
    assert small <= {key for key in KEYS if is_within(20, key, "churn")}


def test_a_key_of_any_characters_is_taken() -> None:
    assert Shares("churn", NAMES, (50, 30, 20)).pick("\udcff ключ \0") in (0, 1, 2)
