"""Small plain parts of the pages: evidence, profiles, times, model cards, forms' own fields."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.utils import timezone

from registry.admin.evidence import readable
from registry.admin.markdown import to_html
from registry.admin.profile import column_profiles
from registry.errors import InvalidField, NameTaken
from registry.forms.base import ActionForm, JsonField, TagsField
from registry.models import DatasetVersion
from registry.templatetags import modelyard as tags
from tests.browser.world import COLUMNS, PROFILE


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("**bold**", "<strong>bold</strong>", "**"),
        ("<script>alert(1)</script>", "&lt;script&gt;", "<script>"),
        ("[x](javascript:alert(1))", "javascript:alert(1)", "href"),
        ("![x](https://a.example/x.png)", "", "<img"),
        ("[x](https://a.example)", 'rel="noopener noreferrer nofollow"', "onclick"),
        ("| a |\n|---|\n| 1 |", "<td>1</td>", "style"),
    ],
)
def test_a_model_card_keeps_its_form_and_loses_its_teeth(
    text: str, there: str, absent: str
) -> None:
    html = to_html(text)
    assert there in html
    assert absent not in html


def test_evidence_is_sorted_into_facts_lists_and_tables() -> None:
    shown = readable(
        {
            "reason": "example-does-not-fit",
            "example_rows": 40,
            "libraries": {"numpy": "2.4.6"},
            "methods": ["predict", "predict_proba"],
            "notes": ["a note that is much longer than what fits into a small label on a page"],
            "errors": [{"row": 1, "column": "age"}, {"row": 2, "code": "missing"}],
            "error_count": 2,
            "empty": [],
        }
    )
    assert ("Reason", "example-does-not-fit") in shown.facts
    assert ("Example rows", "40") in shown.facts
    assert ("Libraries", "numpy 2.4.6") in shown.facts
    assert [(title, kind) for title, _, kind in shown.lists] == [
        ("Methods", "tags"),
        ("Notes", "bullets"),
    ]
    assert shown.tables[0].columns == ("Row", "Column", "Code")
    assert shown.tables[0].rows == (("1", "age", ""), ("2", "", "missing"))
    assert "error_count" not in str(shown)


@pytest.mark.parametrize("evidence", [None, [], "text", 3, {}])
def test_evidence_of_no_known_shape_shows_nothing(evidence: Any) -> None:
    assert not readable(evidence)


def test_long_evidence_says_how_much_is_left_out() -> None:
    shown = readable({"errors": [{"row": n} for n in range(150)], "globals": list(range(100))})
    assert shown.tables[0].left_out == 50
    assert shown.lists[0][1][-1] == "… and 40 more"


def test_names_of_a_pickle_are_counted_and_folded_those_of_numpy_last() -> None:
    names = {f"sklearn.part{n:02}": n for n in range(25)} | {"numpy.ndarray": 3}
    [table] = readable({"globals": names}).tables
    assert (table.title, table.columns) == ("Names in the file (26)", ("Name", "Times"))
    assert table.rows[0] == ("sklearn.part00", "0")
    assert (len(table.rows), len(table.folded)) == (20, 6)
    assert table.folded[-1] == ("numpy.ndarray", "3")


def test_figures_of_a_scan_are_told_in_words() -> None:
    shown = readable({"size_bytes": 2048, "gate_version": "2-ab", "offset": 17, "global": "a.b"})
    assert shown.facts == [
        ("Size", "2.0\xa0KB"),
        ("Gate", "2-ab"),
        ("Byte offset", "17"),
        ("Refused name", "a.b"),
    ]


def test_a_profile_becomes_bars_figures_and_top_values() -> None:
    age, city, *_ = column_profiles(DatasetVersion(columns=COLUMNS, profile=PROFILE))
    assert len(age.bars) == 20
    assert max(bar.height for bar in age.bars) == 24
    assert age.ends == ("18", "88")
    assert ("mean", "44.2") in age.figures
    assert (city.distinct, city.null_text) == ("3", "7.0%")
    assert city.top[0] == ("Rome", 610, pytest.approx(610 / 1116))


def test_columns_without_a_profile_are_shown_bare() -> None:
    bare = column_profiles(DatasetVersion(columns=COLUMNS, profile=[]))
    assert [column.name for column in bare] == [column["name"] for column in COLUMNS]
    assert not bare[0].bars


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-5, "in a moment"),
        (30, "30 seconds ago"),
        (-61, "in 1 minute"),
        (7200, "2 hours ago"),
        (86_400 * 40, "1 month ago"),
        (86_400 * 800, "2 years ago"),
    ],
)
def test_times_are_told_from_now(seconds: int, text: str) -> None:
    assert tags.ago(timezone.now() - timedelta(seconds=seconds, milliseconds=500)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (1234567, "1\u202f234\u202f567"), (0.91234567, "0.912346"), (True, "True")],
)
def test_numbers_are_grouped(value: Any, text: str) -> None:
    assert tags.number(value) == text


def test_a_state_is_always_told_in_words() -> None:
    assert ">completed with rejects</span>" in tags.badge("completed_with_rejects")
    assert "&lt;b&gt;" in tags.badge("<b>")


def test_tags_and_json_come_back_as_they_were_typed() -> None:
    class Form(forms.Form):
        tags = TagsField()
        body = JsonField(required=False)

    form = Form({"tags": "a: 1\n\nb:2 ", "body": '{"x": [1]}'})
    assert form.is_valid(), form.errors
    assert form.cleaned_data == {"tags": {"a": "1", "b": "2"}, "body": {"x": [1]}}
    assert not Form({"tags": "a", "body": '{"x": NaN}'}).is_valid()
    assert Form(initial={"tags": {"a": "1"}})["tags"].value() == "a: 1"


def test_a_refusal_stands_beside_the_field_that_it_names() -> None:
    class Form(ActionForm):
        pointers = {"inputs": "signature"}
        name = forms.CharField(required=False)
        signature = forms.CharField(required=False)

    def refused(error: Exception) -> Any:
        form = Form({})
        assert form.is_valid()

        def action() -> None:
            raise error

        assert form.run(action) is None
        return form.errors

    assert refused(InvalidField("no", pointer="/name"))["name"] == ["no"]
    assert refused(InvalidField("no", pointer="/inputs/0"))["signature"] == ["no (at /inputs/0)"]
    assert refused(NameTaken("taken"))["__all__"] == ["taken"]
