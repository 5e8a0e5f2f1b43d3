"""GPUs by their data sheets: what a plan needs to know of a device that is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mpt.config import Precision
from mpt.errors import UnknownName


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A GPU's memory and the speed of its matrix products, without sparsity.

    Attributes:
        memory: bytes.
        bf16, tf32, fp32: TFLOP/s, sums in float32.
    """

    name: str
    title: str
    memory: float
    bf16: float
    tf32: float
    fp32: float

    def peak(self, precision: Precision) -> float:
        """Return the operations per second in a precision."""
        return 1e12 * {"bf16": self.bf16, "tf32": self.tf32, "fp32": self.fp32}[precision]


DEVICE_PROFILES: Mapping[str, DeviceProfile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            DeviceProfile("a100-40gb", "A100 40 GB", 40e9, 312, 156, 19.5),
            DeviceProfile("a100-80gb", "A100 80 GB", 80e9, 312, 156, 19.5),
            DeviceProfile("h100-80gb", "H100 SXM 80 GB", 80e9, 989, 495, 67),
            DeviceProfile("h200-141gb", "H200 SXM 141 GB", 141e9, 989, 495, 67),
            DeviceProfile("l4-24gb", "L4 24 GB", 24e9, 121, 60, 30),
            DeviceProfile("rtx-4090-24gb", "RTX 4090 24 GB", 24e9, 165, 83, 83),
        )
    }
)
"""NVIDIA's data sheets, dense."""


def device_profile(name: str) -> DeviceProfile:
    """Return a profile by name. Raises ``UnknownName``."""
    if name not in DEVICE_PROFILES:
        raise UnknownName("device profile", name, DEVICE_PROFILES)
    return DEVICE_PROFILES[name]
