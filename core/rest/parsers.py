"""JSON parser of the REST API, in a module of its own: Django REST framework imports it before its views."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class Json(JSONParser):
    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """Return the parsed body. Raise ParseError, also for what neither PostgreSQL nor a reply can hold.

        These are JSON that is nested too deeply for Python, numbers that are infinite, and lone surrogates.
        """
        try:
            parsed = super().parse(*args, **kwargs)
            json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except UnicodeEncodeError as error:
            raise ParseError("The JSON contains half of a character (a lone surrogate).") from error
        except ValueError as error:
            raise ParseError("The JSON contains a number that is too large.") from error
        return parsed
