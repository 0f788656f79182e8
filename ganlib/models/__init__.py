"""Networks, one file a family."""

from ganlib.models.autoregressive import MADE, DiagonalBiLSTM, MaskedConv2d, PixelCNN, RowLSTM, TwoStacks
from ganlib.models.boltzmann import RBM
from ganlib.models.conditional import Concatenated, Projected
from ganlib.models.dcgan import DCCritic, DCGenerator
from ganlib.models.flow import AffineCoupling, Flow
from ganlib.models.joint import MinibatchDiscrimination, Packed
from ganlib.models.judge import Judge
from ganlib.models.mlp import BatchedLinear, MLPCritic, MLPGenerator
from ganlib.models.translation import Translator
from ganlib.models.vae import VAE

__all__ = [
    "MADE",
    "RBM",
    "VAE",
    "AffineCoupling",
    "BatchedLinear",
    "Concatenated",
    "DCCritic",
    "DCGenerator",
    "DiagonalBiLSTM",
    "Flow",
    "Judge",
    "MLPCritic",
    "MLPGenerator",
    "MaskedConv2d",
    "MinibatchDiscrimination",
    "Packed",
    "PixelCNN",
    "Projected",
    "RowLSTM",
    "Translator",
    "TwoStacks",
]
