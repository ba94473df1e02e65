"""What the site as a whole remembers: signs of life of the schedule, and its cleanings."""

import uuid

from django.db import models
from django.db.models.functions import Now


class Beat(models.Model):
    """A scheduler process. All times are of the database's clock."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)  # of one start of one process
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.host}, process {self.pid}"


class Tick(models.Model):
    """The last sending of a periodic task. Beats claim it, so that two of them send it once."""

    name = models.CharField(primary_key=True, max_length=100)
    sent_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)  # when a worker last began it

    def __str__(self) -> str:
        return self.name


class WriteProbe(models.Model):
    """A row that a health probe writes and deletes, to see whether the database can be written to."""

    filler = models.BinaryField()

    def __str__(self) -> str:
        return str(self.pk)


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
