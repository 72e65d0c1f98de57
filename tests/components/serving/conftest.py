"""BentoML and libraries beneath it use what their own libraries deprecate; they are imported where that is no error."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import components.serving.service  # noqa: F401
