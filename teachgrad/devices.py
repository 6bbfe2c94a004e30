"""Where tensors live. There is one device, "cpu"; functions of the array API standard take it as an argument."""

from __future__ import annotations

from typing import Any

from .errors import TeachgradError


def check_device(device: Any) -> None:
    """Refuse every device but "cpu" (or None)."""
    if device not in (None, "cpu"):
        raise TeachgradError(f"there is no device {device!r}: tensors live on \"cpu\"")
