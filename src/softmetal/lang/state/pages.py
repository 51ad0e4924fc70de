"""What is known of the pages of a board's memories: their contents and digests when they were last looked at.

A page is the image's under the memories (zeros where there is none) unless it is in `held`. A look takes from the host
which pages may have been written since the last one, and copies only those; or, where more than half has changed, makes
a new image of it all, which costs less a page.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator

from xxhash import xxh3_128_intdigest

from softmetal.lang.mapping import PAGE, Image, Mapping, Span
from softmetal.lang.state import host

ZEROS = bytes(PAGE)
FEW = 1024
"""A number of pages for which an image is not worth its making."""


def digest(at: int, page: bytes) -> int:
    """The digest of a page at an offset; 0 for zeros, so that a page that was never touched needs none."""
    return 0 if page == ZEROS else xxh3_128_intdigest(page, at)


def digests(image: Image | None) -> Digests:
    """The digests of an image's pages."""
    if image is None:
        return Digests({})
    if image.digests is None:
        image.digests = Digests({at: digest(at, page) for at, page in pages_of(image)})
    found: Digests = image.digests
    return found


class Digests:
    """The digests of pages, by offset, and their sum."""

    def __init__(self, of: dict[int, int]) -> None:
        self.of = {at: d for at, d in of.items() if d}
        self.sum = sum(self.of.values())


def pages_of(image: Image | None) -> Iterator[tuple[int, bytes]]:
    """Offset and content of each page of an image, in order; some may be zeros."""
    for start, end in image.spans if image else ():
        for part in range(start, end, 256 * PAGE):
            data = image.read(part, min(256 * PAGE, end - part)) if image else b""
            for at in range(0, len(data), PAGE):
                yield part + at, data[at : at + PAGE]


def each(spans: Iterable[Span]) -> Iterator[int]:
    """The offset of every page of some spans."""
    for start, end in spans:
        yield from range(start, end, PAGE)


