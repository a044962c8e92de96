"""What the command line alone reads from the environment (``ONEMAP_…``), once, at the door."""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from layers.errors import OneMapError

Settings = TypeVar("Settings", bound=BaseSettings)


class CliSettings(BaseSettings):
    """Settings of the command line.

    Every setting is read from the environment variable ``ONEMAP_`` + its name.
    """

    model_config = SettingsConfigDict(env_prefix="ONEMAP_", frozen=True, extra="ignore")

    #: The folder of private clusters, for ``onemap demo`` and the tests.
    state_dir: Path = Path(".onemap")
    #: The folder whose ``manifest.yaml`` lists what ``onemap demo`` loads.
    samples_dir: Path = Path("data/samples")


class InvalidSetting(OneMapError):
    """An environment variable has a value that its setting cannot take."""


def read_settings(kind: type[Settings]) -> Settings:
    """Read one room's settings from the environment.

    Args:
        kind: The room's settings class.

    Raises:
        InvalidSetting: A variable has an unfit value; the message names it, not its value.
    """
    try:
        return kind()
    except SettingsError as error:
        # A list or an object that is no JSON; pydantic's sentence names the field, no value.
        raise InvalidSetting(f"the environment has an unfit setting: {error}") from error
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        faults = "; ".join(
            f"{prefix}{'.'.join(str(part) for part in fault['loc'])}".upper() + f": {fault['msg']}"
            for fault in error.errors()
        )
        raise InvalidSetting(f"the environment has an unfit setting: {faults}") from error


def environment_with(**changes: str) -> dict[str, str]:
    """Return this process's environment for one that it starts, with some variables changed."""
    return {**os.environ, **changes}
