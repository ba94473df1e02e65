from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.contrib.staticfiles import apps as staticfiles

# So that tasks are sent through our Celery application, and the pool receives its signal
from . import celery, pool  # noqa: F401


class Ragsite(AppConfig):
    name = "ragsite"
    default = True

    def ready(self) -> None:
        # It has models, so not before; workers note with it which periodic task they begin
        from .monitoring import schedule  # noqa: F401, PLC0415

        import_module("ragsite.cleaning.admin")  # registers its list once all models are there


class RagsiteAdmin(admin.AdminConfig):
    default = False
    default_site = "ragsite.console.Console"


class StaticFiles(staticfiles.StaticFilesConfig):
    # htmx's extensions import modules by names that only a bundler resolves; we use none of them.
    ignore_patterns = [*staticfiles.StaticFilesConfig.ignore_patterns, "ext", "htmax-4*", "htmx-4*"]
