"""Keys, retries and idempotency on the wire."""

from __future__ import annotations

import pytest
from modelyard import Client, ConnectionFailed, UsageError
from modelyard.errors import (
    IdempotencyInProgress,
    IdempotencyMismatch,
    ModelFailed,
    Overloaded,
    RateLimited,
    ServiceFailed,
    UnexpectedAnswer,
)

from tests.client.stand_in import BREAK_AFTER, BREAK_BEFORE, Reply, problem

ROWS = [{"age": 42}]


@pytest.fixture
def rows_file(tmp_path):
    path = tmp_path / "customers.csv"
    path.write_bytes(b"age\n42\n")
    return path


def test_the_key_is_sent_as_a_bearer_token(client, service):
    client.score("churn", ROWS)
    assert service.received[0].headers["authorization"] == "Bearer my_12345678_secret"


def test_a_netrc_line_does_not_replace_the_key(client, service, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.score("churn", ROWS)
    assert service.received[0].headers["authorization"] == "Bearer my_12345678_secret"


def test_address_and_key_come_from_the_environment(service, monkeypatch):
    monkeypatch.setenv("MODELYARD_URL", service.url + "/")
    monkeypatch.setenv("MODELYARD_API_KEY", "my_key\n")
    with Client() as made:
        made.score("churn", ROWS)
    assert service.received[0].headers["authorization"] == "Bearer my_key"
    assert service.received[0].path == "/api/v1/models/churn/predict"


def test_without_a_key_no_authorization_is_sent(service):
    with Client(service.url) as made:
        made.score("churn", ROWS)
    assert "authorization" not in service.received[0].headers


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://host", "http://", "http://me:secret@host", "http://host/?a=1"]
)
def test_what_is_no_address_is_refused_before_any_call(url):
    with pytest.raises(UsageError, match="MODELYARD_URL"):
        Client(url)


@pytest.mark.parametrize("given", ["http://h:1", "http://h:1/", "http://h:1/api/v1/"])
def test_the_path_of_the_api_may_be_given_or_not(given):
    assert Client(given).url == "http://h:1"


def test_a_path_prefix_is_kept():
    assert Client("https://h/models/").url == "https://h/models"


def test_a_key_that_breaks_a_header_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as caught:
        Client("http://h", "my_key\r\nX-Evil: 1")
    assert "Evil" not in str(caught.value)


def test_the_key_is_not_in_the_repr(client):
    assert "secret" not in repr(client)


def test_a_redirect_is_not_followed(client, service):
    service.script = [Reply(302, b"", {"Location": "http://127.0.0.1:1/other"})]
    with pytest.raises(UnexpectedAnswer, match="not followed"):
        client.score("churn", ROWS)
    assert len(service.received) == 1


@pytest.mark.parametrize("failure", [BREAK_BEFORE, BREAK_AFTER])
def test_a_broken_connection_makes_nothing_twice(client, service, rows_file, failure):
    service.script = [failure]
    version = client.upload_dataset(rows_file, wait=False)
    first, second = service.received
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body
    assert version.number == 1
    assert len(service.datasets["customers"]) == 1


def test_two_calls_have_two_idempotency_keys(client, service, rows_file):
    client.upload_dataset(rows_file, wait=False)
    client.upload_dataset(rows_file, wait=False)
    keys = {request.headers["idempotency-key"] for request in service.received}
    assert len(keys) == 2


def test_every_creating_post_has_a_key(client, service, rows_file, tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"model")
    client.push(model, "churn", wait=False)
    job = client.batch("churn", rows_file)
    job.cancel()
    posts = service.of("POST")
    assert [post.path.rsplit("/", 1)[1] for post in posts] == [
        "versions",
        "datasets",
        "batch-jobs",
        "cancel",
    ]
    assert all(post.headers.get("idempotency-key") for post in posts)


