"""The command ``modelyard``: what it prints where, and how it ends."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from modelyard.bodies import CHUNK_BYTES
from modelyard.cli.main import main
from modelyard.progress import Bars, Silent, progress_for

from tests.client.stand_in import BREAK_AFTER, Reply, problem
from tests.client.test_errors import INVALID_ROWS


@pytest.fixture
def run(service, clock, monkeypatch, capfdbinary):
    """Runs one command; returns exit code, standard output and standard error."""
    monkeypatch.setenv("MODELYARD_URL", service.url)
    monkeypatch.setenv("MODELYARD_API_KEY", "my_key")

    def run(*argv):
        try:
            code = main([str(arg) for arg in argv], clock=clock)
        except SystemExit as exc:  # argparse's own
            code = exc.code
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"model")
    return path


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "customers.csv"
    path.write_bytes(b"age\n42\n")
    return path


READY = {
    "status": "ready",
    "checks": [{"name": "scan", "verdict": "passed", "summary": "Nothing found."}],
}


# --- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("pull",),
        ("push", "model.onnx"),
        ("push", "nowhere.onnx", "--name", "m"),
        ("push", "nowhere.onnx", "--name", "m", "--tag", "team"),
        ("push", "nowhere.onnx", "--name", "m", "--no-wait", "--alias", "champion"),
        ("score", "churn", "nowhere.csv"),
        ("batch", "churn", "nowhere.csv"),
        ("batch", "churn", "customers", "--out", "out.xlsx"),
        ("batch", "churn", "customers", "--out", "out.csv", "--no-wait"),
        ("datasets",),
        ("datasets", "push", "nowhere.csv"),
        ("datasets", "download", "customers@1", "--out", "nowhere/out.csv"),
        ("--url", "nonsense", "models"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_sends_nothing(run, service, argv):
    code, out, err = run(*argv)
    assert code == 2
    assert out == ""
    assert err
    assert service.received == []


def test_an_api_key_cannot_be_given_where_others_see_it(run):
    assert "--api-key" not in run("--help")[1]
    assert "MODELYARD_API_KEY" in run("--help")[1]


def test_a_refusal_is_told_legibly_and_is_exit_code_1(run, service, rows):
    service.script = [INVALID_ROWS]
    code, out, err = run("score", "churn", rows)
    assert (code, out) == (1, "")
    assert err.split("\n") == [
        "modelyard: Some rows do not fit the signature (invalid-rows, 422)",
        "  2 of 3 rows were refused.",
        "  row 1, column 'age': not-an-integer, expected int64, received 20.7",
        "  row 2, line 4: ragged-row",
        "  and 12 more",
        "  request req-1",
        "",
    ]


def test_a_refusal_cannot_steer_the_terminal(run, service):
    service.script = [problem(403, "not-allowed", detail="No.\x1b[2J\u202e")]
    err = run("models")[2]
    assert "\x1b" not in err
    assert "\\x1b[2J\\u202e" in err


def test_a_service_that_is_not_there_is_exit_code_1(run):
    code, _, err = run("--url", "http://127.0.0.1:1", "models")
    assert code == 1
    assert "cannot be reached" in err


# --- push ---------------------------------------------------------------------------------------


def test_push_prints_the_version_with_its_checks(run, service, model, rows):
    service.check_states = [READY]
    code, out, _ = run(
        "push", model, "--name", "churn", "--example", rows, "--tag", "team=a=b",
        "--description", "New", "--format", "onnx", "--training-dataset", "past@2",
    )  # fmt: skip
    assert code == 0
    assert out == "churn version 1: ready\n  scan: passed - Nothing found.\n"
    parts = service.of("POST")[0].parts()
    assert json.loads(parts["tags"]) == {"team": "a=b"}
    assert parts["example"] == b"age\n42\n"
    assert (parts["format"], parts["training_dataset"]) == (b"onnx", b"past@2")


def test_push_without_waiting_ends_at_once(run, service, model):
    code, out, _ = run("push", model, "--name", "churn", "--no-wait", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "pending"
    assert service.of("GET") == []


def test_push_of_a_rejected_version_is_exit_code_1_with_the_reason(run, service, model):
    errors = [{"row": 0, "column": "age", "code": "missing"}]
    failed = {"name": "load", "verdict": "failed", "summary": "Not a model."}
    failed["evidence"] = {"errors": errors}
    service.check_states = [{"status": "rejected", "checks": [failed]}]
    code, out, err = run("push", model, "--name", "churn")
    assert (code, out) == (1, "")
    assert "load: failed - Not a model." in err
    assert "row 0, column 'age': missing" in err


def test_push_of_a_quarantined_version_says_who_is_waited_for(run, service, model):
    service.check_states = [{"status": "quarantined"}]
    code, out, _ = run("push", model, "--name", "churn")
    assert code == 0
    assert "reviewer" in out


def test_push_moves_an_alias_once_the_version_is_ready(run, service, model):
    service.check_states = [{"status": "checking"}, READY]
    code, _, err = run("push", model, "--name", "churn", "--alias", "challenger")
    assert code == 0
    assert service.of("PUT", "/models/churn/aliases/challenger")[0].json == {"version": 1}
    assert "churn@challenger is now version 1" in err


def test_push_says_when_an_alias_waits_for_approval(run, service, model):
    approval = Reply(202, {"id": "a", "subject": "alias", "state": "pending"})
    service.check_states = [READY]
    service.script = [None, None, approval]
    code, _, err = run("push", model, "--name", "churn", "--alias", "champion")
    assert code == 0
    assert "waits for an approval" in err


def test_push_does_not_move_an_alias_to_what_does_not_answer(run, service, model):
    service.check_states = [{"status": "quarantined"}]
    code, _, err = run("push", model, "--name", "churn", "--alias", "champion")
    assert code == 1
    assert "was not moved" in err
    assert service.of("PUT") == []


# --- score --------------------------------------------------------------------------------------


@pytest.fixture
def echo(service):
    """Answers with the media type asked for."""

    def predict(request):
        return Reply(200, b"answer", {"Content-Type": request.headers["accept"]})

    service.predict = predict


def test_score_streams_csv_as_it_is(run, service, rows, echo):
    code, out, err = run("score", "churn@challenger", rows)
    assert (code, out, err) == (0, "answer", "")
    sent = service.received[0]
    assert sent.path == "/api/v1/models/churn@challenger/predict"
    assert sent.body == b"age\n42\n"
    assert (sent.headers["content-type"], sent.headers["accept"]) == ("text/csv", "text/csv")


@pytest.mark.parametrize(
    ("name", "content", "media_type", "body"),
    [
        ("r.json", b' [{"age": 1}]', "application/json", b'{"instances": [{"age": 1}]}'),
        ("r.json", b'{"columns": {}}', "application/json", b'{"columns": {}}'),
        ("r.jsonl", b'{"a": 1}\r\n\n{"a": 2}', "application/json",
         b'{"instances":[{"a": 1},{"a": 2}]}'),
        ("r.jsonl", b"", "application/json", b'{"instances":[]}'),
        ("r.csv", b"", "text/csv", b""),
        ("r.parquet", b"PAR1", "application/vnd.apache.parquet", b"PAR1"),
        ("r.arrow", b"\xff" * 4, "application/vnd.apache.arrow.stream", b"\xff" * 4),
        ("-", b"\xff" * 4, "application/vnd.apache.arrow.stream", b"\xff" * 4),
        ("-", b"PAR1", "application/vnd.apache.parquet", b"PAR1"),
        ("-", b"\xef\xbb\xbfage\n1\n", "text/csv", b"\xef\xbb\xbfage\n1\n"),
        ("-", b"[[1]]", "application/json", b'{"instances":[[1]]}'),
    ],
)  # fmt: skip
def test_score_tells_what_a_file_is(
    run, service, echo, tmp_path, monkeypatch, name, content, media_type, body
):
    path = tmp_path / name
    if name == "-":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    else:
        path.write_bytes(content)
    assert run("score", "churn", "-" if name == "-" else path)[0] == 0
    assert service.received[0].headers["content-type"] == media_type
    assert service.received[0].body.replace(b" ", b"") == body.replace(b" ", b"")


def test_score_from_standard_input_can_be_sent_again(run, service, echo, monkeypatch):
    service.script = [BREAK_AFTER]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"age\n42\n")))
    assert run("score", "churn", "-")[:2] == (0, "answer")
    assert service.received[1].body == b"age\n42\n"


@pytest.mark.parametrize(
    ("out", "accept"),
    [
        ("out.csv", "text/csv"),
        ("out.json", "application/json"),
        ("out.parquet", "application/vnd.apache.parquet"),
        ("out.arrow", "application/vnd.apache.arrow.stream"),
    ],
)
def test_score_writes_the_file_in_the_format_of_its_suffix(
    run, service, echo, rows, tmp_path, out, accept
):
    code, printed, _ = run("score", "churn", rows, "--out", tmp_path / out)
    assert (code, printed) == (0, "")
    assert (tmp_path / out).read_bytes() == b"answer"
    assert service.received[0].headers["accept"] == accept


def test_score_names_its_outputs_in_the_body_or_the_query(run, service, echo, rows, tmp_path):
    run("score", "churn", rows, "--outputs", "prediction, decision")
    assert service.received[0].query == {"outputs": "prediction,decision"}
    listed = tmp_path / "rows.json"
    listed.write_bytes(b"[[1]]")
    run("score", "churn", listed, "--outputs", "decision")
    assert service.received[1].json == {"instances": [[1]], "outputs": ["decision"]}
    assert service.received[1].query == {}


def test_score_does_not_change_a_request_that_is_whole(run, service, tmp_path):
    whole = tmp_path / "request.json"
    whole.write_bytes(b'{"instances": []}')
    code, _, err = run("score", "churn", whole, "--outputs", "decision")
    assert code == 2
    assert "whole request" in err


SKIPPED = {
    "model": "churn",
    "version": 3,
    "predictions": ["a,b", None, ""],
    "probabilities": [{"x": 0.5, "true": 1e-07}, None, {"x": 1, "true": None}],
    "errors": [{"row": 1, "column": "age", "code": "missing"}],
    "error_count": 1,
}


def test_score_skips_bad_rows_and_lists_them(run, service, rows):
    service.predict = lambda request: Reply(200, SKIPPED)
    code, out, err = run("score", "churn", rows, "--skip-bad-rows")
    assert code == 0
    assert service.received[0].query == {"on_row_error": "skip"}
    assert out.split("\r\n") == [
        "prediction,probability_x,probability_true",
        '"a,b",0.5,1e-07',
        ",,",
        '"",1,',
        "",
    ]
    assert "row 1, column 'age': missing" in err


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_score_skips_bad_rows_into_files_too(run, service, rows, tmp_path, suffix):
    service.predict = lambda request: Reply(200, SKIPPED)
    out = tmp_path / f"out.{suffix}"
    assert run("score", "churn", rows, "--skip-bad-rows", "--out", out)[0] == 0
    if suffix == "json":
        assert json.loads(out.read_bytes()) == SKIPPED
    else:
        assert pq.read_table(out)["prediction"].to_pylist() == ["a,b", None, ""]


def test_score_of_too_much_points_to_batch(run, service, rows):
    service.script = [problem(413, "too-large", detail="More than 6 MiB.")]
    code, _, err = run("score", "churn", rows)
    assert code == 1
    assert "batch job" in err


def test_a_printed_answer_that_breaks_off_is_not_begun_again(run, service, rows):
    answer = b"a" * (2 * CHUNK_BYTES)
    service.script = [Reply(200, answer, cut_at=CHUNK_BYTES + 1)]
    code, out, err = run("score", "churn", rows)
    assert (code, out) == (1, "a" * CHUNK_BYTES)
    assert "broke off" in err


def test_a_printed_answer_of_which_nothing_came_is_begun_again(run, service, echo, rows):
    service.script = [Reply(200, b"answer", cut_at=3)]
    assert run("score", "churn", rows)[:2] == (0, "answer")


# --- batch --------------------------------------------------------------------------------------


def test_batch_on_a_file_waits_and_fetches(run, service, rows, tmp_path):
    done = {"state": "completed_with_rejects", "rows_total": 2, "rows_done": 2}
    service.job_states = [{"state": "running"}, done | {"rows_rejected": 1}]
    service.files["/batch-jobs/job-1/results"] = b"results"
    service.files["/batch-jobs/job-1/rejects"] = b"rejects"
    code, out, err = run(
        "batch", "churn", rows, "--out", tmp_path / "out.csv", "--rejects", tmp_path / "bad.jsonl",
        "--keep-columns", "id,age", "--on-row-error", "reject", "--dataset-name", "people",
    )  # fmt: skip
    assert code == 0
    assert service.of("POST", "/batch-jobs")[0].json == {
        "model": "churn",
        "dataset": "people@1",
        "keep_columns": ["id", "age"],
        "on_row_error": "reject",
    }
    assert (tmp_path / "out.csv").read_bytes() == b"results"
    assert (tmp_path / "bad.jsonl").read_bytes() == b"rejects"
    assert out.startswith("job-1 completed_with_rejects\n  rows: 2, rejected: 1\n")
    assert "job-1 is queued" in err


def test_batch_without_waiting_prints_the_job(run, service):
    service.datasets["customers"] = [{"number": 1, "status": "ready"}]
    code, out, _ = run("batch", "churn", "customers@1", "--keep-columns", "all")
    assert (code, out) == (0, "job-1 queued\n")
    assert service.received[0].json["keep_columns"] == "all"


def test_batch_compares_and_takes_its_place(run, service):
    service.datasets["customers"] = [{"number": 1, "status": "ready"}]
    code, _, _ = run(
        "batch", "churn", "customers@1", "--compare-with", "@champion", "--priority", "-1"
    )
    assert code == 0
    sent = service.of("POST", "/batch-jobs")[0].json
    assert (sent["compare_with"], sent["priority"]) == ("@champion", -1)


def test_batch_reads_a_query_and_writes_a_table(run, service, tmp_path):
    text = "select id, age\nfrom customers\norder by id\n"
    (tmp_path / "rows.sql").write_text(text)
    asked = ("--connection", "shop", "--query", f"@{tmp_path / 'rows.sql'}", "--type", "day=date")
    assert run("batch", "churn", *asked, "--sink", "reports:public.scores")[0] == 0
    assert service.received[0].json == {
        "model": "churn",
        "source": {"connection": "shop", "query": text, "types": {"day": "date"}},
        "sink": {"connection": "reports", "table": "public.scores"},
    }


def test_batch_reads_the_files_of_the_inbox(run, service):
    assert run("batch", "churn", "--prefix", "inbox/2026/", "--format", "csv")[0] == 0
    source = {"prefix": "inbox/2026/", "format": "csv"}
    assert service.received[0].json == {"model": "churn", "source": source}


@pytest.mark.parametrize(
    "asked",
    [
        (),
        ("customers", "--prefix", "inbox/"),
        ("--connection", "shop"),
        ("--query", "select 1"),
        ("--connection", "shop", "--query", "select 1", "--prefix", "inbox/"),
        ("--connection", "shop", "--query", "select 1", "--format", "csv"),
        ("--connection", "shop", "--query", "select 1", "--type", "date"),
        ("customers", "--sink", "reports"),
        ("customers", "--sink", ":scores"),
    ],
)
def test_batch_with_options_that_cannot_be_meant_sends_nothing(run, service, asked):
    code, out, err = run("batch", "churn", *asked)
    assert (code, out) == (2, "")
    assert err
    assert service.received == []


def test_batch_with_a_query_file_that_is_not_there_sends_nothing(run, service):
    code, _, err = run("batch", "churn", "--connection", "shop", "--query", "@nowhere.sql")
    assert code == 2
    assert "nowhere.sql" in err
    assert service.received == []


def test_batch_that_fails_is_exit_code_1(run, service, rows, tmp_path):
    service.job_states = [{"state": "failed", "error": "Row 7 has no age."}]
    code, _, err = run("batch", "churn", rows, "--wait", "--out", tmp_path / "out.csv")
    assert code == 1
    assert "Row 7 has no age." in err
    assert not (tmp_path / "out.csv").exists()


def test_batch_on_nothing_says_that_there_is_no_file_either(run):
    code, _, err = run("batch", "churn", "customer")
    assert code == 1
    assert "no file 'customer'" in err


# --- datasets, models, versions -----------------------------------------------------------------


def test_datasets_are_listed_shown_sent_and_fetched(run, service, rows, tmp_path):
    columns = [{"name": "age", "type": "int64"}, {"name": "id", "type": "string"}]
    figures = {"nulls": 0, "min": 42, "max": 42}
    profile = {
        "age": {**figures, "distinct": {"exactly": 1}},
        "id": {"nulls": 0, "distinct": {"more_than": 1000}},
    }
    service.dataset_states = [
        {"status": "ready", "rows": 1, "columns": columns, "profile": profile}
    ]
    code, out, _ = run("datasets", "push", rows, "--name", "people", "--tier", "raw")
    assert code == 0
    assert out.split("\n") == [
        "people@1: ready, 1 rows",
        "COLUMN  TYPE    NULLS  DISTINCT  MIN  MAX",
        "age     int64   0      1         42   42",
        "id      string  0      >1000",
        "",
    ]
    assert run("datasets", "show", "people")[1] == out
    assert json.loads(run("datasets", "show", "people@1", "--json")[1])["rows"] == 1
    assert run("datasets", "list")[1].split("\n")[1].strip() == "people"
    assert json.loads(run("datasets", "list", "--json")[1]) == [{"name": "people"}]
    service.files["/datasets/people/versions/1/download"] = b"age\r\n42\r\n"
    assert run("datasets", "download", "people")[1] == "age\r\n42\r\n"
    assert run("datasets", "download", "people", "--out", tmp_path / "p.csv")[:2] == (0, "")


def test_datasets_are_archived_and_taken_back(run, service):
    service.datasets["people"] = []
    assert run("datasets", "archive", "people")[:2] == (0, "people is archived.\n")
    assert run("datasets", "unarchive", "people")[:2] == (0, "people is in use.\n")
    assert json.loads(run("datasets", "archive", "people", "--json")[1])["name"] == "people"
    assert [r.path.rpartition("/")[2] for r in service.of("POST")] == [
        "archive",
        "unarchive",
        "archive",
    ]
    assert run("datasets", "list", "--archived")[0] == 0
    assert service.of("GET")[-1].query["archived"] == "true"


PROMOTE = ("datasets", "promote", "people", "--tier", "curated", "--reason", "Cleaned.")


def test_a_promotion_is_asked_for_and_waits(run, service):
    service.datasets["people"] = [{"number": 1, "status": "ready"}]
    code, out, _ = run(*PROMOTE)
    assert (code, out) == (0, "Asked for curated: pending until somebody else decides.\n")
    (asked,) = service.of("POST")
    assert asked.path.endswith("/datasets/people/versions/1/promote")
    assert asked.json == {"tier": "curated", "reason": "Cleaned."}
    assert json.loads(run(*PROMOTE, "--json")[1])["subject"] == "tier"


def test_broken_rules_are_named(run, service):
    service.datasets["people"] = [{"number": 1, "status": "ready"}]
    there = {"expected": "a column", "found": "a column", "passed": True, "note": ""}
    outcomes = [
        {"rule": "rows/min", "expected": 4, "found": 3, "passed": False, "note": ""},
        {"rule": "columns/age", **there},
        {"rule": "columns/b", **there, "found": None, "passed": False, "note": "None."},
    ]
    service.promotion = problem(422, "rules-not-met", detail="It breaks 2.", outcomes=outcomes)
    code, _, err = run(*PROMOTE)
    assert code == 1
    assert "rows/min: expected 4; found 3\ncolumns/b: expected a column; None.\n" in err
    assert "columns/age" not in err


def test_datasets_push_of_rejected_rows_is_exit_code_1(run, service, rows):
    errors = [{"row": 0, "line": 2, "column": "age", "code": "not-an-integer"}]
    service.dataset_states = [{"status": "rejected", "errors": errors}]
    code, _, err = run("datasets", "push", rows)
    assert code == 1
    assert "row 0, line 2, column 'age': not-an-integer" in err


def test_models_and_versions_are_listed(run, service):
    service.versions["churn"] = [
        {"number": 1, "status": "archived", "format": "skops"},
        {"number": 2, "status": "ready", "format": "onnx", "aliases": ["champion"]},
    ]
    assert run("models")[1] == "NAME   KIND   DESCRIPTION\nchurn  model\n"
    assert run("versions", "churn")[1].split("\n")[1:3] == [
        "2        ready     onnx    champion",
        "1        archived  skops",
    ]
    assert [v["number"] for v in json.loads(run("versions", "churn", "--json")[1])] == [2, 1]


# --- progress -----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_bars_are_drawn_only_on_a_terminal():
    assert isinstance(progress_for(io.StringIO()), Silent)
    assert isinstance(progress_for(Terminal()), Bars)


def test_a_bar_shows_how_far_a_step_is():
    terminal = Terminal()
    with Bars(terminal).step("Sending [bold]a.csv", 1000, in_bytes=True) as step:
        step.reach(500)
        step.reach(1000, 1000, "done")
    assert "Sending [bold]a.csv" in terminal.getvalue()


def test_an_upload_tells_how_many_bytes_are_out(service, clock, rows):
    from modelyard import Client

    told = Told()
    with Client(service.url, clock=clock, progress=told) as client:
        client.upload_dataset(rows, wait=False)
    assert told.steps == ["Sending customers.csv"]
    assert told.reached[-1] == len(service.received[0].body)


class Told:
    """A progress that remembers."""

    def __init__(self):
        self.steps, self.reached = [], []

    def step(self, title, total=None, *, in_bytes=False):
        self.steps.append(title)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def reach(self, done, total=None, note=None):
        self.reached.append(done)
