"""The inbox: a folder with a folder per class, into which people and machines drop photos while somebody watches.

In: the inbox as it is now. Out: which classes' photos have settled (`Settling` has the rule), and folders `.done/TIME`
and `.rejected/TIME` that take what was dealt with, with a text that says what came of it. Nothing is deleted but what lies
in these beyond a limit or on request, no link is followed, and nothing that changed meanwhile is moved. What cannot be moved stays and is remembered. The inbox
may lie on a network share: it is polled.
"""

from components.inbox.filing import Filing
from components.inbox.found import Arrival, Found
from components.inbox.inbox import Inbox
from components.inbox.names import is_doubtful, is_under_way
from components.inbox.purging import FiledFolder, beyond, filed_folders, remove
from components.inbox.settings import InboxSettings
from components.inbox.settling import Settling
from components.inbox.wholeness import what_is_missing
from components.inbox.writers import is_being_written

__all__ = [
    "Arrival",
    "FiledFolder",
    "Filing",
    "Found",
    "Inbox",
    "InboxSettings",
    "Settling",
    "beyond",
    "filed_folders",
    "is_being_written",
    "is_doubtful",
    "is_under_way",
    "remove",
    "what_is_missing",
]
