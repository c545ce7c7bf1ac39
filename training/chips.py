"""What the makers' data sheets say of the devices that JAX names."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """Of one JAX device, which on TPU v2 and v3 is half a chip."""

    flops: float  # per second, dense, bfloat16
    memory: float  # bytes


# By the first words of JAX's device_kind, whole ones: an L40S is no L4, and a "lite" TPU another chip.
CHIPS = {
    "NVIDIA H200": Chip(989e12, 141e9),
    "NVIDIA H100": Chip(989e12, 80e9),
    "NVIDIA A100": Chip(312e12, 40e9),
    "NVIDIA L4": Chip(121e12, 24e9),
    "Tesla V100": Chip(125e12, 16e9),
    "TPU v2": Chip(22.5e12, 8e9),
    "TPU v3": Chip(61.5e12, 16e9),
    "TPU v4": Chip(275e12, 32e9),
    "TPU v5 lite": Chip(197e12, 16e9),
    "TPU v5e": Chip(197e12, 16e9),
    "TPU v5": Chip(459e12, 95e9),
    "TPU v5p": Chip(459e12, 95e9),
    "TPU v6 lite": Chip(918e12, 32e9),
    "TPU v6e": Chip(918e12, 32e9),
}


def chip(kind: str) -> Chip | None:
    """None where the table has none, as for a processor."""
    return next((chip for name, chip in CHIPS.items() if re.match(rf"{name}\b(?! lite)", kind)), None)
