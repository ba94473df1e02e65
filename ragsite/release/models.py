"""The versions of Ragsite that this database has seen."""

from django.db import models


class Release(models.Model):
    """A version that migrated this database. The newest row is the version that the database belongs to."""

    version = models.CharField(max_length=40)
    migration_count = models.PositiveIntegerField()  # applied then
    migrated_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.version