def count(spans: Iterable[Span]) -> int:
    """How many pages lie in some spans."""
    return sum(end - start for start, end in spans) // PAGE


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in any order as spans that neither overlap nor touch, in order."""
    found: list[Span] = []
    last, end = -1, -1
    for start, stop in sorted(spans):
        if start > end:
            if end > last:
                found.append((last, end))
            last, end = start, stop
        elif stop > end:
            end = stop
    if end > last:
        found.append((last, end))
    return found


def spans_of(pages: Iterable[int]) -> list[Span]:
    """Pages in any order as spans that neither overlap nor touch, in order."""
    found: list[Span] = []
    start = end = -1
    for at in sorted(pages):
        if at != end:
            if start != end:
                found.append((start, end))
            start = at
        end = at + PAGE
    if start != end:
        found.append((start, end))
    return found


class Pages:
    """What is known of a mapping's memories."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = weakref.ref(mapping)
        self.hashed = False
        """Does anyone ask for hashes?"""
        self._start()

    def _start(self) -> None:
        """Know of no page that is not the image's."""
        self.held: dict[int, bytes] = {}
        """Pages that are not the image's, as they were at the last look."""
        self.digests: dict[int, int] = {}
        """Of pages that differed from the image's when they were last hashed."""
        self.unhashed: set[int] = set()
        """Pages that may have other digests now."""
        self.difference = 0
        """The sum of `digests`, less what the image has in their place."""
        self.lent = 0
        """How many pages were copied into forks that a new image would have saved."""
        self.owed: list[Span] = []
        """Pages that changed since the last look: kept until it is over, for a look may be interrupted."""

    @property
    def mapping(self) -> Mapping:
        found = self._mapping()
        assert found is not None  # it is what holds us
        return found

    @staticmethod
    def of(mapping: Mapping) -> Pages:
        """What is known of a mapping, which is looked at from now on."""
        if mapping.known is None:
            mapping.known = Pages(mapping)
        found: Pages = mapping.known
        return found

    def look(self) -> None:
        """Bring `held` up to date."""
        mapping, held, exact = self.mapping, self.held, self._find_changed()
        new = count(self.owed)
        if new > FEW and 2 * new > self.size:
            if not exact:
                self.unhashed.update(each(self.owed))
            self.make_image()
            return
        view = mapping.view
        for at in each(self.owed):
            page = bytes(view[at : at + PAGE])
            old = held.get(at)
            if page != old:
                if not exact:
                    self.unhashed.add(at)
                if old is not None or page != ZEROS or mapping.image:
                    held[at] = ZEROS if page == ZEROS else page
        self.owed = []

    @property
    def size(self) -> int:
        """How many pages an image of it all has, at most."""
        return count(self.mapping.image.spans if self.mapping.image else ()) + len(self.held)

    def _find_changed(self) -> bool:
        """Add to `owed` pages that may have changed since the last look. True if all of them were written since."""
        mapping = self.mapping
        mapping.freeze()
        spans = host.written(mapping)
        if mapping.given_back:
            known = self.held.keys() | self.digests.keys()
            spans += spans_of(at for at in known if any(a <= at < b for a, b in mapping.given_back))
        exact = bool(mapping.watched)
        if self.hashed:
            self.unhashed.update(each(spans if exact else self.owed))
        self.owed = joined([*self.owed, *spans])
        mapping.given_back.clear()
        return exact

    def make_image(self) -> None:
        """Put the memories as they are into a new image, and lay it under them."""
        mapping = self.mapping
        image = Image(mapping.memories[1])
        under = mapping.image.spans if mapping.image else ()
        for start, end in joined([*under, *self.owed, *spans_of(self.held)]):
            image.write(start, mapping.view[start:end])
        if self.hashed:
            self._hash()
            image.digests = Digests({**digests(mapping.image).of, **self.digests})
        mapping.lay(image)
        self._start()

    def hash(self) -> int:
        """The sum of the digests of all pages."""
        if not self._find_changed():
            self.look()  # it compares pages with what they were, which is faster than hashing them
        if not self.hashed:
            self.unhashed = {*self.held, *each(self.owed)}
            self.hashed = True
        self._hash()
        return digests(self.mapping.image).sum + self.difference

    def _hash(self) -> None:
        ours, theirs, view = self.digests, digests(self.mapping.image).of, self.mapping.view
        for at in self.unhashed:
            base, now = theirs.get(at, 0), digest(at, bytes(view[at : at + PAGE]))
            self.difference += now - ours.pop(at, base)
            if now != base:
                ours[at] = now
        self.unhashed.clear()

    def put(self, image: Image | None, held: dict[int, bytes]) -> None:
        """Let the memories hold an image and, in place of some of its pages, others."""
        mapping, view = self.mapping, self.mapping.view
        if image is not mapping.image or mapping.live:
            mapping.lay(image)
            mapping.given_back.clear()
            self._start()
        self._find_changed()
        self.owed = back = joined([*self.owed, *spans_of(at for at in self.held if at not in held)])
        for start, end in back:
            mapping.revert(start, end)
        reverted = set(each(back))
        fresh = [at for at, page in held.items() if at in reverted or self.held.get(at) is not page]
        for at in fresh:
            view[at : at + PAGE] = held[at]
        host.written(mapping)  # what was written here is known
        if self.hashed:
            theirs = digests(image).of
            for at in self.digests.keys() & reverted:
                self.difference += theirs.get(at, 0) - self.digests.pop(at)
            self.unhashed -= reverted
            self.unhashed.update(fresh)
        self.held, self.owed = dict(held), []

    def copy(self, mapping: Mapping) -> None:
        """Make another mapping hold the same, on the same image, as of the last look."""
        held, much = len(self.held), FEW + self.size
        if 4 * held > much or self.lent + held > much:
            self.make_image()
        self.lent += len(self.held)
        mapping.lay(self.mapping.image)
        other = Pages.of(mapping)
        for at, page in self.held.items():
            mapping.view[at : at + PAGE] = page
        other.held, other.digests, other.unhashed = dict(self.held), dict(self.digests), set(self.unhashed)
        other.difference, other.hashed, other.lent = self.difference, self.hashed, self.lent
