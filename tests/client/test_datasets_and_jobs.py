"""Datasets and batch jobs: sending, waiting, fetching, and nothing half fetched."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modelyard import Client, ConnectionFailed, DatasetRejected, JobFailed, UsageError, WaitTimedOut
from modelyard.bodies import CHUNK_BYTES, FilePart, FileSource, Form
from modelyard.datasets import name_from
from modelyard.errors import DatasetNotFound, StateConflict

from tests.client.stand_in import BREAK_BEFORE, Reply, problem

DONE = {"state": "completed", "rows_total": 2, "rows_done": 2, "output_dataset": "churn-job-1"}
RESULTS = "/batch-jobs/job-1/results"


@pytest.fixture
def rows_file(tmp_path):
    path = tmp_path / "customers.csv"
    path.write_bytes(b"age\n42\n43\n")
    return path


def started(client, service, rows_file, *states):
    service.job_states = list(states)
    return client.batch("churn", rows_file)


# --- sending ------------------------------------------------------------------------------------


def test_a_file_is_sent_under_its_own_name(client, service, rows_file):
    service.dataset_states = [{"status": "pending"}, {"status": "ready", "rows": 2}]
    version = client.upload_dataset(rows_file, tier="raw", classification="internal")
    parts = service.of("POST")[0].parts()
    assert parts["name"] == b"customers"
    assert (parts["tier"], parts["classification"]) == (b"raw", b"internal")
    assert parts["file"] == rows_file.read_bytes()
    assert (version.ref, version.status, version.rows) == ("customers@1", "ready", 2)


def test_a_frame_is_sent_as_parquet_with_its_types(client, service):
    frame = pd.DataFrame({"age": pd.array([42, None], dtype="Int64")}, index=["a", "b"])
    client.upload_dataset(frame, "customers", wait=False)
    filename, content = service.of("POST")[0].named_parts()["file"]
    assert filename == "rows.parquet"
    table = pq.read_table(io.BytesIO(content))
    assert table.to_pydict() == {"age": [42, None]}
    assert str(table.schema.field("age").type) == "int64"


def test_a_frame_needs_a_dataset_name(client, service):
    for call in (client.upload_dataset, lambda frame: client.batch("churn", frame)):
        with pytest.raises(UsageError, match="has no name"):
            call(pd.DataFrame({"age": [1]}))
    assert service.received == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("customers.csv", "customers"),
        ("Customers 2026.CSV.GZ", "Customers_2026"),
        ("_rows.v2.parquet", "rows.v2"),
        ("kündigung.jsonl", "k_ndigung"),
    ],
)
def test_a_dataset_name_is_made_of_a_file_name(tmp_path, file, name):
    assert name_from(tmp_path / file) == name


def test_a_file_name_that_gives_none_asks_for_one(tmp_path):
    with pytest.raises(UsageError, match="choose one"):
        name_from(tmp_path / "__.csv")


@pytest.mark.parametrize("file", ["rows.xlsx", "nowhere.csv", ""])
def test_what_is_no_table_file_is_refused_before_any_call(client, service, tmp_path, file):
    path = tmp_path / file
    if file.endswith("xlsx"):
        path.write_bytes(b"x")
    with pytest.raises(UsageError):
        client.upload_dataset(path, "customers")
    assert service.received == []


def test_rejected_rows_are_told_by_line(client, service, rows_file):
    errors = [{"row": 1, "line": 3, "column": None, "code": "ragged-row"}]
    service.dataset_states = [{"status": "rejected", "errors": errors, "error_count": 300}]
    version = client.upload_dataset(rows_file)
    with pytest.raises(DatasetRejected) as caught:
        version.raise_if_rejected()
    assert "row 1, line 3: ragged-row" in str(caught.value)
    assert "and 299 more" in str(caught.value)


def test_a_large_file_is_never_whole_in_memory(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(40 * CHUNK_BYTES + 7)
    seen = []
    body = Form({"name": "large"}, [FilePart("file", "large.csv", FileSource(path))]).body(
        seen.append
    )
    wire = body.wire()
    sizes = [len(chunk) for chunk in wire]
    assert max(sizes) <= CHUNK_BYTES
    assert sum(sizes) == len(wire) == seen[-1]
    assert seen == sorted(seen)


@pytest.mark.parametrize("change", [b"age\n", b"age\n42\n43\n44\n"])
def test_a_file_that_changes_while_it_is_sent_is_no_upload(
    client, service, rows_file, monkeypatch, change
):
    source = FileSource(rows_file)
    monkeypatch.setattr("modelyard.datasets.FileSource", lambda path: source)
    rows_file.write_bytes(change)
    with pytest.raises(UsageError, match="changed while it was being sent"):
        client.upload_dataset(rows_file, wait=False)
    assert service.datasets == {}


def test_an_empty_file_is_sent_for_the_service_to_judge(client, service, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.touch()
    client.upload_dataset(empty, wait=False)
    assert service.of("POST")[0].parts()["file"] == b""


# --- fetching -----------------------------------------------------------------------------------


def test_the_newest_version_is_found_and_downloaded(client, service, tmp_path):
    service.datasets["customers"] = [{"number": n, "status": "ready"} for n in (1, 2, 3)]
    service.files["/datasets/customers/versions/3/download"] = b"age\n42\n"
    path = client.download("customers", tmp_path / "out.csv")
    assert path.read_bytes() == b"age\n42\n"
    assert service.received[-1].query == {"format": "csv"}


def test_a_numbered_version_is_downloaded_at_once(client, service, tmp_path):
    service.files["/datasets/customers/versions/1/download"] = b"PAR1"
    client.download("customers@1", tmp_path / "out.bin", format="parquet")
    assert [request.query for request in service.received] == [{"format": "parquet"}]


@pytest.mark.parametrize("ref", ["customers@", "customers@x", "a/b", "", "@3", "customers@-1"])
def test_what_is_no_dataset_ref_is_refused(client, service, ref):
    with pytest.raises(UsageError, match="names no dataset"):
        client.dataset(ref)
    assert service.received == []


def test_a_download_that_breaks_off_starts_again(client, service, tmp_path):
    service.files["/datasets/customers/versions/1/download"] = b"whole"
    service.script = [Reply(200, b"whole", cut_at=2)]
    client.download("customers@1", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_download_that_never_ends_well_leaves_what_was_there(client, service, tmp_path):
    out = tmp_path / "out.csv"
    out.write_bytes(b"of yesterday")
    service.script = [Reply(200, b"whole", cut_at=2)] * 9
    with pytest.raises(ConnectionFailed):
        client.download("customers@1", out)
    assert out.read_bytes() == b"of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("out", ["nowhere/out.csv", "out.txt", "folder.csv"])
def test_a_place_that_cannot_be_written_is_found_before_the_download(
    client, service, tmp_path, out
):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError):
        client.download("customers@1", tmp_path / out)
    assert service.received == []


# --- jobs ---------------------------------------------------------------------------------------


def test_a_job_on_a_dataset_asks_for_what_was_asked(client, service):
    service.datasets["customers"] = [{"number": 3, "status": "ready"}]
    client.batch(
        "churn/versions/3",
        "customers@3",
        outputs=["prediction"],
        keep_columns=("id",),
        on_row_error="fail",
        chunk_rows=1000,
    )
    assert service.received[0].json == {
        "model": "churn",
        "version": 3,
        "dataset": "customers@3",
        "outputs": ["prediction"],
        "keep_columns": ["id"],
        "on_row_error": "fail",
        "chunk_rows": 1000,
    }


def test_a_job_reads_a_query_and_writes_to_a_table(client, service):
    source = {"connection": "shop", "query": "select * from customers"}
    sink = {"connection": "reports", "table": "scores"}
    client.batch("churn", source, sink=sink)
    assert service.received[0].json == {"model": "churn", "source": source, "sink": sink}


@pytest.mark.parametrize("as_text", [True, False])
def test_a_job_on_a_file_uploads_it_first_and_pins_that_version(
    client, service, rows_file, as_text
):
    service.datasets["customers"] = [{"number": 1, "status": "ready"}]
    client.batch("churn@challenger", str(rows_file) if as_text else rows_file)
    assert service.of("POST", "/batch-jobs")[0].json == {
        "model": "churn@challenger",
        "dataset": "customers@2",
    }


def test_a_job_on_an_uploaded_version_takes_that_one(client, service, rows_file):
    version = client.upload_dataset(rows_file, wait=False)
    client.batch("churn", version, keep_columns="all")
    assert service.received[-1].json["dataset"] == "customers@1"


def test_a_path_that_is_not_there_is_no_dataset_name(client, service):
    with pytest.raises(UsageError, match="There is no file"):
        client.batch("churn", "nowhere.csv")
    with pytest.raises(UsageError, match="There is no file"):
        client.batch("churn", "no/where")


def test_a_job_is_waited_for_and_tells_its_progress(client, service, rows_file, clock):
    running = {"state": "running", "rows_total": 8, "rows_done": 2, "paused_reason": "storage-full"}
    job = started(client, service, rows_file, running, running | {"rows_done": 6}, DONE)
    assert job.progress == 0.0
    assert job.refresh().progress == 0.25
    assert job.wait() is job
    assert (job.state, job.progress, job.output_dataset) == ("completed", 1.0, "churn-job-1")
    assert len(clock.slept) == 1


def test_a_job_that_fails_says_why(client, service, rows_file):
    reason = {"title": "A row was refused", "detail": "Row 7 has no age."}
    job = started(client, service, rows_file, {"state": "failed", "error": reason})
    with pytest.raises(JobFailed, match=r"Row 7 has no age\."):
        job.wait().raise_if_failed()


def test_a_job_with_rejects_is_no_failure(client, service, rows_file):
    ending = DONE | {"state": "completed_with_rejects", "rows_rejected": 1}
    job = started(client, service, rows_file, ending).wait().raise_if_failed()
    assert (job.progress, job.rows_rejected) == (1.0, 1)


def test_a_job_that_takes_too_long_goes_on_without_us(client, service, rows_file, clock):
    job = started(client, service, rows_file)
    with pytest.raises(WaitTimedOut):
        job.wait(timeout_s=3)
    assert clock.now() == 3


def test_a_job_can_be_cancelled_and_found_again(client, service, rows_file):
    started(client, service, rows_file).cancel()
    with pytest.raises(JobFailed, match="cancelled"):
        client.job("job-1").raise_if_failed()


def test_results_come_as_a_frame_or_into_a_file(client, service, rows_file, tmp_path):
    job = started(client, service, rows_file, DONE).wait()
    sink = io.BytesIO()
    pq.write_table(pa.table({"age": [42, 43], "prediction": ["yes", "no"]}), sink)
    service.files[RESULTS] = sink.getvalue()
    assert job.results()["prediction"].tolist() == ["yes", "no"]
    assert service.received[-1].query == {"format": "parquet"}
    service.files[RESULTS] = b"age,prediction\r\n"
    assert job.results(tmp_path / "out.csv").read_bytes() == b"age,prediction\r\n"
    assert service.received[-1].query == {"format": "csv"}
    service.files["/batch-jobs/job-1/rejects"] = b"{}"
    assert job.rejects(tmp_path / "out.txt", format="jsonl").read_bytes() == b"{}"


def test_results_before_the_end_are_a_conflict(client, service, rows_file, tmp_path):
    job = started(client, service, rows_file)
    service.script = [problem(409, "state-conflict", detail="It is still running.")]
    with pytest.raises(StateConflict, match="still running"):
        job.results(tmp_path / "out.csv")
    assert list(tmp_path.glob("*out*")) == []


def test_a_job_whose_dataset_is_not_there_says_so(client):
    with pytest.raises(DatasetNotFound):
        client.batch("churn", "nobody")


def test_waiting_survives_a_broken_connection(service, rows_file, clock):
    with Client(service.url, clock=clock) as client:
        job = started(client, service, rows_file, DONE)
        service.script = [BREAK_BEFORE]
        assert job.wait().state == "completed"
