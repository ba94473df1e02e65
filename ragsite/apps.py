from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.contrib.staticfiles import apps as staticfiles

# So that tasks are sent through our application, and the pool hears of pages that fail
from . import celery, pool  # noqa: F401


class Ragsite(AppConfig):
    name = "ragsite"
    default = True


class RagsiteAdmin(admin.AdminConfig):
    default = False
    default_site = "ragsite.console.Console"


class StaticFiles(staticfiles.StaticFilesConfig):
    # htmx's extensions import by names that only a bundler resolves; we use none of them.
    ignore_patterns = [*staticfiles.StaticFilesConfig.ignore_patterns, "ext", "htmax-4*", "htmx-4*"]