def test_a_first_attempt_that_still_runs_is_waited_for(client, service, rows_file, clock):
    service.script = [BREAK_BEFORE, problem(409, "idempotency-in-progress")]
    assert client.upload_dataset(rows_file, wait=False).number == 1
    assert len(clock.slept) == 2


def test_a_first_attempt_that_never_ends_is_given_up(client, service, rows_file, clock):
    service.script = [BREAK_BEFORE, *[problem(409, "idempotency-in-progress")] * 20]
    with pytest.raises(IdempotencyInProgress):
        client.upload_dataset(rows_file, wait=False)
    assert 30 < clock.now() < 90


def test_another_conflict_is_not_tried_again(client, service, rows_file):
    service.script = [problem(409, "idempotency-mismatch", detail="Another body.")]
    with pytest.raises(IdempotencyMismatch):
        client.upload_dataset(rows_file, wait=False)
    assert len(service.received) == 1


def test_scoring_survives_a_broken_connection(client, service):
    service.script = [BREAK_AFTER, BREAK_BEFORE]
    assert client.score("churn", ROWS).predictions == ["yes"]


def test_a_service_that_stays_away_is_given_up_after_growing_pauses(client, service, clock):
    service.script = [BREAK_BEFORE] * 9
    with pytest.raises(ConnectionFailed, match=r"http://127\.0\.0\.1"):
        client.score("churn", ROWS)
    assert len(service.received) == 5
    assert clock.slept == [0.25, 0.5, 1.0, 2.0]


def test_nobody_listening_is_a_clear_error(clock):
    with pytest.raises(ConnectionFailed, match="refused"):
        Client("http://127.0.0.1:1", clock=clock).score("churn", ROWS)


def test_retry_after_in_seconds_is_kept_to(client, service, clock):
    service.script = [problem(429, "rate-limited", headers={"Retry-After": "7"})]
    client.score("churn", ROWS)
    assert clock.slept == [7.0]


def test_retry_after_as_a_date_is_kept_to(client, service, clock):
    date = "Fri, 15 Jan 2027 08:00:20 GMT"
    service.script = [problem(503, "model-loading", headers={"Retry-After": date})]
    client.score("churn", ROWS)
    assert clock.slept == [20.0]


def test_a_wait_that_is_too_long_is_left_to_the_caller(client, service, clock):
    service.script = [problem(429, "rate-limited", headers={"Retry-After": "3600"})]
    with pytest.raises(RateLimited) as caught:
        client.score("churn", ROWS)
    assert caught.value.retry_after_s == 3600
    assert clock.slept == []


def test_a_service_that_stays_busy_is_given_up(client, service):
    service.script = [problem(503, "overloaded", headers={"Retry-After": "1"})] * 9
    with pytest.raises(Overloaded):
        client.score("churn", ROWS)
    assert len(service.received) == 5


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(503, "model-failed", ModelFailed), (500, "internal", ServiceFailed)],
)
def test_what_waiting_does_not_help_is_not_tried_again(client, service, status, code, error):
    service.script = [problem(status, code)]
    with pytest.raises(error):
        client.score("churn", ROWS)
    assert len(service.received) == 1


def test_a_gateway_that_is_restarting_is_tried_again(client, service):
    service.script = [Reply(502, b"<h1>Bad gateway</h1>", {"Content-Type": "text/html"})]
    assert client.score("churn", ROWS).predictions == ["yes"]


def test_a_page_instead_of_json_is_no_answer(client, service):
    service.script = [Reply(200, b"<h1>Log in</h1>", {"Content-Type": "text/html"})]
    with pytest.raises(UnexpectedAnswer, match="text/html"):
        client.score("churn", ROWS)


def test_lists_are_read_page_by_page_from_our_own_address(client, service):
    service.datasets = {name: [] for name in "abcde"}
    assert [dataset.name for dataset in client.datasets()] == list("abcde")
    assert [request.query["page"] for request in service.received] == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_a_name_cannot_climb_out_of_its_path(client, service, name):
    with pytest.raises(UsageError):
        client.version(name, 1)
    assert service.received == []
