"""Which device is meant."""

from __future__ import annotations

from mpt.errors import ConfigError


def known_device(name: str | None) -> str | None:
    """Return the device as it was given. Raises ``ConfigError`` if torch knows none of that name.

    torch is imported late: a command line is parsed without it.
    """
    import torch

    if name is None:
        return None
    try:
        place = torch.device(name)
    except RuntimeError:
        raise ConfigError(
            f"unknown device {name!r}",
            fix="give cpu, cuda or cuda:N",
        ) from None
    if place.type not in ("cpu", "cuda"):
        raise ConfigError(
            f"mpt does not compute on {name!r}",
            fix="give cpu, cuda or cuda:N",
        )
    seen = torch.cuda.device_count()
    if place.type == "cuda" and (place.index or 0) >= seen:
        raise ConfigError(
            f"device {name!r} was asked for, but torch sees {seen} CUDA devices",
            fix=f"give {'cpu' if not seen else f'cuda:0 to cuda:{seen - 1}, or cpu'}",
        )
    return name


def known_devices(names: str | None, device: str | None) -> tuple[str, ...]:
    """Return the devices of ``auto`` or of numbers by commas, as ``cuda:N``; none if None.

    Raises:
        ConfigError: no numbers of CUDA devices, one twice, or a single ``device`` beside them.
    """
    import torch

    if names is None:
        return ()
    if device is not None:
        raise ConfigError(f"--devices {names} with --device {device}", fix="give one of them")
    seen = torch.cuda.device_count()
    if names == "auto":
        return tuple(f"cuda:{number}" for number in range(seen))
    numbers = [name.strip() for name in names.split(",")]
    if not all(number.isdecimal() for number in numbers) or len({*numbers}) < len(numbers):
        raise ConfigError(
            f"--devices is {names!r}", fix="give auto, or numbers of GPUs by commas such as 0,1"
        )
    return tuple(f"cuda:{number}" for number in numbers if known_device(f"cuda:{number}"))
