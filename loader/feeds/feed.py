"""What the loader has to know of one broker's master."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Feed:
    """One broker's instrument master, as a value.

    Attributes:
        name: the feed's name in commands, paths and the ledger.
        title: the broker's name in sentences.
        url: where the dump is downloaded from.
        url_setting: the setting that changes `url`, for messages.
        table: the staging table (in schema `staging`) that the dump lands in.
        columns: the columns that a dump must have; staging keeps them in this order.
        content_types: parts of a content type, one of which a good answer has.
    """

    name: str
    title: str
    url: str
    url_setting: str
    table: str
    columns: tuple[str, ...]
    content_types: tuple[str, ...]

    def with_url(self, url: str) -> Feed:
        """The same feed, downloaded from another place."""
        return replace(self, url=url)
