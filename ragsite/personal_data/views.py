"""The page where people download what Ragsite holds of them."""

from math import ceil
from tempfile import TemporaryFile

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from accounts.http import UserRequest
from accounts.models import record
from core.rate import Buckets

from .export import Zip, export_person, zip_archive

_downloads = Buckets(1 / 60, 3)  # of one user: each takes a while


def own_data(request: UserRequest) -> HttpResponseBase:
    if request.method != "POST":
        return render(request, "accounts/data.html")
    if wait_s := _downloads.spend(request.user.pk):
        return _refuse(request, ceil(wait_s))
    file = TemporaryFile()  # noqa: SIM115 - the response closes it
    with zip_archive(file) as packed:
        export_person(request.user, Zip(packed), for_themselves=True)
    record(request.user, "user.export", request.user.username)
    file.seek(0)
    return FileResponse(
        file, as_attachment=True, filename="my-ragsite-data.zip", headers={"Cache-Control": "no-store"}
    )


def _refuse(request: UserRequest, wait_s: int) -> HttpResponse:
    problem = f"You have just downloaded your data. Wait {wait_s} seconds, then try again."
    response = render(request, "accounts/data.html", {"problem": problem}, status=429)
    response["Retry-After"] = str(wait_s)
    return response
