"""Networks, one file a family."""

from ganlib.models.joint import MinibatchDiscrimination, Packed
from ganlib.models.mlp import BatchedLinear, MLPCritic, MLPGenerator

__all__ = ["BatchedLinear", "MLPCritic", "MLPGenerator", "MinibatchDiscrimination", "Packed"]
