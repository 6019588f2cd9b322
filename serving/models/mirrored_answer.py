"""How the answers of a mirror differ from those that callers got, added up by day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from registry.models import ModelVersion, RegisteredModel
from registry.models.base import TimeOrdered


class MirroredAnswerQuerySet(models.QuerySet["MirroredAnswer"]):
    """Comparisons, newest day first."""

    def of(self, model: RegisteredModel) -> MirroredAnswerQuerySet:
        """Those of one model."""
        rows = self.filter(model=model).select_related("served", "mirror")
        return rows.order_by("-day", "-id")


class MirroredAnswer(TimeOrdered):
    """One day (UTC) of one pair of versions.

    ``requests`` and ``rows`` were compared, ``rows_differ`` have another label, or a number on one
    side only. ``numbers`` counts the numbers compared (probabilities, decisions and predictions
    that are numbers), ``difference_sum`` adds their absolute differences up. ``failed`` counts
    mirrored requests that the mirror did not answer, ``dropped`` those that it never got. The
    seconds are those of scoring alone. ``examples`` are requests whose answers differ, at most
    ``EXAMPLES_MAX``, without inputs, and outputs that may repeat them, where the model hides cells.
    """

    EXAMPLES_MAX = 10

    model = models.ForeignKey(
        RegisteredModel, models.CASCADE, related_name="mirrored_answers", db_index=False
    )
    served = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    mirror = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    day = models.DateField()
    requests = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    rows_differ = models.PositiveBigIntegerField(default=0)
    numbers = models.PositiveBigIntegerField(default=0)
    difference_sum = models.FloatField(default=0.0)
    difference_max = models.FloatField(default=0.0)
    failed = models.PositiveBigIntegerField(default=0)
    dropped = models.PositiveBigIntegerField(default=0)
    served_seconds = models.FloatField(default=0.0)
    mirror_seconds = models.FloatField(default=0.0)
    examples = models.JSONField(default=list, blank=True)

    objects = MirroredAnswerQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["model", "served", "mirror", "day"], name="mirrored_once_a_day"
            ),
            models.CheckConstraint(
                condition=Q(rows_differ__lte=models.F("rows")), name="mirrored_differ_within_rows"
            ),
        ]
        indexes = [
            models.Index(fields=["model", "-day"], name="mirrored_by_model"),
            models.Index(fields=["day"], name="mirrored_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.served} against {self.mirror.number} on {self.day}"

    @property
    def difference_mean(self) -> float | None:
        """The mean absolute difference of the numbers; None where none were compared."""
        return self.difference_sum / self.numbers if self.numbers else None

    @property
    def percent_differ(self) -> float | None:
        """How many of a hundred rows differ; None where there is none."""
        return 100 * self.rows_differ / self.rows if self.rows else None

    @property
    def served_ms(self) -> float | None:
        """Milliseconds of scoring that a request took the version that answered, on average."""
        return 1_000 * self.served_seconds / self.requests if self.requests else None

    @property
    def mirror_ms(self) -> float | None:
        """The same for the mirror."""
        return 1_000 * self.mirror_seconds / self.requests if self.requests else None
