"""RAM as it was at several moments, for the price of the pages that differ.

A `Version` holds, for every page that was written between its moment and the next one on the way to the
present, what was in the page before. The content of a page in a version is therefore found in that version, or in the
next one that holds it, or in memory itself. Going to a version turns the differences on the way round, so that
the others stay what they were and may also lie in another future (Baker's rerooting of persistent arrays).

Nothing here costs anything while nobody keeps a version: `Memory.writable` looks whether there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Content = bytes | bytearray | None  # of a page; None: never touched
Pages = dict[int, bytearray]


@dataclass(eq=False)
class Version:
    """RAM at one moment. `before`: page number -> content at that moment, where it differs from that of `next`.

    `next` None: the next one is the present. `kept`: somebody may want to go there.
    """

    before: dict[int, Content] = field(default_factory=dict)
    next: Version | None = None
    kept: bool = True

    def page(self, number: int, present: Pages) -> Content:
        """What the page had in it at that moment."""
        version: Version | None = self
        while version is not None:
            if number in version.before:
                return version.before[number]
            version = version.next
        return present.get(number)

    def pages(self, present: Pages) -> dict[int, bytes | bytearray]:
        """All pages of that moment that were touched. Their contents are shared with memory: copy, never write."""
        path = [self]
        while path[-1].next is not None:
            path.append(path[-1].next)
        found: dict[int, Content] = dict(present)
        for version in reversed(path):
            found.update(version.before)
        return {number: content for number, content in found.items() if content is not None}

    @property
    def size(self) -> int:
        """Bytes that its differences take."""
        return sum(len(content) for content in self.before.values() if content is not None)


class Versions:
    """All versions of one memory. `latest` is the one after which memory changes now, if there is one."""

    def __init__(self) -> None:
        self.known: list[Version] = []
        self.latest: Version | None = None

    def add(self) -> Version:
        """The present becomes a version."""
        version = Version()
        if self.latest is not None:
            self.latest.next = version
        self.known.append(version)
        self.latest = version
        self.tidy()
        return version

    def forget(self, version: Version) -> None:
        """Nobody wants to go there any more: its differences go to the versions that need them."""
        version.kept = False
        self.tidy()

    def tidy(self) -> None:
        """Take out what nobody keeps, as far as it does not stand between two others and the present."""
        for version in [known for known in self.known if not known.kept]:
            users = [known for known in self.known if known.next is version]
            if version is self.latest:
                if len(users) > 1:
                    continue  # memory's changes can be noted in one place only
                self.latest = users[0] if users else None
            for user in users:
                user.before = version.before | user.before
                user.next = version.next
            self.known.remove(version)

    def go(self, version: Version, present: Pages) -> list[int]:
        """Make memory what it was at that moment. Returns the numbers of the pages that changed."""
        path = [version]
        while path[-1].next is not None:
            path.append(path[-1].next)
        changed: dict[int, None] = {}
        exchange(path[-1].before, present)  # what has happened since the last version is gone
        changed.update(dict.fromkeys(path[-1].before))
        path[-1].before = {}
        for earlier, later in reversed(list(zip(path, path[1:], strict=False))):
            later.before = exchange(earlier.before, present)
            changed.update(dict.fromkeys(earlier.before))
            later.next, earlier.before = earlier, {}
        version.next = None
        self.latest = version
        self.tidy()
        return list(changed)


def exchange(contents: dict[int, Content], present: Pages) -> dict[int, Content]:
    """Put contents into memory's pages, which stay the same objects; returns what was in them."""
    old: dict[int, Content] = {}
    for number, content in contents.items():
        page = present.get(number)
        if content is None:
            old[number] = present.pop(number, None)
        elif page is None:
            old[number], present[number] = None, bytearray(content)
        else:
            old[number] = bytes(page)
            page[:] = content
    return old
