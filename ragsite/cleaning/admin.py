"""Admin list of the cleanings: when each ran, and how much it removed."""

from django.contrib import admin

from core.admin.cells import time_ago
from core.admin.read_only import ReadOnlyAdmin
from core.numbers import millisecond_words
from ragsite.models import CleaningRun

from .runs import CLEANINGS
from .status_filters import StateOfCleaning


@admin.register(CleaningRun)
class CleaningRunAdmin(ReadOnlyAdmin):
    list_display = ("what", "ran", "removed", "removed_in_all", "took", "is_complete", "error")
    list_filter = (StateOfCleaning,)
    fields = ("what", "name", "ran_at", "removed", "removed_in_all", "took", "is_complete", "error")

    @admin.display(description="what is removed", ordering="name")
    def what(self, run: CleaningRun) -> str:
        return CLEANINGS[run.name].title if run.name in CLEANINGS else run.name

    @admin.display(description="last run", ordering="ran_at")
    def ran(self, run: CleaningRun) -> str:
        return time_ago(run.ran_at)

    @admin.display(description="took", ordering="took_ms")
    def took(self, run: CleaningRun) -> str:
        return millisecond_words(run.took_ms)
