"""Turns the posts of a feed into addresses, each post once, wherever its link leads."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from documents.errors import Forbidden
from documents.models import Address, Source
from documents.parsing.crawled.feed import Post

from .frontier import Frontier
from .url_normalization import canonical

_Role, _State = Address.Role, Address.State


def queue_posts(source: Source, feed: str, posts: Iterable[Post]) -> None:
    """Queue the posts that are not known yet. The caller holds the claim.

    feed: the feed's address. posts: the oldest first.
    """
    known = set(source.addresses.values_list("guid_sha256", flat=True))
    for post in _tell_apart(posts):
        if post.guid_sha256 not in known:
            known.add(post.guid_sha256)
            _queue(source, feed, post)


def _tell_apart(posts: Iterable[Post]) -> Iterator[Post]:
    """Make the ids unique. Some feeds give all posts the same id, so the link becomes part of it."""
    listed: set[str] = set()
    for post in posts:
        if post.guid_sha256 in listed:
            name = f"{post.guid_sha256}\0{post.link}"
            post = replace(post, guid_sha256=hashlib.sha256(name.encode()).hexdigest())
        listed.add(post.guid_sha256)
        yield post


def _queue(source: Source, feed: str, post: Post) -> None:
    url, reason = _address_of(post, feed)
    there = source.addresses.filter(url=url).first()
    if there is None:
        _add(source, url, post, _State.FAILED if reason else _State.QUEUED, reason)
    elif not _is_same(post, there):
        # For example a change log, of which each entry is a post: the text of this entry is in the feed
        reason = f"It has the same address as another post: {url}."
        _add(source, _place_in_feed(post, feed), post, _State.SKIPPED, reason)
        if not post.text and there.role == _Role.PAGE:  # or on that page, which has changed
            Frontier(source).again(source.pages().filter(pk=there.pk))


def _add(source: Source, url: str, post: Post, state: Address.State, reason: str) -> None:
    """Add the post's address. state, reason: how to close it, and why, if the feed has no text of it."""
    told = {"guid_sha256": post.guid_sha256, "own_title": post.title[:300], "own_text": post.text}
    end = {"state": _State.QUEUED} if post.text else {"state": state, "reason": reason}
    Address.objects.create(source=source, url=url, depth=1, **told, **end)


def _address_of(post: Post, feed: str) -> tuple[str, str]:
    """Return a post's address, and why it cannot be fetched. Without a link, it has a place in its feed."""
    try:
        if post.link:
            return canonical(post.link, feed), ""
        return _place_in_feed(post, feed), "It has no address and no text."
    except Forbidden as error:
        return _place_in_feed(post, feed), str(error)


def _place_in_feed(post: Post, feed: str) -> str:
    return f"{feed}#{post.guid_sha256[:16]}"


def _is_same(post: Post, there: Address) -> bool:
    """Return whether the post at this address is the same with another id: feeds change their ids."""
    if there.role != _Role.PAGE:
        return False
    return there.own_title == post.title[:300] if post.title else there.own_text == post.text
