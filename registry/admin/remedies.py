"""Words of the reference: what to do about each error, what each reason of a check means."""

from __future__ import annotations

REMEDIES: dict[str, str] = {
    "bad-request": "Look at the address and the headers of the call.",
    "malformed-body": (
        "Send strict JSON: no NaN or Infinity, no name twice in one object, at most 32 levels. "
        "Write null for a missing value."
    ),
    "malformed-multipart": "Send the form again, whole: it broke off, or a part came twice.",
    "malformed-parameter": "The detail names the parameter and what it takes.",
    "not-authenticated": "Send “Authorization: Bearer my_…” with a key that exists.",
    "key-expired": "Make a new key, or rotate the old one before it ends.",
    "not-allowed": "Ask a manager for the role, or use a key with the scope that the detail names.",
    "not-found": "Look at the address. What you may not see is not found either.",
    "model-not-found": "Look at the name, or ask for a role on the model.",
    "version-not-found": "The page of the model lists its versions.",
    "alias-not-found": "The page of the model lists its aliases.",
    "dataset-not-found": "Look at the name, or ask for a role on the dataset.",
    "job-not-found": "Look at the id, or ask for a role on its model and dataset.",
    "connection-not-found": "Look at the name, or ask for a grant on the connection.",
    "webhook-not-found": "Look at the id: a webhook is seen by the person who made it.",
    "schedule-not-found": "Look at the name, or ask for a role on its model and dataset.",
    "method-not-allowed": "The Allow header lists the methods of the resource.",
    "not-acceptable": "Ask for one of the media types that the detail names.",
    "state-conflict": "Read it again: it has moved on, or has to reach another state first.",
    "name-taken": "Choose another name. Names ignore case, are global and never used again.",
    "version-not-ready": "Wait for the checks, for the approval, or give the model a champion.",
    "version-not-servable": "Call another version: this one was rejected, archived or suspended. "
    "Of an archived model none can be called until it is taken back into use.",
    "idempotency-mismatch": "Use a new Idempotency-Key for another request.",
    "idempotency-in-progress": "Wait a moment and repeat the request with the same key and body.",
    "length-required": "Send a Content-Length.",
    "too-large": "“limit_bytes” is the cap. Send fewer rows at once, or upload a dataset.",
    "unsupported-media-type": "“accepted” lists the media types that are taken here.",
    "invalid-field": "“pointer” leads to the field; the detail says what was expected.",
    "invalid-rows": (
        "“errors” names row, column and code of the first hundred problems. Mend the rows, or "
        "score the good ones with ?on_row_error=skip."
    ),
    "unreadable-artifact": "Send the whole file of a fitted model, in one of the known formats.",
    "rows-erased": "Upload the rows again, where you still have them and may keep them.",
    "rules-not-met": "“outcomes” says which rule is broken. Mend the rows, or change the rules.",
    "card-incomplete": "“missing” names the fields: PATCH the model's “card”, or edit its page.",
    "rate-limited": "Wait as long as Retry-After says.",
    "overloaded": "Try again; Retry-After says when, where waiting helps.",
    "model-loading": "Try again after Retry-After: the first call of a version waits for its load.",
    "model-failed": (
        "The model itself raised, ran out of time or of memory on valid rows. Try fewer rows; tell "
        "whoever made the model."
    ),
    "sink-refused": (
        "“column” names what the table does not take, None the whole. Change the table, or leave "
        "the column out of keep_columns."
    ),
    "source-refused": "The detail names the column, and the row. CAST or rename it in the query.",
    "sink-unavailable": "Look at the database of the connection, then try again.",
    "source-unavailable": "Look at the database of the connection, then try again.",
    "storage-unavailable": "Look at the bucket or the disk that STORAGE_URL names, then try again.",
    "storage-full": "Free some space where the server keeps its bytes.",
    "internal": "It is a fault of this server. Its log has the request id of the answer.",
}

