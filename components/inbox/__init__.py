"""The inbox: a folder with one folder per class, into which people and machines drop photos while a process watches.

In: the inbox as it is now. Out: the classes whose photos have settled (`Settling` has the rule), and folders
`.done/TIME` and `.rejected/TIME`, which take the processed files and a text that says what came of them. Files are
deleted only from these folders, beyond a limit or on request. No link is followed, and a file that changed meanwhile is
not moved. A file that cannot be moved stays and is remembered. The inbox may lie on a network share: it is polled.
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
