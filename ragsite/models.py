"""What the site as a whole remembers."""

from django.db import models


class CleaningRun(models.Model):
    """The last run of a cleaning (ragsite/cleaning/runs.py)."""

    name = models.CharField(max_length=40, primary_key=True)
    ran_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField(default=0)
    removed = models.PositiveBigIntegerField(default=0)  # at the last run
    removed_in_all = models.PositiveBigIntegerField(default=0)
    is_complete = models.BooleanField(default=True)  # else its time was over, and the next run goes on
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = "cleaning"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