# Reason codes in the evidence of checks. Those of tables stand in registry.tabular.errors, those
# of the gate in registry.scan.finding.
CHECK_REASONS: dict[str, str] = {
    "answer-too-wide": "The answer has more columns than are made dense (4,096). Reduce them.",
    "artifact-changed": "The bytes are not the ones that were registered. Upload them again.",
    "bytes-damaged": "The stored bytes have changed on the disk. Upload the file again.",
    "bytes-missing": "The stored bytes are gone. Upload the file again.",
    "categories-unknown": (
        "The XGBoost file has columns of categories without their values. Save the model with "
        "XGBoost 3.1 or later, or encode the categories in a pipeline."
    ),
    "column-name-refused": "A column's name holds a quote, a backslash or a control character.",
    "differs-from-trainer": (
        "The model answers the example differently here than where it was trained, mostly because "
        "of another library version. Train with the versions of this server."
    ),
    "example-does-not-fit": "Some example rows do not fit the signature.",
    "example-is-empty": "The example has a header, but no rows.",
    "example-needed": "The types of the columns cannot be told without example rows: send some.",
    "example-unreadable": "The example file cannot be read as a table.",
    "expected-has-other-rows": "“expected” has more or fewer answers than the example has rows.",
    "expected-unreadable": "“expected” is not the answer of /predict as JSON.",
    "fixed-batch": "The graph takes a fixed number of rows. Export it with a free first dimension.",
    "host-not-confined": (
        "This machine cannot confine the process in which such a file would be opened. The log of "
        "the model host says what is missing; skops and ONNX files are taken without it."
    ),
    "input-form-differs": "The model takes its input in another form than when it was checked.",
    "input-not-supported": "The graph has an input of a kind that no table gives.",
    "load-failed": "The file could not be loaded; the summary has the reason.",
    "mixed-labels": "The classes are of several types. Train with labels of one type.",
    "model-failed": "The model raised on the example rows.",
    "no-scoring-method": "The object has neither predict nor transform.",
    "refused-by-policy": (
        "This server takes no formats that execute code (MODEL_FILE_POLICY=refuse). Save with "
        "skops, or export to ONNX."
    ),
    "runtime-not-installed": (
        "The library that runs such files is not installed here. Whoever runs the server can add "
        "it: pip install -r requirements-extra.txt, then a restart."
    ),
    "signature-does-not-fit": "The declared signature does not fit the model.",
    "structure-array": "An array is of a kind or byte order that scikit-learn does not keep.",
    "structure-centers": "Clusters do not fit the columns or each other. Save the model again.",
    "structure-columns": "Numbers, names or choices of columns differ. Save the model again.",
    "structure-cycle": "An estimator stands inside of itself. Build the model anew and save it.",
    "structure-encoder": "The categories of an encoder do not fit its columns. Save it again.",
    "structure-hist-gradient": "Nodes or bitsets of histogram boosting lead astray. Save it again.",
    "structure-libsvm": "The arrays of a kernel machine do not fit each other. Save it again.",
    "structure-metric": "A distance metric does not suit the points. Save the model again.",
    "structure-neighbors": "Points, tree and targets do not fit each other. Save the model again.",
    "structure-network": "A layer does not take what the one before gives. Save the model again.",
    "structure-not-finite": "A fitted number is NaN or infinite. Fit the model again, and save it.",
    "structure-random-state": "A generator of random numbers is damaged. Save the model again.",
    "structure-shadowed-method": "An object hides a method of its class. Save a plain one.",
    "structure-shape": "An array has not the shape that the model needs. Save the model again.",
    "structure-sparse": "The pointers or indices of a sparse array lead astray. Save it again.",
    "structure-spline": "Knots and coefficients of a spline do not fit. Save the model again.",
    "structure-too-large": "The model has more parts, or is nested deeper, than is looked at.",
    "structure-tree": "The nodes of a tree lead astray, or do not fit its model. Save it again.",
    "structure-unreadable": "A part is not what a fitted estimator holds. Save the model again.",
    "structure-vocabulary": "The positions of the words are not each one once. Save it again.",
    "structure-writes-back": "A step would mix the rows of callers. Leave out “out” and “where”.",
    "trained-with-other-version": (
        "The model was saved by another minor version of scikit-learn, and there are no answers of "
        "the trainer to hold it against. Install that version on the server, fit the model again "
        "with the server's, export it to ONNX, or send example rows with “expected”."
    ),
    "too-many-columns": "The model takes more columns than a signature may have (20,000).",
    "type-not-supported": "A column has a type that no signature has.",
    "untrusted-types": "The file names types that are not on this server's list.",
}
