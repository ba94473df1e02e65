"""An installation as its users reach it: the REST API with a key, and the admin's forms with a login."""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
from bs4 import BeautifulSoup

QUESTIONS = {
    "Harbour": ["How much is the mooring fee?", "Who keeps the keys?", "Wann öffnet die Schleuse?"],
    "Ledger": ["Entry 17 of the ledger", "page 23"],
    "Lists": ["Item 400", "Item 77 of the list"],
    "Moving": ["When does the ferry leave?"],
}


logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line for each request


class Client:
    def __init__(self, url: str, key: str) -> None:
        self.key = key
        self._url, self._headers = url, {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        address = f"{self._url}/api/v1/{path}"
        response = httpx.request(method, address, json=body, headers=self._headers, timeout=30, **more)
        assert response.is_success, (method, path, response.status_code, response.text[:500])
        return response.json() if response.content else None

    def all(self, path: str) -> list[Any]:
        return list(self.call("GET", path, params={"limit": 200})["results"])

    def all_pages(self, path: str) -> list[Any]:
        found: list[Any] = []
        while page := self.call("GET", path, params={"limit": 200, "offset": len(found)})["results"]:
            found += page
        return found

    def find(self, path: str) -> Any:
        """Return what is there, or None if this user may not see it."""
        response = httpx.get(f"{self._url}/api/v1/{path}", headers=self._headers, timeout=30)
        return response.json() if response.is_success else None

    def upload(self, workspace: str, name: str, content: bytes) -> Any:
        return self.call(
            "POST", f"workspaces/{workspace}/documents/file-upload", files={"file": (name, content)}
        )

    def ask(self, session: str, text: str, **more: Any) -> Any:
        body = {"text": text, "messageId": uuid4().hex, **more}
        return self.call("POST", f"sessions/{session}/turns", body)

    def ended(self, turn: Any) -> list[Any]:
        """Return the answers of a turn once they have ended."""
        read = [f"answers/{answer['id']}" for answer in turn["answers"]]
        ends = ("finished", "stopped", "failed")
        wait_until(lambda: all(self.call("GET", path)["status"] in ends for path in read))
        return [self.call("GET", path) for path in read]

    def found(self, workspace: str, question: str) -> list[Any]:
        """Return the best that a search finds: title, page and text. What comes after may differ with the index."""
        passages = self.call("POST", "semantic-search", {"workspaceId": workspace, "query": question})
        return [[each["documentTitle"], each["page"], each["text"]] for each in passages["passages"][:3]]


class Admin:
    """The console, logged in as an operator."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, follow_redirects=True, timeout=30, headers={"Referer": url})
        self.submit("/login/", username=name, password=password)

    def submit(self, path: str, **fields: str) -> BeautifulSoup:
        """Send the form of a page with these fields, and the others as they stand there."""
        forms = BeautifulSoup(self._http.get(path).text, "html.parser").find_all("form", method="post")
        form = max(forms, key=lambda each: len(each.find_all("input")))  # not the one that logs out
        values = {str(each["name"]): _value(each) for each in form.find_all("input") if _counts(each)}
        for select in form.find_all("select"):
            chosen = select.find("option", selected=True) or select.find("option")
            values[str(select["name"])] = _value(chosen) if chosen else ""
        response = self._http.post(path, data=values | fields)
        page = BeautifulSoup(response.text, "html.parser")
        errors = [each.get_text(" ", strip=True) for each in page.select(".errorlist, .errors")]
        assert response.is_success, (path, response.status_code)
        assert not errors, (path, errors)
        return page


def _value(field: Any) -> str:
    return str(field.get("value", "on" if field.get("type") == "checkbox" else ""))


def _counts(field: Any) -> bool:
    is_chosen = field.get("type") not in ("checkbox", "radio") or field.has_attr("checked")
    return bool(field.get("name")) and field.get("type") != "submit" and is_chosen


def wait_until(happened: Callable[[], object], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def remembered(client: Client) -> dict[str, Any]:
    """Return what must be the same after an upgrade, as the API tells it."""
    workspaces = {each["name"]: each for each in client.all("workspaces")}
    return {
        "workspaces": {name: _settings(each) for name, each in workspaces.items()},
        "documents": {
            name: sorted(_document(document) for document in client.all(f"workspaces/{each['id']}/documents"))
            for name, each in workspaces.items()
        },
        "indexes": {
            name: client.call("GET", f"workspaces/{each['id']}/vector-index")["standing"]["kind"]
            for name, each in workspaces.items()
            if name in ("Ledger", "Lists")
        },
        "found": {
            name: {question: client.found(workspaces[name]["id"], question) for question in asked}
            for name, asked in QUESTIONS.items()
        },
        "sessions": {
            each["title"]: [_turn(turn) for turn in client.call("GET", f"sessions/{each['id']}")["turns"]]
            for each in client.all("sessions")
        },
    }


def _settings(workspace: Any) -> dict[str, Any]:
    names = ("id", "description", "languages", "dimensions", "metric", "chunking", "chunkSize", "indexKind")
    return {name: workspace[name] for name in (*names, "accessLevels", "documentCount", "chunkCount", "role")}


def _document(document: Any) -> list[Any]:
    names = ("title", "kind", "status", "language", "chunkCount", "accessLevel", "createdAt")
    return [*(document[name] for name in names), str(document["metadata"])]


def _turn(turn: Any) -> dict[str, Any]:
    names = (
        "model",
        "lane",
        "status",
        "grounding",
        "text",
        "cost",
        "inputTokens",
        "outputTokens",
        "passages",
    )
    answers = [{name: answer[name] for name in names} for answer in turn["answers"]]
    for passage in (each for answer in answers for each in answer["passages"]):
        passage.pop("isImported", None)  # no answer of an earlier build was imported
    return {"text": turn["text"], "filters": turn["filters"], "answers": answers}
