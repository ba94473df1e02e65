"""JSON parser of the REST API, in a module of its own: Django REST framework imports it before its views."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class Json(JSONParser):
    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """Return the parsed body. Raise ParseError, also if Python's recursion limit stops the parser."""
        try:
            return super().parse(*args, **kwargs)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
