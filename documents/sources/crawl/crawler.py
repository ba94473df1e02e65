"""Visits a website or feed: fetches the addresses in its queue, in time slices, until none waits.

The queue, the crawl frontier, is the table of addresses. One transaction, which holds the claim to the
source, stores a page as a sub-document, queues its links and closes its row. So a visit that was killed
continues where it was and does nothing twice. Between slices the source goes back to the end of the workers'
queue, so that a large site does not keep its own pages, or other documents, from being ingested.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.html import escape

from core.leases import Superseded
from documents.errors import Forbidden, Gone, LoginRequired, NotFetched, TryLater
from documents.ingestion.claims import Claim, claim_work
from documents.ingestion.crawled import read_feed, read_page
from documents.models import Address, Document, Finding, Source
from documents.parsing.crawled.feed import MAX_BYTES as FEED_MAX_BYTES
from documents.parsing.crawled.feed import Feed
from documents.parsing.crawled.page import Page, refresh_target, robots_words
from documents.parsing.media_types import HTML
from documents.sources import missing_pages

from . import crawled_pages, placeholder, ssrf_guard
from .feed_items import queue_posts
from .fetch import Web, WebResponse
from .frontier import Frontier
from .response_policy import error_for, is_readable, not_read, recognise, recognise_or_none, with_its_encoding
from .robots import RobotsOfHosts
from .sitemap import is_sitemap, read_sitemap
from .url_normalization import Bounds, archive_extension, canonical, display_url, is_same_site, origin

log = logging.getLogger(__name__)

SLICE_S = 30.0
MAX_TRIES = 3  # of one address in one visit, if the error is retryable
_MAX_TRIES = 30  # of a post's page, over all visits of its feed
_FIRST_PAUSE_S = 10  # back-off: then three times as long each time
_NO_INDEX = "The page asks not to be indexed (noindex)."
_ARCHIVE = "It is an archive (.{extension}): download it, unpack it and add the files in it."
_Role, _State = Address.Role, Address.State

Run = Callable[[Coroutine[Any, Any, Any]], Any]  # runs a coroutine, and returns its result
HandOn = Callable[[UUID], None]  # queues a document for ingestion


class _LeftOut(Exception):
    """The address must be left out. `str()` says why; elsewhere: the address that has its page instead.

    finding: what the site did to its page; Finding.NONE if our own options leave it out.
    """

    def __init__(self, reason: str, elsewhere: str = "", finding: Finding = Finding.NONE) -> None:
        super().__init__(reason)
        self.elsewhere = elsewhere
        self.finding = finding or (Finding.ELSEWHERE if elsewhere else Finding.NONE)


def is_source(document_id: UUID) -> bool:
    return Source.objects.filter(pk=document_id).exists()


def crawl(document_id: UUID, hand_on: HandOn) -> bool:
    """Visit the source for one slice, if it is due and free. Return whether there is more to do now.

    hand_on: called after the commit with each document that is new or changed.
    """
    claim = claim_work(document_id)
    if claim is None:
        return False
    with suppress(Superseded), claim.keep_alive():
        try:
            return _work(claim, hand_on)
        except Superseded:
            log.info("Source %s: it was stopped or deleted, or another worker has it.", document_id)
        except Exception as error:
            _settle(claim, error)
        except BaseException:  # Ctrl-C, or the worker is told to stop
            with suppress(Superseded):
                claim.release()
            raise
    return False


def _work(claim: Claim, hand_on: HandOn) -> bool:
    source = Source.objects.select_related("document__workspace").get(pk=claim.document.pk)
    with claim.stage(Document.Stage.FETCH) as step, _open_web() as (web, run):
        visit = _Visit(claim, source, web, run, hand_on)
        visit.begin()
        visit.read_what_waits(time.monotonic() + SLICE_S)
        step.detail |= visit.tally
        then = source.addresses.filter(state=_State.QUEUED).order_by("next_try_at").first()
        review = None if then else missing_pages.review(source)
        if review and review.hold:
            step.detail["held"] = missing_pages.describe(review.hold)
    if then is None:
        _conclude(claim, source, review or missing_pages.Review())
        return False
    claim.pause(max(then.next_try_at, visit.free_at))
    return max(then.next_try_at, visit.free_at) <= timezone.now()


def _finding_of(error: Exception) -> Finding:
    match error:
        case Gone():
            return Finding.GONE
        case LoginRequired():
            return Finding.REFUSED
    return Finding.FAILED


@contextmanager
def _open_web() -> Iterator[tuple[Web, Run]]:
    """Yield a web client and the function that runs its coroutines. Between runs, use the database."""
    with asyncio.Runner() as runner:
        opened = AsyncExitStack()
        web = runner.run(opened.enter_async_context(Web()))
        try:
            yield web, runner.run
        finally:
            runner.run(opened.aclose())


def _settle(claim: Claim, error: Exception) -> None:
    """Turn the error that ended the visit into a state and a sentence."""
    log.warning("Source %s: %s: %s", claim.document.pk, type(error).__name__, error)
    match error:
        case NotFetched(retryable=True):
            claim.postpone(str(error))
        case NotFetched() | Forbidden():
            claim.fail(str(error))
        case DatabaseError():
            with suppress(DatabaseError):  # still down: the lease expires, and another worker takes over
                claim.postpone("The database reported an error.")
        case _:
            log.error("Source %s: unexpected.", claim.document.pk, exc_info=error)
            claim.postpone(
                f"Something unexpected went wrong ({type(error).__name__}); the worker's log has more."
            )


def _conclude(claim: Claim, source: Source, review: missing_pages.Review) -> None:
    """End the visit: the source is ready, unless nothing of it could be read."""
    for address in review.removals:
        with claim.hold_row():  # one by one: a transaction that outlasts the lease loses the claim
            missing_pages.remove(address)
    trouble = (
        source.addresses.filter(state__in=(_State.FAILED, _State.SKIPPED)).order_by("depth", "pk").first()
    )
    feed_failed = source.is_feed and trouble is not None and trouble.role == _Role.FEED
    has_pages = source.pages().filter(document__isnull=False).exists()
    with claim.hold_row():
        Source.objects.filter(pk=source.pk).update(is_under_way=False, visited_at=timezone.now())
        missing_pages.record_review(source, review)
        if feed_failed and trouble:
            claim.fail(f"The feed could not be read. {trouble.reason}")
        elif not has_pages and trouble and not source.is_feed:
            claim.fail(f"No page could be read. {trouble.url}: {trouble.reason}")
        else:
            claim.finish(page_count=source.pages().filter(document__isnull=False).count())


@dataclass(frozen=True, slots=True)
class _Answer:
    """The outcome of the request for one address."""

    address: Address
    reply: WebResponse | None = None
    error: Exception | None = None
    page: Page = field(default_factory=Page)  # what is in the reply, if it is a web page
    data: bytes = b""  # the body to store: of a web page, with its encoding
    feed: Feed = field(default_factory=lambda: Feed("", ()))


def _parsed(answer: _Answer, languages: Sequence[str]) -> _Answer:
    """Return the answer with its page or feed, which the sandbox reads before the transaction that stores it."""
    reply, role = answer.reply, answer.address.role
    if reply is None or reply.status != 200:
        return answer
    answer = replace(answer, data=reply.body)
    try:
        if role == _Role.FEED:
            feed = read_feed(reply.body, reply.url, reply.headers.get("Content-Type", ""))
            return replace(answer, feed=feed)
        if role == _Role.PAGE and (kind := recognise_or_none(reply)):
            answer = replace(answer, data=with_its_encoding(reply, kind))
            if kind == HTML:
                return replace(answer, page=read_page(answer.data, reply.url, languages))
    except NotFetched as error:
        return replace(answer, error=error)
    return answer


class _Visit:
    """One slice of a visit: its state, and how it handles each address."""

    def __init__(self, claim: Claim, source: Source, web: Web, run: Run, hand_on: HandOn) -> None:
        self._claim, self._source, self._web, self._run, self._hand_on = claim, source, web, run, hand_on
        self._document = source.document
        self._frontier = Frontier(source)
        self._robots = RobotsOfHosts(web)
        self._delay_s = 0.0
        self._sample: list[Address] = []  # known pages that are fetched first, to see if the site is itself
        self.tally = {"fetched": 0, "stored": 0, "failed": 0}
        self.free_at = timezone.now()  # when the crawl delay allows the next request

    # --- the visit ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Read robots.txt. If a new visit begins, queue the addresses that it reads."""
        sitemaps: list[str] = []
        if not self._source.is_feed:
            robots = self._home_robots()
            self._delay_s = robots.delay_s
            sitemaps = robots.sitemaps(self._source.home) if self._source.follows_links else []
        if self._source.is_under_way:
            return
        again = self._source.addresses.all()
        if self._source.is_feed:
            again = again.filter(role=_Role.FEED)  # each post is read once
        unlucky = self._source.pages().filter(state=_State.FAILED, tries__range=(MAX_TRIES, _MAX_TRIES))
        with self._claim.hold_row():
            if self._source.is_feed:  # retry pages of posts that failed, and keep their count of tries
                self._frontier.again(unlucky, tries=F("tries"))
            self._frontier.again(again)
            self._frontier.add(sitemaps, 0, _Role.SITEMAP)
            period = self._source.period
            self._source.next_visit_at = timezone.now() + period if period else None
            self._source.is_under_way, self._source.placeholder = True, None
            self._source.pages_before = self._source.pages().filter(document__isnull=False).count()
            self._source.save(update_fields=["next_visit_at", "is_under_way", "placeholder", "pages_before"])
            if not 0 < self._source.max_pages < self._source.pages_before:  # else the limit was lowered
                self._sample = placeholder.sample(self._frontier.waiting(), settings.CRAWL_AT_ONCE)

    def _home_robots(self) -> Any:
        try:
            return self._run(self._robots.of(self._source.home))
        except NotFetched as error:
            raise NotFetched(
                f"The site's robots.txt could not be fetched. {error}", retryable=True
            ) from error

    def read_what_waits(self, until: float) -> None:
        """Fetch and store addresses until none is due, or the slice is over."""
        self._wait_since_the_last_request(until)
        while time.monotonic() < until and (batch := self._next()):
            languages = self._document.reading_languages(self._document.workspace)
            answers = [_parsed(answer, languages) for answer in self._run(self._fetch_all(batch))]
            self._look_for_a_placeholder(answers)
            for answer in answers:
                self._keep(answer)
            self._show_progress()
            self.free_at = timezone.now() + timedelta(seconds=self._delay_s)
            if self._delay_s:
                time.sleep(min(self._delay_s, max(0.0, until - time.monotonic())))

    def _next(self) -> list[Address]:
        """Return the addresses to fetch concurrently. At the page limit, leave out the rest."""
        if self._frontier.is_full():
            self._leave_out_the_rest()
            return []
        if self._sample:
            sample, self._sample = self._sample, []
            return sample
        return self._frontier.next(1 if self._delay_s else settings.CRAWL_AT_ONCE)

    def _look_for_a_placeholder(self, answers: Sequence[_Answer]) -> None:
        """Note the text that several of these addresses have now instead of different pages."""
        fresh = [each for each in answers if each.address.document_id and each.page.words is not None]
        if self._source.placeholder is not None:
            return
        self._source.placeholder = placeholder.find_in(fresh, self._source.pages_before)
        if self._source.placeholder is not None:
            with self._claim.hold_row():
                self._source.save(update_fields=["placeholder"])

    def _leave_out_the_rest(self) -> None:
        """Close the addresses beyond the page limit, and remove their documents of earlier visits."""
        for address in self._frontier.read_before():
            with self._claim.hold_row():  # one by one: a transaction that outlasts the lease loses the claim
                self._leave_out(address, _LeftOut(self._frontier.full))
                address.save()
        with self._claim.hold_row():
            self._frontier.leave_out_the_rest()

    def _wait_since_the_last_request(self, until: float) -> None:
        """Keep the site's crawl delay across slices."""
        last = self._source.addresses.exclude(fetched_at=None).order_by("-fetched_at").first()
        if self._delay_s and last and last.fetched_at:
            passed_s = (timezone.now() - last.fetched_at).total_seconds()
            time.sleep(min(max(0.0, self._delay_s - passed_s), max(0.0, until - time.monotonic())))

    # --- fetching -----------------------------------------------------------------------------

    async def _fetch_all(self, batch: Sequence[Address]) -> list[_Answer]:
        if not self._delay_s:
            return list(await asyncio.gather(*(self._fetch(address) for address in batch)))
        answers: list[_Answer] = []
        for address in batch:
            await asyncio.sleep(self._delay_s if answers else 0)
            answers.append(await self._fetch(address))
        return answers

    async def _fetch(self, address: Address) -> _Answer:
        if address.own_text and (self._source.prefers_own_text or not address.has_page):
            return _Answer(address)
        try:
            ssrf_guard.target(address.url)
            self._check_name(address)
            await self._may_go(address, address.url)
            limit = settings.CRAWL_PAGE_MAX_BYTES
            if address.role == _Role.FEED:
                limit = min(limit, FEED_MAX_BYTES)
            reply = await self._web.get(
                address.url,
                accepts=lambda reply: address.role != _Role.PAGE or is_readable(reply, address),
                may_go=partial(self._may_go, address),
                max_bytes=limit,
                headers=address.conditions,
            )
        except (Forbidden, NotFetched, _LeftOut) as error:
            return _Answer(address, error=error)
        return _Answer(address, reply)

    def _check_name(self, address: Address) -> None:
        if address.depth and address.role == _Role.PAGE and (extension := archive_extension(address.url)):
            raise _LeftOut(_ARCHIVE.format(extension=extension))

    async def _may_go(self, address: Address, url: str) -> None:
        """Raise _LeftOut for an address outside the site, or one that robots.txt disallows."""
        ssrf_guard.target(url)
        if not self._source.is_feed:
            self._check_bounds(address, url)
        robots = await self._robots.of(url)
        if not robots.allows(url):
            raise _LeftOut("The site's robots.txt does not allow it.", finding=Finding.ROBOTS)

    def _check_bounds(self, address: Address, url: str) -> None:
        home, is_redirect = self._source.home, url != address.url
        if address.url == self._document.url:  # the start address may lead to another host at the first visit
            if self._source.pages_before and is_redirect and not is_same_site(url, home):
                raise _LeftOut(f"It leads to another website, {url}.", finding=Finding.MOVED)
        elif why := self._refusal(address, url):
            if is_redirect:
                raise _LeftOut(f"It redirects to {url}. {why}", finding=Finding.MOVED)
            moved = origin(home) + url.removeprefix(origin(url)) if is_same_site(url, home) else ""
            raise _LeftOut(why, moved if moved != url else "")

    def _refusal(self, address: Address, url: str) -> str:
        refusal = Bounds.of(self._source).refusal(url)
        is_of_the_site = refusal and refusal != "It is on another host."
        return "" if address.role == _Role.SITEMAP and is_of_the_site else refusal

    # --- keeping ------------------------------------------------------------------------------

    def _keep(self, answer: _Answer) -> None:
        """Store the outcome of an address and close it, in one transaction."""
        address = answer.address
        self.tally["fetched"] += 1
        with self._claim.hold_row():
            address.refresh_from_db(fields=["state", "document"])
            if address.state != _State.QUEUED:  # another address of this batch redirected here
                return
            address.fetched_at, address.elsewhere = timezone.now(), ""
            try:
                self._read(address, answer)
            except _LeftOut as reason:
                self._leave_out(address, reason)
            except (Forbidden, NotFetched) as error:
                self._fail(address, error)
            address.save()

    def _read(self, address: Address, answer: _Answer) -> None:
        if answer.error or answer.reply is None:
            return self._without_its_page(address, answer.error)
        reply = answer.reply
        if reply.status == 304:
            return self._close(address)
        if reply.status != 200:
            return self._without_its_page(address, error_for(reply))
        match address.role:
            case _Role.SITEMAP:
                self._read_sitemap(address, reply)
            case _Role.FEED:
                self._read_feed(address, reply, answer.feed)
            case _:
                self._read_page_or_own_text(address, reply, answer)

    def _read_sitemap(self, address: Address, reply: WebResponse) -> None:
        found = read_sitemap(reply.body)
        self._frontier.add(found.sitemaps, address.depth, _Role.SITEMAP)
        self._frontier.add(found.pages, 1)
        self._close(address, reply)

    def _read_feed(self, address: Address, reply: WebResponse, feed: Feed) -> None:
        self._name(feed.title)
        queue_posts(self._source, address.url, reversed(feed.posts))
        self._close(address, reply)

    def _read_page_or_own_text(self, address: Address, reply: WebResponse, answer: _Answer) -> None:
        """Read the page. If it is none that can be read, such as a recording, use the post's own text."""
        try:
            self._read_page(address, reply, answer)
        except (Forbidden, NotFetched) as error:
            self._own_text_or_not(address, error)

    def _read_page(self, address: Address, reply: WebResponse, answer: _Answer) -> None:
        page = answer.page
        if address.depth == 0 and is_sitemap(reply.body):  # the start address may be a sitemap
            address.role = _Role.SITEMAP
            return self._read_sitemap(address, reply)
        if not is_readable(reply, address):
            raise not_read(reply.media_type)
        if placeholder.is_near(page.words, self._source.placeholder):
            raise _LeftOut("It has the same text as many other addresses.", finding=Finding.SAME_TEXT)
        landed = self._final_address(address, reply)
        media_type = recognise(reply).name
        if refresh := refresh_target(reply.headers.get("Refresh", "")):
            page.links.append(urljoin(reply.url, refresh))
        page.is_noindex |= "noindex" in robots_words(reply.headers.get("X-Robots-Tag", ""))
        if self._source.follows_links and not page.is_nofollow:
            self._frontier.add(page.links, landed.depth + 1)
        if page.is_noindex:
            return self._own_text_or_not(landed, _LeftOut(_NO_INDEX, finding=Finding.NO_INDEX))
        self._check_canonical(address, landed, page)
        landed.content_sha256 = hashlib.sha256(reply.body).hexdigest()
        self._check_double(landed)
        self._store(landed, landed.own_title or page.title or reply.file_name, answer.data, media_type)
        if landed.depth == 0 and not self._source.is_feed:
            self._name(page.title)
        self._close(landed, reply)
        if landed is not address:
            landed.save()
        return None

    def _final_address(self, address: Address, reply: WebResponse) -> Address:
        """Return the address of the page in the reply: another one, after a redirect within the site."""
        final = canonical(reply.url)
        if self._source.is_feed or final == address.url:
            return address
        if address.url == self._document.url and address.depth == 0:
            self._source.home = final  # a site begins where its start address redirects to
            self._source.save(update_fields=["home"])
        depth = {"depth": address.depth, "priority": address.priority}
        other, _ = Address.objects.get_or_create(source=self._source, url=final, defaults=depth)
        leads = _LeftOut(f"It redirects to {final}.", final)
        self._leave_out(address, leads)
        if other.state != _State.QUEUED:
            raise leads
        other.fetched_at = timezone.now()
        return other

    def _check_canonical(self, address: Address, landed: Address, page: Page) -> None:
        if self._source.is_feed or not page.canonical:
            return
        with suppress(Forbidden):
            own = canonical(page.canonical)
            if own in (address.url, landed.url) or Bounds.of(self._source).refusal(own):
                return
            self._frontier.add([own], landed.depth)
            if self._is_kept_at(own, {address.url, landed.url}, landed):
                raise _LeftOut(f"Its canonical address is {own}.", own)

    def _is_kept_at(self, url: str, seen: set[str], page: Address) -> bool:
        """Return whether the page is or may be kept there: the chain may lead back here, or nowhere."""
        while url not in seen:
            seen.add(url)
            there = self._source.pages().filter(url=url).first()
            if there is None:
                return False
            if (there.document_id and not there.finding) or there.state == _State.DONE:
                return True
            if there.state == _State.QUEUED:
                # If the visit before kept nothing there, do not wait for it
                return not (page.document_id and there.fetched_at)
            if not there.elsewhere:
                return False
            url = there.elsewhere
        return False

    def _check_double(self, address: Address) -> None:
        same = self._source.pages().filter(content_sha256=address.content_sha256, state=_State.DONE)
        if double := same.exclude(pk=address.pk).first():
            raise _LeftOut(f"It is the same page as {double.url}.", double.url)

    def _name(self, title: str) -> None:
        """Give the source its own title, unless a user gave it one."""
        if title and self._document.title == display_url(self._document.url)[: crawled_pages.MAX_TITLE]:
            self._document.title = crawled_pages.title_of(title, self._document.url)
            self._document.save(update_fields=["title"])

    # --- outcomes -----------------------------------------------------------------------------

    def _store(self, address: Address, title: str, data: bytes, media_type: str) -> None:
        title = crawled_pages.title_of(title, address.url)
        document = crawled_pages.store_page(address, self._document, title, data, media_type)
        if document is not None:
            self.tally["stored"] += 1
            transaction.on_commit(partial(self._hand_on, document.pk))

    def _close(self, address: Address, reply: WebResponse | None = None) -> None:
        address.state, address.reason, address.finding = _State.DONE, "", Finding.NONE
        if reply is not None:
            address.etag = reply.headers.get("ETag", "")[:500]
            address.last_modified = reply.headers.get("Last-Modified", "")[:100]

    def _without_its_page(self, address: Address, error: Exception | None) -> None:
        """Retry later if the error is retryable; else use a post's own text, or give up."""
        if isinstance(error, TryLater) or (isinstance(error, NotFetched) and error.retryable):
            address.tries += 1
            if address.tries < MAX_TRIES:
                pause_s = max(_FIRST_PAUSE_S * 3 ** (address.tries - 1), getattr(error, "least_s", 0))
                address.next_try_at = timezone.now() + timedelta(seconds=pause_s)
                address.reason = f"{error} It will be tried again."
                return
        self._own_text_or_not(address, error)

    def _own_text_or_not(self, address: Address, error: Exception | None) -> None:
        if not address.own_text:
            raise error or NotFetched("It has no text of its own.")
        title = escape(address.own_title)
        html = f"<html><head><title>{title}</title></head><body><article><h1>{title}</h1>{address.own_text}</article></body></html>"
        self._store(address, address.own_title, html.encode("utf-8", "replace"), HTML.name)
        self._close(address)

    def _leave_out(self, address: Address, reason: _LeftOut) -> None:
        """Close the address. If the site left it out, keep its earlier document for the review at the end."""
        address.state, address.reason, address.elsewhere = _State.SKIPPED, str(reason), reason.elsewhere
        if address.document_id and reason.finding:
            address.finding = reason.finding
        else:
            crawled_pages.drop_page(address)
        self._requeue_duplicates(address)

    def _requeue_duplicates(self, address: Address) -> None:
        """Queue the addresses that were left out in favour of this one, which has no page. Once per visit."""
        named = self._source.pages().filter(elsewhere=address.url, state=_State.SKIPPED, tries=0)
        self._frontier.again(named, tries=1)

    def _fail(self, address: Address, error: Exception) -> None:
        """Close the address as failed. Keep its earlier document for the review at the end of the visit."""
        self.tally["failed"] += 1
        is_gone = isinstance(error, Gone) and address.document_id is not None
        address.state, address.reason = (_State.GONE if is_gone else _State.FAILED), str(error)
        if address.document_id:
            address.finding = _finding_of(error)
        if is_gone:
            address.etag = address.last_modified = address.content_sha256 = ""
        if is_gone or address.document_id is None:
            self._requeue_duplicates(address)

    def _show_progress(self) -> None:
        wanted = self._source.pages().exclude(state__in=(_State.SKIPPED, _State.GONE))
        total, waiting = wanted.count(), wanted.filter(state=_State.QUEUED).count()
        # Progress resets the attempt: a crawl of hours may lose more workers than a document has attempts.
        with self._claim.hold_row(progress_done=total - waiting, progress_total=total, attempt=1):
            pass
