"""A secret that is named by a variable of the environment, where no settings file is read that would fill it in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from streamer.errors import ConfigError
from streamer.redact import remember_secret

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def filled_in(secret: str, environ: Mapping[str, str] = os.environ) -> str:
    """The value of the variable that ``secret``, ``${NAME}``, names; any other text as it is. Either is hidden from now on.

    So a command line, which every user of the machine may read, needs to hold the name only. Raises ``ConfigError`` for a
    variable that is not set.
    """
    if (found := _VARIABLE.fullmatch(secret)) is not None:
        if not environ.get(found[1]):
            raise ConfigError(
                f"the environment has no variable {found[1]}", hint=f"export {found[1]} before you start streamer"
            )
        secret = environ[found[1]]
    remember_secret(secret)
    return secret
