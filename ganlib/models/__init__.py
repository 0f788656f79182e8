"""Networks, one file a family."""

from ganlib.models.joint import MinibatchDiscrimination, Packed
from ganlib.models.judge import Judge
from ganlib.models.mlp import BatchedLinear, MLPCritic, MLPGenerator

__all__ = ["BatchedLinear", "Judge", "MLPCritic", "MLPGenerator", "MinibatchDiscrimination", "Packed"]
