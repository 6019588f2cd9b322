"""Plain: what to do about a global that is not on the list, by what it is."""

from __future__ import annotations

import re

_NATIVE = (
    "save the native file and register that: "
    "{save}; a scikit-learn pipeline around it can be exported to ONNX"
)
_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"__main__\.|__mp_main__\.|.*\.<lambda>$|cloudpickle\.|dill\.",
        "a function or class of your own script is not in the file and is not run here: use a "
        "FunctionTransformer with a named numpy function (np.log1p), or scikit-learn's own steps",
    ),
    (r"xgboost\.", _NATIVE.format(save="model.save_model('model.ubj')")),
    (r"lightgbm\.", _NATIVE.format(save="model.booster_.save_model('model.txt')")),
    (r"catboost\.|_catboost\.", _NATIVE.format(save="model.save_model('model.cbm')")),
    (r"(torch|tensorflow|keras|jax|flax|transformers)\b", "export the network to ONNX"),
    (
        r"scipy\.stats\.",
        "distributions of scipy.stats run text as code when they are restored: save "
        "search.best_estimator_, or the search with joblib.dump, from which they are left out",
    ),
    (
        r"pandas\.(\w+\.)*[A-Z]\w*\.[a-z]\w*$",
        "functions of pandas are not run here: use a FunctionTransformer with a named numpy "
        "function (np.log1p), or scikit-learn's own steps",
    ),
    (
        r"pandas\.|pyarrow\.",
        "the model holds a pandas object: give columns as a list, list(frame.columns), and fit "
        "again",
    ),
    (
        r"numpy\.|scipy\.",
        "only listed functions and types of numpy and scipy are opened: fit again with a named "
        "ufunc (np.log1p, np.sqrt) and arrays of numbers or text",
    ),
    (
        r"sklearn\.",
        "the file was saved by another version of scikit-learn, or holds a part of it that is no "
        "fitted model: fit again with the version of the server, or export to ONNX",
    ),
    (
        r"joblib\.",
        "save with joblib.dump of joblib 1.2 or later; leave memory=None in pipelines",
    ),
    (
        r"(builtins|__builtin__|os|posix|nt|sys|subprocess|socket|shutil|importlib|runpy|code|"
        r"operator|functools|pickle|_pickle|types|ctypes|pty|pdb|webbrowser|urllib|http)\b",
        "no fitted model needs this: do not load the file anywhere, ask where it comes from",
    ),
)
_OTHER = (
    "classes of other packages are not opened, and skops does not change that: use scikit-learn's "
    "own estimators, or export to ONNX"
)


def remedy_for(full: str) -> str:
    """What to do about ``module.name``."""
    for pattern, remedy in _REMEDIES:
        if re.match(pattern, full):
            return remedy
    return _OTHER
