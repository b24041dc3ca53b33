"""Golden NVFP4 codes and scales of TransformerEngine's own reference quantizer.

    python make.py TRANSFORMER_ENGINE/transformer_engine/pytorch/custom_recipes/reference_nvfp4.py

runs the published class NVFP4QuantizerRef on the CPU (its package is replaced by empty stand-ins)
on ../quartet/input.f32 and writes the files beside this script. Needs numpy and torch.
"""

import enum
import hashlib
import importlib.util
import pathlib
import sys
import types

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
PACKAGE = "transformer_engine.pytorch"


class Formats(enum.Enum):
    E2M1 = 1


class Base:
    def __init__(self, **options):
        pass


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    module.__path__ = []
    sys.modules[name] = module
    return module


stand_in("transformer_engine")
stand_in(PACKAGE)
recipes = stand_in(PACKAGE + ".custom_recipes")
class GemmType(enum.Enum):
    FPROP = 1


recipes.gemm = stand_in(PACKAGE + ".custom_recipes.gemm", GEMMType=GemmType, MMParams=Base)
recipes.reference_utils = stand_in(PACKAGE + ".custom_recipes.reference_utils", Fp4Formats=Formats)
stand_in(PACKAGE + ".quantized_tensor", QuantizedTensorStorage=Base, Quantizer=Base)
spec = importlib.util.spec_from_file_location("reference", sys.argv[1])
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

x = torch.from_numpy(np.fromfile(HERE.parent / "quartet" / "input.f32", np.float32)
                     .reshape(64, 128))
print(sys.argv[1], hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest())
for name, rows, options in (
    ("folded", 1, {}),
    ("folded_16x16", 16, {}),
    ("mae", 1, dict(nvfp4_use_4over6=True, nvfp4_e4m3_max=256, nvfp4_4over6_err_mode="MAE")),
    ("mse", 1, dict(nvfp4_use_4over6=True, nvfp4_e4m3_max=256, nvfp4_4over6_err_mode="MSE")),
    ("mae_16x16", 16, dict(nvfp4_use_4over6=True, nvfp4_e4m3_max=256,
                           nvfp4_4over6_err_mode="MAE")),
):
    packed, scales = reference.NVFP4QuantizerRef._quantize_blockwise_reference(
        x, x.abs().max(), 16, rows, pow_2_scales=False, eps=0.0, **options)
    packed = packed.numpy().astype(np.uint8)
    codes = np.empty((64, 128), np.uint8)
    codes[:, ::2], codes[:, 1::2] = packed & 15, packed >> 4
    scales = scales.view(torch.uint8).numpy()[::rows]  # 16x16: one row a block
    codes.tofile(HERE / f"{name}.code.u8")
    scales.tofile(HERE / f"{name}.scale.u8")
    print(name, codes.shape, scales.shape)
print("torch", torch.__version__, "numpy", np.__version__)
