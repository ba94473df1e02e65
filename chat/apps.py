from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from .asking import sessions  # noqa: F401, PLC0415 (it registers how sessions are deleted)
