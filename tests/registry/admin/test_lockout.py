"""Guessing passwords: after eight tries the page says that it has to wait."""

import pytest
from django.conf import settings
from django.test import Client

from tests import people


@pytest.mark.django_db
def test_who_guesses_passwords_is_told_to_wait_by_our_own_page():
    people.owner()
    guesser = Client()
    form = {"username": "olga", "password": "wrong"}
    answers = [guesser.post("/admin/login/", form) for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert [a.status_code for a in answers[:-1]] == [200] * (len(answers) - 1)
    assert answers[-1].status_code == 429
    assert "registry/locked_out.html" in [t.name for t in answers[-1].templates]
    right = {"username": "olga", "password": "a-long-pass-word"}
    assert guesser.post("/admin/login/", right).status_code == 429
