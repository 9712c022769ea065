"""What can go wrong while old files are taken away.

    CleanupError (a RegistryError)
    |-- ManifestRefused   the manifest cannot be read, or says what cannot be meant
    |-- RootRefused       the folder is none that may be cleaned
    |-- TrashRefused      the trash folder, or the run that is to be undone, is none of ours
    |-- TrashUnwritable   the trash cannot be written: no right to, or no room
    `-- RunInProgress     another run has this folder

What goes wrong with one file stops nothing: it is a line of the report.
"""

from __future__ import annotations

from instrument_registry.errors import RegistryError


class CleanupError(RegistryError):
    """Base of what stops a cleanup before it moved anything."""


class ManifestRefused(CleanupError, ValueError):
    """The manifest cannot be read, or says what cannot be meant."""


class RootRefused(CleanupError, ValueError):
    """The folder is none that may be cleaned."""


class TrashRefused(CleanupError, ValueError):
    """The trash folder, or the run that is to be undone, is none of ours."""


class TrashUnwritable(CleanupError):
    """The trash cannot be written: no right to, or no room."""


class RunInProgress(CleanupError):
    """Another run has this folder."""
