from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class CompressPages(GZipMiddleware):
    """Compresses HTML pages: a long conversation becomes a tenth. Streams stay as they are, to arrive word by word.

    Compression can reveal secrets beside text that an attacker chooses (BREACH). Django masks the CSRF token, and
    adds a random number of bytes: https://docs.djangoproject.com/en/5.2/ref/middleware/#module-django.middleware.gzip
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = not response.streaming and response.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response
