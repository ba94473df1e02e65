from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.contrib.staticfiles import apps as staticfiles

from . import celery  # noqa: F401 (so that tasks are sent through our application)


class Ragsite(AppConfig):
    name = "ragsite"
    default = True


class RagsiteAdmin(admin.AdminConfig):
    default = False
    default_site = "ragsite.console.Console"


class StaticFiles(staticfiles.StaticFilesConfig):
    # htmx's extensions import by names that only a bundler resolves; we use none of them.
    ignore_patterns = [*staticfiles.StaticFilesConfig.ignore_patterns, "ext", "htmax-4*", "htmx-4*"]
