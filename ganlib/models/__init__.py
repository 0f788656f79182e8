"""Networks, one file a family."""

from ganlib.models.conditional import Concatenated, Projected
from ganlib.models.dcgan import DCCritic, DCGenerator
from ganlib.models.joint import MinibatchDiscrimination, Packed
from ganlib.models.judge import Judge
from ganlib.models.mlp import BatchedLinear, MLPCritic, MLPGenerator
from ganlib.models.translation import Translator

__all__ = [
    "BatchedLinear",
    "Concatenated",
    "DCCritic",
    "DCGenerator",
    "Judge",
    "MLPCritic",
    "MLPGenerator",
    "MinibatchDiscrimination",
    "Packed",
    "Projected",
    "Translator",
]
