from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from .asking import temporary  # noqa: F401, PLC0415 (it registers how sessions end and are deleted)
